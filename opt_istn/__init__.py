"""Exact baselines, heuristics and learned agents for integrated satellite-terrestrial networks.

An instance goes to a solver, which returns a plan and claims; the evaluator judges the plan;
the record keeps both; tables and figures read only records.

What a script needs is here, see `opt_istn.api`; each name is imported when it is first used.

>>> from opt_istn import Budget, evaluate, generate, make
>>> instance = generate("push-tiny", seed=0)
>>> claims = make("push.labels").solve(instance, Budget(time_s=10), seed=0)
>>> evaluate(instance, claims.plan).cost == claims.bound
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from opt_istn import _moved
from opt_istn.version import __version__ as __version__

if TYPE_CHECKING:
    from opt_istn.api import compare as compare
    from opt_istn.api import evaluate as evaluate
    from opt_istn.api import generate as generate
    from opt_istn.api import make as make
    from opt_istn.api import read_instance as read_instance
    from opt_istn.api import read_plan as read_plan
    from opt_istn.api import read_runs as read_runs
    from opt_istn.files import InputError as InputError
    from opt_istn.solver import Budget as Budget
    from opt_istn.solver import Claims as Claims
    from opt_istn.solver import Solver as Solver
    from opt_istn.solver import Status as Status

__all__ = [
    *("generate", "read_instance", "read_plan", "make", "evaluate", "compare", "read_runs"),
    *("Budget", "Claims", "Solver", "Status", "InputError"),
]
_PLACES = {
    **dict.fromkeys(("compare", "evaluate", "generate", "make"), "opt_istn.api"),
    **dict.fromkeys(("read_instance", "read_plan", "read_runs"), "opt_istn.api"),
    **dict.fromkeys(("Budget", "Claims", "Solver", "Status"), "opt_istn.solver"),
    "InputError": "opt_istn.files",
}


def __getattr__(name: str) -> Any:
    """Import what is public when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})


_moved.serve(_moved.CORE)
