"""The counterfactual agent: it learns what is there to be learned, and sees only what it may."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from learners.push.counterfactual import Counterfactual, CounterfactualCourse
from learners.push.demand import DemandModel, fit
from learners.push.features import decide
from learners.push.planner import (
    CounterfactualAgent,
    Planner,
    PlannerPolicy,
    chooser,
    knowledge_of,
    load,
)
from learners.push.stage import batch as push_batch
from learners.push.stage.draws import Drawer, LawSaving, memorised, problems_of, together
from opt_istn import Budget, Status, registry
from opt_istn.push.belief import Belief, expected_saving_us
from opt_istn.push.evaluate import evaluate
from opt_istn.push.expected import expected_cost, expected_instance
from opt_istn.push.instance import Instance
from opt_istn.push.play import play
from opt_istn.push.random import random_push
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.push.world.demand import features
from opt_istn.training import Task

PAPER = PRESETS["push-paper"]
RULES = ("never", "release", "popular", "match", "greedy")
LAW = {"unit_us": 1.0, "births": 280}  # what an agent knows that knows the law


def silent(share: float, text: str) -> None:
    """Report nothing."""


def trained(task: Task, out: Path, **config: object) -> CounterfactualAgent:
    """Train an agent quietly."""
    Counterfactual(**config).train(task, 0, out, silent)  # type: ignore[arg-type]
    return CounterfactualAgent(out)


def saving(instance: Instance, solver: CounterfactualAgent) -> float:
    """Return what an agent saves of what an optimal plan saves."""
    claims = solver.solve(instance, Budget(), 0)
    judged = evaluate(instance, claims.plan)
    assert (claims.status, claims.cost) == (Status.FEASIBLE, judged.cost)
    optimum = registry.make("labels", "push", {}).solve(instance, Budget(), 0)
    assert optimum.status == Status.OPTIMAL
    return (instance.base_us - judged.cost) / (instance.base_us - optimum.cost)


def shuffled(instance: Instance) -> Instance:
    """Return the instance with the requests of other contents born in the same slot or before."""
    rows = instance.requests.copy()
    rows[:, 1] = 0
    _, first = np.unique(rows[:, :3], axis=0, return_index=True)
    return replace(instance, requests=rows[first])


@pytest.mark.parametrize("stage", [1.0, 0.5, 0.0])
def test_memorises_an_instance(tmp_path: Path, stage: float) -> None:
    """Imitation, the counterfactual gradient, and both learn a tiny instance by heart."""
    instance = generate(PRESETS["push-tiny"], 0, "tiny")
    task = Task("push", "tiny", instance=instance)
    solver = trained(task, tmp_path / "a.pt", steps=150, imitation=stage)
    assert solver.supports(instance) is None
    assert saving(instance, solver) >= 0.95


def test_learns_nothing_from_other_requests(tmp_path: Path) -> None:
    """Trained on requests that do not tell contents apart, it stays far from the optimum."""
    instance = generate(PRESETS["push-tiny"], 0, "tiny")
    task = Task("push", "tiny", instance=shuffled(instance))
    solver = trained(task, tmp_path / "a.pt", steps=150)
    assert "elsewhere" in str(solver.supports(instance))
    assert saving(instance, replace(solver, elsewhere=True)) < 0.8


@pytest.mark.slow  # a training of ten seconds
def test_generalises(tmp_path: Path) -> None:
    """Trained on drawn instances it saves more on others than its untrained network and all rules.

    The untrained network saves about as much as the best rules, so beating those alone shows
    nothing.
    """
    task = Task("push", "push-paper", scenario=PAPER)
    solver = trained(task, tmp_path / "a.pt", steps=100, imitation=1.0, batch=4, sweeps=20)
    instances = [generate(PAPER, seed, "held out") for seed in range(4)]
    assert all(solver.supports(x) is None for x in instances)

    def saved(player: Any) -> list[float]:
        plans = [player.solve(x, Budget(), 0).plan for x in instances]
        pairs = zip(instances, plans, strict=True)
        return [float(1 - expected_cost(x, p) / expected_instance(x).base_us) for x, p in pairs]

    rules = [registry.make(name, "push", {}) for name in RULES]
    ours = saved(solver)
    for player in (replace(solver, weights="untrained"), *rules):
        assert np.mean(ours) > np.mean(saved(player)) + 0.005, player


def test_trains_the_same_from_a_seed_and_after_an_interruption(tmp_path: Path) -> None:
    """Steps of the same seed give the same weights; so do those with a checkpoint in between."""
    task = Task("push", "push-tiny", scenario=PRESETS["push-tiny"])
    config = Counterfactual(steps=14, batch=2, sweeps=5, reuse=2, imitation=0.5)
    whole = CounterfactualCourse(config, task, 3)
    states = [whole.state() for _ in whole.run()]
    assert len(states) == 14
    for stop in (3, 7, 11):
        broken = CounterfactualCourse(config, task, 3)
        for share in broken.run():
            if share >= stop / 14:
                break
        path = tmp_path / "checkpoint"
        torch.save(broken.state(), path)
        resumed = CounterfactualCourse(config, task, 3)
        resumed.restore(torch.load(path, weights_only=True))
        list(resumed.run())
        for name, value in whole.planner.state_dict().items():
            assert torch.equal(value, resumed.planner.state_dict()[name]), name


def random_planner(scenario_name: str, tmp_path: Path) -> CounterfactualAgent:
    """Return an agent that was hardly trained and pushes much."""
    task = Task("push", scenario_name, scenario=PRESETS[scenario_name])
    return trained(task, tmp_path / "a.pt", steps=2, imitation=1.0, batch=1, sweeps=1)


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_plays_as_it_is_trained(tmp_path: Path, share: float) -> None:
    """Slot by slot, seeing no future, it decides what it decides in training on whole problems."""
    planner, knowledge, _ = load(random_planner("push-paper", tmp_path).agent)
    with torch.no_grad():
        nn.init.normal_(planner.body[4].weight, generator=torch.Generator().manual_seed(0))
    scenario = replace(PAPER, link_up_share=share)
    instance = generate(scenario, 11, "x")
    plan = play(instance, PlannerPolicy(planner, knowledge), 0)
    drawer = Drawer(scenario)
    drawn = drawer.draw(np.random.default_rng(0))._replace(
        release=instance.release, roi=instance.roi, link_up=instance.link_up
    )
    policy = Recorded(planner, knowledge)
    play(instance, policy, 0)
    weight = policy.weight
    problems = drawer.problems(drawn, LawSaving(drawer.world))
    batch = problems_of(
        weight, instance.release, instance.roi, instance.cache_size, instance.link_up
    ).batch
    problems = problems._replace(batch=batch)
    never = np.full(len(batch.release), 18)
    decided = decide(problems, knowledge.unit_us, 6, chooser(planner, problems), 0, never)
    made = push_batch.effective(batch, decided.plan)
    assert push_batch.plan_of(instance, made) == plan
    assert len(plan.push) > 50


class Recorded(PlannerPolicy):
    """A policy whose savings can be looked at."""

    @property
    def weight(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """Savings of all contents, shape (M, F, T)."""
        return self._weight


def test_training_draws_follow_the_scenarios_law() -> None:
    """Drawn births save what the law expects of generated ones, as many requests as configured."""
    drawer = Drawer(PAPER)
    saving, rng = LawSaving(drawer.world), np.random.default_rng(0)
    drawn = [drawer.draw(rng) for _ in range(10)]
    again = [drawer.redrawn(x, rng) for x in drawn for _ in range(3)]
    problems = together([drawer.problems(x, saving) for x in drawn + again])
    mine = problems.batch.saved[:, -1].sum() / 40
    delay_us = np.mean(drawer.world.law.miss_us[:6])
    assert mine == pytest.approx(PAPER.requests_per_user * PAPER.num_users * delay_us, rel=0.1)
    assert problems.known[:, -1] == pytest.approx(1.0)
    x = generate(PAPER, 1, "x")
    seen = Recorded(Planner(6, 18, 4, 0, torch.Generator()), knowledge_of(LAW))
    play(x, seen, 0)
    belief = Belief(
        features(x.contents).without_images(), np.eye(16)[features(x.contents).image_class]
    )
    expected = expected_saving_us(drawer.world, belief, x.release, x.roi)
    assert np.abs(seen.weight * x.roi[:, :, None] - expected).mean() < 0.01 * expected.mean()


def test_demand_is_learned_from_requests(tmp_path: Path) -> None:
    """A model that only sees requests comes close to the law's savings, and plays by itself."""
    drawer = Drawer(PAPER)
    model = DemandModel(PAPER.num_users, drawer.world.law.miss_us)
    fit(model, drawer, 60, np.random.default_rng(0))
    drawn = drawer.draw(np.random.default_rng(1))
    seen = (drawn.traits, drawn.codes)
    learned, law = model.saving(*seen).sum(axis=2), LawSaving(drawer.world)(*seen).sum(axis=2)
    assert np.corrcoef(np.log(learned).ravel(), np.log(law).ravel())[0, 1] > 0.6
    tiny = PRESETS["push-tiny"]
    config = {"demand": "learned", "demand_steps": 3, "steps": 4, "batch": 2, "sweeps": 5}
    solver = trained(Task("push", "push-tiny", scenario=tiny), tmp_path / "a.pt", **config)
    instance = generate(tiny, 1, "x")
    assert solver.supports(instance) is None
    solver.prepare()
    assert solver.solve(instance, Budget(), 0).status == Status.FEASIBLE


def test_other_instances_have_to_be_asked_for(tmp_path: Path) -> None:
    """Instances of another size, without a law, or of another scenario are declined."""
    solver = random_planner("push-tiny", tmp_path)
    wide = replace(PRESETS["push-tiny"], cache_items=1)
    assert "users" in str(solver.supports(generate(PAPER, 0, "x")))
    assert "elsewhere" in str(solver.supports(generate(wide, 0, "x")))
    everywhere = replace(solver, elsewhere=True)
    assert everywhere.supports(generate(wide, 0, "x")) is None
    lawless = random_push(np.random.default_rng(0), num_slots=4)
    assert "law" in str(everywhere.supports(lawless))
    assert memorised(lawless).batch.num_slots == 4
