"""Intervals cover what they promise, and where none can, the range of the units is shown."""

import math
import os

import numpy as np
import pytest

from bench import coverage
from opt_istn.report.numbers import intervals
from opt_istn.report.numbers.aggregates import Sample
from opt_istn.report.numbers.intervals import Interval, Method

LONG = "OPT_ISTN_TORTURE" in os.environ
SHORT_UNITS = (5, 10, 49, 50, 1000)
SHORT_DESIGNS = [
    f"{size}, {name} decide" for size in ("5 x 30", "10 x 10") for name in ("seeds", "both", "runs")
]
KEPT = {  # page of shares in %, by name of the row
    cells[0]: [float(x) for x in cells[2:]]
    for line in coverage.PAGE.read_text().splitlines()[6:]
    if (cells := [cell.strip() for cell in line.strip("|").split("|")])
}


@pytest.mark.parametrize("law", coverage.LAWS)
@pytest.mark.parametrize("units", coverage.UNITS if LONG else SHORT_UNITS)
def test_one_way_intervals_cover(law: str, units: int) -> None:
    """At least 92 % of the 95 % intervals of n values hold the mean, also of an exponential."""
    samples = coverage.SAMPLES if LONG else 400
    assert coverage.one_way(law, units, samples) >= coverage.LEAST - coverage.slack(samples)


@pytest.mark.parametrize("law", coverage.LAWS)
@pytest.mark.parametrize("design", coverage.DESIGNS if LONG else SHORT_DESIGNS)
def test_two_way_intervals_cover(law: str, design: str) -> None:
    """So do those of seeds x instances, whichever of the two decides."""
    samples = coverage.SAMPLES if LONG else 200
    share = coverage.two_way(law, coverage.DESIGNS[design], samples)
    assert share >= coverage.LEAST - coverage.slack(samples)


@pytest.mark.parametrize("law", coverage.LAWS)
@pytest.mark.parametrize("seeds", [(5, 8), (8, 5), (10, 1)])
def test_intervals_of_pairs_cover(law: str, seeds: tuple[int, int]) -> None:
    """Differences of two solvers on ten instances too: their own seeds, of which some are left."""
    samples, instances = 2000 if LONG else 300, 10
    rng, shape = np.random.default_rng(sum(seeds)), (samples, instances, 1)
    common = coverage.LAWS[law](rng, shape)
    ours, theirs = (
        common
        + coverage.LAWS[law](rng, (samples, 1, count)) * (count > 1)
        + 0.3 * coverage.LAWS[law](rng, (samples, instances, count))
        for count in seeds
    )
    pairs = min(seeds) if min(seeds) > 1 else max(seeds)
    told = ours[..., :pairs] - theirs[..., :pairs]
    one, other = (
        Sample({str(i): dict(enumerate(row, first)) for i, row in enumerate(table[0].tolist())})
        for first, table in ((0, ours), (100, theirs))
    )
    assert np.array_equal(one.minus(other).table, told[0])
    low, high = intervals.two_way_ends(told, 0)
    held = ((low <= 0) & (high >= 0)).mean()
    assert held >= coverage.LEAST - coverage.slack(samples)


def test_the_kept_shares_are_enough() -> None:
    """The page has a row for every number of units and design; all are at least 92 %."""
    assert list(KEPT) == [*map(str, coverage.UNITS), *coverage.DESIGNS]
    assert {len(shares) for shares in KEPT.values()} == {len(coverage.LAWS)}
    for name, shares in KEPT.items():
        assert min(shares) >= 100 * coverage.LEAST, name


def test_the_kept_shares_are_those_of_the_code() -> None:
    """A small sample drawn anew agrees with the page within what chance does."""
    for units in (5, 10):
        for law, share in zip(coverage.LAWS, KEPT[str(units)], strict=True):
            again = coverage.one_way(law, units, 300)
            assert again == pytest.approx(share / 100, abs=coverage.slack(300))


