"""The cells of the table, by hand."""

import math
from typing import Any

import pytest

from opt_istn.report import columns, groups
from opt_istn.report.aggregates import Series
from opt_istn.report.columns import Column, Table
from opt_istn.report.table import gap_table
from opt_istn.runs.ledger import Claim, Failure, Limits, Record
from opt_istn.solver import Status
from tests.report.synthetic import changed, comparison, crash, run


def _row(record: Record, *others: Record) -> dict[str, Any]:
    rows = gap_table([record, *others]).rows
    return next(dict(row) for row in rows if row["solver"] == record.solver)


def _cells(*records: Record, **options: Any) -> list[dict[str, str]]:
    """Return what people see of every row, by the titles of its columns."""
    table = gap_table(records, **options)
    return [
        {c.title: c.show(row) for shown in table.blocks(table.rows).values() for c in shown}
        for row in table.rows
    ]


def _terms(**terms: Any) -> Record:
    return run("greedy", 100, terms=terms)


def test_terms_are_told_in_their_units() -> None:
    """Millijoules as kJ, microseconds and seconds as s, dB and m as they are; others by name."""
    (cells,) = _cells(
        _terms(a_mj=2_500_000, b_us=1_500_000, c_db=3.25, d_s=2.0, e_m=1234.5, modes={"f_g": 7})
    )
    assert cells["a kJ"] == "2.50"
    assert (cells["b s"], cells["c dB"], cells["d s"]) == ("1.50", "3.25", "2.00")
    assert (cells["e m"], cells["f g"]) == ("1234", "7.00")


@pytest.mark.parametrize(
    ("largest", "small"),
    [(1000, "5"), (999, "5.0"), (100, "5.0"), (99, "5.00"), (5, "5.00"), (1, None), (0.5, None)],
)
def test_all_rows_of_a_column_have_as_many_digits(largest: float, small: str | None) -> None:
    """None from 1000 on, one from 100 on, two from 1 on, else three, by the largest magnitude."""
    own = 5 if small else largest
    records = [run("greedy", 100, terms={"x": -largest}), run("blind", 101, terms={"x": own})]
    expected = {1: ("-1.00", "1.00"), 0.5: ("-0.500", "0.500")}
    second, first = (cells["x"] for cells in _cells(*records))
    assert second == (small or expected[largest][1])
    assert small or first == expected[largest][0]


def test_costs_and_memory_have_a_unit() -> None:
    """Costs in millions with three decimals, memory in whole MiB."""
    (cells,) = _cells(run("greedy", 12_345_678, peak_memory_mb=99.6))
    assert (cells["cost / 10⁶"], cells["MiB"]) == ("12.346", "100")


def test_a_column_of_nothing_is_not_shown() -> None:
    """A term that no row has is no column; one that a row lacks is a dash there."""
    cells = _cells(_terms(x=1.0), run("blind", 101, terms={}))
    assert [row["x"] for row in cells] == [columns.ABSENT, "1.00"]
    assert "y" not in cells[0]


def test_means_of_terms_are_over_runs_with_a_plan() -> None:
    """Nested ones are dotted; references, flags, texts, and what could overflow are left out."""
    terms = {"x": 1, "in": {"y": 2.0, "z": True}, "reference": 200, "no_push_us": 5, "big": 10**18}
    second = {"x": 4, "in": {"y": 3.0}, "text": "t", "low": -(10**18)}
    every = groups.every_series(
        [run("greedy", 1, terms=terms), run("greedy", 1, None, 1, terms=second)]
    )
    assert columns.term_means(every[0]) == {"x": 2.5, "in.y": 2.5}
    failed = changed(
        run("greedy", 1, terms={"x": 9}), status=Status.FAILED, failure=Failure.CRASHED
    )
    assert columns.term_means(groups.every_series([failed])[0]) == {}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00994, "0.0099"),
        (0.01, "0.010"),
        (9.9994, "9.999"),
        (10.0, "10.0"),
        (123.45, "123.5"),
        (math.inf, "\N{INFINITY}"),
    ],
)
def test_seconds_have_the_digits_that_matter(seconds: float, text: str) -> None:
    """Four decimals under 0.01 s, three under 10 s, one from there on."""
    column = next(c for c in gap_table(comparison()).columns if c.name == "time_median_s")
    assert column.show({"time_median_s": seconds}) == text
    assert column.show({"time_median_s": None}) == columns.ABSENT


def test_times_of_a_row() -> None:
    """Of 0.1, 0.2 and 3 s the median is 0.2; the geometric mean is shifted by 0.01 s."""
    records = [run("greedy", 100, None, n, wall_s=x) for n, x in enumerate((0.1, 3.0, 0.2))]
    row = _row(*records)
    assert row["time_median_s"] == pytest.approx(0.2)
    assert row["time_sgm_s"] == pytest.approx((0.11 * 3.01 * 0.21) ** (1 / 3) - 0.01)


