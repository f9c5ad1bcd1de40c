"""The interval formulations as matrices handed to HiGHS: the model of `interval`, without Pyomo."""

from dataclasses import dataclass
from typing import Any, Literal

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from formulations import highs_engine
from formulations.push import users
from formulations.push.mip import matrix
from formulations.push.mip.intervals import refusal, too_long
from formulations.push.mip.matrix import Program
from formulations.push.mip.root import Root, tighten
from formulations.push.mip.starts import LEAST_S, annealed, better, claimed
from formulations.push.moves import touch
from formulations.push.users import UserResult, UserTask
from formulations.quiet_highs import quiet_engine
from opt_istn.push.instance import Instance
from opt_istn.solver import Budget, Claims

PROOF = "highs"
_MAX_SEED = 2**31 - 1
_ROOT = 0.35  # part of the time left that the root may take
# sub-MIPs that look for plans; annealed ones are hardly ever bettered by them
_HEURISTICS = [f"mip_heuristic_run_{name}" for name in ("rens", "rins", "root_reduced_cost")]
_STATUS = highspy.HighsModelStatus
_STOPPED = (_STATUS.kTimeLimit, _STATUS.kSolutionLimit, _STATUS.kIterationLimit)


@dataclass(frozen=True)
class Highs:
    """HiGHS on intervals in the cache, user by user. `Budget.work` limits the nodes of HiGHS.

    Parameters
    ----------
    fifo
        Formulation of the FIFO order, see `formulations.push.mip.intervals`.
    max_columns
        Instances with a user whose model has more columns are refused.
    start
        Whether the search starts from an annealed plan.
    rows
        Whether violated rows are added to the profile formulation before the search, columns that
        cannot matter are fixed, and reach is binary; see `formulations.push.mip.root`.
    """

    fifo: Literal["profile", "big-m"] = "profile"
    max_columns: int = 1_000_000
    start: bool = True
    rows: bool = True
    stochastic = False
    kind = "exact"
    knows = "requests"

    def supports(self, instance: Instance) -> str | None:
        """Refuse models and delays that are too large, and a wrong HiGHS."""
        return refused(instance) or refusal(instance, self.max_columns)

    def prepare(self) -> None:
        """Compile the annealing; the engine is imported with this module."""
        touch()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Solve user by user with both gaps at 0."""
        highs_engine.check()
        return users.solve(instance, self._user, budget, seed, PROOF)

    def _user(self, task: UserTask) -> UserResult:
        build = matrix.profile if self.fifo == "profile" else matrix.big_m
        program, saved_us = build(task.problem), None
        pushes = annealed(task) if self.start else ()
        with highs_engine.alone():
            if self.rows and self.fifo == "profile":
                root = root_of(task, program, pushes)
                program, saved_us = root.program, root.saved_us
            engine = load(program, binary_reach=self.rows and self.fifo == "profile")
            if self.start:
                chosen = claimed(task.problem, program.columns, pushes)
                engine.setSolution(len(chosen), np.arange(len(chosen), dtype=np.int32), chosen)
                for name in _HEURISTICS:
                    engine.setOptionValue(name, False)
            _limit(engine, task)
            _report(engine, task, program, pushes)
            engine.run()
            return _result(task, program, engine, pushes, saved_us)


def _report(engine: highspy.Highs, task: UserTask, program: Program, pushes: users.Pushes) -> None:
    """Tell of the plan to start from, and have the engine tell of better ones.

    Before its own search HiGHS completes that plan by another one in which all claims are fixed. It
    tells of both alike, but the bound of the first is the plan's own cost and holds for no other
    plan: only what comes with a better plan is a bound.
    """
    if task.budget.listener is None:
        return
    task.budget.report(pushes, None)
    begun_us = users.delay_us(task.problem, pushes)

    def improved(event: Any) -> None:
        found = _chosen(program, np.array(event.data_out.mip_solution))
        bound = None
        if users.delay_us(task.problem, found) < begun_us:
            bound = highs_engine.round_up(event.data_out.mip_dual_bound, task.problem.base_us)
        task.budget.report(found, bound)

    engine.cbMipImprovingSolution.subscribe(improved)


def _chosen(program: Program, values: NDArray[np.float64]) -> users.Pushes:
    """Return the pushes of a solution."""
    x = program.columns
    chosen = np.flatnonzero(values[: len(x.start)] > 0.5)
    return tuple(zip(x.content[chosen].tolist(), x.start[chosen].tolist(), strict=True))


def root_of(task: UserTask, program: Program, pushes: users.Pushes) -> Root:
    """Separate rows at the root, for a third of the time at most."""
    left = task.budget.left_s()
    share = Budget(None if left is None else max(_ROOT * left, LEAST_S)).start()
    known_us = task.problem.base_us - users.delay_us(task.problem, pushes)
    columns = matrix.columns_of(task.problem)
    engine = load(program, integer=False)
    # HiGHS keeps the pool of threads that it made first: the search gets this one, too
    engine.setOptionValue("threads", task.budget.threads)
    return tighten(engine, program, columns, known_us, share)


def load(program: Program, integer: bool = True, binary_reach: bool = False) -> highspy.Highs:
    """Return a silent HiGHS holding `program`, or its LP relaxation."""
    engine = quiet_engine()
    table, claims = program.matrix, len(program.columns.start)
    lower, upper = np.full(len(program.upper), -highspy.kHighsInf), program.upper
    kinds = np.zeros(table.shape[1], dtype=np.int32)
    if integer:
        table = _with_served(program)
        equal = np.zeros(table.shape[0] - len(upper))
        lower, upper = np.append(lower, equal), np.append(upper, equal)
        kinds = np.append(kinds, np.ones(len(equal), dtype=np.int32))
        kinds[:claims] = 1
        if binary_reach:
            kinds[claims + program.columns.num_pairs : program.matrix.shape[1]] = 1
    rows, cols = table.shape
    cost = np.zeros(cols)
    cost[:claims] = -program.columns.gain
    least, most = np.zeros(cols), np.ones(cols)
    if program.least is not None and program.most is not None:
        least[: len(program.least)], most[: len(program.most)] = program.least, program.most
    by_column, minimise = 1, 1
    engine.passModel(
        cols,
        rows,
        table.nnz,
        by_column,
        minimise,
        0.0,
        cost,
        least,
        most,
        lower,
        upper,
        table.indptr[:-1].astype(np.int32),
        table.indices.astype(np.int32),
        table.data,
        kinds,
    )
    return engine


def _with_served(program: Program) -> sparse.csc_matrix:
    """Return the matrix with SERVED below, and its variables on the right."""
    requests, claims = program.served.shape
    others = sparse.csr_matrix((requests, program.matrix.shape[1] - claims))
    below = sparse.hstack([program.served, others, -sparse.identity(requests)])
    blank = sparse.csr_matrix((program.matrix.shape[0], requests))
    above = sparse.hstack([program.matrix, blank])
    return sparse.csc_matrix(sparse.vstack([above, below]))


def refused(instance: Instance) -> str | None:
    """Return why HiGHS is not used, at all or for an instance, None if it is."""
    return too_long(instance, highs_engine.LARGEST, "floats certify") or highs_engine.refusal()


def _limit(engine: highspy.Highs, task: UserTask) -> None:
    options: dict[str, Any] = {
        "threads": task.budget.threads,
        "random_seed": task.seed % _MAX_SEED,
        "mip_rel_gap": 0.0,
        "mip_abs_gap": 0.0,
        "mip_pscost_minreliable": 0,
    }
    if task.budget.time_s is not None:
        options["time_limit"] = task.budget.left_s()
    if task.budget.work is not None:
        options["mip_max_nodes"] = task.budget.work
    for name, value in options.items():
        engine.setOptionValue(name, value)


def _result(
    task: UserTask,
    program: Program,
    engine: highspy.Highs,
    pushes: users.Pushes,
    saved_us: int | None,
) -> UserResult:
    """Read what HiGHS found: `pushes` if it has no plan, the root's bound if it has no better."""
    status, info = engine.getModelStatus(), engine.getInfo()
    if status != _STATUS.kOptimal and status not in _STOPPED:
        raise RuntimeError(f"HiGHS ended with {engine.modelStatusToString(status)}")
    # presolve may solve the model: then there was no tree, and no dual bound either
    solved = status == _STATUS.kOptimal and info.mip_node_count < 0
    bound = info.objective_function_value if solved else info.mip_dual_bound
    if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        found = _chosen(program, np.array(engine.getSolution().col_value))
        pushes = better(task.problem, found, pushes)
    nodes, base_us = max(int(info.mip_node_count), 0), task.problem.base_us
    bounds = [highs_engine.round_up(bound, base_us), saved_us and base_us - saved_us]
    return UserResult(
        pushes=pushes,
        bound_us=max((x for x in bounds if x is not None), default=None),
        work=nodes,
        counts={"columns": engine.getNumCol(), "rows": engine.getNumRow()},
    )