def test_every_number_of_units_has_a_row_of_its_method() -> None:
    """Ends of every method's range of units are among those that are measured."""
    for few, many in ((5, 49), (50, 100), (1000, 1000)):
        assert {few, many} <= set(coverage.UNITS)
        assert intervals.method_of(few) == intervals.method_of(many)
    assert intervals.method_of(4) == Method.RANGE


@pytest.mark.parametrize("n", [6, 60, 1000])
def test_many_samples_at_once_are_each_alone(n: int) -> None:
    """The ends that coverage is measured by are those of the intervals that are printed."""
    samples = np.random.default_rng(n).exponential(size=(3, n))
    ends = np.stack(intervals.one_way_ends(samples, 4), axis=-1)
    for sample, (low, high) in zip(samples, ends, strict=True):
        found = intervals.one_way(sample.tolist(), 4)
        assert found is not None
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


def test_many_tables_at_once_are_each_alone() -> None:
    """So it is of seeds and instances."""
    tables = np.random.default_rng(0).exponential(size=(3, 7, 6))
    ends = np.stack(intervals.two_way_ends(tables, 4), axis=-1)
    for table, (low, high) in zip(tables, ends, strict=True):
        found = intervals.two_way(table, 4)
        assert found is not None
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


def test_intervals_are_not_needlessly_wide() -> None:
    """For 20 normal values the interval is at most 1.3 times Student's t, for 200 at most 1.15."""
    rng = np.random.default_rng(2)
    for n, most in ((20, 1.3), (200, 1.15)):
        ratios = []
        for trial in range(30):
            values = rng.normal(0.0, 1.0, n)
            found = intervals.one_way(values.tolist(), trial)
            assert found is not None
            student = 2 * 1.96 * values.std(ddof=1) / math.sqrt(n)
            ratios.append((found.high - found.low) / student)
        assert np.mean(ratios) <= most


@pytest.mark.parametrize("n", [2, 3, 4])
def test_few_units_have_a_range(n: int) -> None:
    """Below five units nothing is promised: the least and the largest of them."""
    values = [3.0, 9.0, 1.0, 4.0][:n]
    found = intervals.one_way(values, 0)
    assert found == Interval(min(values), max(values), Method.RANGE, n)


def test_one_unit_has_no_interval() -> None:
    """One value, or none, has neither an interval nor a range."""
    assert intervals.one_way([2.0], 1) is None
    assert intervals.one_way([], 1) is None
    assert intervals.two_way(np.ones((1, 1)), 1) is None


def test_methods_by_number_of_units() -> None:
    """From 5 units on it is the bootstrap-t, from 50 on BCa, from 1000 on its limit."""
    for n, method in (
        *((5, Method.BOOTSTRAP_T), (49, Method.BOOTSTRAP_T)),
        *((50, Method.BCA), (999, Method.BCA), (1000, Method.ABC)),
    ):
        found = intervals.one_way([math.sqrt(i) for i in range(n)], 0)
        assert found is not None
        assert (found.method, found.units) == (method, n)


def test_the_limit_of_many_resamples_is_bca() -> None:
    """ABC of 1000 skewed values is BCa but for the noise of its resamples, and scales exactly."""
    values = np.random.default_rng(0).exponential(size=1000) ** 2
    found = intervals.one_way(values.tolist(), 0)
    assert found is not None
    width, mean = found.high - found.low, values.mean()
    seeds = [np.random.default_rng(seed) for seed in range(10)]
    low, high = np.mean([intervals._bca(values, rng) for rng in seeds], axis=0)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03 * width)
    assert found.high - mean > 1.1 * (mean - found.low)
    same = intervals.one_way((1e-9 * values).tolist(), 0)
    assert same is not None
    assert (same.low, same.high) == pytest.approx((1e-9 * found.low, 1e-9 * found.high))


