"""Steps of the paper's agents against the same with plain networks and optimisers."""

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from learners.push.actor import Choosing
from learners.push.maac import Lesson, MaacCourse
from learners.push.mappo import MappoCourse
from learners.push.networks.nets import Actor, Critic
from learners.push.stage.scene import perform
from learners.push.stage.view import Sight
from opt_istn import registry
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.training import Task
from tests.learners.push.test_nets import features, memory, pool, shaken

TINY = generate(PRESETS["push-tiny-v2"], 0, "x")
GIVEN = {"profile": "paper", "hidden": "16", "steps": 2, "episodes": 4}


def recalled(actor: Actor, sight: Sight, opening: Tensor, hidden: Tensor | None) -> Tensor:
    """Return the features of the caches by torch's own LSTM, chunk by chunk."""
    if hidden is None or not actor.shape.chunk:
        return memory(actor.features, sight)
    now, chunk, parts = sight.caches[opening][:, :, 1], actor.shape.chunk, []
    for a, b in pairwise([*range(0, len(opening), chunk), len(opening)]):
        state = tuple(x.unsqueeze(0).contiguous() for x in hidden[a])
        parts.append(actor.features.caches.lstm(now[a:b].transpose(0, 1), state)[0])
    return torch.cat(parts, dim=1).transpose(0, 1).flatten(0, 1)


def logits(actor: Actor, sight: Sight, remembered: Tensor) -> Tensor:
    """Return the actor's logits, every layer on whole rows."""
    feature = features(actor.features, sight, remembered)
    company = pool(feature, sight.mine, int(sight.mine.max()) + 1)[sight.mine]
    row = actor.head(actor.trunk(torch.cat([feature, company], 1)))
    return row + actor.own[sight.user, sight.own]


def of_homes(critic: Critic, sight: Sight, opening: Tensor) -> Tensor:
    """Return the critic's values, every layer on whole rows."""
    remembered = memory(critic.features, sight)
    company = pool(features(critic.features, sight, remembered), sight.home, len(sight.state))
    seen = torch.cat([remembered, company, sight.state], 1)
    return critic.home_value(critic.home(seen))[opening, 0]


def judged(judge: Any, x: Lesson, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return what MAAC's critic says, every layer on whole rows."""
    remembered, critic = memory(judge.features, x.sight), judge.attention
    rows, crowd = features(judge.features, x.sight, remembered), x.crowd
    head = nn.functional.leaky_relu(critic.encode(rows))
    done = nn.functional.one_hot(action, critic.choices)
    act = nn.functional.leaky_relu(critic.encode_action(torch.cat([rows, done], 1)))
    seen, acted = (pool(v, crowd.cell, crowd.number.numel())[:, : v.shape[1]] for v in (head, act))
    shape = (crowd.steps, crowd.agents, critic.attend, -1)
    query, key = critic.query(seen).view(shape), critic.key(acted).view(shape)
    value = nn.functional.leaky_relu(critic.value(acted)).view(shape)
    score = torch.einsum("bihd,bjhd->bhij", query, key) / query.shape[-1] ** 0.5
    there = (crowd.number[:, None, :] > 0) & ~torch.eye(crowd.agents, dtype=torch.bool)
    there = there[:, None].expand_as(score)
    weight = score.masked_fill(~there, -torch.inf).softmax(-1).nan_to_num(0.0)
    others = torch.einsum("bhij,bjhd->bihd", weight, value).flatten(0, 1).flatten(1)
    table = critic.table(torch.cat([head, others[crowd.cell]], 1))
    homes = torch.cat([remembered, x.sight.state], 1)[x.opening]
    told = homes.unflatten(1, (-1, TINY.num_users)).mean(2).flatten(0, 1)
    told = told.repeat_interleave(crowd.agents, 0)
    base = critic.base(torch.cat([seen, others, told], 1)).view(crowd.steps, -1)
    return table, base, score[there].square().mean()


def plain(course: Any) -> Any:
    """Return a copy of a course whose networks and optimisers do nothing in one go."""
    made = copy.deepcopy(course)

    def take(which: int, module: nn.Module, loss: Tensor, clip: float) -> None:
        made.optimizers[which].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        nn.utils.clip_grad_norm_(module.parameters(), clip)
        made.optimizers[which].step()

    def bound(function: Any, net: nn.Module) -> Any:
        return lambda *given: function(net, *given)

    made.take = take
    for name in ("actor", "late_actor"):
        if net := made.learned.get(name):
            net.recall = lambda s, o, h=None, net=net: recalled(net, s, o, h)
            net.logits = bound(logits, net)
    for name in ("judge", "late_judge"):
        if net := made.learned.get(name):
            net.forward = bound(judged, net)
    if critic := made.learned.get("critic"):
        critic.of_homes = bound(of_homes, critic)
    for optimizer in made.optimizers:
        for group in optimizer.param_groups:
            group["fused"] = False
    return made


def course_of(method: str, **given: Any) -> Any:
    """Return a training with strong opinions."""
    trainer: Any = registry.trainer(method, "push", {**GIVEN, **given})
    course = trainer.course(Task("push", "x", instance=TINY), 0)
    for net in course.learned.values():
        shaken(net)
    return course


def compare(course: Any, other: Any) -> None:
    """Check that two courses have learned the same."""
    assert course.told["entropy"] == pytest.approx(other.told["entropy"], abs=1e-4)
    for name, net in course.learned.items():
        pairs = zip(net.named_parameters(), other.learned[name].parameters(), strict=True)
        for (place, a), b in pairs:
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5, msg=f"{name}.{place}")


