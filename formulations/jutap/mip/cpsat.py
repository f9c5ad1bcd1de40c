"""JUTAP as an arc-flow model for CP-SAT, in integers throughout.

The flow rows are those of `arc_flow`. Three things make it fast; the last two leave
the model what it is, whatever their numbers:

1. arcs that no walk within the energy budget can use are left out (Dijkstra on the cells);
2. the objective is written in reduced costs, c(u, v) + h(v) - h(u), with h the cost to go: on a
   flow from START to END that is the same objective minus the constant h(START), whatever h is;
3. a walk within the budget is given as a hint.

Presolve stays off. OR-Tools 9.15 has certified wrong optima with it (google/or-tools 5293 and
5274), so every bound claimed here comes from a solve without it. With 1-3 that is also the
faster way: 25 x 25 cells solve in 0.03 s, with presolve in 0.5 s, without 2 and 3 in 10 s. Rows
are no slower than `add_circuit`.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

from formulations import cpsat_engine
from formulations.jutap.labels import Labels
from formulations.jutap.mip import flow
from formulations.jutap.passes.multipliers import relax
from formulations.jutap.passes.potentials import OutOfTimeError, compute_potentials, grid_of
from formulations.jutap.passes.ranges import LARGEST
from opt_istn.jutap import graph
from opt_istn.jutap.graph import Arcs
from opt_istn.jutap.instance import Instance, IntArray
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.routes import Routes
from opt_istn.solver import Budget, Claims

PROOF = "cpsat"


@dataclass(frozen=True)
class CpSat:
    """CP-SAT on the arc flow. `Budget.work` limits CP-SAT's deterministic time.

    With one thread and no time limit a run repeats exactly.

    Parameters
    ----------
    max_arcs
        Instances with more arc variables are refused.
    guided
        Help the engine as said above; without, it gets the plain model.
    """

    max_arcs: int = 2_000_000
    guided: bool = True
    stochastic = False
    kind = "exact"
    knows = "link states"

    def supports(self, instance: Instance) -> str | None:
        """Refuse negative cycles and too many arcs."""
        return flow.refusal(instance, self.max_arcs)

    def prepare(self) -> None:
        """Compile the kernels behind the reduced costs and the hint."""
        Labels().prepare()
        Routes.prepare()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Build and solve; bound and cost are integers."""
        trivial = flow.without_engine(instance, PROOF)
        return trivial or flow.claims(
            instance, _run(instance, budget.start(), seed, guided=self.guided), PROOF
        )


@dataclass(frozen=True)
class _Model:
    proto: cp_model.CpModel
    use: list[cp_model.IntVar]
    arcs: Arcs
    constant: int  # what the model's objective leaves out


class _Trace(cp_model.CpSolverSolutionCallback):
    """Collects incumbents and bounds as they improve, and reports them."""

    def __init__(self, instance: Instance, model: _Model, budget: Budget) -> None:
        super().__init__()
        self.rows: list[tuple[float, int | None, int | None]] = []
        self._instance, self._model, self._budget = instance, model, budget

    def on_solution_callback(self) -> None:
        """Note a new incumbent."""
        known = self.rows[-1][2] if self.rows else None
        self._note(self.objective_value, lambda cost: (cost, known))
        if self._budget.listener is not None:
            chosen = np.array(self.response_proto.solution, dtype=bool)
            plan = flow.decode(self._instance, self._model.arcs, chosen)
            self._budget.report(plan, None, self.rows[-1][1] if self.rows else None)

    def note_bound(self, bound: float) -> None:
        """Note a new bound."""
        known = self.rows[-1][1] if self.rows else None
        self._note(bound, lambda proven: (known, proven))
        if self.rows:
            self._budget.report(None, self.rows[-1][2])

    def _note(self, value: float, row: Callable[[int], tuple[int | None, int | None]]) -> None:
        if abs(value) < cpsat_engine.EXACT:
            whole = round(value) + self._model.constant
            self.rows.append((self._budget.used_s(), *row(whole)))


def _run(instance: Instance, budget: Budget, seed: int, *, guided: bool) -> flow.Result:
    result, arcs = flow.Result(), graph.state_arcs(instance)
    togo, walk = np.zeros(len(instance.states[1]), dtype=np.int64), list[int]()
    with suppress(OutOfTimeError):
        if guided:
            arcs = _select(arcs, _within_budget(instance, arcs))
            togo, walk = _guide(instance, budget)
        if walk:
            result.plan = _flown(instance, walk)
            flow.report(instance, budget, result.plan, None)
        _solve(instance, _build(instance, arcs, togo, walk, budget), budget, seed, result)
    result.seconds = budget.used_s()
    return result