def test_the_limit_by_hand() -> None:
    """900 zeros and 100 ones: s = 0.3 / sqrt(1000), and a is the skewness / (6 sqrt(1000))."""
    found = intervals.one_way([0.0] * 900 + [1.0] * 100, 0)
    assert found is not None
    a, s, z = 0.8 / 0.3 / (6 * math.sqrt(1000)), 0.3 / math.sqrt(1000), 1.959963985
    low, high = ((a + x) / (1 - a * (a + x)) ** 2 for x in (-z, z))
    assert (found.low, found.high) == pytest.approx((0.1 + s * low, 0.1 + s * high))


def test_students_by_hand() -> None:
    """Mean 2, deviation 1 of three numbers: half width 4.303 / sqrt(3); one has no interval."""
    mean, low, high = intervals.student([1.0, 2.0, 3.0])
    assert mean == 2
    assert (high - mean, mean - low) == pytest.approx([4.302653 / math.sqrt(3)] * 2, rel=1e-5)
    alone = intervals.student([0.5])
    assert alone[0] == 0.5
    assert all(map(math.isnan, alone[1:]))


def test_two_way_draws_the_same_as_tables_drawn_anew() -> None:
    """Means and errors from how often rows and columns are drawn are those of the drawn tables."""
    rng = np.random.default_rng(3)
    table, row, column = rng.normal(size=(6, 7)), rng.integers(6, size=6), rng.integers(7, size=7)
    often = (
        np.bincount(row, minlength=6).astype(float),
        np.bincount(column, minlength=7).astype(float),
    )
    again = table[row][:, column]
    spread = again.mean(axis=1).var(ddof=1) / 6 + again.mean(axis=0).var(ddof=1) / 7
    assert intervals._mean(table, *often) == pytest.approx(again.mean())
    assert intervals._error(table, *often) == pytest.approx(math.sqrt(spread))


def test_intervals_stay_within_what_is_possible() -> None:
    """Ends beyond are cut, and a zero has no sign."""
    found = Interval(-0.0, 6.5, Method.BOOTSTRAP_T, 10).within(0.0, 1.0)
    assert (found.low, found.high) == (0.0, 1.0)
    assert math.copysign(1.0, found.low) == 1.0
    assert Interval(-3.0, 0.5, Method.BCA, 50).within(-1.0, 1.0) == Interval(
        -1.0, 0.5, Method.BCA, 50
    )


def test_equal_values_are_a_point() -> None:
    """Equal values have their own as range, however many they are and however they are rounded."""
    for n in (5, 30, 60):
        assert intervals.one_way([0.1] * n, 1) == Interval(0.1, 0.1, Method.RANGE, n)
    found = intervals.two_way(np.full((6, 7), 0.1), 1)
    assert found is not None
    assert (found.method, found.units) == (Method.RANGE, 6)
    assert (found.low, found.high) == pytest.approx((0.1, 0.1), rel=1e-12)


def test_one_odd_value_has_a_range() -> None:
    """Four zeros and a one: a third of the resamples has no spread, so no end can be told."""
    found = intervals.one_way([0.0, 0.0, 0.0, 0.0, 1.0], 1)
    assert found == Interval(0.0, 1.0, Method.RANGE, 5)


def test_seeds_are_the_units_where_they_are_fewer() -> None:
    """Three seeds on thirty instances are three agents: the range of their means is shown."""
    table = np.array([[0.0, 1.0, 5.0]]) + np.linspace(-1, 1, 30)[:, None]
    found = intervals.two_way(table, 1)
    assert found is not None
    assert (found.method, found.units) == (Method.RANGE, 3)
    assert (found.low, found.high) == pytest.approx((0.0, 5.0))
    assert intervals.two_way(table.T, 1) == found


def test_a_single_seed_or_instance_is_one_way() -> None:
    """A table of one column, or one row, is as the values in it."""
    values = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0]
    expected = intervals.one_way(values, 3)
    assert intervals.two_way(np.array([values]), 3) == expected
    assert intervals.two_way(np.array([values]).T, 3) == expected


