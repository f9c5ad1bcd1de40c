"""What commands refuse to write over."""

import gzip
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from opt_istn.cli import app, main
from opt_istn.cli.terminal import targets
from opt_istn.cli.terminal.targets import Target
from opt_istn.files import InputError
from tests.planted import tiny

RUNS = b'{"format":"opt-istn/run","version":2}\n' * 2
AGENT = Path(__file__).parents[2] / "golden" / "dqn.pt"
CERTIFICATE = b'{\n "format": "opt-istn/certificate",\n "version": 1\n}\n'
COMMANDS = {  # what each writes to {out}, from tiny.json and runs.jsonl
    "generate": "generate jutap-tiny --seed 0 -o {out}",
    "show": "show tiny.json -o {out}",
    "export": "export tiny.json --model arc-flow --format mps -o {out}",
    "solve": "solve tiny.json --solver labels -o {out}",
    "solve --certificate": "solve tiny.json --solver labels --certificate {out}",
    "compare": "compare tiny.json --solvers labels -o {out}",
    "report": "report runs.jsonl -o {out}",
    "bundle": "bundle runs.jsonl -o {out}",
    "prove": "prove tiny.json -o {out}",
    "prove --plan-output": "prove tiny.json --plan-output {out}",
    "pareto": "pareto tiny.json -o {out}",
    "pareto --csv": "pareto tiny.json --csv {out}",
    "budgets": "budgets tiny.json -o {out}",
    "weights": "weights tiny.json -o {out}",
    "starts": "starts tiny.json --solvers jutap.greedy -o {out}",
    "train": "train jutap.qlearning tiny.json --seed 0 -o {out}",
}
FOLDERS = {"reproduce", "get", "arcs"}  # their --output is a folder


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny().write("tiny.json")
    Path("runs.jsonl").write_bytes(RUNS)
    Path("tiny.cert.json").write_bytes(CERTIFICATE)


def _refused(command: str, out: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that is to be refused without a change to its target; return its one line."""
    before = Path(out).read_bytes()
    assert main(command.replace("{out}", out).split()) == 2
    assert Path(out).read_bytes() == before
    (line,) = capsys.readouterr().err.splitlines()
    assert "would be lost" in line
    return line


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_writes_over_what_it_does_not_write(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Records, packed too, an agent and other files stay unless their like is written."""
    shutil.copy("tiny.json", "other.json")
    shutil.copy(AGENT, "other.pt")
    Path("packed.gz").write_bytes(gzip.compress(RUNS))
    held = {"other.json": "instance", "tiny.cert.json": "certificate"}
    held |= dict.fromkeys(("runs.jsonl", "packed.gz"), "records") | {"other.pt": "archive"}
    own = {"generate": "instance", "compare": "records", "prove": "certificate"}
    own |= {"solve --certificate": "certificate", "train": "archive", "bundle": "archive"}
    for out, kind in held.items():
        if own.get(name) != kind:
            _refused(COMMANDS[name], out, capsys)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"generate"}))
def test_no_command_writes_over_its_input(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that a command reads stays, whatever its name in the output's place."""
    given = "runs.jsonl" if name in ("report", "bundle") else "tiny.json"
    os.symlink(given, "soft.png")  # noqa: PTH211 - the shorter one
    os.link(given, "hard.png")
    for out in (given, f"./{given}", "soft.png", "hard.png"):
        assert "the input" in _refused(COMMANDS[name], out, capsys)


def _writers(under: typer.Typer) -> Iterator[str]:
    for command in under.registered_commands:
        callback: Any = command.callback
        notes = [getattr(hint, "__metadata__", ()) for hint in callback.__annotations__.values()]
        options = [x for some in notes for x in some if getattr(x, "param_decls", None)]
        if any("--output" in option.param_decls for option in options):
            yield callback.__name__
    for group in under.registered_groups:
        if group.typer_instance is not None:
            yield from _writers(group.typer_instance)


def test_every_command_that_writes_is_here() -> None:
    """No command has an `--output` that these tests do not know."""
    assert set(_writers(app)) == {name.split()[0] for name in COMMANDS} | FOLDERS


@pytest.mark.parametrize(
    "command",
    [
        "solve tiny.json --solver toy --set agent=mine.pt -o {out}",
        "starts tiny.json --solvers a,b@agent=mine.pt -o {out}",
        "train jutap.dqn@start=mine.pt tiny.json --seed 0 -o {out}",
        "generate jutap-tiny --seed 0 --set users=mine.pt -o {out}",
        "generate jutap-tiny --seed 0 --each mine.pt -o {out}",
        "show tiny.json mine.pt -o {out}",
        "prove tiny.json mine.pt --plan-output {out}",
    ],
)
def test_files_of_parameters_are_inputs(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that an option or a parameter names is an input, too."""
    Path("mine.pt").write_bytes(b"PK\3\4")
    if "--each" in command:
        assert main(command.replace("{out}", "mine.pt").split()) == 2
        assert Path("mine.pt").read_bytes() == b"PK\3\4"
    else:
        _refused(command, "mine.pt", capsys)


def test_every_row_of_a_table_is_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    """`generate --each` writes nothing if one of its files holds records."""
    Path("each.csv").write_text("name\none\ntwo\n")
    Path("out").mkdir()
    Path("out/two.json").write_bytes(RUNS)
    assert main(["generate", "jutap-tiny", "--seed", "0", "--each", "each.csv", "-o", "out"]) == 2
    assert "found records" in capsys.readouterr().err
    assert not Path("out/one.json").exists()


def test_an_entry_of_the_library_replaces_its_like_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`library get` goes over what it wrote before, and over nothing else."""
    command = ["library", "get", "jutap-cut-off", "-o", "here"]
    assert main(command) == main(command) == 0
    (certificate,) = Path("here").glob("*.cert.json.gz")
    certificate.write_bytes(RUNS)
    capsys.readouterr()
    assert main(command) == 2
    assert "found records" in capsys.readouterr().err
    assert certificate.read_bytes() == RUNS


@pytest.mark.parametrize("holds", [b"", b"<html>", b'{"format": "png"}', b"\x1f\x8btorn", b"[1]"])
def test_what_is_none_of_ours_is_replaced(holds: bytes) -> None:
    """A page, an empty file and what others wrote are replaced as before."""
    Path("page.html").write_bytes(holds)
    targets.check(Target("--output", "page.html"), inputs=["runs.jsonl"])


def test_like_replaces_like() -> None:
    """A plan goes over a plan, an instance over an instance that is no input."""
    shutil.copy("tiny.json", "other.json")
    assert main(["solve", "tiny.json", "--solver", "labels", "-o", "plan.json"]) == 0
    targets.check(
        Target("--output", "plan.json", targets.PLAN), Target("--csv", "other.json", "an instance")
    )
    with pytest.raises(InputError, match="found a plan"):
        targets.check(Target("--output", "plan.json"))


def test_two_outputs_are_two_files() -> None:
    """A plan and a certificate cannot go to the same file, which is not there yet."""
    with pytest.raises(InputError, match="expected another file than --output"):
        targets.check(Target("--output", "one.json"), Target("--certificate", "./one.json"))
