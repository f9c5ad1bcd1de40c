"""PUSH policies as solvers: feasible, honest, and in the order that what they know implies."""

from dataclasses import replace
from functools import cache
from operator import lt

import numpy as np
import pytest

from formulations.push.online.futures import Futures, anneal
from formulations.push.online.heuristics import best_window
from opt_istn import InputError, registry
from opt_istn.push.evaluate import evaluate
from opt_istn.push.expected import expected_cost, expected_instance, expected_us
from opt_istn.push.instance import Instance
from opt_istn.push.random import random_push
from opt_istn.push.scenario import PRESETS, from_parameters, generate
from opt_istn.solver import Budget, Claims, Status
from opt_istn.testing import check_solver

BLIND = ("push.never", "push.release", "push.random")
INFORMED = ("push.popular", "push.match", "push.greedy", "push.rolling")
ONLINE = (*BLIND, *INFORMED)
KNOWING = ("push.oracle-fifo", "push.anneal", "push.expected")


@cache
def instance_of(preset: str, seed: int) -> Instance:
    """Return an instance of a preset."""
    return generate(PRESETS[preset], seed, preset)


def claims(name: str, instance: Instance, seed: int = 0, **parameters: str) -> Claims:
    """Run a solver."""
    solver = registry.make(name, "push", parameters)
    assert solver.supports(instance) is None
    return solver.solve(instance, Budget(), seed)


@pytest.mark.parametrize("name", [*BLIND, "push.oracle-fifo", "push.anneal"])
def test_conforms(name: str) -> None:
    """Solvers that need no law pass the conformance kit."""
    assert check_solver(registry.make(name, "push", {}), "push", count=16) == 16


@pytest.mark.parametrize("name", [*INFORMED, "push.expected"])
def test_a_foreign_instance_is_refused(name: str) -> None:
    """What needs the law of requests refuses an instance without one, in a sentence."""
    reason = registry.make(name, "push", {}).supports(random_push(np.random.default_rng(0)))
    assert reason is not None
    assert "law" in reason or "scenario" in reason


@pytest.mark.parametrize("name", [*ONLINE, *KNOWING])
@pytest.mark.parametrize("seed", range(3))
def test_plans_are_feasible_and_not_below_the_optimum(name: str, seed: int) -> None:
    """Plans cost what is claimed, in fact and on average, never less than the certified optimum."""
    instance = instance_of("push-tiny", seed)
    optimum = claims("push.labels", instance)
    assert optimum.status == Status.OPTIMAL
    found = claims(name, instance, seed)
    assert found.status == Status.FEASIBLE
    assert found.bound is None
    judged = evaluate(instance, found.plan)
    assert judged.feasible
    assert judged.cost == found.cost >= optimum.cost
    assert judged.terms()["expected_us"] == expected_cost(instance, found.plan)
    assert "expected_us" not in found.detail


def test_no_policy_prices_plans_on_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The expected delay is the judge's: solvers do not draw the world of the instance anew."""
    instance = instance_of("push-tiny", 3)

    def forbidden(_: object) -> None:
        raise AssertionError("a solver asked for the expected requests")

    monkeypatch.setattr("opt_istn.push.expected.expectation", forbidden)
    for name in ONLINE:
        claims(name, instance)


@pytest.mark.parametrize("name", ONLINE)
def test_policies_refuse_what_they_cannot_play(name: str) -> None:
    """A law without contents or seed, or one that is malformed, is refused or played."""
    instance, solver = instance_of("push-tiny", 3), registry.make(name, "push", {})
    scenario = instance.scenario
    short = {**scenario, "law": {**scenario["law"], "miss_us": [1]}}
    unnamed = {key: value for key, value in scenario.items() if key != "seed"}
    bare = replace(instance, contents=(), name="bare")
    for changed in (bare, replace(instance, scenario=short), replace(instance, scenario=unnamed)):
        if solver.supports(changed) is None:
            plan = solver.solve(changed, Budget(), 0).plan
            assert evaluate(changed, plan).feasible
    assert "miss_us" in solver.supports(replace(instance, scenario=short))
    assert (solver.supports(bare) is None) == (name not in INFORMED)


