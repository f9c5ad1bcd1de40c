"""The commands about runs: what they exit with, and what they say of broken files."""

from pathlib import Path

import pytest

from opt_istn import problems
from opt_istn.cli import main
from opt_istn.runs import ledger
from tests.planted import tiny

PLANTED = "tests.planted:"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny().write("tiny.json")


def _compare(*names: str, out: str = "runs.jsonl") -> int:
    solvers = ",".join(PLANTED + name for name in names)
    return main(["compare", "tiny.json", "--solvers", solvers, "-o", out])


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["Honest", "Detour"], 0),
        (["Honest", "BadInput"], 2),
        (["Honest", "Segfault"], 1),
        (["Honest", "Overbound"], 4),
        (["Honest", "Segfault", "Overbound"], 4),
    ],
)
def test_a_comparison_exits_with_the_worst(names: list[str], code: int) -> None:
    """It exits with 1 when a solver crashed, 2 when its input is bad, 4 when a claim is refuted."""
    assert _compare(*names) == code
    assert _compare(*names) == code  # the runs being there already


def test_disputes_come_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Claims that contradict each other are shown before the table, and exit with 4."""
    monkeypatch.setattr(problems.Problem, "bounded", lambda *_: False)
    assert _compare("Overbound", "Boundless") == 4
    out = capsys.readouterr().out
    assert "Disputed: 2" in out.splitlines()[0]
    assert "no plan decides" in out
    assert "0 failed" in out
    assert main(["verify", "runs.jsonl"]) == 4
    assert capsys.readouterr().out.count("disputed  ") == 2


def test_a_broken_line_is_refused_until_it_is_moved(capsys: pytest.CaptureFixture[str]) -> None:
    """`table` and `verify` name a broken line and exit with 2; `repair` moves it aside."""
    _compare("Honest", "Detour", "NoPlan")
    path = Path("runs.jsonl")
    lines = path.read_bytes().splitlines()
    lines[1] = lines[1].replace(b'"solver":"', b'"solver":', 1)
    path.write_bytes(b"\n".join(lines) + b"\n")
    capsys.readouterr()
    for command in ("table", "verify"):
        assert main([command, "runs.jsonl"]) == 2
        err = capsys.readouterr().err
        assert err.startswith("opt-istn: runs.jsonl:2: ")
        assert err.count("\n") == 1
    assert main(["repair", "runs.jsonl"]) == 0
    assert "1 lines moved to runs.jsonl.bad" in capsys.readouterr().out
    assert Path("runs.jsonl.bad").read_bytes() == lines[1] + b"\n"
    assert len(ledger.read(path)) == 2
    assert main(["table", "runs.jsonl"]) == 0
    assert main(["verify", "runs.jsonl"]) == 0


def test_start_up_can_be_limited(capsys: pytest.CaptureFixture[str]) -> None:
    """A module that sleeps when it is imported costs the start-up limit given, once."""
    Path("sleepy.py").write_text("import time; time.sleep(60)\n")
    words = ["tiny.json", "--solvers", "sleepy.py:Solver", "-o", "runs.jsonl"]
    assert main(["compare", *words, "--startup-limit", "0.5"]) == 3
    assert "not ready after 0.5 s of start-up" in capsys.readouterr().out


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_records_need_a_regular_file(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A comparison into a device is refused in one line."""
    assert _compare("Honest", out=device) == 2
    assert "expected a regular file" in capsys.readouterr().err
