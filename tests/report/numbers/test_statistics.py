"""The statistics, against values computed by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opt_istn.report.numbers import statistics


def test_relative_gap_by_hand() -> None:
    """Without a reference it is relative to |bound|, unless that is 0 or of another sign."""
    assert statistics.relative_gap(110, 100) == pytest.approx(0.1)
    assert statistics.relative_gap(-90, -100) == pytest.approx(0.1)
    assert statistics.relative_gap(0, -100) == pytest.approx(1.0)
    assert statistics.relative_gap(20, -100) is None
    assert statistics.relative_gap(3, 0) is None
    assert statistics.relative_gap(0, 0) is None


@pytest.mark.parametrize("cost", [1, 10, 99, 5000, 10_000])
def test_a_bound_near_zero_is_no_scale(cost: int) -> None:
    """Whether there is a gap depends on bound and reference alone: 1 % is enough, less is not."""
    assert statistics.relative_gap(cost, 100, 10_000) == pytest.approx((cost - 100) / 100)
    assert statistics.relative_gap(cost, 99, 10_000) is None
    assert statistics.relative_gap(cost, 100, 10_001) is None
    assert statistics.relative_gap(cost, 0, 10_000) is None
    assert statistics.relative_gap(cost, -5000, 10_000) is None
    assert statistics.relative_gap(2, 1, 1) == 1
    assert statistics.relative_gap(cost, -10_000, -100) == pytest.approx((cost + 10_000) / 10_000)


def test_saving_left_by_hand() -> None:
    """Of 60 that can be saved from 100, a cost of 55 leaves 15: a quarter."""
    assert statistics.saving_left(55, 40, 100) == pytest.approx(0.25)
    assert statistics.saving_left(40, 40, 100) == 0
    assert statistics.saving_left(100, 40, 100) == 1
    assert statistics.saving_left(130, 40, 100) == pytest.approx(1.5)
    assert statistics.saving_left(-15, -30, 30) == pytest.approx(0.25)
    assert statistics.saving_left(100, 100, 100) is None


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.integers(-(10**6), 10**6))
def test_gaps_have_no_unit(bound: int, over: int, reference: int) -> None:
    """Costs in millionths of a unit, or in thousands of it, have the same gaps."""
    cost = bound + over
    for factor in (1000, 10**9):
        scaled = [factor * value for value in (cost, bound, reference)]
        for measure in (statistics.relative_gap, statistics.saving_left):
            one, other = measure(cost, bound, reference), measure(*scaled)
            assert (one is None) == (other is None)
            assert other == (one if one is None else pytest.approx(one))
        assert statistics.relative_gap(cost, bound) == statistics.relative_gap(*scaled[:2])


def test_shifted_geometric_mean_by_hand() -> None:
    """With shift 1, the mean of 0, 1, 3 is the cube root of 1 * 2 * 4, minus 1."""
    assert statistics.shifted_geometric_mean([0, 1, 3], 1.0) == pytest.approx(1.0)
    assert statistics.shifted_geometric_mean([1, 100], 0.0) == pytest.approx(10.0)
    assert statistics.shifted_geometric_mean([], 1.0) is None
    assert statistics.shifted_geometric_mean([1.0, math.inf], 1.0) == math.inf


@given(st.lists(st.floats(0, 1e4), min_size=1), st.floats(1e-3, 100))
def test_shifted_geometric_mean_lies_between(values: list[float], shift: float) -> None:
    """It lies between the smallest value and the arithmetic mean."""
    found = statistics.shifted_geometric_mean(values, shift)
    mean = statistics.mean(values)
    assert found is not None
    assert mean is not None
    slack = 1e-9 * (1 + mean + shift)
    assert min(values) - slack <= found <= mean + slack


def test_interquartile_mean_by_hand() -> None:
    """Of eight values two are cut off at each end, of five one; of three it says nothing."""
    assert statistics.interquartile_mean([100, 1, 2, 3, 4, 5, 6, -100]) == pytest.approx(3.5)
    assert statistics.interquartile_mean([9, 1, 2, 3, -9]) == pytest.approx(2)
    assert statistics.interquartile_mean([1, 2, 9, 30]) == pytest.approx(5.5)
    assert statistics.interquartile_mean([1, 2, 9]) is None
    assert statistics.interquartile_mean([7, 3, 50, -50, 1, 2, 3]) == pytest.approx(16 / 5)
    assert statistics.interquartile_mean([]) is None


def test_median_by_hand() -> None:
    """The middle one, or the mean of two; a run that never ends can be one of them."""
    assert statistics.median([3, 1, 2]) == 2
    assert statistics.median([4, 1, 2, 3]) == 2.5
    assert statistics.median([1, math.inf]) == math.inf
    assert statistics.median([1, 2, math.inf]) == 2
    assert statistics.median([]) is None


def test_mean_by_hand() -> None:
    """The sum over the number; of nothing there is none."""
    assert statistics.mean([1, 2, 6]) == 3
    assert statistics.mean([]) is None


def test_solved_within_by_hand() -> None:
    """Of four problems one is solved in 1 s, two in 3 s, the fourth never."""
    at, share = statistics.solved_within([3.0, 1.0, math.inf, 3.0])
    assert at.tolist() == [1, 3]
    assert share.tolist() == [0.25, 0.75]
    assert [x.tolist() for x in statistics.solved_within([3.0])] == [[3], [1]]
    assert [x.tolist() for x in statistics.solved_within([])] == [[], []]
    assert [x.tolist() for x in statistics.solved_within([math.inf])] == [[], []]


def test_performance_profile_by_hand() -> None:
    """Ratios are to the fastest per problem; a problem that nobody solves counts in |P|."""
    inf = math.inf
    times = {"a": [1.0, 4.0, inf, inf], "b": [2.0, 1.0, 3.0, inf], "c": [inf] * 4}
    found = statistics.performance_profile(times)
    assert [column.tolist() for column in found["a"]] == [[1, 4], [0.25, 0.5]]
    assert [column.tolist() for column in found["b"]] == [[1, 2], [0.5, 0.75]]
    assert [column.tolist() for column in found["c"]] == [[], []]
    assert statistics.performance_profile({}) == {}


def test_performance_profile_of_ties() -> None:
    """Whoever ties for the fastest has the ratio 1; nobody catches up with a time of 0."""
    found = statistics.performance_profile({"a": [0.0, 2.0], "b": [0.0, 2.0], "c": [1.0, 4.0]})
    assert [column.tolist() for column in found["a"]] == [[1], [1]]
    assert found["a"][0].tolist() == found["b"][0].tolist()
    assert [column.tolist() for column in found["c"]] == [[2, math.inf], [0.5, 1]]


def test_primal_gap_by_hand() -> None:
    """Berthold's gap: 1 without a plan or across zero, else relative to the larger magnitude."""
    assert statistics.primal_gap(None, 5) == 1
    assert statistics.primal_gap(0, 0) == 0
    assert statistics.primal_gap(-1, 1) == 1
    assert statistics.primal_gap(-2, 1) == 1
    assert statistics.primal_gap(200, 100) == pytest.approx(0.5)
    assert statistics.primal_gap(-50, -100) == pytest.approx(0.5)
    assert statistics.primal_gap(7, 0) == 1


