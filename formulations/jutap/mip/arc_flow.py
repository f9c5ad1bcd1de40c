"""JUTAP as an arc-flow MIP in Pyomo, solved by HiGHS: the reference that is meant to be read.

Problem (4) with (5a) of arXiv:2603.22127 on the graph of (cell, link) states: a unit of flow from
START to END. Right only without negative cycles, so such instances are refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.contrib.solver.common.results import TerminationCondition

from formulations import exporting, highs_engine
from formulations.highs_engine import Heard
from formulations.jutap.mip import flow
from formulations.jutap.passes.ranges import dearest
from opt_istn.files import InputError
from opt_istn.jutap import graph
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.solver import Budget, Claims

MAX_PATH_COST = 10**10  # beyond it HiGHS's tolerances were seen to cost a proof 12 units
PROOF = "highs"


def build(instance: Instance, budget: Budget | None = None) -> pyo.ConcreteModel:
    """Return the arc-flow model of `instance`; ``x[a]`` is arc a of `graph.state_arcs`.

    Raises
    ------
    InputError
        If START is END or END cannot be reached: then there is nothing to model.
    OutOfTimeError
        If the budget's time is up before.
    """
    if instance.start == instance.end or not graph.reachable_cells(instance)[instance.end]:
        raise InputError("end", "expected an END that is not START and that START can reach")
    arcs = graph.state_arcs(instance)
    leaving, entering = flow.incidence(arcs)
    start = graph.start_state(instance)
    ends = np.flatnonzero(graph.state_cells(instance) == instance.end).tolist()

    model = pyo.ConcreteModel(name=exporting.title(instance.name, instance.sha256))
    model.ARCS = pyo.RangeSet(0, len(arcs.tail) - 1)
    model.STATES = pyo.Set(initialize=sorted({*leaving, *entering} - {start, *ends}))
    model.x = pyo.Var(model.ARCS, domain=pyo.Binary)
    x = model.x

    # (4): w1 * xi + w2 * eta + w3 * delta, summed over the moves
    cost = arcs.cost.tolist()
    model.COST_4 = pyo.Objective(expr=pyo.quicksum(cost[a] * x[a] for a in model.ARCS))

    def flow_row(_: pyo.ConcreteModel, s: int) -> Any:
        return pyo.quicksum(x[a] for a in leaving[s]) == pyo.quicksum(x[a] for a in entering[s])

    model.FLOW = pyo.Constraint(model.STATES, rule=highs_engine.in_time(budget, flow_row))
    out, back = (pyo.quicksum(x[a] for a in side[start]) for side in (leaving, entering))
    model.START = pyo.Constraint(expr=out - back == 1)
    model.END = pyo.Constraint(expr=pyo.quicksum(x[a] for s in ends for a in entering[s]) == 1)
    if instance.energy_budget_mj is not None:
        weights, limit = flow.energy_row(instance)
        energy = np.where(arcs.energy == instance.energy_mj[0], *weights).tolist()
        used = pyo.quicksum(energy[a] * x[a] for a in model.ARCS)
        model.ENERGY_5a = pyo.Constraint(expr=used <= limit)
    return model


export = exporting.exporter(build)


@dataclass(frozen=True)
class OnArcs:
    """What engines on the arc flow in Pyomo have in common.

    Parameters
    ----------
    max_arcs
        Instances with more arc variables are refused; Pyomo needs a few kB for each.
    """

    max_arcs: int = 1_000_000
    stochastic = False
    kind = "exact"
    knows = "link states"

    def supports(self, instance: Instance) -> str | None:
        """Refuse negative cycles, too many arcs, and costs that are too large for floats."""
        refused = flow.refusal(instance, self.max_arcs)
        most = dearest(instance) * len(instance.states[1])
        if refused or most <= MAX_PATH_COST:
            return refused
        return f"a path may cost {most}, more than the {MAX_PATH_COST} up to which floats prove"


@dataclass(frozen=True)
class ArcFlow(OnArcs):
    """HiGHS on the arc flow in Pyomo. `Budget.work` limits the nodes of HiGHS."""

    def supports(self, instance: Instance) -> str | None:
        """Refuse a wrong HiGHS, too."""
        return highs_engine.refusal() or super().supports(instance)

    def prepare(self) -> None:
        """Import what the model is built with; the engine is imported with this module."""
        graph.prepare()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Build, solve with both gaps at 0, and read the plan off the chosen arcs."""
        highs_engine.check()
        trivial = flow.without_engine(instance, PROOF)
        return trivial or flow.claims(instance, _run(instance, budget.start(), seed), PROOF)


def decoded(instance: Instance, model: pyo.ConcreteModel) -> Plan:
    """Return the plan that the values of the model's variables stand for."""
    chosen = np.array([(model.x[a].value or 0.0) > 0.5 for a in model.ARCS])
    return flow.decode(instance, graph.state_arcs(instance), chosen)


def hearing(
    instance: Instance,
    model: pyo.ConcreteModel,
    budget: Budget,
    round_up: Callable[[float | None], int | None],
) -> Heard:
    """Return what is told by an engine while it searches, and reports it."""

    def heard(bound: float, found: bool) -> None:
        plan = decoded(instance, model) if found else None
        flow.report(instance, budget, plan, round_up(bound))

    return heard


def _run(instance: Instance, budget: Budget, seed: int) -> flow.Result:
    try:
        model = build(instance, budget)
        heard = hearing(instance, model, budget, highs_engine.round_up)
        outcome = highs_engine.solve(model, budget, seed, heard)
    except highs_engine.OutOfTimeError:
        return flow.Result(seconds=budget.used_s())
    result = flow.Result(bound=highs_engine.round_up(outcome.objective_bound))
    result.infeasible = outcome.termination_condition == TerminationCondition.provenInfeasible
    if outcome.incumbent_objective is not None:
        outcome.solution_loader.load_vars()
        result.plan = decoded(instance, model)
    result.detail = {
        "arcs": len(model.x),
        "nodes": int(getattr(outcome.extra_info, "mip_node_count", None) or 0),
        "engine_s": float(outcome.timing_info.highs_time),
    }
    result.seconds = budget.used_s()
    return result
