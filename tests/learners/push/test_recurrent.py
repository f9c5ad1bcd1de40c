"""The recurrent memory of the paper's actor: chunks, hidden state through the episode, files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from learners import agent, nets
from learners.push.actor import ActorPolicy, Choosing, MappoAgent
from learners.push.mappo import Mappo, MappoCourse
from learners.push.networks.nets import Actor, Shape
from learners.push.networks.vision import Vision
from learners.push.sources import KnownProblems
from learners.push.stage.batch import effective, plan_of
from learners.push.stage.scene import perform
from opt_istn import Budget, registry
from opt_istn.push.play import play
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.training import Task

TINY, PAPER = PRESETS["push-tiny"], PRESETS["push-paper"]
BLIND = Vision("none", 16, None, "")


def course_of(chunk: int, minibatches: int = 1, number: int = 60) -> MappoCourse:
    """Return a training with strong opinions and a recurrent memory."""
    scenario = replace(PAPER, num_contents=number)
    config = Mappo(steps=1, episodes=2, hidden=8, recurrent=True, chunk=chunk)
    config = replace(config, minibatches=minibatches, reward_credit="shared")
    course = MappoCourse(config, Task("push", "x", scenario=scenario), 0)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in course.actor.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=rng))
    return course


class Watching(Choosing):
    """Notes the log-probabilities of what it chooses from, slot by slot."""

    def __init__(self, actor: Actor) -> None:
        super().__init__(actor)
        self.log_probs: list[torch.Tensor] = []
        watched, forward = self.log_probs, actor.forward

        def noted(*seen: object) -> torch.Tensor:
            watched.append(forward(*seen))  # type: ignore[arg-type]
            return watched[-1]

        actor.forward = noted  # type: ignore[method-assign]
        self._forward = forward

    def stop(self, actor: Actor) -> None:
        """Note no more."""
        actor.forward = self._forward  # type: ignore[method-assign]


@pytest.mark.parametrize("chunk", [1, 5, 10, 18, 100])
def test_chunks_equal_the_unroll_slot_by_slot(chunk: int) -> None:
    """Log-probabilities of whole episodes in chunks are those of the episode as it was played."""
    course = course_of(chunk, number=280)  # so many that slots take several turns
    scene = course.scenes.scene(2, np.random.default_rng(0))
    watching = Watching(course.actor)
    played = perform(scene, watching)
    watching.stop(course.actor)
    assert len(played.sight.state) > played.opening.size
    seen = course._seen(played, watching.hidden)
    torch.testing.assert_close(
        course._log_probs(seen), torch.cat(watching.log_probs), rtol=1e-6, atol=1e-6
    )


def test_the_unroll_is_torchs_lstm() -> None:
    """Outputs and what is left after them are those of torch's own LSTM, from any hidden state."""
    net = nets.CacheMemory(5, 7, torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    history, hidden = torch.randn(6, 3, 5, generator=rng), torch.randn(2, 3, 7, generator=rng)
    expected, (output, cell) = net.lstm(history.transpose(0, 1), (hidden[:1], hidden[1:]))
    found, left = net.follow(net.steps(history), hidden)
    torch.testing.assert_close(found, expected.transpose(0, 1), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(left, torch.cat([output, cell]), rtol=1e-6, atol=1e-6)


def test_gradients_end_where_a_chunk_begins() -> None:
    """What is felt in a slot goes back to the first slot of its chunk, and no further."""
    course = course_of(10)
    scene = course.scenes.scene(2, np.random.default_rng(0))
    choosing = Choosing(course.actor)
    played = perform(scene, choosing)
    sight, opening, hidden = course._seen(played, choosing.hidden)
    caches = sight.caches.clone().requires_grad_()
    recalled = course.actor.recall(sight._replace(caches=caches), opening, hidden)
    recalled[opening[14]].sum().backward()
    assert caches.grad is not None
    felt = [bool(caches.grad[opening[slot]].any()) for slot in range(18)]
    assert felt == [10 <= slot <= 14 for slot in range(18)]


@pytest.mark.parametrize("chunk", [0, 10])
def test_the_memory_reaches_back(chunk: int) -> None:
    """What a cache held long ago is remembered by a recurrent actor alone."""
    course = course_of(10)
    scene = course.scenes.scene(1, np.random.default_rng(0))
    choosing = Choosing(course.actor)
    played = perform(scene, choosing)
    course.actor.shape = replace(course.actor.shape, chunk=chunk)
    sight, opening, hidden = course._seen(played, choosing.hidden)
    caches = sight.caches.clone()
    caches[opening[11]] += 1
    before, after = (
        course.actor.recall(x, opening, hidden)[opening[16]]
        for x in (sight, sight._replace(caches=caches))
    )
    assert torch.equal(before, after) == (chunk == 0)


@pytest.mark.parametrize("minibatches", [1, 2])
def test_an_update_starts_from_ratios_of_one(minibatches: int) -> None:
    """Before the first step, chunks and minibatches give the log-probabilities that were played."""
    course = course_of(7, minibatches)
    scene = course.scenes.scene(2, np.random.default_rng(0))
    choosing = Choosing(course.actor, torch.Generator().manual_seed(0))
    played = perform(scene, choosing)
    seen = course._seen(played, choosing.hidden)
    found = course._targets(played, seen)
    for part, targets in course._parts(seen, found, np.random.default_rng(0), {}):
        log_prob = nets.log_prob(course._log_probs(part), targets.action)
        torch.testing.assert_close(log_prob, targets.log_prob, rtol=1e-4, atol=1e-5)


def test_a_recurrent_actor_plays_as_it_is_trained() -> None:
    """Played twice by one policy, slots without births included, it decides as on whole scenes."""
    few = replace(PAPER, link_up_share=0.6, num_contents=16, requests_per_user=9.0)
    instance = generate(few, 3, "x")
    assert len(np.unique(instance.release)) < instance.num_slots
    scenes = KnownProblems(instance, BLIND)
    shape = Shape(scenes.num_users, scenes.num_slots, scenes.places, 16, False, chunk=10)
    rng = torch.Generator().manual_seed(0)
    actor = Actor(shape, rng)
    with torch.no_grad():
        for value in actor.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=rng))
    policy = ActorPolicy(actor, 16)
    plans = [play(instance, policy, 0) for _ in range(2)]
    played = perform(scenes.scene(1, np.random.default_rng(0)), Choosing(actor))
    made = effective(played.scene.problems.batch, played.plan)
    assert plans[0] == plans[1] == plan_of(instance, made)
    assert len(plans[0].push) > 5


def test_files_say_whether_an_actor_is_recurrent(tmp_path: Path) -> None:
    """The profile of the paper is; a file without the memory reads like one of before it."""
    task = Task("push", "push-tiny", scenario=TINY)
    instance = generate(TINY, 0, "x")
    for given, chunk in ({}, 10), ({"recurrent": False}, 0):
        out = tmp_path / "a.pt"
        Mappo(profile="paper", steps=1, **given).train(task, 0, out, lambda *_: None)  # type: ignore[arg-type]
        found = agent.load(out, "push.mappo")
        assert ("recurrent" in found.config) == (chunk > 0)
        actor, _, _ = MappoAgent(out).load(out)
        assert actor.shape.chunk == chunk
        solver = registry.make("push.mappo", "push", {"agent": str(out)})
        assert solver.solve(instance, Budget(), 0).plan is not None
