"""What every use of HiGHS has to mind: wrong versions, its threads, its arithmetic in floats.

HiGHS has one pool of threads for a process, and Pyomo redirects the process's output while it
solves. So both are called by one thread of a process at a time, whichever model it solves.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import highspy
import pyomo.environ as pyo
from pyomo.contrib.solver.common.results import Results
from pyomo.contrib.solver.solvers.highs import Highs

from formulations.quiet_highs import quiet_engine
from opt_istn.solver import Budget

# minor versions of HiGHS 1 that are not used, and why
WRONG = {
    13: "returns wrong optima with status Optimal",
    14: "returns wrong optima with status Optimal",
    15: "cannot share a process with OR-Tools 9.15",
}
LARGEST = 10**12  # objectives up to here are certified: the slack of `round_up` stays below 1
_MAX_SEED = 2**31 - 1
_lock = threading.Lock()
Heard = Callable[[float, bool], None]  # a float bound, and whether the model holds a solution
# Pyomo logs an error for every component whose rule gives up in time, which is none
logging.getLogger("pyomo.core").addFilter(lambda row: "OutOfTimeError" not in row.getMessage())


class OutOfTimeError(Exception):
    """The time was up before the model was built."""


def in_time(budget: Budget | None, rule: Callable[..., Any]) -> Callable[..., Any]:
    """Return a rule of a component that gives up building once the time is up."""

    def watched(*index: Any) -> Any:
        if budget is not None and budget.expired():
            raise OutOfTimeError
        return rule(*index)

    return watched


def refusal() -> str | None:
    """Return why the installed HiGHS is not used, None if it is."""
    found: str = quiet_engine().version()
    major, minor = map(int, found.split(".")[:2])
    reason = WRONG.get(minor) if major == 1 else None
    return None if reason is None else f"HiGHS {found} {reason}; install highspy 1.16"


def check() -> None:
    """Raise `RuntimeError` if the installed HiGHS is not used."""
    refused = refusal()
    if refused:
        raise RuntimeError(refused)


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other thread of this process uses HiGHS, and keep the others out."""
    with _lock:
        # the thread pool of HiGHS outlives a solve and refuses another number of threads
        highspy.Highs.resetGlobalScheduler(True)
        yield


class _Heard(Highs):  # type: ignore[misc]
    """Pyomo's HiGHS, which tells of plans and bounds while it searches."""

    told: tuple[pyo.ConcreteModel, Heard]  # set from outside: Pyomo makes it anew by itself

    def _solve(self) -> Results:
        engine, columns = self._solver_model, self._pyomo_var_to_solver_var_map
        model, heard = self.told
        every = model.component_data_objects(pyo.Var)
        variables = [one for one in every if id(one) in columns]

        def improved(event: Any) -> None:
            found = event.data_out.mip_solution
            for one in variables:
                one.set_value(found[columns[id(one)]], skip_validation=True)
            heard(event.data_out.mip_dual_bound, True)

        engine.cbMipImprovingSolution.subscribe(improved)
        engine.cbMipLogging.subscribe(lambda e: heard(e.data_out.mip_dual_bound, False))
        return super()._solve()


def solve(
    model: pyo.ConcreteModel, budget: Budget, seed: int, heard: Heard | None = None
) -> Results:
    """Solve a Pyomo model with both gaps at 0; `Budget.work` limits the nodes.

    The budget's clock has run since before the model was built.

    Parameters
    ----------
    heard
        Told of the bound whenever it may be better, and whether there is a better solution, which
        the model's variables then hold; not called if nobody listens to the budget.

    Raises
    ------
    OutOfTimeError
        If more than half of the time is used: Pyomo hands a model to HiGHS in about the time that
        it was built in, and nothing stops it.
    """
    if budget.time_s is not None and budget.used_s() > budget.time_s / 2:
        raise OutOfTimeError
    options: dict[str, Any] = {"random_seed": seed % _MAX_SEED}
    if budget.work is not None:
        options["mip_max_nodes"] = budget.work
    engine = Highs()
    if heard is not None and budget.listener is not None:
        engine = _Heard()
        engine.told = model, heard
    with alone():
        return engine.solve(
            model,
            time_limit=budget.left_s(),
            threads=budget.threads,
            rel_gap=0.0,
            abs_gap=0.0,
            solver_options=options,
            load_solutions=False,
            raise_exception_on_nonoptimal_result=False,
        )


def round_up(bound: float | None, constant: int = 0) -> int | None:
    """Return the integer lower bound that a float bound on an integer objective proves, if any.

    The slack covers the engine's own arithmetic, a hundredth and 5e-13 of the objective: up to
    `LARGEST` it costs nothing, as the bound of a solved model is off by less.

    Parameters
    ----------
    bound
        Of the engine's objective.
    constant
        What the engine's objective leaves out, an integer.
    """
    if bound is None or not math.isfinite(bound):
        return None
    return math.ceil(bound - (0.01 + 5e-13 * abs(bound))) + constant
