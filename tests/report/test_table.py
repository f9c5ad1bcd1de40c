"""Rows of the gap table: every run is counted, and the numbers are what they are said to be."""

import math
from typing import Any

import pytest

from opt_istn import InputError
from opt_istn.report.table import gap_table, render
from opt_istn.runs.ledger import Claim, Limits, Record, Source
from opt_istn.solver import Status
from tests.report.synthetic import changed, comparison, crash, run


def _row(records: list[Record], solver: str, **options: Any) -> dict[str, Any]:
    table = gap_table(records, **options)
    return next(dict(row) for row in table.rows if row["solver"] == f"jutap.{solver}")


def test_counts_and_gaps_of_a_heuristic() -> None:
    """Greedy has gaps of 10, 0 and 10 % to the best bounds, and solves the second instance."""
    row = _row(comparison(), "greedy")
    counts = ("instances", "runs", "failed", "proved", "solved", "confirmed", "gap_units")
    assert [row[name] for name in counts] == [3, 3, 0, 0, 1, 1, 3]
    assert row["gap_percent"] == pytest.approx(20 / 3)
    assert row["gap_low_percent"] == pytest.approx(0)
    assert row["gap_high_percent"] == pytest.approx(10)
    assert row["cost_mean"] == pytest.approx((110 + 200 + 330) / 3)
    assert row["energy_mj"] == 2_000_000
    assert (row["kind"], row["feasible"]) == ("heuristic", 1.0)


def test_runs_without_a_plan_are_counted() -> None:
    """One run of three has a plan: a third is feasible, and only that one has a gap."""
    row = _row(comparison(), "random")
    assert (row["runs"], row["failed"], row["gap_units"]) == (3, 1, 1)
    assert row["feasible"] == pytest.approx(1 / 3)
    assert row["gap_percent"] == pytest.approx(200)
    assert row["gap_low_percent"] is None
    assert row["failure_reasons"] == "ValueError: boom"


def test_bounds_without_plans() -> None:
    """A run that only has a bound lowers the feasible share, and its bound gap is reported."""
    row = _row(comparison(), "cpsat")
    assert (row["proved"], row["solved"], row["runs"]) == (2, 2, 3)
    assert row["bound_gap_percent"] == pytest.approx(100 * (0 + 0 + 20 / 290) / 3)


def test_failures_and_empty_hands_are_told_apart() -> None:
    """Crashes are failures with their first line; no plan and bound only are told separately."""
    table = gap_table(comparison())
    assert [(x.solver, x.kind, x.reason) for x in table.failures] == [
        ("jutap.random", "crashed", "ValueError: boom")
    ]
    assert [(x.solver, x.kind) for x in table.without_plan] == [
        ("jutap.cpsat", "bound_only"),
        ("jutap.random", "no_plan"),
    ]
    assert "exceeds the budget" in table.without_plan[1].reason


def test_like_failures_are_one_line() -> None:
    """Failures with the same reason are one incident that names every run."""
    table = gap_table([crash("greedy", seed) for seed in range(5)])
    assert len(table.failures) == 1
    assert len(table.failures[0].instances) == 5
    assert table.rows[0]["gap_percent"] is None


def test_headline_counts_instances() -> None:
    """On two instances two cores agree, one is open; all runs and failures are told."""
    records = comparison()
    text = gap_table(records).headline
    assert text.startswith("3 instances: 0 certified, 2 agreed (two different cores), 0 claimed")
    assert text.endswith("1 bounded or open; 12 runs, 1 failed, 2 without a plan")
    single = [record for record in records if record.solver != "jutap.cpsat"]
    assert "0 agreed (two different cores), 2 claimed (one core" in gap_table(single).headline


def test_order_is_by_plans_then_by_gap() -> None:
    """Whoever has more plans comes first, then whoever has the smaller gap, then by name."""
    table = gap_table([crash("zero"), *comparison()[::-1]])
    own = [row for row in table.rows if row["group"] == "paper" and not row["missing"]]
    assert [row["solver"] for row in own] == [
        *("jutap.labels", "jutap.greedy", "jutap.cpsat", "jutap.random")
    ]
    assert [row["feasible"] for row in own] == pytest.approx([1, 1, 2 / 3, 1 / 3])


