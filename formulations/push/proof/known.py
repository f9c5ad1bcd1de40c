"""The best plan that a proof knows of a user, and the annealing that looks for a better one.

A proof ends when its bound meets the plan's cost: with a plan that is a little too dear, nodes are
split in vain. Better plans are looked for while the tree grows, so a proof that ends at the root
pays little for them.
"""

import math

import numpy as np

from formulations.push.anneal import cumulative, first_plan, never, num_pushes, saving
from formulations.push.moves import LARGE, anneal_on, chains
from formulations.push.proof.tree import Pushes, Search
from opt_istn.push.instance import IntArray, UserProblem
from opt_istn.push.plan import Plan
from opt_istn.solver import Budget

_SEED = 0
# rounds before the root is solved, once it does not prove the plan, and for each node
_BEFORE, _ROOT, _NODE = 4, 8, 2


class Known:
    """The best plan of a user so far.

    Parameters
    ----------
    plans
        (slot, content) of pushes; none anneals one.
    before
        Relaxations that earlier searches of the user solved: a resumed one anneals differently.
    """

    def __init__(self, problem: UserProblem, plans: list[Pushes], before: int = 0) -> None:
        self._problem, self._rng = problem, np.random.default_rng([_SEED, before])
        self._calls = 0
        self._best: tuple[IntArray, int] = never(problem), 0
        self._chains = chains(problem, self._best, self._rng)
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
        """Take over a plan if it is better than the known one."""
        slots, problem = never(self._problem), self._problem
        for slot, f in pushes:
            slots[np.searchsorted(problem.content, f)] = slot
        self._know((slots, int(saving(cumulative(problem), problem.cache_size, slots))))

    def help(self, search: Search) -> None:
        """Look for a better plan: thoroughly once the root is solved, then two rounds a call."""
        if search.better is not None:
            self.take(search.better)
        bound_us = -math.inf if search.root is None else search.root.bound
        self._rounds(_NODE if self._calls else _ROOT, bound_us)
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
            self._best = next(self._chains)

    def _know(self, found: tuple[IntArray, int]) -> None:
        """Take over a better plan, with its saving, and go on from it."""
        if found[1] > self._best[1]:
            self._best, self._chains = found, chains(self._problem, found, self._rng)


def useful(problem: UserProblem, plan: Plan, user: int) -> Pushes:
    """Return (slot, content) of a user's pushes that can save something."""
    contents = set(problem.content.tolist())
    return tuple((t, f) for u, f, t in plan.push if u == user and f in contents)
