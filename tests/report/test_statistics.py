"""The statistics, against values computed by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opt_istn.report import statistics


def test_gap_is_relative_to_the_bound() -> None:
    """The gap is relative to |bound|, at least one unit, and unknown if either number is."""
    assert statistics.gap(110, 100) == pytest.approx(0.1)
    assert statistics.gap(-90, -100) == pytest.approx(0.1)
    assert statistics.gap(3, 0) == 3
    assert statistics.gap(None, 100) is None
    assert statistics.gap(100, None) is None


def test_shifted_geometric_mean_by_hand() -> None:
    """With shift 1, the mean of 0, 1, 3 is the cube root of 1 * 2 * 4, minus 1."""
    assert statistics.shifted_geometric_mean([0, 1, 3], 1.0) == pytest.approx(1.0)
    assert statistics.shifted_geometric_mean([1, 100], 0.0) == pytest.approx(10.0)
    assert statistics.shifted_geometric_mean([], 1.0) is None


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
    """Of eight values two are cut off at each end; of three none is."""
    assert statistics.interquartile_mean([100, 1, 2, 3, 4, 5, 6, -100]) == pytest.approx(3.5)
    assert statistics.interquartile_mean([1, 2, 9]) == pytest.approx(4)
    assert statistics.interquartile_mean([]) is None


def test_bootstrap_interval_of_two_values() -> None:
    """Of the values 0 and 1, resampled means are 0, 0.5, 1, so the 95 % interval is [0, 1]."""
    assert statistics.bootstrap_interval([0, 1], seed=1) == statistics.Interval(0.0, 1.0)


def test_bootstrap_interval_degenerates_gracefully() -> None:
    """Equal values give a point, fewer than two values give none."""
    assert statistics.bootstrap_interval([2.0] * 5, seed=1) == statistics.Interval(2.0, 2.0)
    assert statistics.bootstrap_interval([2.0], seed=1) is None
    assert statistics.bootstrap_interval([], seed=1) is None


def test_bootstrap_interval_is_that_of_the_normal_mean() -> None:
    """For many values the interval agrees with the mean -+ 1.96 standard errors."""
    values = np.random.default_rng(3).normal(10, 2, 400)
    found = statistics.bootstrap_interval(values.tolist(), seed=5)
    half = 1.96 * values.std() / 20
    assert found is not None
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)


def test_bootstrap_resamples_in_pairs() -> None:
    """Equal seeds draw equal resamples: shifting all values by 3 shifts the interval by 3."""
    values = [1.0, 4.0, 2.0, 8.0, 5.0]
    one = statistics.bootstrap_interval(values, seed=7)
    other = statistics.bootstrap_interval([x + 3 for x in values], seed=7)
    assert one is not None
    assert other is not None
    assert (other.low, other.high) == pytest.approx((one.low + 3, one.high + 3))
    assert one == statistics.bootstrap_interval(values, seed=7)


def test_performance_profile_by_hand() -> None:
    """Ratios are to the fastest per problem; a problem that nobody solves counts in |P|."""
    inf = math.inf
    times = {"a": [1.0, 4.0, inf, inf], "b": [2.0, 1.0, 3.0, inf], "c": [inf] * 4}
    found = statistics.performance_profile(times)
    assert [column.tolist() for column in found["a"]] == [[1, 4], [0.25, 0.5]]
    assert [column.tolist() for column in found["b"]] == [[1, 2], [0.5, 0.75]]
    assert [column.tolist() for column in found["c"]] == [[], []]
    assert statistics.performance_profile({}) == {}


def test_primal_gap_by_hand() -> None:
    """Berthold's gap: 1 without a plan or across zero, else relative to the larger magnitude."""
    assert statistics.primal_gap(None, 5) == 1
    assert statistics.primal_gap(0, 0) == 0
    assert statistics.primal_gap(-1, 1) == 1
    assert statistics.primal_gap(200, 100) == pytest.approx(0.5)
    assert statistics.primal_gap(-50, -100) == pytest.approx(0.5)
    assert statistics.primal_gap(7, 0) == 1


def test_primal_integral_by_hand() -> None:
    """2 s at gap 1, 3 s at gap 1/2, then the optimum: 3.5; bounds in the trace change nothing."""
    trace = [(1.0, None, 50), (2.0, 200, None), (4.0, None, 60), (5.0, 100, 100)]
    assert statistics.primal_integral(trace, 100, 10.0) == pytest.approx(3.5)
    assert statistics.primal_integral(trace, 100, 3.0) == pytest.approx(2.5)
    assert statistics.primal_integral([], 100, 10.0) == 10.0
    assert statistics.primal_integral([(99.0, 100, None)], 100, 10.0) == 10.0
