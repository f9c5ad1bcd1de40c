"""`jutap.lagrangian`: a multiplier on the energy budget gives a walk and a bound, both exact.

The relaxation and its update are those of `multipliers` (Handler & Zang, Networks 10, 1980). What
is left between walk and bound is the duality gap, which only a search closes. Without a budget,
or with one that the cheapest walk keeps, there is none.
"""

from dataclasses import dataclass

from formulations.jutap.labels import Labels
from formulations.jutap.passes.multipliers import relax
from formulations.jutap.passes.potentials import (
    OutOfTimeError,
    Potentials,
    compute_potentials,
    grid_of,
)
from formulations.jutap.passes.ranges import LARGEST, too_far
from opt_istn.jutap import graph
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.solver import Budget, Claims, Status

PROOF = "labels"  # the compiled passes are those of jutap.labels: no independent proof


@dataclass(frozen=True)
class Lagrangian:
    """Solver ``jutap.lagrangian``: polynomial, within the duality gap. `Budget.work` is ignored.

    Negative cycles are supported: under a budget the search then stays among multipliers that leave
    none.
    """

    stochastic = False
    kind = "heuristic"
    knows = "link states"

    def supports(self, instance: Instance) -> str | None:
        """Refuse what could leave 64 bits."""
        return too_far(instance)

    def prepare(self) -> None:
        """Compile the kernels."""
        Labels().prepare()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Return the best walk met and the best bound."""
        budget = budget.start()
        try:
            return _solve(instance, budget)
        except OutOfTimeError:
            return Claims(Status.NO_PLAN)


def _solve(instance: Instance, budget: Budget) -> Claims:
    grid, start = grid_of(instance), graph.start_state(instance)
    if not grid.active[instance.end]:
        return Claims(Status.INFEASIBLE, proof=PROOF)
    cheapest = compute_potentials(instance, 1, 0, grid, budget.overdue)
    limit = instance.energy_budget_mj
    if limit is None and cheapest.negative_cycle:
        return Claims(Status.UNBOUNDED, proof=PROOF)
    if limit is None:
        return _claims(instance, cheapest, cheapest.cost(start), 0, budget)
    frugal = compute_potentials(instance, 0, 1, grid, budget.overdue)
    if frugal.energy(start) > limit:
        return Claims(Status.INFEASIBLE, proof=PROOF)
    found = relax(instance, grid, start, limit, cheapest, frugal, budget.expired)
    # so low a bound says nothing, and a record does not hold it
    bound = found.bound if found.bound > -LARGEST else None
    return _claims(instance, found.incumbent, bound, found.trials, budget)


def _claims(
    instance: Instance, walk: Potentials, bound: int | None, trials: int, budget: Budget
) -> Claims:
    _, ids, _ = instance.states
    states = walk.walk(graph.start_state(instance))
    cells = graph.state_cells(instance)[states].tolist()
    plan = Plan(instance.sha256, tuple(cells), tuple(ids[states].tolist()))
    cost = evaluate(instance, plan).cost
    return Claims(
        status=Status.OPTIMAL if bound == cost else Status.FEASIBLE,
        plan=plan,
        cost=cost,
        bound=bound,
        proof=PROOF if bound is not None else "",
        trace=((budget.used_s(), cost, bound),),
        detail={"multipliers": trials},
    )
