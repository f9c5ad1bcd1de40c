"""Small inputs that once were read without a word: each is refused in one line that names where."""

from pathlib import Path

import pytest

from opt_istn.cli import main

CASES = Path(__file__).parent / "cases"
TORN, TWICE, OLD = (
    CASES / name for name in ("torn_middle.jsonl", "tle_twice.txt", "tle_epochs.txt")
)
GENERATE = "generate push-tiny-v2 --seed 0 -o out.json --set constellation="


@pytest.mark.parametrize(
    ("command", "where", "said"),
    [
        *(
            (f"{name} {TORN}", f"{TORN}:2: ", "expected a JSON object")
            for name in ("table", "verify")
        ),
        (f"report {TORN} -o out.json", f"{TORN}:2: ", "expected a JSON object"),
        (GENERATE + str(TWICE), f"{TWICE}: line 32", "the one of line 2 again"),
        (GENERATE + str(OLD), f"{OLD}: line 32", "within 28 days of line 2's"),
    ],
)
def test_a_case_is_refused(
    command: str,
    where: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, the line of the file and what is wrong with it; nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert where in err
    assert said in err
    assert not list(tmp_path.iterdir())
