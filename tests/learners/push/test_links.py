"""Agents that look at link states: what they see, what they are rewarded with, and refusals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from learners.push.actor import ActorPolicy, Choosing, MaacAgent, MappoAgent
from learners.push.maac import Maac
from learners.push.mappo import Mappo
from learners.push.networks.nets import Actor, Shape
from learners.push.networks.vision import Vision
from learners.push.sources import KnownProblems
from learners.push.stage.batch import effective, plan_of
from learners.push.stage.draws import Drawer, LawSaving
from learners.push.stage.scene import Stage, perform
from opt_istn import Budget, InputError
from opt_istn.push.instance import Instance
from opt_istn.push.play import play
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.training import Task

PAPER = replace(PRESETS["push-paper-links-v2"], num_contents=120)
TINY = replace(PRESETS["push-tiny-v2"], link_states=True)
BLIND = Vision("none", 16, None, "")


@pytest.fixture(scope="module")
def instance() -> Instance:
    return generate(PAPER, 0, "x")


def test_a_head_sees_what_a_miss_costs_at_its_birth(instance: Instance) -> None:
    """The last column is the instance's delay of the user and content in the slot of birth."""
    scene = KnownProblems(instance, BLIND, links=True).scene(2, np.random.default_rng(0))
    stage, checked = Stage(scene), 0
    for slot in range(instance.num_slots):
        heads = np.flatnonzero(scene.problems.batch.release == slot)
        sight = stage.sight(slot, heads)
        delay = instance.miss_in_slot_us(slot)
        assert delay is not None
        for row, u, f in zip(sight.content[:, -1], sight.user, sight.own, strict=True):
            assert float(row) == pytest.approx(delay[u, f] / 1e6)
            checked += 1
        stage.enter(heads, np.full(len(heads), instance.num_slots))
    assert checked == 2 * instance.roi.sum()


def test_plays_as_it_is_trained_on_link_states(instance: Instance) -> None:
    """Slot by slot, links down included, an actor decides as on whole scenes."""
    scenes = KnownProblems(instance, BLIND, links=True)
    shape = Shape(6, 18, scenes.places, 16, False, links=True)
    rng = torch.Generator().manual_seed(0)
    actor = Actor(shape, rng)
    with torch.no_grad():
        for value in actor.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=rng))
    plan = play(instance, ActorPolicy(actor, instance.num_contents), 0)
    played = perform(scenes.scene(1, np.random.default_rng(0)), Choosing(actor))
    made = effective(played.scene.problems.batch, played.plan)
    assert plan_of(instance, made) == plan
    assert len(plan.push) > 10


def test_drawn_instances_reward_with_their_own_delays() -> None:
    """Savings are those of the law times the delay of the network over the law's mean."""
    drawer = Drawer(PAPER, links=True)
    saving = LawSaving(drawer.world)
    drawn = drawer.draw(np.random.default_rng(0))
    assert drawn.miss_us is not None
    own = drawer.problems(drawn, saving).batch.saved
    by_law = drawer.problems(drawn._replace(miss_us=None), saving).batch.saved
    age = np.maximum(np.arange(18) - drawn.release[:, None], 0)
    ratio = (drawn.miss_us / np.array(drawer.world.law.miss_us)[age])[drawn.roi]
    np.testing.assert_allclose(np.diff(own), np.diff(by_law) * ratio, atol=1)
    assert (own != by_law).any()


@pytest.mark.parametrize(("config", "solver"), [(Mappo, MappoAgent), (Maac, MaacAgent)])
def test_agents_say_that_they_look_at_links(config: Any, solver: Any, tmp_path: Path) -> None:
    """They know link states, play what shows them, and decline what does not."""
    out = tmp_path / "a.pt"
    task = Task("push", "x", scenario=TINY)
    config(links=True, steps=1).train(task, 0, out, lambda *_: None)
    agent = solver(out)
    assert agent.knows == "past, link states"
    x = generate(TINY, 0, "x")
    assert agent.supports(x) is None
    assert agent.solve(x, Budget(), 0).plan is not None
    blank = generate(replace(TINY, link_states=False), 0, "x")
    assert "link states" in str(replace(agent, elsewhere=True).supports(blank))
    for wrong in ({"instance": blank}, {"scenario": replace(TINY, link_states=False)}):
        with pytest.raises(InputError, match="links"):
            config(links=True, steps=1).course(Task("push", "x", **wrong), 0)