@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (8, 6)])
@pytest.mark.parametrize("decides", [0, 1])
def test_two_way_is_wider_than_either_alone(shape: tuple[int, int], decides: int) -> None:
    """Its interval holds those of the seeds' means and of the instances' means."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        own = tuple(length if axis == decides else 1 for axis, length in enumerate(shape))
        table = rng.exponential(size=own) + 0.1 * rng.normal(size=shape)
        both = intervals.two_way(table, 5)
        assert both is not None
        assert (both.method, both.units) == (Method.TWO_WAY, min(shape))
        for axis in (0, 1):
            alone = intervals.one_way(table.mean(axis=axis).tolist(), 5)
            assert alone is not None
            assert both.low <= alone.low
            assert alone.high <= both.high


def test_bootstrap_t_by_all_resamples() -> None:
    """Of six values the ends agree with those over all 6^6 resamples, computed apart."""
    values = np.array([1.0, 2.0, 4.0, 7.0, 11.0, 16.0])
    index = np.stack(np.meshgrid(*[np.arange(6)] * 6, indexing="ij")).reshape(6, -1)
    drawn = values[index]
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(6)
    spread = drawn.std(axis=0, ddof=1) / math.sqrt(6)
    off = drawn.mean(axis=0) - mean
    t = np.divide(off, spread, out=np.copysign(np.full_like(off, 1e9), off), where=spread > 1e-12)
    low, high = np.quantile(t, [0.025, 0.975])
    found = [intervals.one_way_ends(values, seed) for seed in range(20)]
    assert np.mean(found, axis=0) == pytest.approx(
        (mean - high * error, mean - low * error), abs=0.4
    )


def test_resamples_are_as_many_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they are drawn in several parts, so as not to fill the memory."""
    drawn, draw = [], intervals._drawn

    def counted(length: int, count: int, rng: np.random.Generator) -> intervals.FloatArray:
        drawn.append((length, count))
        return draw(length, count, rng)

    monkeypatch.setattr(intervals, "_drawn", counted)
    intervals._bootstrap_t(
        np.random.default_rng(0).normal(size=(5, 2000)), np.random.default_rng(0)
    )
    of_columns = [count for length, count in drawn if length == 2000]
    assert len(of_columns) > 1
    assert sum(of_columns) == intervals.RESAMPLES


@pytest.mark.parametrize("n", [5, 60])
def test_resamples_are_paired(n: int) -> None:
    """Equal seeds draw equal resamples: shifting all values by 3 shifts the interval by 3."""
    values = np.random.default_rng(1).exponential(size=n)
    one, same = intervals.one_way(values.tolist(), 7), intervals.one_way(values.tolist(), 7)
    other = intervals.one_way((values + 3).tolist(), 7)
    assert one is not None
    assert other is not None
    assert one == same
    assert (other.low, other.high) == pytest.approx((one.low + 3, one.high + 3))


@pytest.mark.parametrize("n", [5, 12, 60])
def test_intervals_scale(n: int) -> None:
    """A million times the values has a million times the interval: no tolerance has a unit."""
    values = np.random.default_rng(4).exponential(size=n)
    one = intervals.one_way(values.tolist(), 7)
    other = intervals.one_way((1e6 * values).tolist(), 7)
    assert one is not None
    assert other is not None
    assert (other.low, other.high) == pytest.approx((1e6 * one.low, 1e6 * one.high))


def test_fewer_than_five_of_either_axis_have_a_range() -> None:
    """Four seeds on 25 instances are four units, however many runs they make."""
    table = np.random.default_rng(0).normal(size=(25, 4))
    for each in (table, table.T):
        found = intervals.two_way(each, 0)
        assert found is not None
        assert (found.method, found.units) == (intervals.Method.RANGE, 4)
        assert (found.low, found.high) == (table.mean(axis=0).min(), table.mean(axis=0).max())
