"""`jutap.lagrangian`: a multiplier on the energy budget gives a walk and a bound, both exact.

The relaxation and its update are those of `multipliers` (Handler & Zang, Networks 10, 1980). What
is left between walk and bound is the duality gap, which only a search closes. Without a budget,
or with one that the cheapest walk keeps, there is none.
"""

import time
from dataclasses import dataclass

from formulations.jutap.labels import Labels
from formulations.jutap.multipliers import Relaxation, relax
from formulations.jutap.potentials import Grid, Potentials, grid_of, potentials
from opt_istn.jutap import graph
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.solver import Budget, Claims, Status

PROOF = "labels"  # the compiled passes are those of jutap.labels: no independent proof


@dataclass(frozen=True)
class Lagrangian:
    """Solver ``jutap.lagrangian``: polynomial, within the duality gap. `Budget.work` is ignored.

    Every instance is supported, negative cycles included: under a budget the search then stays
    among multipliers that leave no negative cycle.
    """

    stochastic = False

    def supports(self, instance: Instance) -> str | None:  # noqa: ARG002
        """Every JUTAP instance is supported."""
        return None

    def prepare(self) -> None:
        """Compile the kernels."""
        Labels().prepare()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Return the best walk met and the best bound."""
        started = time.perf_counter()
        if not graph.reachable_cells(instance)[instance.end]:
            return Claims(Status.INFEASIBLE, proof=PROOF)
        grid, start = grid_of(instance), graph.start_state(instance)
        cheapest = potentials(instance, 1, 0, grid)
        limit = instance.energy_budget_mj
        if limit is None and cheapest.negative_cycle:
            return Claims(Status.UNBOUNDED, proof=PROOF)
        if limit is None:
            return _claims(instance, cheapest, cheapest.cost(start), 0, started)
        frugal = potentials(instance, 0, 1, grid)
        if frugal.energy(start) > limit:
            return Claims(Status.INFEASIBLE, proof=PROOF)
        found = _relax(instance, grid, cheapest, frugal, budget, started)
        return _claims(instance, found.incumbent, found.bound, found.trials, started)


def _relax(
    instance: Instance,
    grid: Grid,
    cheapest: Potentials,
    frugal: Potentials,
    budget: Budget,
    started: float,
) -> Relaxation:
    """Search the multiplier until it is found or time is up."""
    limit, start = instance.energy_budget_mj or 0, graph.start_state(instance)

    def expired() -> bool:
        return budget.time_s is not None and time.perf_counter() - started >= budget.time_s

    return relax(instance, grid, start, limit, cheapest, frugal, expired)


def _claims(
    instance: Instance, walk: Potentials, bound: int | None, trials: int, started: float
) -> Claims:
    _, ids, _ = instance.states
    states = walk.walk(graph.start_state(instance))
    cells = graph.state_cells(instance)[states].tolist()
    plan = Plan(instance.sha256, tuple(cells), tuple(ids[states].tolist()))
    cost = evaluate(instance, plan).cost
    status = Status.OPTIMAL if bound == cost else Status.FEASIBLE
    trace = ((time.perf_counter() - started, cost, bound),)
    return Claims(
        status,
        plan,
        cost,
        bound,
        PROOF if bound is not None else "",
        trace,
        {"multipliers": trials},
    )
