"""The interval formulations on CP-SAT: built here from the formulas, in integers throughout.

Independent of `formulations.push.mip.matrix`; only the list of claims is shared.

Presolve stays off: OR-Tools 9.15 has certified wrong optima through its presolve of at-most-one
together with linear rows (google/or-tools #5293), which is what these models consist of.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ortools.sat.python import cp_model

from formulations import cpsat_engine
from formulations.push import users
from formulations.push.mip.intervals import Intervals, list_intervals, refusal
from formulations.push.mip.starts import annealed, better, claimed
from formulations.push.moves import touch
from formulations.push.users import UserResult, UserTask
from opt_istn.push.instance import Instance, UserProblem
from opt_istn.solver import Budget, Claims

PROOF = "cpsat"
_LARGEST = 2**60  # CP-SAT's sums fit into 64 bits
_Sum = cp_model.LinearExpr.sum


@dataclass(frozen=True)
class CpSat:
    """CP-SAT on intervals in the cache. `Budget.work` limits CP-SAT's deterministic time.

    With one thread and no time limit a run repeats exactly.

    Parameters
    ----------
    fifo
        Formulation of the FIFO order, see `formulations.push.mip.intervals`; in ``big-m`` each row
        is enforced by its claim.
    presolve
        Whether CP-SAT may simplify the model first; the defective step stays off even then.
    max_columns
        Instances with a user whose model has more columns are refused.
    start
        Whether an annealed plan is the engine's hint, and the answer if it finds none.
    """

    fifo: Literal["profile", "big-m"] = "profile"
    presolve: bool = False
    max_columns: int = 300_000
    start: bool = True
    stochastic = False
    kind = "exact"
    knows = "requests"

    def supports(self, instance: Instance) -> str | None:
        """Refuse models that are too large, and sums beyond 64 bits."""
        refused = refusal(instance, self.max_columns)
        if refused or instance.base_us * self.max_columns < _LARGEST:
            return refused
        for user in range(instance.num_users):
            total = int(list_intervals(instance.user(user)).gain.sum(dtype=float))
            if total >= _LARGEST:
                return f"the gains of user {user} add up to {total}, to more than {_LARGEST}"
        return None

    def prepare(self) -> None:
        """Compile the annealing; the engine is imported with this module."""
        touch()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Solve user by user, in integers."""
        return users.solve(instance, self._user, budget, seed, PROOF)

    def _user(self, task: UserTask) -> UserResult:
        pushes = annealed(task) if self.start else ()
        model = _build(task.problem, self.fifo, task.budget)
        if model is None:
            return UserResult(pushes)
        if self.start:
            hint = claimed(task.problem, model.claims, pushes)
            for variable, value in zip(model.chosen, hint.tolist(), strict=True):
                model.proto.add_hint(variable, int(value))
        return _run(model, task, self.presolve, pushes)


@dataclass(frozen=True)
class _Model:
    proto: cp_model.CpModel
    claims: Intervals
    chosen: list[cp_model.IntVar]


def _build(problem: UserProblem, fifo: str, budget: Budget) -> _Model | None:
    """Return the model; None if the time is up before it is built."""
    x, proto = list_intervals(problem), cp_model.CpModel()
    chosen = [proto.new_bool_var("") for _ in range(len(x.start))]
    for f in range(len(problem.content)):
        proto.add_at_most_one(chosen[j] for j in np.flatnonzero(x.content == f).tolist())
    add = _add_profile if fifo == "profile" else _add_enforced
    for _ in add(proto, x, chosen, problem.cache_size):
        if budget.expired():
            return None
    proto.minimize(cp_model.LinearExpr.weighted_sum(chosen, (-x.gain).tolist()))
    return _Model(proto, x, chosen)


def _add_enforced(
    proto: cp_model.CpModel, x: Intervals, chosen: list[cp_model.IntVar], size: int
) -> Iterator[None]:
    """Add for each claim: if it is chosen, at most L - 1 insertions follow up to its end.

    Yields after every few rows.
    """
    for k in np.unique(x.end).tolist():
        covering = np.flatnonzero((x.start <= k) & (k <= x.end))
        proto.add(_Sum([chosen[j] for j in covering.tolist()]) <= size)
    for j, claim in enumerate(chosen):
        after = (x.position > x.position[j]) & (x.start <= x.end[j]) & (x.content != x.content[j])
        if after.sum() >= size:
            entered = _Sum([chosen[i] for i in np.flatnonzero(after).tolist()])
            proto.add(entered <= size - 1).only_enforce_if(claim)
        yield


