"""Statistics of comparisons as small pure functions, each after its published definition."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SHARE = 100  # a bound under one in so many of the reference is too near to zero to be a scale


def relative_gap(cost: int, bound: int, reference: int | None = None) -> float | None:
    """Return (cost - bound) / |bound|, None where |bound| is no scale for it.

    That is where the bound is under 1 % of the reference cost, or of another sign: there the
    ratio tells more of where zero happens to lie than of the plan. Which instances that concerns
    does not depend on `cost`. Without a reference it is where the bound is 0, or the cost of
    another sign. All costs times a factor have the same gap.
    """
    if reference is None:
        scaled = bound != 0 and cost * bound >= 0
    else:
        scaled = bound * reference > 0 and SHARE * abs(bound) >= abs(reference)
    return (cost - bound) / abs(bound) if scaled else None


def saving_left(cost: int, optimum: int, reference: int) -> float | None:
    """Return (cost - optimum) / (reference - optimum), the part of what can be saved that is left.

    0 is optimal, 1 no better than the reference; None where the reference is optimal itself. One
    minus it is the *saving*. With a bound in place of the optimum it is the most that can be left,
    with the cost of an incumbent the least, for costs up to the reference. Adding to all costs
    changes it as little as scaling them does.
    """
    return (cost - optimum) / (reference - optimum) if reference > optimum else None


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
    if math.inf in values:  # a run that never ends
        return math.inf
    logs = [math.log(value + shift) for value in values]
    return math.exp(math.fsum(logs) / len(logs)) - shift


def interquartile_mean(values: Sequence[float]) -> float | None:
    """Return the mean of the middle half, None of fewer than four values.

    A quarter of the values, rounded down, is cut off at each end; recommended for runs that differ
    by seed (Agarwal et al., Deep RL at the edge of the statistical precipice, NeurIPS 2021).
    """
    cut = len(values) // 4
    return mean(sorted(values)[cut : len(values) - cut]) if len(values) > 3 else None


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


def median(values: Sequence[float]) -> float | None:
    """Return the middle value, the mean of the middle two; None of nothing, infinite if one is."""
    return float(np.median(values)) if values else None


def solved_within(
    seconds: Sequence[float],
) -> tuple[FloatArray, FloatArray]:
    """Return the empirical distribution of solving times, F(t) = |{p: t_p <= t}| / |P|.

    Also called a run-time distribution (Hoos and Stuetzle, Stochastic Local Search, 2004, chapter
    4). Returns the times at which F steps up, ascending, and F from there on.

    Parameters
    ----------
    seconds
        Of every problem p; infinite where it was not solved, which counts in |P| all the same.
    """
    found, counts = np.unique([x for x in seconds if math.isfinite(x)], return_counts=True)
    return found.astype(np.float64), np.cumsum(counts) / max(len(seconds), 1)


def primal_gap(cost: int | None, best: int) -> float:
    """Return Berthold's primal gap in [0, 1]: 1 without a plan or if the signs differ."""
    if cost is None:
        return 1.0
    if cost == best:
        return 0.0
    return min(1.0, abs(cost - best) / max(abs(cost), abs(best)))


def incumbents(
    trace: Sequence[tuple[float, int | None, int | None]], cost: int | None, end_s: float
) -> list[tuple[float, int]]:
    """Return when a run had which incumbents, in order of time, as far as its word is believed.

    No incumbent counts for more than the judged plan at the end, and none comes after the end. When
    it came is the solver's own word.

    Parameters
    ----------
    trace
        ``(seconds, incumbent cost or None, bound or None)`` as claimed.
    cost
        Of the judged plan; None without one, and then nothing is believed.
    end_s
        When the run ended; infinite if that is not known.
    """
    if cost is None:
        return []
    told = sorted((min(s, end_s), max(value, cost)) for s, value, _ in trace if value is not None)
    return [*told, (end_s, cost)]


def primal_integral(trace: Sequence[tuple[float, int]], best: int, horizon_s: float) -> float:
    """Return the integral of the primal gap over [0, horizon_s], in seconds.

    Source: Berthold, Measuring the impact of primal heuristics, Operations Research Letters 41(6),
    2013, equation (1). Small is good: a plan at once with cost `best` gives 0, none `horizon_s`.

    Parameters
    ----------
    trace
        ``(seconds, cost)`` of `incumbents`, in order of time; a dearer one than before is no news.
    best
        Cost of the best plan known.
    """
    total, since, current = 0.0, 0.0, 1.0
    for seconds, cost in trace:
        now = min(max(seconds, since), horizon_s)
        total += current * (now - since)
        since, current = now, min(current, primal_gap(cost, best))
    return total + current * (horizon_s - since)
