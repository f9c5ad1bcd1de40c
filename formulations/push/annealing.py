"""Solver ``push.anneal``: simulated annealing by somebody who knows all requests.

It proves nothing. Small users are annealed again and again, large ones by the moves of `moves`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations.push.moves import incumbent, touch
from formulations.push.users import relaxed_bound
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan
from opt_istn.push.policies import claims_of
from opt_istn.solver import Budget, Claims

_ROUNDS = 60
_LEAST_S = 1e-9  # a share of time is positive


@dataclass(frozen=True)
class Anneal:
    """Annealing, user by user. The seed decides all of it if no time limit does."""

    stochastic = True
    kind = "heuristic"
    knows = "requests"

    def supports(self, instance: Any) -> str | None:
        """Every PUSH instance is supported: nothing of its scenario is read."""
        return None if isinstance(instance, Instance) else "expected a PUSH instance"

    def prepare(self) -> None:
        """Compile the kernels."""
        touch()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Anneal the users one after the other, each for an equal part of the time left."""
        rows, budget = list[tuple[int, int, int]](), budget.start()
        problems = [instance.user(user) for user in range(instance.num_users)]
        costs = [problem.base_us for problem in problems]
        budget.report(Plan(instance.sha256, ()), None, sum(costs))
        for user, problem in enumerate(problems):
            left = budget.left_s()
            if budget.expired() or not len(problem.content):
                continue
            time_s = left and max(left / (instance.num_users - user), _LEAST_S)
            rng = np.random.default_rng([seed, user])
            bound = problem.base_us - relaxed_bound(problem)
            plan, saved_us = incumbent(problem, rng, Budget(time_s).start(), _ROUNDS, bound)
            costs[user] -= saved_us
            for f in np.flatnonzero(plan < instance.num_slots):
                rows.append((user, int(problem.content[f]), int(plan[f])))
            budget.report(Plan(instance.sha256, tuple(rows)), None, sum(costs))
        return claims_of(instance, Plan(instance.sha256, tuple(rows)))
