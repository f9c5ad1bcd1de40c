"""Plans from which the engines of mixed-integer programs start."""

import numpy as np
from numpy.typing import NDArray

from formulations.push import users
from formulations.push.mip.intervals import Intervals
from formulations.push.moves import incumbent
from formulations.push.users import UserTask
from opt_istn.push.evaluate import lifetimes
from opt_istn.push.instance import UserProblem
from opt_istn.solver import Budget

_ROUNDS, _SHARE = 20, 0.1  # of annealing, and its part of the time at most
LEAST_S = 1e-9  # a share of time is positive


def annealed(task: UserTask) -> users.Pushes:
    """Return the best of some annealed plans; they take a tenth of the time at most."""
    problem, rng = task.problem, np.random.default_rng([task.seed, task.user])
    bound, left = problem.base_us - users.relaxed_bound(problem), task.budget.left_s()
    share = Budget(None if left is None else max(_SHARE * left, LEAST_S)).start()
    plan, _ = incumbent(problem, rng, share, _ROUNDS, bound)
    pushed = np.flatnonzero(plan < problem.weight.shape[1]).tolist()
    return tuple((f, int(plan[f])) for f in pushed)


def claimed(problem: UserProblem, claims: Intervals, pushes: users.Pushes) -> NDArray[np.float64]:
    """Return the claims of a plan: 1 or 0 for each claim."""
    slots = problem.weight.shape[1]
    lives = lifetimes([(slot, f) for f, slot in pushes], problem.cache_size)
    last = {}
    for f, (first, end) in lives.items():
        served = np.flatnonzero(problem.weight[f, first : int(min(end, slots))])
        if len(served):
            last[f, first] = first + int(served[-1])
    rows = zip(claims.content.tolist(), claims.start.tolist(), claims.end.tolist(), strict=True)
    return np.array([last.get((f, s)) == e for f, s, e in rows], dtype=np.float64)


def better(problem: UserProblem, first: users.Pushes, second: users.Pushes) -> users.Pushes:
    """Return the plan that costs less, the first of equals."""
    return min(first, second, key=lambda pushes: users.delay_us(problem, pushes))
