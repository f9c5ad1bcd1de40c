"""Sentences for papers, from records."""

import msgspec
import pytest

from opt_istn import InputError
from opt_istn.library import records
from opt_istn.runs.ledger import Record
from tests.report.synthetic import run


def test_each_instance_has_a_sentence() -> None:
    """It tells the value, what that rests on, and the gap of what is not exact."""
    again = msgspec.structs.replace(run("greedy", 1_350_000), seed=1)
    runs = [run("labels", 1_000_000, 1_000_000), run("greedy", 1_250_000), again]
    found = records.sentences(runs)
    assert len(found) == 1
    assert "has the optimal cost" in found[0]
    assert "(claimed: no certificate, the word of " in found[0]
    assert "greedy} is 30.00\\,\\% (mean of 2 runs) above that bound" in found[0]
    assert found[0].endswith("~\\cite{opt-istn}.")
    best = records.sentences([*runs, run("straight", 1_000_000)])
    assert "straight} is 0.00\\,\\%" in best[0], "who reaches the optimum is told, too"
    twin = msgspec.structs.replace(run("labels", 2_000_000, 2_000_000), sha256="f" * 64)
    assert "greedy} is 30.00" in records.sentences([*runs, twin])[0], "a shared name loses no gap"
    assert "@misc{opt-istn,\n" in records.software("2026")


@pytest.mark.parametrize("runs", [[], [run("greedy", 5)]])
def test_nothing_known_is_nothing_to_cite(runs: list[Record]) -> None:
    """Without a bound, or without a record, there is no sentence."""
    with pytest.raises(InputError, match="expected records of an instance with a plan and a bound"):
        records.sentences(runs)
