"""The arc-flow model of JUTAP on SCIP: a second core for what HiGHS proves.

The model is that of `formulations.jutap.mip.arc_flow`, written to a file and read by SCIP. What
SCIP proves it proves in floats: see `formulations.scip_engine`.
"""

from dataclasses import dataclass

import numpy as np

from formulations import scip_engine
from formulations.highs_engine import OutOfTimeError
from formulations.jutap.mip import flow
from formulations.jutap.mip.arc_flow import OnArcs, build
from formulations.jutap.passes.ranges import dearest
from opt_istn.jutap import graph
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.routes import Routes
from opt_istn.solver import Budget, Claims


@dataclass(frozen=True)
class Scip(OnArcs):
    """SCIP on the arc flow. `Budget.work` limits the nodes of SCIP, which takes one thread."""

    def supports(self, instance: Instance) -> str | None:
        """Refuse costs that are too large for SCIP, too, and say if it is missing."""
        refused = scip_engine.refusal() or super().supports(instance)
        most = 0 if refused else _dearest_optimum(instance)
        if most <= scip_engine.LARGEST:
            return refused
        limit = f"more than the {scip_engine.LARGEST} up to which SCIP proves"
        return f"an optimum may cost {most}, {limit}"

    def prepare(self) -> None:
        """Import the engine, if it is there."""
        scip_engine.prepare()
        Routes.prepare()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Build, solve with both gaps at 0, and read the plan off the chosen arcs."""
        trivial = flow.without_engine(instance, scip_engine.PROOF)
        if trivial:
            return trivial
        return flow.claims(instance, _run(instance, budget.start(), seed), scip_engine.PROOF)


def _dearest_optimum(instance: Instance) -> int:
    """Return a cost, of either sign, that an optimum does not exceed; 0 if there is no walk.

    The walk of the least energy is within any budget that leaves a walk. No walk costs less than 0
    unless an arc does, and then the best one enters each state once.
    """
    if not graph.reachable_cells(instance)[instance.end]:
        return 0
    moves = len(instance.states[1])
    if graph.state_arcs(instance).cost.min(initial=0) >= 0:
        moves = int(Routes(instance).from_start[instance.end]) // min(instance.energy_mj)
    return dearest(instance) * moves


def _run(instance: Instance, budget: Budget, seed: int) -> flow.Result:
    try:
        model = build(instance, budget)
        found = scip_engine.solve(model, budget, seed)
    except OutOfTimeError:
        return flow.Result(seconds=budget.used_s())
    result = flow.Result(bound=scip_engine.round_up(found.bound), infeasible=found.infeasible)
    if found.values is not None:
        chosen = np.array([found.value(model.x[a]) > 0.5 for a in model.ARCS])
        result.plan = flow.decode(instance, graph.state_arcs(instance), chosen)
    result.detail = {"arcs": len(model.x), "nodes": found.nodes}
    result.seconds = budget.used_s()
    return result
