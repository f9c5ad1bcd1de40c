"""Sentences for papers, from records."""

from typing import Any

import msgspec
import pytest

from opt_istn import InputError
from opt_istn.library import records
from opt_istn.report.remedies import BOUND, LONGER, PROOF, lacking
from opt_istn.report.table import gap_table, render
from opt_istn.runs.audit import summarise
from opt_istn.runs.ledger import Record, Source
from tests.report.synthetic import changed, run


def test_each_instance_has_a_sentence() -> None:
    """It tells the value, what that rests on, and the gap of what is not exact."""
    again = msgspec.structs.replace(run("greedy", 1_350_000), seed=1)
    runs = [run("labels", 1_000_000, 1_000_000), run("greedy", 1_250_000), again]
    found = records.sentences(runs)
    assert len(found) == 1
    assert "has the optimal cost" in found[0]
    assert "(claimed: no certificate, the word of \\texttt{jutap.labels})" in found[0]
    spread = "(mean of 2 runs; 25.00 to 35.00, the least and the largest)"
    assert f"greedy}} is 30.00\\,\\% {spread} above that bound" in found[0]
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
    assert told.startswith("Over 6 instances of \\texttt{tiny} (0 certified, 6 claimed), ")
    assert f"is 12.50\\,\\% ({row['gap_low_percent']:.2f} to " in told
    assert "95\\,\\% interval" in told
    assert records.means(runs[:2]) == []


REFERENCE = {"reference": 2_000_000}
OPTIMUM = run("labels", 1_000_000, 1_000_000)


def agents(*costs: int | None, **changes: Any) -> list[Record]:
    """Return runs of an agent on one instance, one a seed; None is a run without a plan."""
    return [
        changed(run("agent", cost, kind="agent", **changes), seed=seed, terms=REFERENCE)
        for seed, cost in enumerate(costs)
    ]


def certificate(bound: int, cost: int | None = None, **changes: Any) -> Record:
    """Return the record of a certificate."""
    return run("certificate", cost, bound, kind="exact", certificate="ab" * 32, **changes)


def preset(number: int, **changes: Any) -> dict[str, Any]:
    """Return the fields that name one of several instances of a preset."""
    source = Source(preset="tiny", seed=number)
    return {"sha256": f"{number}" * 64, "instance": f"i-{number}", "source": source} | changes


def test_a_run_without_a_plan_is_told_with_what_it_is_charged() -> None:
    """The mean says how many of its runs have none; a solver that has none at all is named."""
    (told,) = records.sentences([OPTIMUM, *agents(1_000_000, 1_100_000, None)])
    row = next(row for row in gap_table([OPTIMUM, *agents(1_000_000, 1_100_000, None)]).rows[1:])
    assert row["charged"] == 1
    lacks = "mean of 3 runs, 1 of them without a plan and charged the reference"
    spread = f"{row['gap_low_percent']:.2f} to {row['gap_high_percent']:.2f}"
    assert f"is 36.67\\,\\% ({lacks}; {spread}, the least and the largest) above" in told
    assert (row["gap_low_percent"], row["gap_high_percent"]) == (0, 100)
    (told,) = records.sentences([OPTIMUM, *agents(None, None), run("greedy", 1_500_000)])
    assert (
        "greedy} is 50.00\\,\\% above that bound; \\texttt{jutap.agent} has no plan in any" in told
    )
    unknown = [changed(one, terms={}) for one in agents(1_100_000, None)]
    (told,) = records.sentences([OPTIMUM, *unknown])
    assert "is 10.00\\,\\% (mean of 2 runs, 1 of them without a plan and left out)" in told


def test_means_tell_runs_without_a_plan() -> None:
    """Of one run an instance, and of several; who has no plan on any is named."""
    runs = []
    for number in range(3):
        own, exact = preset(number), changed(OPTIMUM, **preset(number))
        seeds = [1_100_000, None] if number == 0 else [1_100_000, 1_200_000]
        runs += [exact, *agents(*seeds, **own), changed(run("greedy", None), **own)]
    (told,) = records.means(runs)
    assert "(mean of 6 runs, 1 of them without a plan and charged the reference; " in told
    assert "on average; \\texttt{jutap.greedy} has no plan in any of 3 runs~" in told
    last = [one for one in runs if one.solver != "jutap.agent" or one.seed == (one.sha256 < "1")]
    (told,) = records.means(last)
    assert "(1 of 3 runs without a plan and charged the reference; " in told


