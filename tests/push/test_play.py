"""Playing a policy: what it sees, what it may do, what a slot costs."""

from dataclasses import fields, replace

import numpy as np
import pytest

from opt_istn.files import InputError
from opt_istn.push import belief, expected
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan
from opt_istn.push.play import Context, Game, Observation, Pushes, play, world_of
from opt_istn.push.random import random_push
from opt_istn.push.scenario import PRESETS, generate


class Eager:
    """Pushes whatever can be pushed with probability one half, and remembers what it saw."""

    def start(self, context: Context) -> None:
        """Keep the context."""
        self.context, self.seen = context, []

    def act(self, observation: Observation) -> Pushes:
        """Keep the observation and draw."""
        self.seen.append(observation)
        allowed = observation.pushable
        chosen = allowed & (self.context.rng.random(allowed.shape) < 0.5)
        return [(int(u), int(f)) for u, f in np.argwhere(chosen)]


def seen(instance: Instance, seed: int = 0) -> list[Observation]:
    """Return what a policy sees of an instance in each slot."""
    spy = Eager()
    play(instance, spy, seed)
    return spy.seen


def same(a: Observation, b: Observation) -> bool:
    """Return whether two observations agree in every field."""
    for field in fields(Observation):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            if x.shape != y.shape or not np.array_equal(x, y):
                return False
        elif x != y:
            return False
    return True


def tiny(seed: int = 0) -> Instance:
    """Return an instance of the smallest preset."""
    return generate(PRESETS["push-tiny"], seed, "tiny")


@pytest.mark.parametrize("cut", range(5))
def test_the_future_does_not_leak(cut: int) -> None:
    """Instances that differ only from slot `cut` on look the same until then, and not for ever."""
    rng = np.random.default_rng(cut)
    a = random_push(rng, num_contents=12, num_requests=40)
    later = a.release >= cut
    b = replace(
        a,
        # births of later slots move to the last slot: other contents, in other numbers a slot
        release=np.where(later, a.num_slots - 1, a.release),
        roi=np.where(later, ~a.roi, a.roi),
        link_up=np.where(np.arange(a.num_slots) >= cut, ~a.link_up, a.link_up),
        requests=a.requests[a.requests[:, 2] < cut],
    )
    pairs = list(zip(seen(a), seen(b), strict=True))
    assert all(same(x, y) for x, y in pairs[:cut])
    assert not all(same(x, y) for x, y in pairs)


def test_requests_show_one_slot_late() -> None:
    """An observation has exactly the requests of the slots before it."""
    instance = random_push(np.random.default_rng(3), num_requests=40)
    for observation in seen(instance):
        past = instance.requests[instance.requests[:, 2] < observation.slot]
        assert np.array_equal(observation.requests, past)


def test_nothing_hides_behind_an_array() -> None:
    """Observed arrays own their memory and cannot be written."""
    for observation in seen(tiny()):
        for field in fields(Observation):
            value = getattr(observation, field.name)
            if isinstance(value, np.ndarray):
                assert value.base is None
                assert not value.flags.writeable


def test_neither_class_nor_seed_is_told() -> None:
    """A policy sees codes of images, not their classes, and the scenario, not the seed."""
    instance = tiny()
    spy = Eager()
    play(instance, spy, 0)
    last = spy.seen[-1]
    assert all("image" not in attributes for attributes in last.attributes)
    assert last.codes.shape[0] == len(last.attributes)
    assert spy.context.world is not None
    assert spy.context.world.scenario == PRESETS["push-tiny"]


@pytest.mark.parametrize("seed", range(12))
def test_slots_add_up_to_the_judged_cost(seed: int) -> None:
    """The delays that the steps return sum to the evaluator's cost of the plan."""
    instance = random_push(np.random.default_rng(seed), num_requests=30)
    game, policy = Game(instance), Eager()
    policy.start(game.context(np.random.default_rng(seed)))
    total = 0
    while not game.done:
        total += int(game.step(policy.act(game.observe())).sum())
    assert total == evaluate(instance, game.plan()).cost


