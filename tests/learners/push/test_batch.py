"""Replaying many plans at once: exactly what the evaluator says, for every choice of every head."""

from dataclasses import replace

import numpy as np
import pytest

from learners.push.stage import batch as push_batch
from learners.push.stage.batch import Batch
from learners.push.stage.draws import memorised
from opt_istn import Budget, registry
from opt_istn.push.evaluate import evaluate
from opt_istn.push.expected import expected_cost, expected_instance
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.random import random_push
from opt_istn.push.scenario import PRESETS, generate


def problems(instance: Instance) -> Batch:
    """Return the batch of an instance's users."""
    return memorised(instance).batch


def cost(instance: Instance, plan: IntArray) -> int:
    """Return the judge's cost of heads' slots."""
    judged = evaluate(instance, push_batch.plan_of(instance, plan))
    assert judged.cost is not None
    return judged.cost


def random_plan(batch: Batch, rng: np.random.Generator) -> IntArray:
    """Draw an allowed slot, or never, for each head."""
    never = batch.num_slots
    rows = [rng.choice(np.append(np.flatnonzero(row), never)) for row in batch.allowed]
    return np.array(rows, dtype=np.int64)


@pytest.mark.parametrize("seed", range(60))
def test_counterfactuals_are_exact(seed: int) -> None:
    """Savings and all differences between choices equal the evaluator's, to the microsecond."""
    rng = np.random.default_rng(seed)
    instance = random_push(rng, num_contents=8, num_requests=30, freshness=0.2)
    batch = problems(instance)
    plan = random_plan(batch, rng)
    judged = cost(instance, plan)
    assert instance.base_us - int(push_batch.replay(batch, plan).sum()) == judged
    gain = push_batch.counterfactuals(batch, plan)
    for head, allowed in enumerate(batch.allowed):
        for slot in [*np.flatnonzero(allowed).tolist(), batch.num_slots]:
            other = plan.copy()
            other[head] = slot
            difference = int(gain[head, slot] - gain[head, plan[head]])
            assert judged - cost(instance, other) == difference


@pytest.mark.parametrize("seed", range(20))
def test_pushes_on_links_that_are_down_are_made_later(seed: int) -> None:
    """A plan with slots in which links are down is worth what its postponed pushes are."""
    rng = np.random.default_rng(seed)
    instance = random_push(rng, num_contents=8, num_requests=30, link_up=0.5)
    batch = problems(instance)
    late = rng.integers(0, batch.num_slots, len(batch.release))
    plan = np.maximum(late, batch.release)
    made = push_batch.effective(batch, plan)
    judged = cost(instance, made)
    assert instance.base_us - int(push_batch.replay(batch, plan).sum()) == judged
    gain = push_batch.counterfactuals(batch, plan)
    for head in range(len(plan)):
        other = plan.copy()
        other[head] = batch.num_slots - 1
        difference = int(gain[head, -2] - gain[head, plan[head]])
        assert judged - cost(instance, push_batch.effective(batch, other)) == difference


def test_expected_savings_are_exact_too() -> None:
    """On expected requests the replay equals the expected cost of the plan."""
    instance = generate(PRESETS["push-paper"], 1, "x")
    expected = expected_instance(instance)
    batch = problems(expected)
    plan = random_plan(batch, np.random.default_rng(0))
    saved = int(push_batch.replay(batch, plan).sum())
    judged = expected_cost(instance, push_batch.plan_of(instance, plan))
    assert expected.base_us - saved == judged


def test_batches_join() -> None:
    """Problems side by side save what they save alone."""
    rng = np.random.default_rng(3)
    single = [problems(random_push(rng, num_contents=n, num_slots=5)) for n in (3, 0, 9)]
    plans = [random_plan(x, rng) for x in single]
    whole, plan = push_batch.joined(single), np.concatenate(plans)
    pairs = list(zip(single, plans, strict=True))
    alone = np.concatenate([push_batch.replay(x, p) for x, p in pairs])
    assert np.array_equal(push_batch.replay(whole, plan), alone)
    gains = np.concatenate([push_batch.counterfactuals(x, p) for x, p in pairs])
    assert np.array_equal(push_batch.counterfactuals(whole, plan), gains)


def test_annealed_plans_are_nearly_optimal() -> None:
    """On expected requests of the paper's scenario annealing saves 90 % of the optimum or more."""
    expected = expected_instance(generate(replace(PRESETS["push-paper"], num_users=2), 2, "x"))
    batch = problems(expected)
    plan = push_batch.anneal(batch, 100, 0.1, np.random.default_rng(0))
    assert (batch.allowed[np.arange(len(plan)), np.minimum(plan, 17)] | (plan == 18)).all()
    optimum = registry.make("labels", "push", {}).solve(expected, Budget(), 0).cost
    assert optimum is not None
    saved = int(push_batch.replay(batch, plan).sum())
    assert 0.9 * (expected.base_us - optimum) < saved <= expected.base_us - optimum