def test_certificates_of_some_instances_make_no_part_of_the_group() -> None:
    """Only what is compared does; the sentence says how many instances are certified."""
    runs = []
    for number in range(5):
        own = preset(number)
        runs += [changed(OPTIMUM, **own), run("greedy", 1_100_000, **own)]
        if number < 3:
            runs.append(certificate(1_000_000, 1_000_000, **own))
        if number < 2:
            runs.append(run("straight", 1_300_000, **own))
    groups = {row["group"] for row in gap_table(runs).rows}
    assert groups == {"tiny", "tiny: 2 of 5 instances"}
    whole, part = records.means(runs)
    assert whole.startswith("Over 5 instances of \\texttt{tiny} (3 certified, 2 claimed), ")
    assert part.startswith("Over 2 of the 5 instances of \\texttt{tiny} (2 certified), ")
    assert "straight" not in whole


def test_a_certificate_of_less_than_is_claimed_is_told_as_such() -> None:
    """It proves its own bound, the rest is the word of a solver; only more time may help."""
    runs = [OPTIMUM, certificate(999_000, 1_000_000)]
    (told,) = records.sentences(runs)
    assert "(claimed: the word of \\texttt{jutap.labels}; certificate \\texttt{abab" in told
    assert "} proves at least $0.999000$, accepted by the verifier" in told
    assert "no certificate" not in told
    (advice,) = lacking(summarise(runs))
    assert advice == f"{LONGER[:1].upper()}{LONGER[1:]}."
    bounded = [run("cpsat", 1_000_000, 990_000), certificate(980_000, 1_000_000)]
    (told,) = records.sentences(bounded)
    assert "(bounded: the word of \\texttt{jutap.cpsat}; certificate" in told
    agreed = records.sentences([OPTIMUM, run("cpsat", 1_000_000, 1_000_000)])[0]
    assert "proven by \\texttt{jutap.cpsat} and \\texttt{jutap.labels})" in agreed


def test_changed_copies_of_an_instance_are_kept_apart() -> None:
    """Two hashes under one name have no common mean, and a line names both."""
    files = [preset(n, instance="city", source=Source(file=f"{n}.json")) for n in (1, 2)]
    runs = [
        one for own in files for one in (changed(OPTIMUM, **own), run("greedy", 2_000_000, **own))
    ]
    table = gap_table(runs)
    assert {row["group"] for row in table.rows} == {f"city {own['sha256'][:8]}" for own in files}
    assert records.means(runs) == []
    (line,) = table.twins
    assert line.startswith("city: 2 instances have this name")
    assert all(own["sha256"][:8] in line for own in files)
    assert line in render(table)
    others = [preset(n, instance="p-changed-0") for n in (1, 2)]
    sources = [Source(preset="p", overrides={"k": str(n)}) for n in (1, 2)]
    presets = [
        run("greedy", 5, **own | {"source": x}) for own, x in zip(others, sources, strict=True)
    ]
    assert gap_table(presets).twins == (), "presets with other parameters say so themselves"


def test_what_is_lacking_is_said_with_the_command_that_mends_it() -> None:
    """A missing bound, a claim without proof: each has its line; what is proven has none."""
    exact = run("labels", 1_000_000, 1_000_000)
    proven = msgspec.structs.replace(exact, certificate="ab" * 32)
    assert lacking(summarise([run("greedy", 5)])) == (f"N{BOUND[1:]}.",)
    assert lacking(summarise([exact])) == (f"W{PROOF[1:]}.",)
    assert lacking(summarise([proven])) == ()
    assert f"W{PROOF[1:]}." in gap_table([exact]).notes


@pytest.mark.parametrize("runs", [[], [run("greedy", 5)]])
def test_nothing_known_is_nothing_to_cite(runs: list[Record]) -> None:
    """Without a bound, or without a record, there is no sentence."""
    with pytest.raises(
        InputError, match="expected a plan and a bound of an instance; no gap without a bound"
    ):
        records.sentences(runs)