FOREIGN = {"seed": -1, "num_users": 7, "num_contents": 10**9, "world_seed": -5, "miss_draws": 99}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_strangers_scenario_harms_no_judge(name: str) -> None:
    """A law that cannot be had, or would fill the memory, leaves a plan without expected delay."""
    instance = instance_of("push-tiny", 0)
    foreign = replace(instance, scenario=instance.scenario | {name: FOREIGN[name]})
    plan = claims("push.never", instance).plan
    assert evaluate(foreign, plan).feasible
    assert expected_us(foreign, plan) is None
    with pytest.raises(InputError, match=name if "num" not in name else "contents, slots"):
        expected_instance(foreign)


@pytest.mark.parametrize("name", [*INFORMED, "push.random"])
def test_the_same_seed_gives_the_same_plan(name: str) -> None:
    """Policies are functions of the instance and the seed."""
    instance = instance_of("push-tiny", 4)
    assert claims(name, instance, 5).plan == claims(name, instance, 5).plan


def test_links_that_fail_are_lived_with() -> None:
    """With links down half of the time no policy pushes what it may not."""
    changes = {"link_up_share": "0.5", "num_contents": "60", "num_slots": "10"}
    instance = generate(from_parameters(PRESETS["push-paper"], changes), 1, "outages")
    for name in ONLINE:
        assert evaluate(instance, claims(name, instance).plan).feasible


def test_never_costs_the_base() -> None:
    """Pushing nothing costs the sum of all misses, in fact and on average."""
    instance = instance_of("push-paper", 0)
    found = claims("push.never", instance)
    assert found.cost == instance.base_us
    assert expected_cost(instance, found.plan) == expected_instance(instance).base_us


@pytest.mark.parametrize(
    "preset", ["push-tiny", pytest.param("push-paper-wide", marks=pytest.mark.slow)]
)
def test_no_online_policy_beats_the_expected_bound(preset: str) -> None:
    """The certificate of `expected` holds for every policy that cannot see requests, exactly."""
    instance = instance_of(preset, 1)
    solver = registry.make("push.expected", "push", {})
    found = solver.solve(instance, Budget(time_s=1.0), 0)
    bound = found.detail["expected_bound_us"]
    assert bound <= expected_cost(instance, found.plan)
    for name in ONLINE:
        assert bound <= expected_cost(instance, claims(name, instance).plan)


def test_thrifty_policies_beat_flooding() -> None:
    """On every instance, pushing everything at birth costs more than any choice by the law."""
    for seed in range(3):
        instance = instance_of("push-paper", seed)
        flood = expected_cost(instance, claims("push.release", instance).plan)
        for name in ("push.rolling", "push.greedy", "push.match", "push.popular"):
            assert expected_cost(instance, claims(name, instance).plan) < flood


@pytest.mark.slow
def test_expected_beats_rolling() -> None:
    """Who knows the births plans better than who samples them."""
    instance = instance_of("push-paper", 0)
    plans = (claims(name, instance).plan for name in ("push.expected", "push.rolling"))
    assert lt(*(expected_cost(instance, plan) for plan in plans))


def test_futures_anneal_to_the_best_shared_slot() -> None:
    """A known content gets the slot that is best on average, a future one its own in each."""
    slots, gains = 4, np.zeros((2, 2, 4), dtype=np.int64)
    gains[:, 0] = [3, 5, 0, 4]  # the known content, in both futures
    gains[0, 1] = [0, 0, 9, 0]  # born in slot 1, wanted in slot 2
    gains[1, 1] = [0, 0, 0, 1]
    saved = np.concatenate([np.zeros((2, 2, 1), dtype=np.int64), gains.cumsum(axis=2)], axis=2)
    first = np.array([[0, 1], [0, 1]])
    plan = np.full((2, 2), slots)
    draws = np.random.default_rng(0).random((4000, 4))
    value = anneal(Futures(saved, first, 1, 1), plan, draws, 2.0)
    # future 0: hold the known one in slots 0 and 1, then the other; future 1: the known one only
    assert value == (3 + 5 + 9) + (3 + 5 + 4)
    assert plan[:, 0].tolist() == [0, 0]
    assert plan[:, 1].tolist() == [2, slots]


def test_best_window_is_the_largest_run() -> None:
    """The best run of slots is found, also where the horizon is shorter than the run."""
    rows = np.array([[1.0, 5.0, 4.0, 0.0], [7.0, 0.0, 0.0, 1.0]])
    assert best_window(rows, 2).tolist() == [9.0, 7.0]
    assert best_window(rows, 9).tolist() == [10.0, 8.0]
