"""`solvers` and `presets` tell what there is, and what of it one can choose."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from opt_istn.cli import app, main
from opt_istn.solver import KINDS


def _json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_solver_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """No installed solver is without a sentence, a kind and what it knows; nor a preset."""
    for row in _json(capsys, "solvers"):
        assert row["kind"] in KINDS, row
        assert row["knows"], row
        assert re.fullmatch(r"(?!Solver )[A-Z].*\w`*\.", row["meaning"]), row
    assert all(row["meaning"] for row in _json(capsys, "presets"))


def test_listing_imports_no_solver() -> None:
    """What solvers are is read from their sources."""
    lines = "import sys; from opt_istn.cli import main; main(['solvers']); print(set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    for name in ("torch", "ortools", "pyomo", "formulations.jutap.labels", "learners.jutap.dqn"):
        assert f"'{name}'" not in loaded
    assert "'opt_istn.described'" in loaded


def test_a_solver_tells_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    """With its name, short or long, come parameters and defaults, and those of its training."""
    told = _json(capsys, "solvers", "jutap.dqn")
    playing = {row["name"]: row for row in told["parameters"]}
    assert playing["agent"]["default"] == ""
    assert playing["weights"]["default"] == "'last'"
    assert all(row["meaning"] for row in (*told["parameters"], *told["training"]))
    assert "patience" in {row["name"] for row in told["training"]}
    assert main(["solvers", "dqn"]) == 0
    assert "patience" in capsys.readouterr().out


def test_what_is_trained_but_plays_nothing_tells_its_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A backbone of images is made by `train` and is no solver."""
    told = _json(capsys, "solvers", "push.backbone")
    assert {"images", "epochs"} <= {row["name"] for row in told["training"]}
    assert main(["solvers", "backbone"]) == 0
    assert "opt-istn train push.backbone@name=value" in capsys.readouterr().out


def test_an_unknown_solver_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that does not exist is bad input, with the closest one."""
    assert main(["solvers", "jutap.dqm"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_every_parameter_of_a_preset_has_a_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever lists a preset learns what each parameter is, and what it may be."""
    for preset in ("jutap-small-v2", "push-tiny-v2"):
        told = _json(capsys, "presets", preset)
        assert set(told["meanings"]) == set(told["parameters"])
        assert all(told["meanings"].values()), preset
    assert main(["presets", "jutap-small-v2"]) == 0
    assert "once" in capsys.readouterr().out.partition("hole_bonus")[2].partition("reward")[0]


def test_a_preset_tells_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    """With its name come its parameters, as --set takes them."""
    told = _json(capsys, "presets", "jutap-paper-k1.02")
    assert told["parameters"]["kappa"] == 1.02
    assert main(["presets", "push-paper-v2"]) == 0
    assert "cache_items" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("solvers jutap.dq", "jutap.dqn"),
        ("solve x.json --solver val", "value-iteration"),
        ("compare push-fl", "push-fleet"),
        ("compare push-tiny --solvers labels,jutap.gr", "labels,jutap.greedy"),
        ("starts x.json --solvers greedy,val", "greedy,value-iteration"),
        ("compare push-tiny --solvers labels,README", "labels,README.md"),
        ("train push.mm", "push.mmappo"),
        ("train dqn jutap-sm", "jutap-small-v2"),
        ("generate push-ti", "push-tiny"),
        ("library get jutap-one", "jutap-one-row"),
    ],
)
def test_shells_complete_names(
    typed: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a shell asks for is answered, by the beginning of the word."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").touch()
    words = ["opt-istn", *typed.split(" ")]
    asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    asked |= {"_OPT_ISTN_COMPLETE": "complete_bash"}
    told = CliRunner().invoke(app, prog_name="opt-istn", env=asked).output.split()
    assert found in told
    assert all(name.startswith(words[-1]) for name in told)


def _commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*before, name))
        else:
            yield (*before, name), command


COMMANDS = dict(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_ends_with_an_example_of_it(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The example begins with the command, and its options and arguments are ones that it has."""
    assert main([*words, "--help"]) == 0
    program, *example = shlex.split(capsys.readouterr().out.strip().splitlines()[-1])
    assert program == "opt-istn"
    assert tuple(example[: len(words)]) == words
    COMMANDS[words].make_context("opt-istn", example[len(words) :])