def test_disputes_are_told_first() -> None:
    """Claims that contradict each other where no plan decides come before everything else."""
    claims = {"labels": Status.INFEASIBLE, "cpsat": Status.UNBOUNDED}
    records = [
        run(solver, status=status, claim=Claim(status, proof=solver))
        for solver, status in claims.items()
    ]
    table = gap_table([*records, crash("greedy")])
    assert len(table.disputes) == 2
    assert "1 disputed" in table.headline
    text = render(table)
    assert text.index("Disputed: 2") < text.index("Failed: 1") < text.index("1 instance")


def test_contradicted_runs_fail() -> None:
    """A bound above an evaluated plan is refuted by the table itself, and counts no more."""
    table = gap_table([run("liar", 120, 120), run("greedy", 100)])
    assert table.failures[0].kind == "refuted"
    assert {row["solver"]: row["failed"] for row in table.rows} == {
        "jutap.greedy": 0,
        "jutap.liar": 1,
    }


def test_negative_costs() -> None:
    """Gaps of negative costs are relative to the bound's magnitude; across zero there is none."""
    records = [run("labels", -100, -100), run("greedy", -80), run("blind", 20)]
    assert _row(records, "greedy")["gap_percent"] == pytest.approx(20)
    assert (_row(records, "blind")["gap_percent"], _row(records, "blind")["gap_left_out"]) == (
        None,
        1,
    )


def test_without_any_bound_there_is_no_gap() -> None:
    """Without a bound the gap is unknown, not zero, and nothing is solved."""
    row = _row([run("greedy", 100), run("blind", 90)], "blind")
    assert (row["gap_percent"], row["solved"], row["confirmed"]) == (None, 0, 0)


def test_proven_infeasibility_is_a_result() -> None:
    """Runs that prove infeasibility solve the instance; they are not listed as empty-handed."""
    proven = [run(x, status=Status.INFEASIBLE) for x in ("labels", "cpsat")]
    proven = [changed(x, claim=x.claim and changed(x.claim, proof=x.solver)) for x in proven]
    table = gap_table([*proven, run("greedy")])
    assert [row["solved"] for row in table.rows] == [1, 1, 0]
    assert [row["confirmed"] for row in table.rows] == [1, 1, 0]
    assert [x.solver for x in table.without_plan] == ["jutap.greedy"]
    assert table.headline.startswith("1 instance: 0 certified, 1 agreed")


def test_failed_runs_never_end() -> None:
    """A run that crashed at once counts with an infinite time, so that crashing is not fast."""
    row = _row([changed(crash("greedy"), wall_s=0.001)], "greedy")
    assert (row["time_median_s"], row["time_sgm_s"]) == (math.inf, math.inf)
    assert _row([run("blind", 1)], "blind")["time_sgm_s"] == pytest.approx(0.5)


def test_groups_are_presets_with_overrides() -> None:
    """Seeds of a preset share rows, overrides split them; file names group up to the seed."""
    other = Source(preset="paper", seed=0, overrides={"kappa": "1.1"})
    records = [
        run("greedy", 100, seed=0),
        run("greedy", 100, seed=1),
        run("greedy", 100, seed=2, source=other),
        run("greedy", 100, seed=3, source=Source(file="a"), instance="made/seed3"),
        run("greedy", 100, seed=4, source=Source(file="b"), instance="made/4"),
    ]
    found = [(row["group"], row["runs"]) for row in gap_table(records).rows]
    assert found == [("paper", 2), ("paper (kappa=1.1)", 1), ("made", 2)]


def test_rows_by_instance() -> None:
    """By instance, every instance has rows of its own, told apart by hash if names are equal."""
    table = gap_table(comparison(), by="instance")
    assert list(table.groups()) == ["paper-0", "paper-1", "paper-2"]
    same = [run("greedy", 1, seed=seed, instance="x") for seed in (1, 2)]
    names = [row["group"] for row in gap_table(same, by="instance").rows]
    assert names == ["x 00000001", "x 00000002"]


def test_variants_are_named_by_what_differs() -> None:
    """Variants of a solver are different rows, named by the settings in which they differ."""
    records = [
        run("dqn", 100, parameters={"agent": "a", "layers": 2}),
        run("dqn", 100, parameters={"agent": "b", "layers": 2}),
        run("labels", 100, limits=Limits(time_s=1.0)),
    ]
    names = sorted(row["solver"] for row in gap_table(records).rows)
    assert names == ["jutap.dqn (agent=a)", "jutap.dqn (agent=b)", "jutap.labels"]


