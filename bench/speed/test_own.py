"""Any solver on any instance, beside ours: ``pytest bench/speed/test_own.py --solver my.py:Mine``.

The measured region is one verb: solve an instance that is in memory, the solver prepared. Every
plan is judged, and no bound may lie above a judged plan.
"""

from typing import Any

import pytest

from bench.conftest import OURS
from bench.speed.subjects import instance
from opt_istn import Budget, Status, registry
from opt_istn.problems import get, read_instance

LIMIT_S = 60.0
INSTANCES = ("jutap-paper", "push-tiny")  # where none is given
_WARM_UP = {"labels": 1}


def _given(name: str) -> Any:
    named = name.endswith((".json", ".gz"))
    return read_instance(name) if named else instance(name)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    given = metafunc.config.getoption("--instance") or INSTANCES
    own = metafunc.config.getoption("--solver")
    pairs = []
    for name in given:
        problem = _given(name).problem
        wanted = [*OURS[problem], *(each for each in own if registry.applies(each, problem))]
        pairs += [pytest.param(name, each, id=f"{name}-{each}") for each in wanted]
    metafunc.parametrize(("name", "solver"), pairs)


def test_solver(benchmark: Any, filed: Any, outcome: Any, name: str, solver: str) -> None:
    """Solve an instance; the group is the instance, so that solvers stand side by side."""
    subject = _given(name)
    made = registry.make(solver, subject.problem, {})
    made.prepare()
    if reason := made.supports(subject):
        pytest.skip(f"{solver}: {reason}")
    filed(subject, method=solver)
    warm = _WARM_UP.get(solver, 0)
    claims = benchmark.pedantic(
        made.solve, (subject, Budget(time_s=LIMIT_S), 0), rounds=3, warmup_rounds=warm
    )
    judged = None if claims.plan is None else get(subject.problem).evaluate(subject, claims.plan)
    cost = judged.cost if judged is not None and not judged.violations else None
    assert claims.status != Status.FAILED
    assert None in (cost, claims.bound) or claims.bound <= cost
    outcome(status=claims.status, cost=cost, bound=claims.bound)