def _solve(
    instance: Instance, model: _Model, budget: Budget, seed: int, result: flow.Result
) -> None:
    """Run CP-SAT and put what it finds into `result`."""
    solver = cpsat_engine.engine(budget, seed)
    trace = _Trace(instance, model, budget)
    solver.best_bound_callback = trace.note_bound
    status = solver.solve(model.proto, trace)
    if status == cp_model.MODEL_INVALID:
        raise RuntimeError(f"CP-SAT refuses the model: {model.proto.validate()}")
    result.infeasible = status == cp_model.INFEASIBLE
    result.detail = {
        "arcs": len(model.use),
        "conflicts": solver.num_conflicts,
        "branches": solver.num_branches,
        "deterministic_time": solver.response_proto.deterministic_time,
    }
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        # not solver.boolean_values, which goes through a pandas index and fails beyond 10**6
        chosen = np.array(solver.response_proto.solution, dtype=bool)
        result.plan = flow.decode(instance, model.arcs, chosen)
        # the integer itself; solver.best_objective_bound is a double
        result.bound = solver.response_proto.inner_objective_lower_bound + model.constant
    result.trace = tuple(trace.rows)


def _flown(instance: Instance, walk: list[int]) -> Plan:
    cells, links = graph.state_cells(instance)[walk], instance.states[1][walk]
    return Plan(instance.sha256, tuple(cells.tolist()), tuple(links.tolist()))


def _build(
    instance: Instance, arcs: Arcs, togo: IntArray, walk: list[int], budget: Budget
) -> _Model:
    """Return the model; raise `OutOfTimeError` if the time is up before it is built."""
    start = graph.start_state(instance)
    at_end = graph.state_cells(instance) == instance.end

    model, use = cp_model.CpModel(), list[cp_model.IntVar]()
    for _ in range(len(arcs.tail)):  # half of the time that a model takes
        if budget.expired():
            raise OutOfTimeError
        use.append(model.new_bool_var(""))
    leaving, entering = flow.incidence(arcs)
    for state in {*leaving, *entering, start} - set(np.flatnonzero(at_end).tolist()):
        if budget.expired():
            raise OutOfTimeError
        out = cp_model.LinearExpr.sum([use[a] for a in leaving[state]])
        back = cp_model.LinearExpr.sum([use[a] for a in entering[state]])
        model.add(out - back == int(state == start))
    model.add_exactly_one(use[a] for a in np.flatnonzero(at_end[arcs.head]).tolist())
    if instance.energy_budget_mj is not None:
        limit = min(instance.energy_budget_mj, int(arcs.energy.sum()))
        model.add(cp_model.LinearExpr.weighted_sum(use, arcs.energy.tolist()) <= limit)
    reduced = arcs.cost + togo[arcs.head] - togo[arcs.tail]
    if np.abs(reduced).sum(dtype=float) >= LARGEST:  # CP-SAT's sums have to fit into 64 bits
        reduced, togo = arcs.cost, np.zeros_like(togo)
    model.minimize(cp_model.LinearExpr.weighted_sum(use, reduced.tolist()))
    flown = set(pairwise(walk))
    for variable, tail, head in zip(use, arcs.tail.tolist(), arcs.head.tolist(), strict=True):
        model.add_hint(variable, (tail, head) in flown)
    return _Model(model, use, arcs, int(togo[start]))


def _guide(instance: Instance, budget: Budget) -> tuple[IntArray, list[int]]:
    """Return the cost to go of every state and a walk to start from (empty if none is known)."""
    grid, start, limit = grid_of(instance), graph.start_state(instance), instance.energy_budget_mj
    cheapest = compute_potentials(instance, 1, 0, grid, budget.overdue)
    togo = np.where(np.abs(cheapest.value) < LARGEST, cheapest.value, 0)
    if limit is None:
        return togo, cheapest.walk(start)
    frugal = compute_potentials(instance, 0, 1, grid, budget.overdue)
    if frugal.energy(start) > limit:
        return togo, []
    found = relax(instance, grid, start, limit, cheapest, frugal, budget.expired)
    return togo, found.incumbent.walk(start)


def _within_budget(instance: Instance, arcs: Arcs) -> NDArray[np.bool]:
    """Return which arcs lie on a walk of cells that keeps the energy budget."""
    if instance.energy_budget_mj is None:
        return np.ones(len(arcs.tail), dtype=bool)
    cells, routes = graph.state_cells(instance), Routes(instance)
    total = routes.from_start[cells[arcs.tail]] + arcs.energy + routes.to_end[cells[arcs.head]]
    within: NDArray[np.bool] = total <= instance.energy_budget_mj
    return within


def _select(arcs: Arcs, keep: NDArray[np.bool]) -> Arcs:
    return Arcs(arcs.tail[keep], arcs.head[keep], arcs.cost[keep], arcs.energy[keep])
