"""The exact JUTAP engines against brute force, networkx and each other."""

import gzip
import math
from dataclasses import replace
from operator import mul
from pathlib import Path
from typing import Any

import highspy
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formulations.jutap.labels import Labels
from formulations.jutap.lagrangian import Lagrangian
from formulations.jutap.mip import arc_flow, flow
from formulations.jutap.mip.arc_flow import ArcFlow
from formulations.jutap.mip.cpsat import CpSat
from formulations.jutap.mip.cycles import negative_cycle
from formulations.jutap.mip.scip import Scip
from opt_istn import Budget, Claims, InputError, Solver, Status
from opt_istn.jutap import graph
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.instance import Cost, HoleBonus, Instance
from opt_istn.testing import random_jutap
from opt_istn.testing.jutap import draw
from tests.oracles import brute_force, every_simple_path, every_walk

ENGINES: tuple[Solver, ...] = (Labels(), CpSat(), ArcFlow(), Scip())
LONG = (ArcFlow, Scip)  # some fifteen milliseconds an instance
BLOCKS, BLOCK = 13, 27  # 351 instances
KINDS = 27  # of instances in the family, which come in turn


def outcome(claims: Claims) -> tuple[str, int | None]:
    """Return what a run claims in the oracle's words."""
    return claims.status.value, claims.cost


def solve(solver: Solver, instance: Instance, **budget: Any) -> Claims:
    return solver.solve(instance, Budget(**budget), 0)


