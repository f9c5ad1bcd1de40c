"""Sentences for papers, from records."""

import msgspec
import pytest

from opt_istn import InputError
from opt_istn.library import records
from opt_istn.report.remedies import BOUND, PROOF, remedies
from opt_istn.report.table import gap_table
from opt_istn.runs.audit import summarise
from opt_istn.runs.ledger import Record, Source
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


def test_several_instances_have_a_sentence_with_means() -> None:
    """It tells the mean gap with its interval, and is missing where there is one instance."""
    runs = []
    for seed in range(6):
        new = {"sha256": f"{seed:064x}", "instance": f"i-{seed}", "source": Source(preset="tiny")}
        runs += [
            msgspec.structs.replace(run("labels", 1_000_000, 1_000_000), **new),
            msgspec.structs.replace(run("greedy", 1_100_000 + 10_000 * seed), **new),
        ]
    (told,) = records.means(runs)
    row = next(row for row in gap_table(runs).rows if row["kind"] != "exact")
    assert told.startswith("Over 6 instances of \\texttt{tiny} ")
    assert f"is 12.50\\,\\% ({row['gap_low_percent']:.2f} to " in told
    assert "95\\,\\% interval" in told
    assert records.means(runs[:2]) == []


def test_what_is_lacking_is_said_with_the_command_that_mends_it() -> None:
    """A missing bound, a claim without proof: each has its line; what is proven has none."""
    exact = run("labels", 1_000_000, 1_000_000)
    proven = msgspec.structs.replace(exact, certificate="ab" * 32)
    assert remedies(summarise([run("greedy", 5)])) == (f"{BOUND}.",)
    assert remedies(summarise([exact])) == (f"{PROOF}.",)
    assert remedies(summarise([proven])) == ()
    assert f"{PROOF}." in gap_table([exact]).notes


@pytest.mark.parametrize("runs", [[], [run("greedy", 5)]])
def test_nothing_known_is_nothing_to_cite(runs: list[Record]) -> None:
    """Without a bound, or without a record, there is no sentence."""
    with pytest.raises(
        InputError, match="expected a plan and a bound of an instance; no gap without a bound"
    ):
        records.sentences(runs)
