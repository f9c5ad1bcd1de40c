"""Solving and writing the Pyomo models of PUSH: HiGHS with both gaps at 0, one user at a time."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highspy
import pyomo.environ as pyo
from pyomo.contrib.solver.common.results import Results, TerminationCondition
from pyomo.contrib.solver.solvers.highs import Highs

from formulations.push import users
from formulations.push.users import Task, UserResult
from opt_istn.files import InputError

Reader = Callable[[pyo.ConcreteModel, Task], users.Pushes]

_MAX_SEED = 2**31 - 1
_STOPPED = (
    TerminationCondition.convergenceCriteriaSatisfied,
    TerminationCondition.maxTimeLimit,
    TerminationCondition.iterationLimit,
)


def solve(build: Callable[[], pyo.ConcreteModel], task: Task, read: Reader) -> UserResult:
    """Build the model of one user, solve it, and read the pushes off the best solution.

    Parameters
    ----------
    build
        Returns the model; its objective is the user's delay in microseconds.
    read
        Returns the pushes of the solution that is loaded in the model.
    """
    started = time.perf_counter()
    model = build()
    outcome = _run(model, task, time.perf_counter() - started)
    if outcome.termination_condition not in _STOPPED:
        raise RuntimeError(f"HiGHS ended with {outcome.termination_condition.name}")
    pushes: users.Pushes = ()
    if outcome.incumbent_objective is not None:
        outcome.solution_loader.load_vars()
        pushes = read(model, task)
    bound = outcome.objective_bound
    nodes = getattr(outcome.extra_info, "mip_node_count", None) or 0
    return UserResult(
        pushes=pushes,
        bound_us=None if bound is None else users.round_up(bound),
        work=max(int(nodes), 0),
        counts={"columns": model.nvariables(), "rows": model.nconstraints()},
    )


def export(model: pyo.ConcreteModel, path: str | Path) -> None:
    """Write `model` as ``.mps`` or ``.lp``, with readable names.

    Raises
    ------
    InputError
        If the suffix is another one.
    """
    if Path(path).suffix not in (".mps", ".lp"):
        raise InputError("", "expected a file name ending in .mps or .lp", str(path))
    model.write(str(path), io_options={"symbolic_solver_labels": True})


def _run(model: pyo.ConcreteModel, task: Task, spent: float) -> Results:
    options: dict[str, Any] = {"random_seed": task.seed % _MAX_SEED}
    if task.work is not None:
        options["mip_max_nodes"] = task.work
    # the thread pool of HiGHS outlives a solve and refuses another number of threads
    highspy.Highs.resetGlobalScheduler(True)
    return Highs().solve(
        model,
        time_limit=None if task.time_s is None else max(task.time_s - spent, 0.0),
        threads=task.threads,
        rel_gap=0.0,
        abs_gap=0.0,
        solver_options=options,
        load_solutions=False,
        raise_exception_on_nonoptimal_result=False,
    )
