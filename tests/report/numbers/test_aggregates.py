"""Samples, ranks and differences, against values computed by hand."""

import sys
from typing import Any

import pytest

from opt_istn import InputError
from opt_istn.report import groups
from opt_istn.report.numbers.aggregates import Sample, Series
from opt_istn.report.numbers.intervals import Method
from opt_istn.report.table import gap_table, render
from opt_istn.runs.ledger import Claim, Record, Source
from opt_istn.solver import Status
from tests.report.synthetic import changed, crash, run


def _of(solver: str, cost: int | None, number: int = 0, **changes: Any) -> Record:
    """Return a run on instance `number`, whose reference costs 200 and whose optimum 100."""
    terms = {"reference": 200} if cost is not None else {}
    fields = {"bound": 100 if solver == "labels" else None, "terms": terms}
    return run(solver, cost, seed=number, **(fields | changes))


def _optima(count: int) -> list[Record]:
    return [_of("labels", 100, number) for number in range(count)]


def _series(records: list[Record], solver: str) -> Series:
    every = groups.every_series(records)
    return next(series for series in every if series.label == f"jutap.{solver}")


def _row(records: list[Record], solver: str, **options: Any) -> dict[str, Any]:
    rows = gap_table(records, **options).rows
    return next(dict(row) for row in rows if row["solver"] == f"jutap.{solver}")


def test_means_are_over_instances_of_means_over_seeds() -> None:
    """An instance with more runs does not count more: (1 + 3) / 2 and 6 make 4."""
    sample = Sample({"a": {0: 1.0, 1: 3.0}, "b": {0: 6.0}})
    assert sample.means == [2.0, 6.0]
    assert sample.mean == 4.0
    assert sample.table is None
    interval = sample.interval(0)
    assert interval is not None
    assert (interval.low, interval.high, interval.method) == (2.0, 6.0, Method.RANGE)
    assert Sample({}).mean is None
    assert Sample({"a": {0: 1.0}, "b": {0: 2.0, 1: 3.0}}).on(["b"]).means == [2.5]


def test_seeds_and_instances_make_a_table() -> None:
    """One run an instance is a column whatever its seed is; else seeds have to be the same."""
    column = Sample({"a": {4: 1.0}, "b": {7: 2.0}}).table
    assert column is not None
    assert column.tolist() == [[1.0], [2.0]]
    both = Sample({"a": {1: 1.0, 0: 2.0}, "b": {0: 3.0, 1: 4.0}}).table
    assert both is not None
    assert both.tolist() == [[2.0, 1.0], [3.0, 4.0]]


def test_interquartile_mean_is_over_seeds() -> None:
    """Of four seeds the middle two count, instance by instance; three seeds are too few."""
    four = {0: 100.0, 1: 2.0, 2: 4.0, 3: -100.0}
    assert Sample({"a": four, "b": dict.fromkeys(range(4), 5.0)}).interquartile_mean == 4.0
    assert Sample({"a": four, "b": {0: 1.0}}).interquartile_mean is None
    assert Sample({str(i): {0: 1.0} for i in range(9)}).interquartile_mean is None


def test_differences_are_of_pairs() -> None:
    """They are taken run by run on common instances, by the seeds that both have."""
    one = Sample({"a": {0: 5.0, 1: 7.0}, "b": {2: 9.0, 0: 1.0, 1: 2.0}, "c": {0: 9.0}})
    other = Sample({"a": {1: 8.0, 0: 4.0}, "b": {0: 3.0, 5: 5.0, 1: 6.0}})
    assert one.minus(other).values == {"a": {0: 1.0, 1: -1.0}, "b": {0: -2.0, 1: -4.0}}


def test_runs_without_a_common_seed_are_paired_in_their_order() -> None:
    """Both solvers' spread is in the differences: the third run of the longer one has no pair."""
    one = Sample({"a": {5: 7.0, 4: 5.0}})
    other = Sample({"a": {0: 4.0, 1: 9.0, 2: 100.0}})
    assert one.minus(other).values == {"a": {4: 1.0, 5: -2.0}}
    assert other.minus(one).values == {"a": {0: -1.0, 1: 2.0}}
    nearly = Sample({"a": {0: 4.0, 4: 9.0}})
    assert one.minus(nearly).values == {"a": {4: 1.0, 5: -2.0}}


def test_one_run_is_told_from_every_run_of_the_other() -> None:
    """A solver in which the seed does not matter: either way round, all seeds have their part."""
    agent = Sample({"a": {0: 5.0, 1: 7.0, 2: 9.0}, "b": {3: 2.0, 4: 4.0, 5: 6.0}})
    once = Sample({"a": {0: 4.0}, "b": {0: 1.0}})
    told = {"a": {0: 1.0, 1: 3.0, 2: 5.0}, "b": {3: 1.0, 4: 3.0, 5: 5.0}}
    assert agent.minus(once).values == told
    back = {key: {seed: -x for seed, x in own.items()} for key, own in told.items()}
    assert once.minus(agent).values == back
    assert once.minus(Sample({"a": {7: 1.0}})).values == {"a": {0: 3.0}}