def against_brute_force(indices: range, every: int) -> None:
    """Check the fast engines on every instance, and those that take long on one of `every`."""
    for index in indices:
        instance = draw(11, index)
        truth = brute_force(instance.document())
        for i, solver in enumerate(ENGINES):
            if isinstance(solver, LONG) and (index // KINDS + i) % every:
                continue
            if solver.supports(instance) is None:
                claims = solve(solver, instance)
                assert outcome(claims) == truth, (type(solver).__name__, index)
                assert claims.bound == claims.cost, (type(solver).__name__, index)
            else:
                assert negative_cycle(graph.state_arcs(instance)) is not None, index


@pytest.mark.parametrize("block", range(BLOCKS))
def test_engines_agree_with_brute_force(block: int) -> None:
    """Every engine finds brute force's integer, or refuses the instance for a negative cycle."""
    against_brute_force(range(block * BLOCK, (block + 1) * BLOCK), every=3)


@pytest.mark.slow
def test_engines_agree_with_brute_force_on_more() -> None:
    """So they do on twice as many instances, those that take long on each."""
    against_brute_force(range(2 * BLOCKS * BLOCK), every=1)


@settings(max_examples=300, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    grid=st.integers(1, 4),
    num_mbs=st.integers(1, 3),
    budget=st.sampled_from(["none", "binding", "tight", "infeasible"]),
    costs=st.sampled_from(["paper", "negative", "cyclic", "ties"]),
    enter=st.booleans(),
    no_fly=st.sampled_from([0.0, 0.3]),
    hole_bonus=st.sampled_from(["printed", "once"]),
)
def test_labels_are_exact(seed: int, **options: Any) -> None:
    """Label setting finds brute force's integer whatever the instance looks like."""
    instance = random_jutap(np.random.default_rng(seed), **options)
    assert outcome(solve(Labels(), instance)) == brute_force(instance.document())


def test_labels_agree_with_networkx() -> None:
    """Without a budget the optimum is networkx's Bellman-Ford distance, or its negative cycle."""
    for seed in range(150):
        rng = np.random.default_rng([3, seed])
        costs = ("paper", "negative", "cyclic", "ties")[seed % 4]
        bonus: HoleBonus = "once" if seed % 3 == 0 else "printed"
        sizes = {"grid": int(rng.integers(1, 6))}
        instance = random_jutap(rng, budget="none", costs=costs, hole_bonus=bonus, **sizes)
        exported = graph.to_networkx(instance)
        ends = exported.graph["source"], exported.graph["target"]
        claims = solve(Labels(), instance)
        try:
            cost = nx.bellman_ford_path_length(exported, *ends, weight="cost")
        except nx.NetworkXUnbounded:
            assert claims.status == Status.UNBOUNDED, seed
        except nx.NetworkXNoPath:
            assert claims.status == Status.INFEASIBLE, seed
        else:
            assert outcome(claims) == ("optimal", cost), seed


LARGER = [("none", "once"), ("tight", "printed"), ("binding", "printed")]
MORE = [("none", "printed"), ("tight", "once"), ("binding", "once")]


@pytest.mark.parametrize(
    ("budget", "bonus"),
    [*LARGER, *(pytest.param(*x, marks=pytest.mark.slow) for x in MORE)],
)
def test_engines_agree_on_a_larger_grid(budget: Any, bonus: HoleBonus) -> None:
    """On 9 x 9 cells all engines prove the same integer."""
    for seed in range(2):
        rng = np.random.default_rng(seed)
        instance = random_jutap(rng, grid=9, num_mbs=4, budget=budget, hole_bonus=bonus)
        found = {(claims.cost, claims.bound) for claims in (solve(e, instance) for e in ENGINES)}
        (cost, bound), *others = found
        assert cost == bound
        assert not others


def test_oracle_is_literal_enumeration() -> None:
    """Brute force equals the minimum over literally every walk, or every simple path."""
    for seed in range(200):
        rng = np.random.default_rng([7, seed])
        budget = "binding" if seed % 2 else "none"
        costs = "cyclic" if seed % 4 == 1 else "negative"
        bonus: HoleBonus = "once" if seed % 3 == 0 else "printed"
        options: dict[str, Any] = {"budget": budget, "costs": costs, "hole_bonus": bonus}
        instance = random_jutap(rng, grid=2, num_mbs=1, **options)
        document = instance.document()
        status, cost = brute_force(document)
        if budget == "binding":
            assert cost == min((cost for cost, _ in every_walk(document)), default=None), seed
        elif status == "optimal":
            assert cost == min(every_simple_path(document), default=None), seed


def test_negative_cycles_are_found_exactly() -> None:
    """The cycle returned is one and is negative; none is returned where networkx has none."""
    for seed in range(200):
        rng = np.random.default_rng([5, seed])
        options: dict[str, Any] = {"costs": "cyclic"} if seed % 2 else {"enter": True}
        instance = random_jutap(rng, grid=int(rng.integers(1, 7)), budget="none", **options)
        arcs = graph.state_arcs(instance)
        cycle = negative_cycle(arcs)
        exported = graph.to_networkx(instance)
        assert (cycle is not None) == nx.negative_edge_cycle(exported, weight="cost"), seed
        if cycle is not None:
            ends = zip(arcs.tail.tolist(), arcs.head.tolist(), strict=True)
            cost = dict(zip(ends, arcs.cost.tolist(), strict=True))
            ring = cycle.tolist()
            assert sum(cost[a, b] for a, b in zip(ring, ring[1:] + ring[:1], strict=True)) < 0


def test_negative_cycles_are_refused() -> None:
    """The arc-flow engines name the cycle they refuse; labels solve the instance."""
    instance = draw(0, 8)
    for index in range(8, 500, 27):
        instance = draw(0, index)
        if brute_force(instance.document())[0] == "unbounded":
            break
    for solver in (ArcFlow(), CpSat()):
        assert "negative cycle" in (solver.supports(instance) or "")
    assert solve(Labels(), instance).status == Status.UNBOUNDED
    assert solve(Lagrangian(), instance).status == Status.UNBOUNDED


def test_lagrangian_brackets_the_optimum() -> None:
    """Its bound is not above the optimum, its plan not below; without a budget they meet."""
    for index in range(400):
        instance = draw(13, index)
        status, optimum = brute_force(instance.document())
        claims = solve(Lagrangian(), instance)
        if optimum is None:
            assert claims.status.value == status, index
            continue
        assert claims.plan is not None
        assert claims.cost == evaluate(instance, claims.plan).cost
        assert claims.cost is not None
        assert claims.cost >= optimum
        assert claims.bound is not None, index
        assert claims.bound <= optimum
        if instance.energy_budget_mj is None:
            assert claims.bound == claims.cost


def test_energy_row_separates_the_same_walks() -> None:
    """Moves weigh at most the row's limit exactly if they keep the energy budget."""
    near = [(999_999_999, 10**9), (10**9, 10**9), (999_983, 1_414_177), (1, 10**9)]
    for index in range(100):
        instance = draw(47, index)
        if instance.energy_budget_mj is None:
            continue
        if index % 4 == 0:
            straight, diagonal = near[index // 4 % len(near)]
            budget = int(straight * (index % 7) + diagonal * (index % 5) - index % 2)
            budget = max(budget, 0)
            instance = replace(instance, energy_mj=(straight, diagonal), energy_budget_mj=budget)
        weights, limit = flow.energy_row(instance)
        counts = range(min(len(instance.usable[1]), 40) + 1)
        for moves in ((i, j) for i in counts for j in counts if i + j < len(counts)):
            energy, weight = (sum(map(mul, moves, each)) for each in (instance.energy_mj, weights))
            assert (energy <= instance.energy_budget_mj) == (weight <= limit), index


def test_energies_that_hardly_differ() -> None:
    """Where 1 mJ in 10**9 decides, the models decide as label setting does (a case that failed)."""
    instance = replace(draw(47, 4), energy_mj=(999_999_999, 10**9))
    for budget in (999_999_998, 10**9, 2 * 10**9 - 1, 3 * 10**9 - 2):
        tight = replace(instance, energy_budget_mj=budget)
        truth = outcome(solve(Labels(), tight))
        assert truth == brute_force(tight.document())
        for engine in (CpSat(), ArcFlow()):
            if engine.supports(tight) is None:
                assert outcome(solve(engine, tight)) == truth, (type(engine).__name__, budget)


def test_arcs_are_counted_without_building_them() -> None:
    """The arc count that large instances are refused by is the number of arcs."""
    for index in range(100):
        instance = draw(17, index)
        assert flow.num_arcs(instance) == len(graph.state_arcs(instance).tail)
    instance = random_jutap(np.random.default_rng(0), grid=4, start_is_end=False)
    assert "arc variables" in (CpSat(max_arcs=1).supports(instance) or "")
    assert "arc variables" in (ArcFlow(max_arcs=1).supports(instance) or "")


def test_model_rows_are_named_after_the_paper() -> None:
    """The Pyomo model has the objective (4), flow rows, START, END and (5a)."""
    model = arc_flow.build(hard_instance())
    names = {part.local_name for part in model.component_objects()}
    assert {"COST_4", "FLOW", "START", "END", "ENERGY_5a"} <= names


@pytest.mark.parametrize("suffix", ["mps", "lp"])
def test_exported_model_has_the_same_optimum(tmp_path: Path, suffix: str) -> None:
    """HiGHS reads the exported file and finds the optimum of label setting."""
    instance = hard_instance()
    path = tmp_path / f"model.{suffix}"
    arc_flow.export(instance, path)
    engine = highspy.Highs()
    engine.silent()
    engine.setOptionValue("mip_rel_gap", 0.0)
    engine.readModel(str(path))
    engine.run()
    assert round(engine.getInfo().objective_function_value) == solve(Labels(), instance).cost


@pytest.mark.parametrize("ending", ["mps", "lp", "MPS", "lp.gz"])
def test_exported_model_names_its_instance(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The file names instance and hash, has no column for a constant, and nothing is warned of."""
    instance = replace(hard_instance(), name="a name: 1\n*")
    path = tmp_path / f"model.{ending}"
    arc_flow.export(instance, path)
    data = path.read_bytes()
    text = (gzip.decompress(data) if ending.endswith("gz") else data).decode()
    assert f"a-name-1-{instance.sha256}" in text
    assert "ONE_VAR_CONSTANT" not in text
    free = Cost((0, 0), 0, 0, 0, 0, 0, 0, 0)
    arc_flow.export(replace(instance, cost=free), path)  # a constant objective
    assert caplog.text == ""


def test_export_names_what_it_cannot_write(tmp_path: Path) -> None:
    """Another suffix, and an instance without a model, are input errors."""
    with pytest.raises(InputError, match=r"\.mps or \.lp"):
        arc_flow.export(hard_instance(), tmp_path / "model.txt")
    with pytest.raises(InputError, match="END"):
        arc_flow.export(draw(0, 13), tmp_path / "model.mps")


@pytest.mark.parametrize("version", ["1.13.1", "1.14.0", "1.15.1"])
def test_a_wrong_highs_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """HiGHS 1.13 to 1.15, wrong or not to be had beside OR-Tools, are refused by name."""
    monkeypatch.setattr(highspy.Highs, "version", lambda _: version)
    assert version in (ArcFlow().supports(hard_instance()) or "")
    with pytest.raises(RuntimeError, match=version.replace(".", r"\.")):
        solve(ArcFlow(), hard_instance())


def test_threads_may_change_between_runs() -> None:
    """A second run in the same process may use another number of threads."""
    instance = hard_instance()
    found = [solve(solver, instance, threads=k) for solver in ENGINES for k in (1, 2, 1)]
    assert len({claims.cost for claims in found}) == 1
    assert {claims.status for claims in found} == {Status.OPTIMAL}


@pytest.mark.parametrize("seeds", [range(1), pytest.param(range(1, 9), marks=pytest.mark.slow)])
@pytest.mark.parametrize("limit", [{"time_s": 1e-6}, {"work": 1}])
def test_limits_leave_only_true_claims(limit: dict[str, Any], seeds: range) -> None:
    """Stopped early, an engine claims no more than bounds and plans that hold."""
    for seed in seeds:
        rng = np.random.default_rng([19, seed])
        instance = random_jutap(rng, grid=8, num_mbs=4, budget="binding")
        optimum = solve(Labels(), instance).cost
        assert optimum is not None
        for solver in (*ENGINES, Lagrangian()):
            claims = solve(solver, instance, **limit)
            assert (-math.inf if claims.bound is None else claims.bound) <= optimum
            assert (math.inf if claims.cost is None else claims.cost) >= optimum


def hard_instance() -> Instance:
    """Return an instance whose budget binds."""
    return random_jutap(np.random.default_rng(2), grid=8, num_mbs=4, budget="binding")