def test_impossible_pushes_are_refused() -> None:
    """A push before birth, outside the region, on a down link, twice, or of nothing raises."""
    instance = random_push(
        np.random.default_rng(1), num_users=1, num_contents=3, num_slots=3, link_up=1.0, in_roi=1.0
    )
    base = replace(instance, release=np.array([0, 0, 2]), requests=np.zeros((0, 6)))
    down = replace(base, link_up=np.array([[False, True, True]]))
    outside = replace(base, roi=np.array([[False, True, True]]))
    cases = [
        (base, [(0, 2)], "not exist yet"),
        (outside, [(0, 0)], "region of interest"),
        (down, [(0, 0)], "link is down"),
        (base, [(0, 0), (0, 0)], "twice"),
        (base, [(0, 9)], "no such"),
    ]
    for case, pushes, reason in cases:
        game = Game(case)
        with pytest.raises(ValueError, match=reason):
            game.step(pushes)
        assert game.slot == 0
    game = Game(base)
    game.step([(0, 0)])
    with pytest.raises(ValueError, match="before"):
        game.step([(0, 0)])


def test_a_foreign_instance_has_no_world() -> None:
    """Without a law the world is unknown; a malformed law is an error that names the field."""
    assert world_of(random_push(np.random.default_rng(0))) is None
    instance = tiny()
    law = {**instance.scenario["law"], "miss_us": [1]}
    with pytest.raises(InputError, match="miss_us"):
        world_of(replace(instance, scenario={**instance.scenario, "law": law}))


def test_expected_cost_is_the_mean_over_requests() -> None:
    """The expected delay of a plan is what its delay averages to when requests are redrawn."""
    instance = tiny(3)
    plan = play(instance, Eager(), 1)
    outlook = expected.expected_instance(instance)
    drawn = expected.expectation(instance)
    rng = np.random.default_rng(0)
    costs = []
    for _ in range(1500):
        rows = np.argwhere(rng.random(drawn.probability.shape) < drawn.probability)
        delay = drawn.miss_us[tuple(rows.T)]
        absent = np.full((len(rows), 2), -1)
        redrawn = replace(instance, requests=np.column_stack([rows, absent, delay]))
        costs.append(evaluate(redrawn, Plan(redrawn.sha256, plan.push)).cost)
    mean, error = np.mean(costs), np.std(costs) / np.sqrt(len(costs))
    assert abs(expected.expected_cost(instance, plan) - mean) < 4 * error
    assert expected.expected_cost(instance, Plan(instance.sha256, ())) == outlook.base_us


def test_expected_cost_needs_a_fitting_scenario_and_a_feasible_plan() -> None:
    """Foreign or changed instances and infeasible plans are refused by field."""
    foreign = random_push(np.random.default_rng(0))
    with pytest.raises(InputError, match="scenario"):
        expected.expected_cost(foreign, Plan(foreign.sha256, ()))
    instance = tiny()
    wrong = Plan(instance.sha256, ((0, 0, 99),))
    with pytest.raises(InputError, match="push"):
        expected.expected_cost(instance, wrong)


def test_codes_tell_classes_and_beliefs_match_the_law() -> None:
    """Clear codes give the expectation of the true classes; no code noise gives certainty."""
    scenario = replace(PRESETS["push-tiny"], code_noise=0.0)
    instance = generate(scenario, 5, "clear")
    world = world_of(instance)
    assert world is not None
    last = seen(instance)[-1]
    every = range(instance.num_contents)
    sight = belief.see(world, last, every)
    classes = [content["image"]["class"] for content in instance.contents]
    assert sight.chance.argmax(axis=1).tolist() == classes
    assert np.allclose(sight.chance.max(axis=1), 1.0)
    saving = belief.expected_saving_us(world, sight, last.release, last.roi)
    chance = expected.expectation(instance).probability
    age = np.maximum(np.arange(instance.num_slots) - instance.release[:, None], 0)
    assert np.allclose(saving, chance * np.array(world.law.miss_us)[age])
