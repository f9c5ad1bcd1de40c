"""The best plan that a proof knows of a user, and the annealing that looks for a better one.

A bound is proven once it meets the plan, so a proof with a plan that is a hundredth too dear splits
nodes in vain. The plan is looked for while the tree grows: what closes at the root costs little.
"""

import math

import numpy as np

from formulations.push.anneal import (
    cumulative,
    first_plan,
    heat_of,
    never,
    num_pushes,
    restarts,
    saving,
)
from formulations.push.mip.tree import Pushes, Search
from formulations.push.moves import LARGE, anneal_on, improve
from opt_istn.push.instance import IntArray, UserProblem
from opt_istn.push.plan import Plan
from opt_istn.solver import Budget

_SEED = 0
_BEFORE, _ROOT = 4, 8  # rounds before the root is solved, and once it does not prove the plan
_STEPS = 200_000  # of a round from the best plan
_HEATS = 0.5, 0.3, 0.15  # of such rounds, one after the other; then one starts from nothing


class Known:
    """The best plan of a user so far.

    Parameters
    ----------
    plans
        (slot, content) of pushes; none anneals one.
    """

    def __init__(self, problem: UserProblem, plans: list[Pushes]) -> None:
        self._problem, self._rng = problem, np.random.default_rng(_SEED)
        self._round, self._calls = 0, 0
        self._best = never(problem), 0
        for pushes in plans:
            self.take(pushes)
        if not plans:
            self._first()

    @property
    def cost_us(self) -> int:
        """What the user waits with the plan, in microseconds."""
        return self._problem.base_us - self._best[1]

    @property
    def pushes(self) -> Pushes:
        """(slot, content) of the plan's pushes."""
        slots, problem = self._best[0], self._problem
        pushed = np.flatnonzero(slots < problem.weight.shape[1])
        return tuple(zip(slots[pushed].tolist(), problem.content[pushed].tolist(), strict=True))

    def take(self, pushes: Pushes) -> None:
        """Know a plan, too."""
        slots, problem = never(self._problem), self._problem
        for slot, f in pushes:
            slots[np.searchsorted(problem.content, f)] = slot
        self._know((slots, int(saving(cumulative(problem), problem.cache_size, slots))))

    def help(self, search: Search) -> None:
        """Look for a better plan: thoroughly once the root is solved, then for a round a call."""
        if search.better is not None:
            self.take(search.better)
        bound_us = -math.inf if search.root is None else search.root.bound
        self._rounds(1 if self._calls else _ROOT, bound_us)
        self._calls += 1
        search.know(self.cost_us, self.pushes)

    def _first(self) -> None:
        problem = self._problem
        self._know(first_plan(problem, self._rng))
        if num_pushes(problem) >= LARGE:
            budget, best = Budget().start(), self._best
            self._know(anneal_on(problem, best, self._rng, budget, 0, lambda _saved_us: False))
        self._rounds(_BEFORE, -math.inf)

    def _rounds(self, most: int, bound_us: float) -> None:
        """Anneal, fewer times for a small user, until a plan costs no more than a bound."""
        for _ in range(min(most, num_pushes(self._problem) // 6)):
            if self.cost_us <= bound_us:
                break
            self._anneal()
            self._round += 1

    def _anneal(self) -> None:
        problem, kind = self._problem, self._round % (len(_HEATS) + 1)
        if kind == len(_HEATS):
            self._know(restarts(problem, *self._best, self._rng, 1, lambda _saved_us: False))
            return
        heat, steps = _HEATS[kind] * heat_of(problem), min(_STEPS, 1000 * num_pushes(problem))
        self._know(
            improve(problem, self._best[0], heat, self._rng, lambda done, _saved_us: done / steps)
        )

    def _know(self, found: tuple[IntArray, int]) -> None:
        if found[1] > self._best[1]:
            self._best = found


def useful(problem: UserProblem, plan: Plan, user: int) -> Pushes:
    """Return (slot, content) of a user's pushes that can save something."""
    contents = set(problem.content.tolist())
    return tuple((t, f) for u, f, t in plan.push if u == user and f in contents)
