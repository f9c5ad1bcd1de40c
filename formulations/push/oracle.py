"""Solver ``push.oracle-fifo``: just-in-time pushes by somebody who knows all requests.

It is not an online policy: it holds the instance. It is no optimum either: it adds the one push
that gains most until none gains, and never takes one back. A push enters in the slot of a request
that it serves, or in the last slot before in which it can; so nothing waits in a cache, and what
still keeps it from serving all requests is the size of the caches and their order, FIFO.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.push.anneal import cumulative, saving
from opt_istn.compiling import compiled
from opt_istn.push.instance import Instance, IntArray, UserProblem
from opt_istn.push.plan import Plan
from opt_istn.push.policies import claims_of
from opt_istn.push.random import random_push
from opt_istn.solver import Budget, Claims


@dataclass(frozen=True)
class OracleFifo:
    """Greedy insertion of just-in-time pushes, the requests being known."""

    stochastic = False
    kind = "heuristic"
    knows = "requests"

    def supports(self, instance: Any) -> str | None:
        """Every PUSH instance is supported: nothing of its scenario is read."""
        return None if isinstance(instance, Instance) else "expected a PUSH instance"

    def prepare(self) -> None:
        """Compile the kernel."""
        self.solve(random_push(np.random.default_rng(7), num_requests=40), Budget(), 0)

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Insert push by push; O(pushes * requests * contents) a user, until the time is up."""
        rows, budget = [], budget.start()
        for user in range(instance.num_users):
            if budget.expired():
                break
            problem = instance.user(user)
            plan = _plan(problem)
            for f in np.flatnonzero(plan < instance.num_slots):
                rows.append((user, int(problem.content[f]), int(plan[f])))
        return claims_of(instance, Plan(instance.sha256, tuple(rows)))


def _plan(problem: UserProblem) -> IntArray:
    """Return the slot of each content, T for never."""
    slots = problem.weight.shape[1]
    content, slot = np.nonzero(problem.weight)
    # last slot up to each in which the content can be pushed, -1 where there is none
    marks = np.where(problem.pushable, np.arange(slots), -1)
    entry = np.maximum.accumulate(marks, axis=1)[content, slot]
    options = np.column_stack([content, entry])[entry >= 0]
    plan = np.full(len(problem.content), slots)
    _insert(cumulative(problem), problem.cache_size, plan, options)
    return plan


@compiled
def _insert(saved: IntArray, places: int, plan: IntArray, options: IntArray) -> None:
    never = saved.shape[1] - 1
    while True:
        value = saving(saved, places, plan)
        best, gain = -1, 0
        for i in range(len(options)):
            f, slot = options[i]
            if plan[f] == never:
                plan[f] = slot
                more = saving(saved, places, plan) - value
                plan[f] = never
                if more > gain:
                    best, gain = i, more
        if best < 0:
            return
        plan[options[best, 0]] = options[best, 1]
