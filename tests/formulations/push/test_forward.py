"""Forward labels under priced completions: any prices do, and giving up is told."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from formulations.push import forward
from opt_istn import Budget, Status, registry
from opt_istn.push.random import random_push
from opt_istn.push.scenario import PRESETS, generate


def case(seed, **sizes):
    """Return a user's problem and the most that can be saved."""
    instance = random_push(np.random.default_rng(seed), num_users=1, **sizes)
    claims = registry.make("labels", "push", {}).solve(instance, Budget(), 0)
    assert claims.status == Status.OPTIMAL
    problem = instance.user(0)
    return problem, problem.base_us - claims.cost


@given(
    seed=st.integers(0, 10_000), scale=st.sampled_from([0.0, 0.1, 1.0]), below=st.integers(1, 99)
)
def test_any_prices_do(seed, scale, below):
    """Whatever is charged, a threshold at the optimum holds, and below it the optimum is found."""
    problem, optimum = case(seed, num_contents=12, num_requests=30)
    rng = np.random.default_rng(seed)
    dearest = int(scale * problem.weight.sum(axis=1).max(initial=0))
    prices = rng.integers(0, dearest + 1, len(problem.content))
    known = forward.completions(problem, prices)
    assert int(known.value[0].max() + prices.sum()) >= optimum
    assert forward.improved(problem, known, prices, optimum, 10**6) == (optimum, None)
    value, chain = forward.improved(problem, known, prices, optimum - below, 10**6)
    assert (value, chain is None) == (optimum, optimum == 0)  # nothing to save, no push


def test_giving_up_is_told():
    """With too few labels allowed, or no time, there is no answer."""
    problem, optimum = case(3, num_contents=20, num_requests=60)
    prices = np.zeros(len(problem.content), dtype=np.int64)
    known = forward.completions(problem, prices)
    assert forward.improved(problem, known, prices, optimum - 1, 0) is None
    assert forward.improved(problem, known, prices, optimum - 1, 10**6, lambda: True) is None


def test_a_limit_leaves_a_bound():
    """Out of time the bound is the relaxation's, and the plan the annealed one."""
    instance = generate(PRESETS["push-paper"], 0, "push-paper")
    solver = registry.make("forward", "push", {})
    claims = solver.solve(instance, Budget(work=6), 0)
    assert claims.status == Status.FEASIBLE
    best = registry.make("labels", "push", {}).solve(instance, Budget(), 0)
    assert 0 < claims.bound < best.cost < claims.cost


def test_large_caches_are_refused():
    """Where tuples do not fit the memory, the solver says so beforehand."""
    wide = generate(PRESETS["push-paper-wide"], 0, "wide")
    refused = registry.make("forward", "push", {}).supports(wide)
    assert refused is not None
    assert refused.startswith("too many contents alive")