def test_memory_is_the_most_of_any_run() -> None:
    """Runs that do not say how much count for nothing."""
    records = [
        run("greedy", 1, None, n, peak_memory_mb=x) for n, x in enumerate((30.0, None, 70.0))
    ]
    assert _row(*records)["peak_memory_mb"] == 70
    assert _row(changed(records[0], peak_memory_mb=None))["peak_memory_mb"] is None


def test_a_certificate_is_that_of_the_only_instance() -> None:
    """A group of one instance has its hash, of which people see the beginning; others have none."""
    proven = run("labels", 100, 100, certificate="0123456789abcdef" * 4)
    row = _row(proven)
    assert row["certificate"] == "0123456789abcdef" * 4
    assert _row(proven, run("labels", 100, 100, 1))["certificate"] is None
    assert _cells(proven, cite=True)[0]["certificate"] == "0123456789abcdef"
    assert "certificate" not in _cells(proven)[0]
    assert _cells(run("labels", 100, 100), proven, cite=True)[0]["certificate"] != ""


def test_primal_integrals_of_what_was_told() -> None:
    """Up to the limit, of runs with a trace or without a plan; the judged plan is the best."""
    best = run("labels", 100, 100)
    told = ((2.0, 200, None), (4.0, 100, 100))
    cases: list[tuple[dict[str, Any], float | None]] = [
        ({"trace": told}, 3.0),
        ({"trace": told, "limits": Limits(time_s=3.0)}, 2.5),
        ({"trace": told, "limits": Limits()}, None),
        ({"trace": ()}, None),
        ({"trace": ((0.0, 100, None),), "cost": 200}, 5.0),  # it never had that plan
        ({"trace": ((2.0, 200, None),), "wall_s": 4.0}, 3.0),  # its plan came at the end
        ({"trace": ((0.0, 100, None),), "cost": None, "status": Status.NO_PLAN}, 10.0),
        ({"trace": (), "cost": None, "status": Status.NO_PLAN}, 10.0),
        ({"trace": told, "status": Status.FAILED, "failure": Failure.TIME}, 3.0),
        ({"trace": told, "status": Status.FAILED, "failure": Failure.REFUTED}, None),
        ({"trace": (), "cost": None, "status": Status.FAILED, "failure": Failure.TIME}, None),
    ]
    for changes, expected in cases:
        record = changed(run("greedy", 100, wall_s=9.0), **changes)
        found = _row(record, best)["primal_integral_s"]
        assert found == (None if expected is None else pytest.approx(expected)), changes
    alone = run("greedy", 100, trace=told, bound=None, wall_s=9.0)
    assert _row(alone)["primal_integral_s"] == 3.0


def _shown(name: str, **values: Any) -> str:
    parts = ("low_percent", "high_percent", "interval", "units")
    row = {f"{name}_{part}": None for part in parts}
    row |= {f"{name}_percent": None, "gap_left_out": 0, "left_out_cost": None, "problem": "jutap"}
    column = next(c for c in gap_table(comparison()).columns if c.name == f"{name}_percent")
    return column.show(row | values)


def test_intervals_are_in_brackets_and_ranges_in_parentheses() -> None:
    """A mean alone stands alone; without a mean there is a dash."""
    ends = {"left_low_percent": 1.0, "left_high_percent": 3.456}
    assert _shown("left", left_percent=2.0) == "2.00"
    assert _shown("left") == columns.ABSENT
    assert _shown("left", left_percent=2.0, left_interval="BCa", **ends) == "2.00 [1.00, 3.46]"
    assert _shown("left", left_percent=2.0, left_interval="range", **ends) == "2.00 (1.00 to 3.46)"


def test_gaps_that_are_none_are_counted() -> None:
    """Beside a mean, the number left out; alone, the difference with sign and unit."""
    assert _shown("gap", gap_percent=2.0, gap_left_out=3) == "2.00, 3 n/a"
    assert _shown("left", left_percent=2.0, gap_left_out=3) == "2.00"
    assert _shown("gap", gap_left_out=1, left_out_cost=-1_250_000.0) == "n/a (-1.25)"
    push = {"problem": "push", "gap_left_out": 1, "left_out_cost": 2_500_000.0}
    assert _shown("gap", **push) == "n/a (+2.5 s)"