def test_saving_left_of_a_heuristic() -> None:
    """Of a saving of 100, costs of 110 and 150 leave 10 and 50 %: 30 % on average."""
    records = [*_optima(2), _of("greedy", 110), _of("greedy", 150, 1)]
    row = _row(records, "greedy")
    assert row["left_percent"] == pytest.approx(30)
    assert row["left_least_percent"] == pytest.approx(30)
    assert (row["left_low_percent"], row["left_high_percent"]) == pytest.approx((10, 50))
    assert (row["left_interval"], row["left_units"]) == (Method.RANGE, 2)
    assert row["cost_mean"] == 130


def test_an_open_optimum_leaves_a_range() -> None:
    """Between the bound 80 and the best plan 100, a cost of 150 leaves 50 to 58 % of the saving."""
    records = [run("labels", 100, 80, terms={"reference": 200}), _of("greedy", 150)]
    row = _row(records, "greedy")
    assert row["left_percent"] == pytest.approx(100 * 70 / 120)
    assert row["left_least_percent"] == pytest.approx(50)
    assert _row(records, "labels")["left_least_percent"] == 0
    assert "at least" in render(gap_table(records), "markdown")


def test_failures_are_charged_the_reference() -> None:
    """A crash and an empty hand cost the reference: 100 % of the saving is left, not nothing."""
    records = [*_optima(3), _of("greedy", 100), crash("greedy", 1), _of("greedy", None, 2)]
    row = _row(records, "greedy")
    assert row["left_percent"] == pytest.approx(200 / 3)
    assert row["gap_percent"] == pytest.approx(200 / 3)
    assert row["cost_mean"] == pytest.approx(500 / 3)
    assert row["feasible"] == pytest.approx(1 / 3)


def test_nothing_is_charged_where_there_is_no_plan_to_find() -> None:
    """No method pays the reference for an instance that is proven to have no plan."""
    none = Claim(Status.INFEASIBLE, None, None, "labels")
    nothing = {"status": Status.INFEASIBLE, "claim": none, "bound": None}
    known = {"terms": {"reference": 200}}
    records = [*_optima(1), _of("labels", None, 1, **nothing, **known)]
    records += [_of("greedy", 150), _of("greedy", None, 1, **known)]
    greedy = _series(records, "greedy")
    assert greedy.known[records[1].sha256].reference == 200
    assert greedy.mean_cost is None
    assert greedy.charged == 0


def test_the_order_of_records_changes_no_interval() -> None:
    """Resamples are of instances in one order, however the file came about."""
    records = [*_optima(20), *(_of("greedy", 101 + 7 * n % 50, n) for n in range(20))]
    there, back = (_series(each, "greedy").gaps for each in (records, records[::-1]))
    assert there.interval(0) == back.interval(0)


def test_intervals_of_gaps_start_at_zero() -> None:
    """No gap is negative, so no interval of gaps reaches below 0; one of differences does."""
    costs = (101, 101, 102, 103, 103, 190)
    records = [*_optima(6), *(_of("greedy", cost, n) for n, cost in enumerate(costs))]
    row = _row(records, "greedy", against="labels")
    assert (row["gap_low_percent"], row["left_low_percent"]) == (0, 0)
    assert row["difference_low_percent"] < 0
    assert row["difference_high_percent"] == pytest.approx(row["left_high_percent"])


@pytest.mark.parametrize(("problem", "cut"), [("push", True), ("jutap", False)])
def test_no_interval_of_the_saving_left_ends_beyond_all_of_it(problem: str, cut: bool) -> None:
    """Nine plans alike and an odd one: 100 % in PUSH, where no plan is worse than the reference."""
    costs = (101, 102, 101, 102, 101, 102, 101, 102, 101, 199)
    records = [*_optima(10), *(_of("greedy", cost, n) for n, cost in enumerate(costs))]
    every = [changed(run, problem=problem) for run in records]
    row = next(row for row in gap_table(every).rows if row["solver"] == "jutap.greedy")
    assert row["left_low_percent"] == 0
    assert (row["left_high_percent"] == 100) == cut
    assert cut or row["left_high_percent"] > 100
    rows = gap_table(every, against="jutap.greedy").rows
    less = next(row for row in rows if row["solver"] == "jutap.labels")["difference_low_percent"]
    assert (less == -100) == cut
    assert cut or less < -100


