"""The compiled PUSH labels where brute force cannot follow: against HiGHS, and their parts."""

import time
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formulations.push.anneal import anneal_plan, cumulative, saving
from formulations.push.forward import Forward
from formulations.push.labels import dense, diagram, tuples
from formulations.push.labels.profile import backward, make_profiles, relaxation
from formulations.push.labels.solver import Labels, UserSearch, price, solve_user
from formulations.push.mip import lp
from formulations.push.mip.highs import Highs
from formulations.push.users import delay_us
from opt_istn import Budget, Status
from opt_istn.push import Instance, evaluate
from opt_istn.push.instance import IntArray
from opt_istn.push.random import random_push


def crowded(seed: int, places: int, **options: int) -> Instance:
    """Return a user's problem of middle size: every push competes."""
    sizes = {"num_users": 1, "num_contents": 40, "num_slots": 14, "num_requests": 70, **options}
    return random_push(
        np.random.default_rng([seed, places]),
        cache_sizes=(places, places),
        delays_us=(100_000, 1_000_000),
        link_up=0.9,
        **sizes,
    )


def kind_of(seed: int) -> IntArray:
    """Return an array of the integers that tables hold: 32 bits in every other test, else 64."""
    return np.empty(0, dtype=(np.int32, np.int64)[seed % 2])


def search(instance: Instance, seed: int = 0) -> UserSearch:
    return UserSearch(instance.user(0), np.random.default_rng(seed), Budget())


MORE = pytest.param(range(2, 12), marks=pytest.mark.slow)


@pytest.mark.parametrize("seeds", [range(2), MORE])
@pytest.mark.parametrize("places", [1, 2, 3, 4, 5, 7])
def test_agrees_with_highs(places: int, seeds: range) -> None:
    """On users of middle size label setting and HiGHS prove the same integer."""
    for seed in seeds:
        instance = crowded(seed, places)
        found, other = Labels().solve(instance, Budget(), 0), Highs().solve(instance, Budget(), 0)
        assert found.status == other.status == Status.OPTIMAL
        assert (found.cost, found.bound) == (other.cost, other.bound), seed
        assert evaluate(instance, found.plan).cost == found.cost


@settings(max_examples=30, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 3))
def test_every_price_bounds(seed: int, places: int, dear: int) -> None:
    """Whatever prices it starts from, pricing stays within 0..saving and its bound is true."""
    instance = crowded(seed, places, num_contents=12, num_slots=8, num_requests=25)
    begun, optimum = search(instance), search(instance)
    assert solve_user(optimum) == optimum.saved_us
    rng = np.random.default_rng(seed)
    prices = rng.integers(0, 10**dear, len(begun.problem.content)) * 1000
    relaxed = relaxation(begun.problem)
    values, offsets = backward(relaxed.layers, relaxed.profiles, prices, kind_of(seed))
    assert values[0] + prices.sum() >= optimum.saved_us
    whole = diagram.build(relaxed, values, offsets, prices, -1, 1 << 22)
    assert whole is not None
    begun.saved_us = -(10**9)  # out of reach, so that pricing goes on for all its steps
    begun.plan[:] = instance.num_slots
    begun.try_path = lambda *_: None  # type: ignore[method-assign]
    found = price(begun, partial(diagram.best, whole), prices, 300, begun.saved_us)
    assert (found.prices >= 0).all()
    assert (found.prices <= np.maximum(begun.problem.weight.sum(axis=1), prices)).all()
    assert found.bound >= optimum.saved_us