def test_left_out_costs_are_means_over_instances() -> None:
    """Two runs of one instance and one of another: (1 + 3) / 2 and 8 make 5."""
    near = [run("labels", 1, 1, n, terms={"reference": 500}) for n in range(2)]
    greedy = [
        run("greedy", cost, None, n, terms={"reference": 500}) for n, cost in ((0, 2), (1, 9))
    ]
    again = changed(run("greedy", 4, terms={"reference": 500}), seed=7)
    row = _row(greedy[0], greedy[1], again, *near)
    assert (row["gap_left_out"], row["left_out_cost"]) == (2, 5.0)
    assert row["gap_units"] == 0


def test_counts_of_a_row() -> None:
    """A group of three instances; each outcome is counted where it belongs."""
    row = _row(crash("random"), *comparison()[:4])
    assert (row["runs"], row["failed"], row["missing"], row["instances"]) == (1, 1, 1, 1)
    assert row["failure_reasons"] == "ValueError: boom"
    assert _row(run("greedy", 3))["failure_reasons"] is None
    two = (crash("random", error="b: 2"), crash("random", 1, error="a: 1"))
    assert _row(*two)["failure_reasons"] == "a: 1; b: 2"


def test_columns_appear_when_there_is_something_to_say() -> None:
    """Failures, missing instances and bounds below the best plan have columns of their own."""
    plain, open_ = [run("labels", 100, 100), run("greedy", 110)], run("labels", 100, 90)
    assert not {"failed", "missing", "at least"} & _cells(*plain)[0].keys()
    assert "failed" in _cells(*plain, crash("blind"))[0]
    assert "missing" in _cells(*plain, run("labels", 100, 100, 1))[0]
    known = {"terms": {"reference": 200}}
    assert "at least" not in _cells(*(changed(record, **known) for record in plain))[0]
    cells = _cells(changed(open_, **known), changed(run("greedy", 110), **known), crash("blind"))
    assert [row["at least"] for row in cells] == ["0.00", "10.00", "100.00"]
    assert [row["failed"] for row in cells] == [columns.ABSENT, columns.ABSENT, "1"]


def test_a_row_is_called_by_its_solver() -> None:
    """Without the problem, which the group tells, and with an asterisk if it misses instances."""
    table = gap_table([run("labels", 100, 100), run("labels", 100, 100, 1), run("greedy", 110)])
    assert {table.called(row) for row in table.rows} == {"labels", "greedy", "greedy *"}


def test_blocks_hold_what_rows_have() -> None:
    """Columns without a value in any row, and those for files, are in no block."""
    one = Column("a", "a", str, "first")
    two, three = Column("b", "b", str, "first", also="c"), Column("d", "d", str)
    table = Table("", (), (), (), (one, two, three), (), ())
    row = {"a": None, "b": None, "c": 1, "d": 1}
    assert table.blocks([row]) == {"first": [two]}
    assert table.blocks([row, row | {"a": 2}]) == {"first": [one, two]}
    assert table.blocks([row | {"c": None}]) == {}


def test_a_share_of_plans_is_in_whole_percent() -> None:
    """Three of four are 75 %; a proof that there is no plan is an answer."""
    proof = Claim(Status.INFEASIBLE, proof="search")
    records = [run("labels", 1, 1), run("labels", None, None, 1), run("labels", 1, 1, 3)]
    records.append(run("labels", None, None, 2, status=Status.INFEASIBLE, claim=proof))
    assert _cells(*records)[0]["plan %"] == "75"


def test_differences_are_paired_and_against_others_only() -> None:
    """One's own column is empty; that of a row with fewer instances is, too."""
    records = [run("labels", 100, 100, n, terms={"reference": 200}) for n in range(2)]
    records += [run("greedy", 110 + 10 * n, None, n, terms={"reference": 200}) for n in range(2)]
    records.append(run("blind", 150, terms={"reference": 200}))
    found = {row["solver"]: row for row in gap_table(records, against="greedy").rows[:3]}
    assert found["jutap.labels"]["difference_percent"] == pytest.approx(-15)
    ends = (found["jutap.labels"][f"difference_{x}_percent"] for x in ("low", "high"))
    assert tuple(ends) == pytest.approx((-20, -10))
    assert found["jutap.greedy"]["difference_percent"] is None
    assert found["jutap.greedy"]["difference_units"] is None
    assert found["jutap.blind"]["difference_percent"] is None


def _series(*records: Record) -> Series:
    return groups.every_series(records)[0]


def test_a_baseline_that_misses_instances_is_none() -> None:
    """Differences to it would be of other instances than the row's."""
    full = [run("labels", 100, 100, n) for n in range(2)]
    every = groups.every_series([*full, run("greedy", 110)])
    labels, greedy = every[0], next(series for series in every if series.missing)
    assert columns.row_of(labels, 0, greedy)["difference_percent"] is None
    assert columns.row_of(labels, 0, labels)["difference_percent"] is None
