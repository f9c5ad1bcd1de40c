"""Solver ``jutap.value-iteration``: the exact cost of every state by sweeps over the table.

A 25 x 25 grid with two kinds of link has 1,250 states and 16 actions: a table of 20,000 numbers.
Value iteration shares no code with the label setter, so without an energy budget it is a second
proof.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from opt_istn.files import InputError
from opt_istn.jutap import evaluate, graph
from opt_istn.jutap.flights.table import (
    LOST,
    Reward,
    flown,
    greedy,
    rewarded,
    strongest,
    table_of,
    value_iteration,
)
from opt_istn.jutap.instance import Instance
from opt_istn.solver import Budget, Claims, Status


@dataclass(frozen=True)
class ValueIteration:
    """Solver ``jutap.value-iteration``: the exact cost of every state by sweeps over the table.

    The energy budget is no part of the states, so it is left out. What comes out is a bound, and
    the optimum if the walk keeps the budget.

    Parameters
    ----------
    reward
        Under what the policy is exact. Other than ``objective`` it is flown as an agent would,
        with the strongest association, and proves nothing of problem (4).
    """

    reward: Reward = "objective"

    stochastic = False
    kind = "exact"
    knows = "link states"

    def supports(self, instance: Instance) -> str | None:  # noqa: ARG002
        """Every instance is supported."""
        return None

    def prepare(self) -> None:
        """Nothing to do."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Sweep until nothing changes; O(sweeps * states * actions)."""
        try:
            return self._solved(instance, budget.start().expired)
        except (InputError, TimeoutError) as error:
            return Claims(Status.NO_PLAN, detail={"reason": str(error)})

    def _solved(self, instance: Instance, late: Callable[[], bool]) -> Claims:
        own = self.reward == "objective"
        table = table_of(instance if own else strongest(instance), late)
        value = value_iteration(rewarded(table, self.reward), late)
        start = graph.start_state(table.instance)
        if value[start] >= LOST:
            return Claims(Status.INFEASIBLE, proof="value-iteration")
        plan = flown(table, greedy(rewarded(table, self.reward), value, late), start)
        if not own:
            plan = replace(plan, instance=instance.sha256)
            cost = evaluate(instance, plan).cost
            return Claims(Status.NO_PLAN if cost is None else Status.FEASIBLE, plan, cost)
        cost = int(value[start])
        if not evaluate(instance, plan).feasible:
            return Claims(Status.BOUND_ONLY, bound=cost, proof="value-iteration")
        return Claims(Status.OPTIMAL, plan, cost, cost, "value-iteration")
