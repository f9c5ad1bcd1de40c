"""The networks of the paper's agents, done cheaply, against the same layer by layer."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from learners import nets
from learners.push.mappo import Mappo, MappoCourse
from learners.push.networks.nets import Actor, Critic, HeadEncoder, Shape
from learners.push.networks.vision import Vision
from learners.push.sources import DrawnProblems
from learners.push.stage.scene import perform
from learners.push.stage.view import Sight, part_of
from opt_istn.push.scenario import PRESETS
from opt_istn.training import Task
from tests.learners.push.chance import choose_at_random

TINY = PRESETS["push-tiny"]


def shaken(module: torch.nn.Module) -> Any:
    """Return the module with noise on all its parameters."""
    rng = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in module.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=rng))
    return module


def seen(images: bool) -> tuple[Shape, Sight]:
    """Return sizes, and what is seen in a random episode of 4 instances."""
    vision = Vision("codes" if images else "none", 16, None, "")
    scene = DrawnProblems(TINY, 1, vision).scene(4, np.random.default_rng(0))
    sight = perform(scene, choose_at_random(np.random.default_rng(1))).sight
    return Shape(TINY.num_users, TINY.num_slots, TINY.cache_items, 8, images), sight


def features(x: HeadEncoder, sight: Sight, memory: Tensor) -> Tensor:
    """Return the features of heads, every layer on whole rows."""
    rows = torch.cat([sight.content, sight.state[sight.home]], dim=1)
    meta = sight.content[:, : x.taste.weight.shape[1]]
    own = torch.einsum("ni,nio->no", meta, x.taste.weight[sight.user])
    feature = x.attributes(rows) + own + memory[sight.home]
    if x.shape.images:
        taste = torch.einsum("ni,nio->no", sight.code, x.image_taste.weight[sight.user])
        feature = x.gate([x.image(sight.code) + taste, feature])
    return feature


def pool(feature: Tensor, group: Tensor, number: int) -> Tensor:
    """Return mean and maximum of each group in turn."""
    blank = torch.zeros(2 * feature.shape[1])
    rows = [feature[group == g] for g in range(number)]
    return torch.stack([torch.cat([r.mean(0), r.amax(0)]) if len(r) else blank for r in rows])


def memory(x: HeadEncoder, sight: Sight) -> Tensor:
    """Return the last output of torch's own LSTM."""
    return x.caches.lstm(sight.caches)[0][:, -1]


@pytest.mark.parametrize("images", [False, True])
def test_actor_and_critic_equal_plain_ones(images: bool) -> None:
    """Logits, values and gradients are those of concatenated rows to 1e-5."""
    shape, sight = seen(images)
    rng = torch.Generator().manual_seed(0)
    actor, critic = shaken(Actor(shape, rng)), shaken(Critic(shape, rng))
    feature = features(actor.features, sight, memory(actor.features, sight))
    company = pool(feature, sight.mine, int(sight.mine.max()) + 1)[sight.mine]
    logits = actor.head(actor.trunk(torch.cat([feature, company], 1)))
    remembered = memory(critic.features, sight)
    feature = features(critic.features, sight, remembered)
    company = pool(feature, sight.home, len(sight.state))
    heads = critic.head_value(critic.head(torch.cat([feature, company[sight.home]], 1)))[:, 0]
    home = critic.home_value(critic.home(torch.cat([remembered, company, sight.state], 1)))[:, 0]
    every = torch.arange(len(sight.state)).view(TINY.num_slots, -1)
    home = home.view(every.shape)
    pairs = [(actor.logits(sight), logits, actor), (critic.of_heads(sight), heads, critic)]
    for found, expected, net in [*pairs, (critic.of_homes(sight, every), home, critic)]:
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        gradients = []
        for value in (found, expected):
            net.zero_grad()
            value.square().mean().backward(retain_graph=True)
            gradients.append([x.grad.clone() for x in net.parameters() if x.grad is not None])
        for a, b in zip(*gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_the_memory_is_torchs_lstm() -> None:
    """Over any number of steps, outputs are those of torch's own LSTM."""
    net = shaken(nets.CacheMemory(5, 7, torch.Generator().manual_seed(0)))
    for steps in (1, 2, 4):
        history = torch.randn(3, 2, steps, 5, generator=torch.Generator().manual_seed(steps))
        expected = net.lstm(history.flatten(0, 1))[0][:, -1].view(3, 2, 7)
        torch.testing.assert_close(net(history), expected, rtol=1e-5, atol=1e-6)


def test_parts_are_whole_instances() -> None:
    """What is decided in a part is what is decided in the whole: nothing of others is needed."""
    shape, sight = seen(True)
    actor = shaken(Actor(shape, torch.Generator().manual_seed(0)))
    critic = shaken(Critic(shape, torch.Generator().manual_seed(1)))
    mine = torch.arange(4 * TINY.num_users) // TINY.num_users == 2
    part, rows, place = part_of(sight, mine)
    assert 0 < int(rows.sum()) < len(rows)
    torch.testing.assert_close(actor(part), actor(sight)[rows])
    homes = mine.repeat(len(sight.state) // len(mine)).nonzero()[:, 0]
    assert place[homes].tolist() == list(range(len(homes)))
    every = torch.arange(len(sight.state)).view(TINY.num_slots, -1)
    whole = critic.of_homes(sight, every)[:, mine]
    torch.testing.assert_close(critic.of_homes(part, place[every[:, mine]]), whole)
    assert part.mine.max() + 1 == len(part.mine.unique())


@pytest.mark.parametrize("credit", ["shared", "user", "head"])
def test_minibatches_share_out_the_rollout(credit: Any) -> None:
    """An epoch's parts hold every head once, and the values and returns that go with them."""
    config = Mappo(steps=1, episodes=4, minibatches=2, reward_credit=credit, hidden=8)
    course = MappoCourse(config, Task("push", "x", scenario=TINY), 0)
    scene = course.scenes.scene(4, np.random.default_rng(0))
    played = perform(scene, choose_at_random(np.random.default_rng(1)))
    seen = course._seen(played, [])
    found = course._targets(played, seen)
    parts = list(course._parts(seen, found, np.random.default_rng(2), {}))
    assert len(parts) == 2
    for field in ("log_prob", "advantage", "value", "returns"):
        whole = getattr(found, field).flatten().sort()[0]
        split = torch.cat([getattr(x[1], field).flatten() for x in parts]).sort()[0]
        assert torch.equal(split, whole), field
    for part, targets in parts:
        value = course._values(part).detach()
        torch.testing.assert_close(value, targets.value, rtol=1e-4, atol=1e-5)
        log_prob = nets.log_prob(course._log_probs(part), targets.action).detach()
        torch.testing.assert_close(log_prob, targets.log_prob, rtol=1e-4, atol=1e-5)