def test_incumbents_are_believed_up_to_the_judged_plan() -> None:
    """Better plans than the judged one, times after the end and bounds are left out of a trace."""
    trace = [(5.0, 100, None), (1.0, None, 50), (2.0, 300, 60), (99.0, 200, None)]
    told = statistics.incumbents(trace, 200, 9.0)
    assert told == [(2.0, 300), (5.0, 200), (9.0, 200), (9.0, 200)]
    assert statistics.incumbents(trace, None, 9.0) == []
    assert statistics.incumbents([], 7, math.inf) == [(math.inf, 7)]


def test_primal_integral_by_hand() -> None:
    """2 s at gap 1, 3 s at gap 1/2, then the optimum: 3.5; a dearer plan later changes nothing."""
    trace = [(2.0, 200), (4.0, 300), (5.0, 100)]
    assert statistics.primal_integral(trace, 100, 10.0) == pytest.approx(3.5)
    assert statistics.primal_integral(trace, 100, 3.0) == pytest.approx(2.5)
    assert statistics.primal_integral(trace[:2], 100, 10.0) == pytest.approx(2 + 8 / 2)
    assert statistics.primal_integral([], 100, 10.0) == 10.0
    assert statistics.primal_integral([(99.0, 100)], 100, 10.0) == 10.0