@pytest.mark.parametrize("method", ["push.mappo", "push.mmappo"])
@pytest.mark.parametrize("chunk", [0, 3])
def test_steps_of_mappo_are_the_plain_ones(method: str, chunk: int) -> None:
    """After an epoch's steps on the same rollout, all parameters are equal to 1e-5."""
    given = {"recurrent": True, "chunk": chunk} if chunk else {"recurrent": False}
    course: MappoCourse = course_of(method, minibatches=4, actor_rate=3e-3, **given)
    choosing = Choosing(course.actor, torch.Generator().manual_seed(0))
    played = perform(course.scenes.scene(4, np.random.default_rng(0)), choosing)
    seen, other = course._seen(played, choosing.hidden), plain(course)
    found, before = course._targets(played, seen), copy.deepcopy(course.actor.head)
    torch.testing.assert_close(other._targets(played, seen)[1:], found[1:], rtol=1e-4, atol=1e-5)
    for part in course._parts(seen, found, np.random.default_rng(1), {}):
        for one in (course, other):
            one._descend(*part)
    compare(course, other)
    with torch.no_grad():
        assert (course.actor.head.layer.weight - before.layer.weight).abs().max() > 1e-3


def test_steps_of_maac_are_the_plain_ones() -> None:
    """After some steps on the same lesson, parameters of all four networks are equal to 1e-5."""
    course: MaacCourse = course_of("push.maac", tau=0.1)
    played = perform(course._scene(0), Choosing(course.actor, torch.Generator().manual_seed(0)))
    lesson, other = course._batch(played), plain(course)
    for k in range(4):
        for one in (course, other):
            one._learn(lesson, -lesson.delay, torch.Generator().manual_seed(k))
    assert course.told["explained"] == pytest.approx(other.told["explained"], abs=1e-3)
    compare(course, other)


@pytest.mark.parametrize("method", ["push.mappo", "push.maac"])
def test_a_checkpoint_of_before_goes_on_like_a_new_one(method: str) -> None:
    """Optimisers that took steps parameter by parameter go on in one pass, with equal numbers."""
    first, second = course_of(method), course_of(method)
    for optimizer in first.optimizers:
        optimizer.param_groups[0]["fused"] = None
    first.improve(1.0)
    first.step = 1
    second.restore(copy.deepcopy(first.state()))
    assert all(x.param_groups[0]["fused"] for x in second.optimizers)
    for course in (first, second):
        course.improve(0.5)
    compare(first, second)
