"""PUSH: the exact engines on the same instances, six users of the paper's size or 600.

The measured region is one verb: solve an instance that is in memory, kernels compiled. Engines
that do not finish within the limit are reported with the gap they leave.
"""

from typing import Any

import pytest

from bench.speed.subjects import instance
from formulations.push.labels.solver import Labels
from opt_istn import Budget, Status, registry
from opt_istn.push.evaluate import evaluate

LIMIT_S = 120.0
METHODS = ["labels", "cpsat", "highs", "interval", "literal"]


def _solve(
    benchmark: Any, filed: Any, outcome: Any, subject: Any, method: str, rounds: int
) -> None:
    solver = registry.make(f"push.{method}", "push", {})
    solver.prepare()
    arguments = (subject, Budget(time_s=LIMIT_S), 0)
    filed(subject, method=method)
    warm = 1 if method == "labels" else 0  # the others take up to the limit
    claims = benchmark.pedantic(solver.solve, arguments, rounds=rounds, warmup_rounds=warm)
    assert evaluate(subject, claims.plan).cost == claims.cost
    best = Labels().solve(subject, Budget(), 0)
    assert best.status is Status.OPTIMAL
    assert claims.bound <= best.cost <= claims.cost
    outcome(status=claims.status, cost=claims.cost, bound=claims.bound)


@pytest.mark.parametrize("method", METHODS)
def test_tiny(benchmark: Any, filed: Any, outcome: Any, method: str) -> None:
    """Every engine runs."""
    _solve(benchmark, filed, outcome, instance("push-tiny"), method, 1)


@pytest.mark.parametrize("method", METHODS)
def test_paper(
    benchmark: Any, filed: Any, outcome: Any, method: str, request: pytest.FixtureRequest
) -> None:
    """The paper's six users."""
    if not request.config.getoption("--large"):
        pytest.skip("the paper's size runs with --large")
    _solve(
        benchmark, filed, outcome, instance("push-paper"), method, 5 if method == "labels" else 1
    )


def test_fleet(benchmark: Any, filed: Any, outcome: Any, request: pytest.FixtureRequest) -> None:
    """Six hundred users, all certified."""
    if not request.config.getoption("--large"):
        pytest.skip("600 users run with --large")
    _solve(benchmark, filed, outcome, instance("push-fleet"), "labels", 1)