def test_runs_on_many_instances_take_linear_work() -> None:
    """Ten times the instances, one solver missing half of them, take about ten times the calls."""

    def steps(number: int) -> int:
        every = [_of(x, 100 + n % 7, n) for n in range(number) for x in ("greedy", "labels")]
        every += [_of("blind", 110, n) for n in range(0, number, 2)]
        counted = 0

        def count(_frame: Any, event: str, _argument: Any) -> Any:
            nonlocal counted
            counted += event == "line"
            return count

        before = sys.gettrace()  # of whoever measures coverage
        sys.settrace(count)
        try:
            series = groups.every_series(every)
            assert [len(one.missing) for one in series if "blind" in one.label] == [number // 2, 0]
        finally:
            sys.settrace(before)
        return counted

    assert steps(1000) < 15 * steps(100)


def test_an_interval_without_limits_goes_where_it_goes() -> None:
    """Of values around zero it has ends of both signs."""
    values = (-2.0, -1.0, 0.0, 1.0, 2.0, 0.5)
    interval = Sample({str(n): {0: value} for n, value in enumerate(values)}).interval(0)
    assert interval is not None
    assert interval.low < -1
    assert interval.high > 1


def test_what_is_saved_decides_where_anything_can_be() -> None:
    """One instance of a group is enough; where the reference is optimal on all it is the gap."""
    some = [run("labels", 100, 100, n, terms={"reference": x}) for n, x in ((0, 100), (1, 200))]
    for records, saves in ((some, True), (some[:1], False), (some[1:], True)):
        series = _series(records, "labels")
        assert series.saves == saves
        assert series.chief == (series.left if saves else series.gaps)
    unknown = _series([run("greedy", 150, terms={"reference": 200})], "greedy")
    assert not unknown.saves


def test_few_plans_do_not_win() -> None:
    """One plan of ten at gap 0 ranks below ten of ten that leave 5 %."""
    lucky = [_of("blind", 100), *(_of("blind", None, number) for number in range(1, 10))]
    records = [*_optima(10), *lucky, *(_of("greedy", 105, number) for number in range(10))]
    assert [row["solver"].removeprefix("jutap.") for row in gap_table(records).rows] == [
        *("labels", "greedy", "blind")
    ]


def test_without_a_reference_the_rank_is_over_values_that_all_have() -> None:
    """Who fails on the hard instance ranks by the easy ones, and so do those who solve it."""
    optima = [run("labels", 100, 100, n) for n in range(3)]
    lucky = [run("blind", cost, None, n) for n, cost in ((0, None), (1, 120), (2, 150))]
    brave = [run("greedy", cost, None, n) for n, cost in ((0, 190), (1, None), (2, 140))]
    lost = [run("straight", None, None, n) for n in range(3)]
    rows = gap_table([*optima, *lucky, *brave, *lost]).rows
    assert [row["gap_percent"] for row in rows] == [0, pytest.approx(65), pytest.approx(35), None]
    assert [row["solver"].removeprefix("jutap.") for row in rows] == [
        *("labels", "greedy", "blind", "straight")
    ]


def test_a_bound_near_zero_has_no_gap() -> None:
    """Its instance is left out of the mean for every solver, the optimal one included."""
    near = [_of("labels", 1, 1, bound=1, status=Status.OPTIMAL), _of("greedy", 51, 1)]
    records = [*_optima(1), _of("greedy", 120), *near]
    for solver, gap, left in (("labels", 0.0, 0.0), ("greedy", 20.0, (20 + 5000 / 199) / 2)):
        row = _row(records, solver)
        assert (row["gap_percent"], row["gap_left_out"]) == (pytest.approx(gap), 1)
        assert row["left_percent"] == pytest.approx(left)
    assert _row(records, "greedy")["left_out_cost"] == 50
    text = render(gap_table(records), "markdown")
    assert "20.00, 1 n/a" in text
    assert "n/a (+5e-05)" in render(gap_table(near), "markdown")


def test_no_gap_has_a_unit() -> None:
    """All costs times 10^k print the same gaps and savings, for every solver."""
    shown = []
    for factor in (1, 10**3, 10**12):
        records = []
        for one in (*_optima(3), *(_of("greedy", 101 + n**3, n) for n in range(3))):
            bound = None if one.bound is None else one.bound * factor
            claim = one.claim and changed(one.claim, cost=(one.cost or 0) * factor, bound=bound)
            scaled = {"cost": (one.cost or 0) * factor, "bound": bound, "claim": claim}
            records.append(changed(one, **scaled, terms={"reference": 200 * factor}))
        table = gap_table(records)
        wanted = [x for x in table.columns if x.name in ("left_percent", "gap_percent")]
        shown.append([[column.show(row) for column in wanted] for row in table.rows])
    assert shown[0] == shown[1] == shown[2]
    assert shown[0][1][0].startswith("4.00 (")


def test_differences_have_intervals() -> None:
    """Against greedy, blind leaves 10 points more on each of six instances but the last."""
    costs = [(110, 120)] * 5 + [(110, 110)]
    records = [
        *_optima(6),
        *(_of("greedy", cost, number) for number, (cost, _) in enumerate(costs)),
        *(_of("blind", cost, number) for number, (_, cost) in enumerate(costs)),
    ]
    row = _row(records, "blind", against="greedy")
    assert row["difference_percent"] == pytest.approx(50 / 6)
    assert row["difference_low_percent"] == pytest.approx(0)
    assert row["difference_high_percent"] == pytest.approx(10)
    assert row["difference_units"] == 6
    assert _row(records, "greedy", against="greedy")["difference_percent"] is None
    assert _row(records, "labels", against="jutap.greedy")["difference_percent"] == pytest.approx(
        -10
    )
    with pytest.raises(InputError, match="did you mean"):
        gap_table(records, against="greedi")


def test_rows_that_miss_instances_are_marked() -> None:
    """They show no averages beside full ones, and are compared apart on what they have."""
    records = [*_optima(3), _of("blind", 150, 1), *(_of("greedy", 120, n) for n in range(3))]
    table = gap_table(records)
    rows = [(row["group"], table.called(row), row["left_percent"]) for row in table.rows]
    assert rows == [
        ("paper", "labels", 0),
        ("paper", "greedy", pytest.approx(20)),
        ("paper", "blind *", None),
        ("paper: 1 of 3 instances", "labels", 0),
        ("paper: 1 of 3 instances", "greedy", pytest.approx(20)),
        ("paper: 1 of 3 instances", "blind", pytest.approx(50)),
    ]
    marked = table.rows[2]
    assert (marked["missing"], marked["runs"], marked["instances"]) == (2, 1, 1)
    averages = ("cost_mean", "gap_percent", "time_sgm_s", "time_median_s", "peak_memory_mb")
    assert [marked[name] for name in averages] == [None] * 5
    assert any(note.startswith("*: misses instances") for note in table.notes)
    assert table.headline.endswith("; 7 runs, 0 failed")


def test_a_run_is_in_every_group_with_its_instance() -> None:
    """A file that holds a preset's instance is compared with the preset's runs on it, and once."""
    agent = _of("dqn", 130, source=Source(file="x"), instance="paper", kind="agent")
    table = gap_table([*_optima(2), agent])
    assert [(row["group"], table.called(row)) for row in table.rows] == [
        ("paper", "labels"),
        ("paper", "dqn *"),
        ("paper (files)", "labels"),
        ("paper (files)", "dqn"),
    ]
    assert table.rows[3]["left_percent"] == pytest.approx(30)
    failing = [*_optima(2), changed(agent, status=Status.FAILED, cost=None, error="boom")]
    assert len(gap_table(failing).failures) == 1


def test_agents_of_their_own_for_each_instance_are_one_solver() -> None:
    """An agent file for every map makes one row; two files for a map make two."""
    own = [
        _of("dqn", 110, n, kind="agent", parameters={"agent": f"{n}.pt", "sha256": str(n)})
        for n in range(2)
    ]
    assert _row([*_optima(2), *own], "dqn")["runs"] == 2
    more = _of("dqn", 120, kind="agent", parameters={"agent": "best.pt", "sha256": "b"})
    labels = {row["solver"] for row in gap_table([*_optima(2), *own, more]).rows}
    assert "jutap.dqn (agent=best.pt, sha256=b)" in labels


def test_kind_and_knowledge_are_declared() -> None:
    """They come from the record; a solver that declares none is not guessed to be exact."""
    records = [_of("labels", 100, kind="", knows=""), _of("greedy", 120, knows="law")]
    assert (_row(records, "labels")["kind"], _row(records, "greedy")["knows"]) == (None, "law")
    assert not _series(records, "labels").exact
    assert _series(_optima(1), "labels").exact


def test_short_rows_come_last_whatever_they_reach() -> None:
    """A row that misses an instance is below one that failed on some, in the whole group."""
    records = [*_optima(3), _of("blind", 100), *(_of("greedy", None, n) for n in range(3))]
    own = [series.label for series in groups.every_series(records) if series.whole is None]
    assert own == ["jutap.labels", "jutap.greedy", "jutap.blind"]


def test_copies_that_share_a_name_are_groups_apart() -> None:
    """Two files of one name with other hashes are not averaged."""
    twin = {"instance": "mine/1", "source": Source()}
    records = [_of("greedy", 110, n, **twin) for n in range(2)]
    every = groups.every_series(records)
    assert [len(series.instances) for series in every] == [1, 1]
    assert len({series.group for series in every}) == 2


def test_the_footer_tells_the_units_of_each_method() -> None:
    """Three instances have a range of three units."""
    records = [*_optima(3), *(_of("greedy", 110 + n, n) for n in range(3))]
    assert any("(here 3)" in note for note in gap_table(records).notes)