def test_terms_cannot_replace_columns() -> None:
    """A term called like a column becomes ``terms.<name>``; texts and huge numbers are no terms."""
    terms = {"runs": 7, "modes": {"direct": 3}, "text": "x", "flag": True, "huge": 10**400}
    row = _row([run("greedy", 100, terms=terms)], "greedy")
    assert (row["runs"], row["terms.runs"], row["modes.direct"]) == (1, 7, 3)
    assert not {"text", "flag", "huge", "terms.huge"} & set(row)


def test_primal_integral_needs_a_trace_and_a_limit() -> None:
    """The primal integral is that of the trace up to the time limit."""
    trace = ((2.0, 200, None), (4.0, 100, 100))
    traced = run("labels", 100, 100, trace=trace, wall_s=4.0)
    assert _row([traced], "labels")["primal_integral_s"] == pytest.approx(2 + 1)
    untraced = _row([run("labels", 100, 100)], "labels")
    assert untraced["primal_integral_s"] is None


def test_absurd_costs_are_refused() -> None:
    """A cost that no integer problem has is refused in one line that names the instance."""
    with pytest.raises(InputError, match=r"paper-0: cost: expected .* within"):
        gap_table([run("greedy", 10**400)])


def test_no_records() -> None:
    """Of no records the table is empty, and says so."""
    table = gap_table([])
    assert table.rows == ()
    assert table.headline.startswith("0 instances")


@pytest.mark.parametrize("sign", [1, -1])
def test_costs_have_64_bits(sign: int) -> None:
    """2^63 is refused wherever it stands, also in a trace; one less is a cost."""
    least = sign * (2**63 - 1)
    assert _row([run("greedy", least)], "greedy")["cost_mean"] == float(least)
    told = ((1.0, sign * 2**63, None),)
    for record in (
        run("greedy", sign * 2**63),
        run("labels", None, sign * 2**63),
        run("greedy", 5, trace=told),
    ):
        with pytest.raises(InputError, match="expected cost and bound within"):
            gap_table([record])
    with pytest.raises(InputError, match="expected cost and bound within"):
        gap_table([run("greedy", 5, trace=((1.0, None, sign * 2**63),))])


@pytest.mark.parametrize("reference", [True, "200", 2**63, -(2**63), None])
def test_what_is_no_cost_is_no_reference(reference: object) -> None:
    """Savings are counted from whole numbers of at most 63 bits; the newer name comes first."""
    records = [run("labels", 100, 100), run("greedy", 150, terms={"reference": reference})]
    assert _row(records, "greedy")["left_percent"] is None
    older = changed(records[1], terms={"reference": reference, "no_push_us": 200})
    assert _row([records[0], older], "greedy")["left_percent"] == 50
    both = changed(records[1], terms={"no_push_us": 300, "reference": 200})
    assert _row([records[0], both], "greedy")["left_percent"] == 50


def test_limits_that_are_called_like_settings() -> None:
    """They keep their own name unless a setting has it, too."""
    records = [
        run("labels", 100, limits=Limits(time_s=x), parameters=given)
        for x in (1.0, 2.0)
        for given in ({}, {"time_s": 7})
    ]
    assert {row["solver"] for row in gap_table(records[::2]).rows} == {
        *("jutap.labels (time_s=1.0)", "jutap.labels (time_s=2.0)")
    }
    assert {row["solver"] for row in gap_table(records[1::2]).rows} == {
        *("jutap.labels (limit time_s=1.0)", "jutap.labels (limit time_s=2.0)")
    }


def test_those_that_miss_instances_are_ranked_on_what_they_share() -> None:
    """Better on the one instance that both have, worse on others: the former counts."""
    optima = [run("labels", 100, 100, n) for n in range(4)]
    first = [run("some", 200, None, 0), run("some", 100, None, 1)]
    second = [run("other", 110, None, 1), run("other", 100, None, 2)]
    rows = gap_table([*optima, *second, *first]).rows
    assert [row["solver"] for row in rows if row["group"] == "paper"] == [
        *("jutap.labels", "jutap.some", "jutap.other")
    ]
