"""The paper's whole state: numbers, footprints, and the satellites' caches place by place."""

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
from learners.push.sources import DrawnProblems, KnownProblems
from learners.push.stage.batch import effective, plan_of
from learners.push.stage.scene import Stage, perform
from learners.push.stage.view import EXTENT, NUM_META, content_width, satellites_in
from opt_istn import Budget
from opt_istn.push.instance import Instance
from opt_istn.push.play import play
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.push.world.constellation import constellation_of
from opt_istn.training import Task

PAPER, TINY = PRESETS["push-paper-v2"], PRESETS["push-tiny-v2"]
BLIND = Vision("none", 16, None, "")


@pytest.fixture(scope="module")
def instance() -> Instance:
    return generate(PAPER, 0, "x")


def more(content: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of numbers and footprints, and those of satellites' places."""
    first = NUM_META + PAPER.num_slots + 1
    rows = content[:, first:].numpy()
    return rows[:, : len(EXTENT)], rows[:, len(EXTENT) :]


def held_in(instance: Instance, slot: int, cluster: int) -> list[float]:
    """Return what a cluster's satellites hold, satellite by satellite, from the instance alone."""
    named, cluster_of = instance.scenario["satellites"], constellation_of(PAPER).cluster
    seen = []
    for satellite in np.flatnonzero(cluster_of == cluster):
        stored = zip(instance.release, named["holder"], named["evicted"], strict=True)
        mine = [(t, gone) for t, keeper, gone in stored if keeper == satellite]
        born = [t for t, gone in mine if t <= slot and not 0 <= gone <= slot]
        ages = [1 - (slot - t) / instance.num_slots for t in born]
        seen += ages + [0.0] * (PAPER.satellite_items - len(ages))
    return seen


def test_what_is_seen_is_the_papers_state(instance: Instance) -> None:
    """In every slot heads see their content's attributes and the places of the environment."""
    scene = KnownProblems(instance, BLIND, whole=True).scene(1, np.random.default_rng(0))
    stage, filled = Stage(scene), 0
    assert scene.whole == satellites_in(instance)
    for slot in range(instance.num_slots):
        heads = np.flatnonzero(scene.problems.batch.release == slot)
        extent, places = more(stage.sight(slot, heads).content)
        for row, f in enumerate(scene.problems.content[heads]):
            x = instance.contents[f]
            ends = [x["lat_start"], x["lat_end"], x["lon_start"], x["lon_end"]]
            expected = [x["id"] / 100, *(np.array(ends) / 180)]
            np.testing.assert_allclose(extent[row], expected, rtol=1e-6)
            held = held_in(instance, slot, instance.cluster[f])
            np.testing.assert_allclose(places[row], held, rtol=1e-6)
        filled = max(filled, int((places > 0).sum(axis=1).max(initial=0)))
        stage.enter(heads, np.full(len(heads), instance.num_slots))
        stage.serve(slot)
    assert filled > 5


def test_drawn_contents_are_stored_as_generated_ones() -> None:
    """Drawn instances show footprints of the scenario's size, and places filled in proportion."""
    scene = DrawnProblems(PAPER, 1, BLIND, whole=True).scene(3, np.random.default_rng(0))
    stage, slot = Stage(scene), 12
    heads = np.flatnonzero(scene.problems.batch.release == slot)
    extent, places = more(stage.sight(slot, heads).content)
    sides = extent[:, [1, 4]] - extent[:, [2, 3]]
    np.testing.assert_allclose(sides * 180, PAPER.footprint_deg, rtol=1e-3)
    x = scene.contents
    row = scene.head[heads]
    key = x.instance * 1000 + x.cluster
    held = [(key == key[r]) & (x.release <= slot) & (x.evicted > slot) for r in row]
    assert (places > 0).sum(axis=1).tolist() == [int(mine.sum()) for mine in held]


def test_without_the_switch_nothing_more_is_seen(instance: Instance) -> None:
    """The project's own state has the columns it had."""
    scene = KnownProblems(instance, BLIND).scene(1, np.random.default_rng(0))
    content = Stage(scene).sight(0, np.arange(3)).content
    assert content.shape[1] == content_width(PAPER.num_slots) == NUM_META + PAPER.num_slots + 1


def test_plays_as_it_is_trained_on_the_whole_state(instance: Instance) -> None:
    """Slot by slot, a recurrent actor on the whole state decides as on whole scenes."""
    scenes = KnownProblems(instance, BLIND, whole=True)
    shape = Shape(6, 18, scenes.places, 16, False, chunk=10, whole=True)
    shape = replace(shape, satellites=scenes.held[0], satellite_items=scenes.held[1])
    rng = torch.Generator().manual_seed(0)
    actor = Actor(shape, rng)
    with torch.no_grad():
        for value in actor.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=rng))
    plan = play(instance, ActorPolicy(actor, instance.num_contents), 0)
    played = perform(scenes.scene(1, np.random.default_rng(0)), Choosing(actor))
    made = effective(played.scene.problems.batch, played.plan)
    assert plan_of(instance, made) == plan
    assert len(plan.push) > 50


@pytest.mark.parametrize(("config", "solver"), [(Mappo, MappoAgent), (Maac, MaacAgent)])
def test_the_papers_profile_sees_the_whole_state(config: Any, solver: Any, tmp_path: Path) -> None:
    """Agents of the profile see it, play what shows it, and decline other satellites."""
    task, out = Task("push", "x", scenario=TINY), tmp_path / "a.pt"
    config(profile="paper", steps=1).train(task, 0, out, lambda *_: None)
    agent = solver(out)
    tiny = generate(TINY, 0, "x")
    assert agent.load(out)[0].shape.held == satellites_in(tiny) == (20, 3)
    assert agent.supports(tiny) is None
    assert agent.solve(tiny, Budget(), 0).plan is not None
    other = generate(replace(TINY, satellite_items=2), 0, "x")
    assert "satellites with 3 places" in str(replace(agent, elsewhere=True).supports(other))
    mine = config(profile="paper", steps=1, state="own").course(task, 0)
    assert mine.shape.held is None
    assert "state" not in mine.agent().config
