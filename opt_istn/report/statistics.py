"""Statistics of comparisons as small pure functions, each after its published definition."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from opt_istn.runs.audit import gap as gap

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Parameters
    ----------
    low, high
        Its ends, in the unit of the values.
    """

    low: float
    high: float


def mean(values: Sequence[float]) -> float | None:
    """Return the arithmetic mean, None of nothing."""
    return math.fsum(values) / len(values) if values else None


def shifted_geometric_mean(values: Sequence[float], shift: float) -> float | None:
    """Return exp(mean(log(v + shift))) - shift, None of nothing.

    The usual aggregate of solver times (Achterberg, Constraint Integer Programming, 2007, appendix
    A): unlike the arithmetic mean it is not decided by the longest runs, and the shift keeps the
    shortest ones from deciding it instead.
    """
    if not values:
        return None
    logs = [math.log(value + shift) for value in values]
    return math.exp(math.fsum(logs) / len(logs)) - shift


def interquartile_mean(values: Sequence[float]) -> float | None:
    """Return the mean of the middle half, None of nothing.

    A quarter of the values, rounded down, is cut off at each end; recommended for runs that differ
    by seed (Agarwal et al., Deep RL at the edge of the statistical precipice, NeurIPS 2021).
    """
    return float(stats.trim_mean(values, 0.25)) if values else None


def bootstrap_interval(
    values: Sequence[float], seed: int, confidence: float = 0.95, resamples: int = 9999
) -> Interval | None:
    """Return the percentile bootstrap interval of the mean, None of fewer than two values.

    Equal seeds draw equal resamples for equal numbers of values. Values given in the same order of
    instances are therefore resampled in pairs across solvers, which keeps their intervals
    comparable (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).
    """
    if len(values) < 2:
        return None
    result = stats.bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        batch=max(1, 10**6 // len(values)),  # bounds the memory of the resamples
        method="percentile",  # defined also where all values are equal, unlike BCa
        rng=np.random.default_rng(seed),
    )
    low, high = result.confidence_interval
    return Interval(float(low), float(high))


def performance_profile(
    times: Mapping[str, Sequence[float]],
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return Dolan and More's performance profile, rho_s(tau) = |{p: t_ps <= tau t_p*}| / |P|.

    Source: Benchmarking optimization software with performance profiles, Mathematical Programming
    91, 2002.

    Parameters
    ----------
    times
        Seconds of each solver s on each problem p, in the same order of problems; infinite where it
        did not solve it. Problems that none solves count in |P| all the same.

    Returns
    -------
    dict
        Per solver the ratios tau at which rho steps up, ascending, and rho from there on.
    """
    table = np.array([list(row) for row in times.values()], dtype=np.float64)
    if table.size == 0:
        return {}
    best = table.min(axis=0)
    profiles = {}
    for solver, row in zip(times, table, strict=True):
        solved = np.isfinite(row)
        fastest = row[solved] == best[solved]
        with np.errstate(divide="ignore", invalid="ignore"):  # a best time of 0: infinitely slower
            ratios = np.where(fastest, 1.0, row[solved] / best[solved])
        tau, counts = np.unique(ratios, return_counts=True)
        profiles[solver] = (tau, np.cumsum(counts) / table.shape[1])
    return profiles


def primal_gap(cost: int | None, best: int) -> float:
    """Return Berthold's primal gap in [0, 1]: 1 without a plan or if the signs differ."""
    if cost is None:
        return 1.0
    if cost == best:
        return 0.0
    if cost * best < 0:
        return 1.0
    return abs(cost - best) / max(abs(cost), abs(best))


def primal_integral(
    trace: Sequence[tuple[float, int | None, int | None]], best: int, horizon_s: float
) -> float:
    """Return the integral of the primal gap over [0, horizon_s], in seconds.

    Source: Berthold, Measuring the impact of primal heuristics, Operations Research Letters 41(6),
    2013, equation (1). Small is good: a plan at once with cost `best` gives 0, none `horizon_s`.

    Parameters
    ----------
    trace
        ``(seconds, incumbent cost or None, bound or None)`` in order of time.
    best
        Cost of the best plan known.
    """
    total, since, current = 0.0, 0.0, 1.0
    for seconds, cost, _ in trace:
        now = min(max(seconds, since), horizon_s)
        total += current * (now - since)
        since = now
        if cost is not None:
            current = primal_gap(cost, best)
    return total + current * (horizon_s - since)
