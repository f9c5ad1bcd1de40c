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

import time
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

from formulations.jutap import flow
from formulations.jutap.labels import Labels
from formulations.jutap.multipliers import relax
from formulations.jutap.potentials import Potentials, grid_of, potentials
from formulations.jutap.routes import Routes
from opt_istn.jutap import graph
from opt_istn.jutap.graph import Arcs
from opt_istn.jutap.instance import Instance
from opt_istn.solver import Budget, Claims

PROOF = "cpsat"
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class CpSat:
    """Solver ``jutap.cpsat``. `Budget.work` limits CP-SAT's deterministic time.

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

    def supports(self, instance: Instance) -> str | None:
        """Refuse negative cycles and too many arcs."""
        return flow.refusal(instance, self.max_arcs)

    def prepare(self) -> None:
        """Compile the kernels behind the reduced costs and the hint."""
        Labels().prepare()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Build and solve; bound and cost are integers."""
        trivial = flow.without_engine(instance, PROOF)
        return trivial or flow.claims(
            instance, _run(instance, budget, seed, guided=self.guided), PROOF
        )


@dataclass(frozen=True)
class _Model:
    proto: cp_model.CpModel
    use: list[cp_model.IntVar]
    arcs: Arcs
    constant: int  # what the model's objective leaves out


class _Trace(cp_model.CpSolverSolutionCallback):
    """Collects incumbents and bounds as they improve."""

    def __init__(self, constant: int, started: float) -> None:
        super().__init__()
        self.rows: list[tuple[float, int | None, int | None]] = []
        self._constant = constant
        self._started = started

    def on_solution_callback(self) -> None:
        """Note a new incumbent."""
        cost = round(self.objective_value) + self._constant  # CP-SAT reports integers as doubles
        known = self.rows[-1][2] if self.rows else None
        self.rows.append((time.perf_counter() - self._started, cost, known))

    def note_bound(self, bound: float) -> None:
        """Note a new bound."""
        proven = _add(flow.round_up(bound), self._constant)
        known = self.rows[-1][1] if self.rows else None
        self.rows.append((time.perf_counter() - self._started, known, proven))


def _run(instance: Instance, budget: Budget, seed: int, *, guided: bool) -> flow.Result:
    started = time.perf_counter()
    model = _build(instance, guided=guided)
    solver = _engine(budget, seed, time.perf_counter() - started)
    trace = _Trace(model.constant, started)
    solver.best_bound_callback = trace.note_bound
    status = solver.solve(model.proto, trace)
    if status == cp_model.MODEL_INVALID:
        raise RuntimeError(f"CP-SAT refuses the model: {model.proto.validate()}")
    result = flow.Result(infeasible=status == cp_model.INFEASIBLE)
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
        result.bound = _add(flow.round_up(solver.best_objective_bound), model.constant)
    result.trace, result.seconds = tuple(trace.rows), time.perf_counter() - started
    return result


def _engine(budget: Budget, seed: int, spent: float) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    parameters = solver.parameters
    parameters.num_workers = budget.threads
    parameters.random_seed = seed % _MAX_SEED
    parameters.absolute_gap_limit = 0.0
    parameters.cp_model_presolve = False
    parameters.presolve_inclusion_work_limit = 0  # the step at fault, should presolve return
    if budget.time_s is not None:
        parameters.max_time_in_seconds = max(budget.time_s - spent, 0.0)
    if budget.work is not None:
        parameters.max_deterministic_time = budget.work
    return solver


def _build(instance: Instance, *, guided: bool) -> _Model:
    arcs = graph.state_arcs(instance)
    togo, walk = np.zeros(len(instance.states[1]), dtype=np.int64), list[int]()
    if guided:
        arcs = _select(arcs, _within_budget(instance, arcs))
        cheapest, walk = _guide(instance)
        togo = np.where(np.abs(cheapest.value) < 2**60, cheapest.value, 0)
    start = graph.start_state(instance)
    at_end = graph.state_cells(instance) == instance.end

    model = cp_model.CpModel()
    use = [model.new_bool_var("") for _ in range(len(arcs.tail))]
    leaving, entering = flow.incidence(arcs)
    for state in {*leaving, *entering, start} - set(np.flatnonzero(at_end).tolist()):
        out = cp_model.LinearExpr.sum([use[a] for a in leaving[state]])
        back = cp_model.LinearExpr.sum([use[a] for a in entering[state]])
        model.add(out - back == int(state == start))
    model.add_exactly_one(use[a] for a in np.flatnonzero(at_end[arcs.head]).tolist())
    if instance.energy_budget_mj is not None:
        limit = min(instance.energy_budget_mj, int(arcs.energy.sum()))
        model.add(cp_model.LinearExpr.weighted_sum(use, arcs.energy.tolist()) <= limit)
    reduced = arcs.cost + togo[arcs.head] - togo[arcs.tail]
    model.minimize(cp_model.LinearExpr.weighted_sum(use, reduced.tolist()))
    flown = set(pairwise(walk))
    for variable, tail, head in zip(use, arcs.tail.tolist(), arcs.head.tolist(), strict=True):
        model.add_hint(variable, (tail, head) in flown)
    return _Model(model, use, arcs, int(togo[start]))


def _guide(instance: Instance) -> tuple[Potentials, list[int]]:
    """Return the cost to go of every state and a walk to start from (empty if none is known)."""
    grid, start, limit = grid_of(instance), graph.start_state(instance), instance.energy_budget_mj
    cheapest = potentials(instance, 1, 0, grid)
    if limit is None:
        return cheapest, cheapest.walk(start)
    frugal = potentials(instance, 0, 1, grid)
    if frugal.energy(start) > limit:
        return cheapest, []
    found = relax(instance, grid, start, limit, cheapest, frugal, lambda: False)
    return cheapest, found.incumbent.walk(start)


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


def _add(bound: int | None, constant: int) -> int | None:
    return None if bound is None else bound + constant
