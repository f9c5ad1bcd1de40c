"""What every use of SCIP has to mind: that it may be missing, its files, its arithmetic in floats.

SCIP reads the models that `opt-istn export` writes, so what it proves is about these files, too.
It is a package of its own, `pyscipopt`, which is imported when it is used.
"""

import importlib
import importlib.util
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyomo.environ as pyo

from formulations import exporting
from formulations.highs_engine import Heard, OutOfTimeError
from opt_istn.solver import Budget

PROOF = "scip"
_EPSILON = 1e-9  # SCIP takes numbers for equal that differ by this part of themselves
LARGEST = 3 * 10**8  # objectives up to here are settled: slack and epsilon stay below 1
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class Outcome:
    """What SCIP found.

    Parameters
    ----------
    bound
        Its lower bound on the model's objective, a float; None without one.
    infeasible
        Whether it says that the model has no solution.
    values
        Of the variables in its best solution, by their symbols in `symbols`; None without one.
    symbols
        Names in the model's file of Pyomo's variables, by their Python identity.
    nodes
        Of the tree.
    """

    bound: float | None
    infeasible: bool
    values: Mapping[str, float] | None
    symbols: Mapping[int, str]
    nodes: int

    def value(self, variable: Any) -> float:
        """Return the value of a Pyomo variable; 0 if the file has no such column."""
        name = self.symbols.get(id(variable))
        return 0.0 if self.values is None or name is None else self.values[name]


def refusal() -> str | None:
    """Return why SCIP is not used, None if it is."""
    if importlib.util.find_spec("pyscipopt") is None:
        return 'SCIP is not installed: pip install "opt-istn[scip]"'
    return None


def prepare() -> None:
    """Import SCIP if it is installed, so that a run's clock does not see it."""
    if refusal() is None:
        importlib.import_module("pyscipopt")


def solve(
    model: pyo.ConcreteModel, budget: Budget, seed: int, heard: Heard | None = None
) -> Outcome:
    """Solve a Pyomo model with both gaps at 0; `Budget.work` limits the nodes.

    The budget's clock has run since before the model was built.

    Parameters
    ----------
    heard
        As in `highs_engine.solve`.

    Raises
    ------
    OutOfTimeError
        If more than half of the time is used: a model is written and read in about the time that
        it was built in, and nothing stops that.
    RuntimeError
        If SCIP ends in a way that it should not.
    """
    import pyscipopt

    if budget.time_s is not None and budget.used_s() > budget.time_s / 2:
        raise OutOfTimeError
    engine = pyscipopt.Model()
    engine.hideOutput()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.mps"
        symbols = exporting.write(model, path)
        engine.readProblem(str(path))
    engine.setParams(_options(budget, seed))
    if heard is not None and budget.listener is not None:
        _listen(engine, model, symbols, heard)
    engine.optimizeNogil()
    return _outcome(engine, symbols)


def _listen(
    engine: Any, model: pyo.ConcreteModel, symbols: Mapping[int, str], heard: Heard
) -> None:
    """Have SCIP tell of better solutions, and of its bound after every node."""
    import pyscipopt
    from pyscipopt.scip import PY_SCIP_EVENTTYPE as kinds  # noqa: N811

    events = (kinds.BESTSOLFOUND, kinds.NODESOLVED)
    columns = {x.name: x for x in engine.getVars()}
    own = [
        (one, columns[symbols[id(one)]])
        for one in model.component_data_objects(pyo.Var)
        if symbols.get(id(one)) in columns
    ]

    class Handler(pyscipopt.Eventhdlr):
        def eventinit(self) -> None:
            for event in events:
                self.model.catchEvent(event, self)

        def eventexit(self) -> None:
            for event in events:
                self.model.dropEvent(event, self)

        def eventexec(self, event: Any) -> None:
            found = event.getType() == kinds.BESTSOLFOUND
            best = self.model.getBestSol() if found else None
            for one, column in own if found else ():
                one.set_value(self.model.getSolVal(best, column), skip_validation=True)
            bound = self.model.getDualbound()
            heard(-math.inf if self.model.isInfinity(abs(bound)) else bound, found)

    engine.includeEventhdlr(Handler(), "report", "tells of solutions and bounds")


def round_up(bound: float | None) -> int | None:
    """Return the integer lower bound that SCIP's bound on an integer objective stands for.

    Twice what it takes for equal is taken off first, and a hundredth: up to `LARGEST` that costs
    nothing, as the bound of a solved model is off by less.
    """
    if bound is None or not math.isfinite(bound):
        return None
    return math.ceil(bound - (0.01 + 2 * _EPSILON * abs(bound)))


def _options(budget: Budget, seed: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "limits/gap": 0.0,
        "limits/absgap": 0.0,
        "lp/threads": 1,
        "misc/catchctrlc": False,
        "randomization/randomseedshift": seed % _MAX_SEED,
    }
    left = budget.left_s()
    if left is not None:
        options["limits/time"] = left
    if budget.work is not None:
        options["limits/totalnodes"] = budget.work
    return options


def _outcome(engine: Any, symbols: Mapping[int, str]) -> Outcome:
    status = engine.getStatus()
    if status not in ("optimal", "infeasible", "timelimit", "totalnodelimit", "memlimit"):
        raise RuntimeError(f"SCIP ended with {status}")
    found = engine.getDualbound()
    values = None
    if engine.getNSols():
        best = engine.getBestSol()
        values = {x.name: engine.getSolVal(best, x) for x in engine.getVars(transformed=False)}
    return Outcome(
        bound=None if engine.isInfinity(abs(found)) else found,
        infeasible=status == "infeasible",
        values=values,
        symbols=symbols,
        nodes=engine.getNTotalNodes(),
    )
