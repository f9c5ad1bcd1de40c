"""The linear relaxation of the profile formulation: an integer bound, and prices to start from.

The relaxation (see `intervals`) lies 0 to 1.5 % above the best FIFO saving at 3 places, about 1.3 %
at 10 and 2.5 % at 30. Its dual values are rounded to integers; by weak duality any nonnegative
prices y of the rows give the bound ``upper @ y + sum_j max(0, gain_j - y @ column_j)`` (all
variables lie in 0..1), so the bound is exact whatever the solver's tolerances.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from formulations.push.matrix import profile
from opt_istn.push.instance import IntArray, UserProblem


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


def relax(problem: UserProblem, time_s: float | None = None) -> Relaxed:
    """Solve the relaxation of a user with something to gain.

    Stopped by `time_s`, the bound is what can be saved at most: all requests.
    """
    program = profile(problem)
    claims = program.columns.content
    gain = np.zeros(program.matrix.shape[1], dtype=np.int64)
    gain[: len(claims)] = program.columns.gain
    prices = np.zeros(len(problem.content), dtype=np.int64)
    options = {} if time_s is None else {"time_limit": time_s}
    solved = linprog(  # type: ignore[call-overload] # the stubs know no sparse matrix
        -gain.astype(float), program.matrix, program.upper, bounds=(0, 1), options=options
    )
    if solved.status != 0:
        return Relaxed(problem.base_us, prices)
    dual = np.maximum(np.rint(-solved.ineqlin.marginals), 0).astype(np.int64)
    rows = program.matrix.astype(np.int64)
    surplus = np.maximum(gain - rows.T @ dual, 0)
    bound = int(program.upper.astype(np.int64) @ dual) + int(surplus.sum())
    repeatable = np.flatnonzero(np.bincount(claims, minlength=len(prices)) > 1)
    prices[repeatable] = dual[: len(repeatable)]  # the first rows, for contents with a choice
    return Relaxed(min(bound, problem.base_us), prices)
