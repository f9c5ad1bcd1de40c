"""The linear relaxation of the profile formulation: an integer bound, and prices to start from.

The relaxation is that of `intervals`. Its dual values are rounded to integers; by weak duality any
nonnegative prices y of the rows give the bound
``upper @ y + sum_j max(0, gain_j - y @ column_j)`` (all variables lie in 0..1), so it is exact
whatever the solver's tolerances.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from formulations.push.mip.intervals import list_intervals
from formulations.push.mip.matrix import profile
from opt_istn.push.instance import IntArray, UserProblem

LARGEST = 1 << 62  # sums that could come near it are not taken


@dataclass(frozen=True)
class Relaxed:
    """Outcome of the relaxation.

    Parameters
    ----------
    saved_us
        Upper bound on the user's saving in microseconds.
    prices
        Dual value of pushing each content once, shape (n,), microseconds.
    """

    saved_us: int
    prices: IntArray


def relax_order(problem: UserProblem, time_s: float | None = None) -> Relaxed:
    """Solve the relaxation in which any content may be evicted: faster, a weaker bound."""
    x, once, slots = list_intervals(problem), *problem.weight.shape
    claims, spans = np.arange(len(x.start)), x.end - x.start + 1
    claim = np.repeat(claims, spans)
    slot = np.arange(len(claim)) - np.repeat(np.cumsum(spans) - spans, spans) + x.start[claim]
    rows, columns = np.concatenate([x.content, once + slot]), np.concatenate([claims, claim])
    matrix = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (once + slots, len(claims)))
    upper = np.repeat([1, problem.cache_size], [once, slots]).astype(float)
    solved = linprog(  # type: ignore[call-overload] # the stubs know no sparse matrix
        -x.gain.astype(float), matrix, upper, bounds=(0, 1), options=_limit(time_s)
    )
    if solved.status != 0:
        return Relaxed(problem.base_us, np.zeros(once, dtype=np.int64))
    bound, dual = certified(matrix, upper, x.gain, -solved.ineqlin.marginals)
    return Relaxed(min(bound, problem.base_us), dual[:once])


def certified(matrix: Any, upper: Any, gain: IntArray, duals: Any) -> tuple[int, IntArray]:
    """Return the bound of dual values, rounded to integers, and the rounded values.

    Parameters
    ----------
    matrix, upper
        Rows ``matrix @ x <= upper`` with integer entries, for x in 0..1.
    gain
        What each variable saves, in integers.
    duals
        Any values of the rows; negative ones count as 0.

    Returns
    -------
    tuple
        Bound, `LARGEST` if sums could leave 64 bits, and prices.
    """
    most = int(gain.max(initial=0))  # a higher price changes nothing
    dual = np.clip(np.rint(duals), 0, most).astype(np.int64)
    places = upper.astype(np.int64)
    size = int(np.abs(places).sum()) + int(np.abs(matrix).sum())
    if most * size + int(gain.sum(dtype=float)) >= LARGEST:
        return LARGEST, dual
    surplus = np.maximum(gain - matrix.astype(np.int64).T @ dual, 0)
    return int(places @ dual) + int(surplus.sum()), dual


def _limit(time_s: float | None) -> dict[str, float]:
    return {} if time_s is None else {"time_limit": time_s}


def relax(problem: UserProblem, time_s: float | None = None) -> Relaxed:
    """Solve the relaxation of a user with something to gain.

    If `time_s` stops it, the bound is what serving all requests from the cache would save.
    """
    program = profile(problem)
    claims = program.columns.content
    gain = np.zeros(program.matrix.shape[1], dtype=np.int64)
    gain[: len(claims)] = program.columns.gain
    prices = np.zeros(len(problem.content), dtype=np.int64)
    solved = linprog(  # type: ignore[call-overload] # the stubs know no sparse matrix
        -gain.astype(float), program.matrix, program.upper, bounds=(0, 1), options=_limit(time_s)
    )
    if solved.status != 0:
        return Relaxed(problem.base_us, prices)
    bound, dual = certified(program.matrix, program.upper, gain, -solved.ineqlin.marginals)
    repeatable = np.flatnonzero(np.bincount(claims, minlength=len(prices)) > 1)
    prices[repeatable] = dual[: len(repeatable)]  # ONCE comes first
    return Relaxed(min(bound, problem.base_us), prices)
