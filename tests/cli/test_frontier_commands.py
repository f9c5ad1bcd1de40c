"""The commands pareto, budgets and weights: what they print, write, and exit with."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opt_istn import verifier
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.push import scenario as push

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(cli: Cli) -> Cli:
    """Return a runner of commands in a folder with an instance."""
    generate(PRESETS["jutap-tiny-k1.25"], 1, "tiny").write("tiny.json")
    return cli


@pytest.mark.parametrize("command", ["pareto", "budgets", "weights"])
def test_a_study_prints_writes_draws_and_proves(cli: Cli, command: str) -> None:
    """JSON and CSV hold the same rows, the figure is one, and each file proves what it is for."""
    files = ("-o", "a.png", "--csv", "a.csv", "--certificates", "proofs")
    code, out, err = cli(command, "tiny.json", *files, "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)
    with open("a.csv", newline="") as stream:
        written = list(csv.DictReader(stream))
    texts = [{key: "" if x is None else str(x) for key, x in row.items()} for row in rows]
    assert written == texts
    assert rows
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    certificates = sorted(Path("proofs").glob("*.cert.json.gz"))
    assert certificates
    for path in certificates:
        instance = path.with_name(path.name.replace(".cert", ""))
        assert verifier.check(verifier.read(instance), verifier.read(path))
    assert "proven by the verifier" in cli(command, "tiny.json", "--prove")[1]


def test_a_stranger_checks_a_proof(cli: Cli) -> None:
    """The verifier's file alone, run as a script, accepts a point of the front with its plan."""
    cli("pareto", "tiny.json", "--certificates", "proofs")
    plan = next(iter(sorted(Path("proofs").glob("*.plan.json"))))
    parts = [
        plan.with_name(plan.name.replace(".plan.json", x)) for x in (".json.gz", ".cert.json.gz")
    ]
    done = subprocess.run(
        [sys.executable, "-I", str(verifier.__file__), *map(str, parts), str(plan)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "accepted" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("budgets", "tiny.json", "--kappa", "much"), "--kappa"),
        (("budgets", "tiny.json", "--kappa", "-1"), "--kappa"),
        (("budgets", "tiny.json", "--kappa", "nan"), "--kappa"),
        (("pareto", "tiny.json", "-o", "a.gif"), "a.gif"),
        (("weights", "absent.json"), "absent.json"),
        (("pareto", "push.json"), "study"),
        (("weights", "bare.json"), "scenario"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    """What cannot be used is named in one line, with exit code 2."""
    push.generate(push.PRESETS["push-tiny"], 0, "tiny").write("push.json")
    document = generate(PRESETS["jutap-tiny"], 0).document() | {"scenario": {}}
    Path("bare.json").write_text(json.dumps(document))
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_starts_without_a_plan_are_said(cli: Cli) -> None:
    """A budget that nothing keeps leaves END alone with a plan, and the picture is drawn."""
    _, out, _ = cli("budgets", "tiny.json", "--kappa", "0.01", "-o", "a.svg", "--json")
    known = [row["start"] for row in json.loads(out) if row["cost"] is not None]
    assert known == [generate(PRESETS["jutap-tiny"], 1).end]
