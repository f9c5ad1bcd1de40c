"""Long comparisons speak: a line for each run, and after an interrupt what is kept."""

import re
from pathlib import Path

import msgspec
import pytest

from opt_istn import Budget, Status
from opt_istn.cli import main
from opt_istn.cli.terminal import speaking
from opt_istn.runs import compare, ledger
from opt_istn.runs.ledger import Record, Source
from tests.planted import tiny


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny().write("tiny.json")


def _run(name: str) -> Record:
    source = Source(file="tiny.json")
    return compare.run_one(tiny(), source, f"tests.planted:{name}", {}, 0, Budget())


def test_a_line_tells_solver_instance_status_gap_and_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The gap is to the best bound so far of any run; without one there is none."""
    new = {"time": "2999-01-01T00:00:00+00:00"}
    names = ("Detour", "Honest", "Segfault")
    detour, honest, crash = (msgspec.structs.replace(_run(name), **new) for name in names)
    with speaking.comparison("r.jsonl", 5, quiet=False) as heard:
        for run in (detour, honest, detour, crash):
            heard(run)
        heard(msgspec.structs.replace(honest, time="2000-01-01T00:00:00+00:00"))
    beginning, *said = capsys.readouterr().err.splitlines()
    assert beginning.startswith("opt-istn: 5 runs into r.jsonl; ")
    name = "opt-istn: tests.planted:"
    first = re.escape(f"{name}Detour seed 0 on tiny: feasible, no gap yet, ")
    assert re.fullmatch(first + r"[\d.e-]+ s \(1 of 5\)", said[0])
    assert said[1].startswith(f"{name}Honest seed 0 on tiny: optimal, gap 0 %, ")
    assert said[2].startswith(f"{name}Detour seed 0 on tiny: feasible, gap 41 %, ")
    assert said[3].startswith(f"{name}Segfault seed 0 on tiny: crashed, killed by SIGSEGV, ")
    assert len(said) == 4
    assert (heard.kept, heard.reused) == (5, 1)


def test_variants_of_a_solver_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    """The line of a run names its parameters as the command line does, without their hashes."""
    detour = msgspec.structs.replace(
        _run("Detour"),
        time="2999-01-01T00:00:00+00:00",
        parameters={"module": "my.py:act", "module#sha256": "ab"},
    )
    with speaking.comparison("r.jsonl", 1, quiet=False) as heard:
        heard(detour)
    assert "Detour@module=my.py:act seed 0 on tiny" in capsys.readouterr().err


def test_a_shard_says_about_how_many_runs_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    """A shard may have more runs than its part of all: it never says 2 of 1."""
    detour = msgspec.structs.replace(_run("Detour"), time="2999-01-01T00:00:00+00:00")
    with speaking.comparison("r.jsonl", 1, quiet=False, roughly=True) as heard:
        heard(detour)
        heard(detour)
    ends = [line[line.rindex("(") :] for line in capsys.readouterr().err.splitlines()[1:]]
    assert ends == ["(1 of about 1)", "(2 of about 2)"]


def test_json_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks for JSON gets nothing else."""
    words = ["compare", "tiny.json", "--solvers", "tests.planted:Honest", "-o", "r.jsonl", "--json"]
    assert main(words) == 0
    assert capsys.readouterr().err == ""


def test_after_an_interrupt_it_says_what_is_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with the number of runs in the file, and the same command goes on with the others."""
    words = ["compare", "tiny.json", "--solvers", "tests.planted:Honest,tests.planted:Detour"]
    words += ["-o", "r.jsonl"]

    def interrupted(self: speaking.Speaker, _: Record) -> None:
        self.kept += 1
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(speaking.Speaker, "__call__", interrupted)
        assert main(words) == 130
    err = capsys.readouterr().err.splitlines()
    assert "1 of 2 runs are kept in r.jsonl; the same command goes on with the others" in err[1]
    assert len(ledger.read("r.jsonl")) >= 1
    assert main(words) == 0
    assert {run.status for run in ledger.read("r.jsonl")} == {Status.OPTIMAL, Status.FEASIBLE}
