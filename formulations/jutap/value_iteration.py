"""Solver ``jutap.value-iteration``: the exact cost of every state by sweeps over the table.

A 25 x 25 grid with two kinds of link has 1,250 states and 16 actions: a table of 20,000 numbers.
Value iteration shares no code with the label setter, so without an energy budget it is a second
proof.
"""

from dataclasses import dataclass

from opt_istn.files import InputError
from opt_istn.jutap import evaluate, graph
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.table import LOST, flown, greedy, table_of, value_iteration
from opt_istn.solver import Budget, Claims, Status


@dataclass(frozen=True)
class ValueIteration:
    """Solver ``jutap.value-iteration``: the exact cost of every state by sweeps over the table.

    The energy budget is no part of the states, so it is left out. What comes out is a bound, and
    the optimum if the walk keeps the budget.
    """

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
            table = table_of(instance)
            value = value_iteration(table)
        except InputError as error:
            return Claims(Status.NO_PLAN, detail={"reason": str(error)})
        start = graph.start_state(instance)
        if value[start] >= LOST:
            return Claims(Status.INFEASIBLE, proof="value-iteration")
        plan = flown(table, greedy(table, value), start)
        cost = int(value[start])
        if not evaluate(instance, plan).feasible:
            return Claims(Status.BOUND_ONLY, bound=cost, proof="value-iteration")
        return Claims(Status.OPTIMAL, plan, cost, cost, "value-iteration")
