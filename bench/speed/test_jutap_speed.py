"""JUTAP: the exact engines and their peers on the same instances.

The measured region is one verb: solve an instance that is in memory, kernels compiled.
Peers get their own data structure built outside the clock.
"""

from dataclasses import replace
from typing import Any

import pytest

from bench.speed.subjects import PEERS, instance
from formulations.jutap.labels import Labels
from opt_istn import Budget, Status, registry
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.scenario import PRESETS, generate

SMALL = ["jutap-paper", "jutap-paper-k1.02", "jutap-paper-k1.05", "jutap-paper-terrestrial-k1.02"]
ENGINES = [("labels", 50), ("cpsat", 3), ("pyomo", 1), ("cpsat plain", 1)]
WARM_UP = {"labels": 3, "cpsat": 1}
KAPPAS = (1.02, 1.05, 1.10, 1.25, None)
LARGE = ["jutap-city", "jutap-city-k1.05", "jutap-region", "jutap-region-k1.02"]


def _optimum(preset: str) -> int:
    cost = Labels().solve(instance(preset), Budget()).cost
    assert cost is not None
    return cost


def _solve(benchmark: Any, filed: Any, outcome: Any, preset: str, method: str, rounds: int) -> None:
    subject = instance(preset)
    name, _, plain = method.partition(" ")
    solver = registry.make(f"jutap.{name}", "jutap", {"guided": "false"} if plain else {})
    solver.prepare()
    filed(subject, method=method)
    warm = WARM_UP.get(method, 0)
    arguments = (subject, Budget(), 0)
    claims = benchmark.pedantic(solver.solve, arguments, rounds=rounds, warmup_rounds=warm)
    assert claims.status is Status.OPTIMAL
    assert evaluate(subject, claims.plan).cost == claims.bound == _optimum(preset)
    outcome(status=claims.status, cost=claims.cost, bound=claims.bound)


@pytest.mark.parametrize("preset", SMALL)
@pytest.mark.parametrize(("method", "rounds"), ENGINES)
def test_engine(
    benchmark: Any,
    filed: Any,
    outcome: Any,
    preset: str,
    method: str,
    rounds: int,
    request: pytest.FixtureRequest,
) -> None:
    """Every engine proves the same integer; how long does it take at the paper's size."""
    if method == "cpsat plain" and not request.config.getoption("--large"):
        pytest.skip("the plain CP-SAT model takes about a minute: it runs with --large")
    _solve(benchmark, filed, outcome, preset, method, rounds)


@pytest.mark.parametrize("preset", LARGE)
def test_scale(
    benchmark: Any, filed: Any, outcome: Any, preset: str, request: pytest.FixtureRequest
) -> None:
    """Label setting on a city and on a region."""
    if not request.config.getoption("--large"):
        pytest.skip("large instances run with --large")
    _solve(benchmark, filed, outcome, preset, "labels", 3)


@pytest.mark.parametrize("preset", ["jutap-paper", "jutap-city", "jutap-region"])
@pytest.mark.parametrize("study", ["starts", "pareto", "weights"])
def test_at_once(
    benchmark: Any,
    filed: Any,
    outcome: Any,
    preset: str,
    study: str,
    request: pytest.FixtureRequest,
) -> None:
    """The optimum from every START under five budgets, the front from one, and all weights."""
    if preset != "jutap-paper" and not request.config.getoption("--large"):
        pytest.skip("large instances run with --large")
    if study == "weights" and preset == "jutap-region":
        pytest.skip("weights of a region would leave 64 bits")
    subject = instance(preset)
    if study == "weights":  # as printed, costs fall without limit where handovers weigh most
        subject = generate(replace(PRESETS[preset], hole_bonus="once"), 0)
    arguments = (subject, KAPPAS) if study == "starts" else (subject,)
    ask = registry.study(study, "jutap")
    ask(*arguments)  # compiled
    filed(subject, method=study)
    found = benchmark.pedantic(ask, arguments, rounds=20 if preset == "jutap-paper" else 1)
    if study == "starts":
        assert found.cost[subject.start, -1] == _optimum(preset)
    elif study == "pareto":
        assert found.points[-1].cost == _optimum(preset)
    else:
        assert sum(region.share for region in found.regions) == 1
    outcome(status="checked", cost=None, bound=None)


@pytest.mark.parametrize("preset", [*SMALL, "jutap-city"])
@pytest.mark.parametrize("peer", PEERS)
def test_peer(
    benchmark: Any,
    filed: Any,
    outcome: Any,
    preset: str,
    peer: str,
    request: pytest.FixtureRequest,
) -> None:
    """Other people's shortest-path codes on the same graph, where they apply."""
    if preset == "jutap-city" and not request.config.getoption("--large"):
        pytest.skip("large instances run with --large")
    subject, code = instance(preset), PEERS[peer]
    if subject.num_cells > code.max_cells:
        pytest.skip(f"{peer} does not finish at {subject.num_cells} cells")
    if subject.energy_budget_mj is not None and not code.constrained:
        pytest.skip(f"{peer} has no resource constraint")
    data = code.build(subject)
    filed(subject, method=peer)
    cost = benchmark.pedantic(code.run, (data,), rounds=3, warmup_rounds=1)
    assert cost == _optimum(preset)
    outcome(status="checked", cost=cost, bound=None)
