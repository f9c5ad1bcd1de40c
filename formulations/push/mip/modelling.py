"""Solving and writing the Pyomo models of PUSH: HiGHS with both gaps at 0, one user at a time."""

from collections.abc import Callable

import pyomo.environ as pyo
from pyomo.contrib.solver.common.results import TerminationCondition

from formulations import highs_engine
from formulations.highs_engine import Heard
from formulations.push import users
from formulations.push.users import UserResult, UserTask

Reader = Callable[[pyo.ConcreteModel, UserTask], users.Pushes]

_STOPPED = (
    TerminationCondition.convergenceCriteriaSatisfied,
    TerminationCondition.maxTimeLimit,
    TerminationCondition.iterationLimit,
)


def solve(build: Callable[[], pyo.ConcreteModel], task: UserTask, read: Reader) -> UserResult:
    """Build the model of one user, solve it, and read the pushes off the best solution.

    Parameters
    ----------
    build
        Returns the model; its objective is the user's delay in microseconds.
    read
        Returns the pushes of the solution that is loaded in the model.
    """
    budget = task.budget
    try:
        model = build()
        heard = hearing(model, task, read, highs_engine.round_up)
        outcome = highs_engine.solve(model, budget, task.seed, heard)
    except highs_engine.OutOfTimeError:
        return UserResult()
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
        bound_us=highs_engine.round_up(bound),
        work=max(int(nodes), 0),
        counts={"columns": model.nvariables(), "rows": model.nconstraints()},
    )


def hearing(
    model: pyo.ConcreteModel,
    task: UserTask,
    read: Reader,
    round_up: Callable[[float | None], int | None],
) -> Heard:
    """Return a listener that reports what an engine finds while it searches for the task."""

    def heard(bound: float, found: bool) -> None:
        task.budget.report(read(model, task) if found else None, round_up(bound))

    return heard