@settings(max_examples=40, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_splitting_keeps_every_better_plan(seed: int, places: int) -> None:
    """Split on all contents and pruned below the optimum, only optimal plans are left."""
    instance = crowded(seed, places, num_contents=9, num_slots=7, num_requests=20)
    optimum = search(instance)
    best = solve_user(optimum)
    relaxed = relaxation(optimum.problem)
    prices = np.zeros(len(optimum.problem.content), dtype=np.int64)
    values, offsets = backward(relaxed.layers, relaxed.profiles, prices, kind_of(seed))
    graph = diagram.build(relaxed, values, offsets, prices, best - 1, 1 << 22)
    assert graph is not None
    for content in range(len(prices)):
        graph = diagram.split(graph, content, prices, best - 1)
    value, choice = diagram.sweep(graph, prices)
    pushes, times = diagram.best_path(graph, choice, len(prices))
    assert value[0] == pushes[:, 2].sum() == best
    assert (times <= 1).all()
    for content in range(len(prices)):
        graph = diagram.split(graph, content, prices, best)
    assert len(graph.skip) == 0


@settings(max_examples=40, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_linear_bound_is_true(seed: int, places: int) -> None:
    """The rounded dual of the linear relaxation is an upper bound on the optimal saving."""
    instance = crowded(seed, places, num_contents=14, num_slots=9, num_requests=30)
    optimum = search(instance)
    best = solve_user(optimum)
    assert best == optimum.saved_us
    assert lp.relax(optimum.problem).saved_us >= best
    assert lp.relax_order(optimum.problem).saved_us >= best


@settings(max_examples=25, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 3))
def test_tuples_bound_at_every_price(seed: int, places: int, dear: int) -> None:
    """At any prices the best path is worth what the tables say, and bounds the saving."""
    instance = crowded(seed, places, num_contents=12, num_slots=8, num_requests=25)
    optimum = search(instance)
    best = solve_user(optimum)
    alive = tuples.make_alive(optimum.problem)
    prices = np.random.default_rng(seed).integers(0, 10**dear, len(optimum.plan)) * 1000
    path = tuples.best(alive, prices, kind_of(seed))
    assert path.value == path.pushes[:, 2].sum() - prices @ path.times
    assert path.value + prices.sum() >= best == optimum.saved_us
    values, offsets = tuples.backward(alive, prices, kind_of(seed))
    graph = tuples.build(alive, values, offsets, prices, best - 1, 1 << 20)
    assert graph is not None
    assert diagram.best(graph, prices).value == path.value
    free = np.zeros_like(prices)
    for content in range(len(prices)):
        graph = diagram.split(graph, content, free, best - 1)
    assert diagram.best(graph, free).value == best
    assert len(diagram.split(graph, 0, free, best).skip) == 0


def test_large_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices from smaller caches and thresholds from above prove the same optimum."""
    for seed in range(10):
        instance = crowded(seed, 3, num_contents=14, num_slots=9, num_requests=30)
        proven = Labels().solve(instance, Budget(), 0)
        with monkeypatch.context() as patch:
            patch.setattr(dense, "_FEW_STEPS", 1000)
            patch.setattr(dense, "_EFFORT", 3000)
            patch.setattr(dense, "_WORTH", 10**9)
            found = Labels().solve(instance, Budget(), 0)
        assert (found.status, found.cost) == (Status.OPTIMAL, proven.cost)


def test_caches_too_large_to_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the profiles do not fit, a plan and a true bound are returned, not a claim."""
    instance = crowded(3, 4)
    proven = Labels().solve(instance, Budget(), 0)
    monkeypatch.setattr(dense, "MAX_STATES", 10)
    found = Labels().solve(instance, Budget(), 0)
    assert found.bound is not None
    assert found.cost is not None
    assert found.bound <= proven.bound == proven.cost <= found.cost
    assert (found.cost - found.bound) / found.bound < 0.2


@pytest.mark.parametrize("work", [1, 3, 10, 50])
def test_limits_leave_true_bounds(work: int) -> None:
    """Stopped after a few sweeps, the bound is below the optimum and the plan above it."""
    for seed in range(6):
        instance = crowded(seed, 3)
        best = Labels().solve(instance, Budget(), 0).cost
        found = Labels().solve(instance, Budget(work=work), 0)
        assert best is not None
        assert found.bound is not None
        assert found.cost is not None
        assert found.bound <= best <= found.cost


def test_time_limit() -> None:
    """A time limit is kept to within a pricing step, with a plan and a bound."""
    instance = crowded(0, 6, num_contents=120, num_slots=30, num_requests=300)
    began = time.perf_counter()
    found = Labels().solve(instance, Budget(time_s=0.5), 0)
    assert time.perf_counter() - began < 5
    assert found.bound is not None
    assert found.cost is not None
    assert found.bound <= found.cost


@pytest.mark.parametrize(("places", "height"), [(1, 4), (2, 5), (3, 4), (5, 3)])
def test_profiles_are_all_tuples(places: int, height: int) -> None:
    """Ranks enumerate the nondecreasing tuples; shift and insertion are those of the tuples."""
    tables = make_profiles(places, height)
    tuples = [()]
    for _ in range(places):
        tuples = [(v, *rest) for rest in tuples for v in range((rest or (height,))[0] + 1)]
    ranked = sorted(tuples, key=lambda profile: profile[::-1])
    number = {profile: rank for rank, profile in enumerate(ranked)}
    assert len(ranked) == tables.number[height]
    for profile, rank in number.items():
        assert tables.shift[rank] == number[tuple(max(v - 1, 0) for v in profile)]
        assert tables.free[rank] == (profile[0] == 0)
        for end in range(1, height + 1):
            if profile[0] == 0:
                after = (*profile[1:], max(profile[-1], end))
                assert tables.base[rank] + tables.lift[max(tables.top[rank], end)] == number[after]


def test_annealing_counts_what_the_judge_counts() -> None:
    """The saving that annealing reports is what the replayed cache saves."""
    for seed in range(20):
        problem = crowded(seed, 2).user(0)
        slots = problem.weight.shape[1]
        never = np.full(len(problem.content), slots)
        plan, value = anneal_plan(problem, never, 2000, 1e5, np.random.default_rng(seed))
        pushes = tuple((f, int(plan[f])) for f in np.flatnonzero(plan < slots).tolist())
        assert value == saving(cumulative(problem), problem.cache_size, plan)
        assert value == problem.base_us - delay_us(problem, pushes)


def test_a_cache_of_any_size_is_counted():
    """Tuples of hundreds of places are too many to count, which is no reason to fail."""
    rng = np.random.default_rng(0)
    instance = random_push(
        rng, num_users=1, num_contents=30, num_requests=60, cache_sizes=(400, 400)
    )
    claims = Labels().solve(instance, Budget(time_s=5.0), 0)
    assert claims.status == Status.OPTIMAL
    assert Forward().supports(instance) is not None