def _add_profile(
    proto: cp_model.CpModel, x: Intervals, chosen: list[cp_model.IntVar], size: int
) -> Iterator[None]:
    """Add COVER, REACH, CARRY and FIFO; hold is a variable, at least what is claimed.

    Yields after every few rows.
    """
    claims: list[list[int]] = [[] for _ in x.slot]
    for j, p in enumerate(x.position.tolist()):
        claims[p].append(j)
    slot, item, horizon = x.slot.tolist(), x.item.tolist(), x.horizon.tolist()
    pairs = [(p, k) for p in range(len(slot)) for k in range(slot[p] + 1, horizon[p] + 1)]
    hold = {pair: proto.new_bool_var("") for pair in pairs}
    last = {f: int(x.end[x.content == f].max()) for f in set(item)}
    reach: dict[tuple[int, int], cp_model.IntVar] = {}
    for p, k in pairs:
        reach[p, k] = proto.new_bool_var("") if k <= last[item[p]] else reach[p - 1, k]
    same = {f: [p for p, g in enumerate(item) if g == f] for f in set(item)}
    pushed = [_Sum([chosen[j] for j in claims[p]]) for p in range(len(slot))]
    held: dict[int, list[cp_model.LinearExprT]] = {}
    for p, s in enumerate(slot):
        held.setdefault(s, []).append(pushed[p])
    for (p, k), holds in hold.items():
        held.setdefault(k, []).append(holds)
        proto.add(holds >= _Sum([chosen[j] for j in claims[p] if x.end[j] >= k]))
        if k <= last[item[p]]:
            twins = [hold[q, k] for q in same[item[p]] if q <= p and k <= horizon[q]]
            proto.add(reach[p, k] >= _Sum(twins))
        if (p - 1, k) in reach:
            if k <= last[item[p]]:
                proto.add_implication(reach[p - 1, k], reach[p, k])
            later = [q for q in same[item[p]] if q >= p and slot[q] < k]
            dropped = _Sum([pushed[q] - hold[q, k] for q in later])
            proto.add(dropped + reach[p - 1, k] <= 1)
        yield
    for expressions in held.values():
        proto.add(_Sum(expressions) <= size)


class _Progress(cp_model.CpSolverSolutionCallback):
    """Reports the plans that the engine meets, and its bounds."""

    def __init__(self, model: _Model, task: UserTask) -> None:
        super().__init__()
        self._model, self._task = model, task

    def on_solution_callback(self) -> None:
        """Report a new incumbent."""
        x = self._model.claims
        found = [j for j, claim in enumerate(self._model.chosen) if self.boolean_value(claim)]
        rows = zip(x.content[found].tolist(), x.start[found].tolist(), strict=True)
        self._task.budget.report(tuple(rows), None)

    def note_bound(self, bound: float) -> None:
        """Report a new bound."""
        if abs(bound) < cpsat_engine.EXACT:
            self._task.budget.report(None, self._task.problem.base_us + math.ceil(bound - 0.01))


def _run(model: _Model, task: UserTask, presolve: bool, pushes: users.Pushes) -> UserResult:
    """Solve the model; `pushes`, from which it starts, is the plan if the engine has none."""
    solver = cpsat_engine.engine(task.budget, task.seed, presolve)
    solver.parameters.linearization_level = 2
    progress = None if task.budget.listener is None else _Progress(model, task)
    if progress is not None:
        solver.best_bound_callback = progress.note_bound
    status = solver.solve(model.proto, progress)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.UNKNOWN):
        raise RuntimeError(f"CP-SAT ended with {solver.status_name(status)}")
    counts = {"conflicts": solver.num_conflicts, "branches": solver.num_branches}
    work = math.ceil(solver.response_proto.deterministic_time)
    if status == cp_model.UNKNOWN:
        return UserResult(pushes, work=work, counts=counts)
    found = np.flatnonzero(np.array(solver.boolean_values(model.chosen)))
    x = model.claims
    # without presolve the solver's objective is the model's, in integers; else there is a double
    found_us = solver.response_proto.inner_objective_lower_bound
    if presolve:
        found_us = math.ceil(solver.best_objective_bound - 0.01)
    chosen = tuple(zip(x.content[found].tolist(), x.start[found].tolist(), strict=True))
    return UserResult(
        pushes=better(task.problem, chosen, pushes),
        bound_us=task.problem.base_us + found_us,
        work=work,
        counts=counts,
    )
