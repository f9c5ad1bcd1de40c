"""Records as a data frame: one row a run, with documented columns."""

import re
import sys
from pathlib import Path

import pytest

from opt_istn import Budget, InputError, read_runs
from opt_istn.report import frame
from opt_istn.runs import appender, compare
from opt_istn.runs.ledger import Source
from tests.planted import tiny


@pytest.fixture(autouse=True)
def _runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tiny().write("tiny.json")
    for name in ("Honest", "Detour", "NoPlan", "Overbound"):
        run = compare.run_one(
            tiny(), Source(file="tiny.json"), f"tests.planted:{name}", {}, 0, Budget()
        )
        appender.append("r.jsonl", run)


def test_a_row_says_of_a_run_what_the_record_and_the_others_say() -> None:
    """Gaps are to the best bound of all runs; a run that another refutes is failed."""
    found = read_runs("r.jsonl").to_frame()
    rows = {row["solver"].partition(":")[2]: row for row in found.to_dict("records")}
    assert rows["Detour"]["gap"] == pytest.approx(0.41)
    assert rows["Honest"]["gap"] == 0
    assert rows["Honest"]["term.length_m"] > 0
    assert rows["Overbound"]["status"] == "failed"
    assert found["cost"].dtype == found["bound"].dtype == "Int64"
    assert found["bound"].isna().tolist() == [False, True, True, True]


def test_columns_are_documented() -> None:
    """The table in the module names every column, and no other."""
    found = read_runs("r.jsonl").to_frame()
    rows = re.findall(r"^\| (`.+?) \|", frame.__doc__ or "", re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {name for name in found if not name.startswith("term.")} == named


def test_without_pandas_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing package is one line."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install"):
        read_runs("r.jsonl").to_frame()
