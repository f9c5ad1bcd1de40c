"""The PUSH environment: its interface, its reward, and what its agents may know."""

import warnings
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from gymnasium.spaces import Dict
from numpy.typing import NDArray
from pettingzoo.test import parallel_api_test, parallel_seed_test

from learners.push.stage.env import Heads, PushEnv
from learners.push.stage.scene import perform, scene_in
from learners.push.stage.view import NUM_META, Sight
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.random import random_push
from opt_istn.push.scenario import PRESETS, generate

TINY = PRESETS["push-tiny"]


def played(env: PushEnv, seed: int) -> tuple[list[float], int]:
    """Play an episode with random choices; return the rewards and the delay told in the infos."""
    observations, _ = env.reset(seed=seed)
    rewards, delay = [], 0
    for space in env.action_spaces.values():
        space.seed(seed)
    while env.agents:
        choices = {
            a: env.action_space(a).sample(mask=observations[a]["action_mask"]) for a in env.agents
        }
        observations, reward, _, _, infos = env.step(choices)
        rewards.append(reward["head_0"])
        delay += infos["head_0"]["delay_us"]
        assert len(set(reward.values())) == 1
    return rewards, delay


def test_passes_the_tests_of_pettingzoo() -> None:
    """The environment keeps the parallel interface, and repeats exactly from a seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(PushEnv(TINY, 2, 1), num_cycles=30)
        parallel_seed_test(lambda: PushEnv(TINY), num_cycles=30)


@pytest.mark.parametrize("seed", range(30))
def test_rewards_add_up_to_the_evaluators_cost(seed: int) -> None:
    """Minus the rewards of an episode is the evaluated cost of its plan, to the microsecond."""
    instance = random_push(np.random.default_rng(seed), num_users=3, num_contents=9)
    env = PushEnv(instance, contents_per_step=2, users_per_step=2)
    rewards, delay = played(env, seed)
    judged = evaluate(instance, env.plan())
    assert judged.feasible
    assert judged.cost == delay == round(-sum(rewards) * 1e6)


class Shown(NamedTuple):
    """What an agent was shown of a content for a user, and what it chose."""

    meta: NDArray[np.float32]
    code: NDArray[np.float32]
    mask: NDArray[np.int8]
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    planned: NDArray[np.float32]
    choice: int


def shown_by(env: PushEnv, seed: int) -> tuple[dict[tuple[int, int], Shown], IntArray]:
    """Play at random; return what was shown, and the delay of each slot by the rewards."""
    rng, shown = np.random.default_rng(seed), {}
    paid = np.zeros(env.sizes.slots)
    observations, infos = env.reset(seed=0)
    while env.agents:
        now, choices = env.slot, {}
        for name, x in observations.items():
            choices[name] = (rng.random(x["action_mask"].shape) * x["action_mask"]).argmax(axis=1)
            for c, g in np.argwhere(x["roi"]):
                user = env.sizes.users_per_step * int(x["group"].argmax()) + int(g)
                row = env.sizes.users_per_step * c + g
                caches = (filled(x[held][g]) for held in ("caches_before", "caches"))
                own = x["meta"][c], x["codes"][c], x["action_mask"][row], *caches
                key = int(infos[name]["contents"][c]), user
                shown[key] = Shown(*own, x["planned"][g, now + 1 :], choices[name][row])
        observations, rewards, _, _, infos = env.step(choices)
        paid[now] -= rewards["head_0"]
    return shown, np.rint(paid * 1e6).astype(np.int64)


@pytest.mark.parametrize("seed", range(12))
def test_observations_masks_and_rewards_are_those_of_scenes(seed: int) -> None:
    """On random play the environment shows, allows and pays what the batched scene does."""
    instance = any_instance(seed)
    shown, paid = shown_by(PushEnv(instance, users_per_step=2), seed)

    def choose(sight: Sight, heads: IntArray) -> IntArray:
        slot = int(instance.release[sight.own[0]]) if len(heads) else 0
        after = np.full(len(heads), instance.num_slots)
        for i, key in enumerate(zip(sight.own.tolist(), sight.user.tolist(), strict=True)):
            x, home = shown.pop(key), sight.home[i]
            assert np.array_equal(x.meta, sight.content[i, :NUM_META])
            assert np.array_equal(x.code, sight.code[i])
            assert not x.mask[:slot].any()
            assert np.array_equal(x.mask[slot:-1] == 0, sight.shut[i, : len(x.mask) - 1 - slot])
            before, after_ = sight.caches[home].reshape(2, -1, NUM_META).numpy()
            assert np.array_equal(x.before, filled(before))
            assert np.array_equal(x.after, filled(after_))
            assert np.array_equal(x.planned, sight.state[home, 1 : instance.num_slots - slot])
            after[i] = x.choice - slot if x.choice < instance.num_slots else x.choice
        return after

    played = perform(scene_in(instance), choose)
    assert not shown
    user, content, slot = instance.requests[:, :3].T
    outside = ~instance.roi[user, content]  # no push can meet these, so scenes leave them out
    np.subtract.at(paid, slot[outside], instance.miss_us[outside])
    assert paid.tolist() == played.delay.sum(axis=1).tolist()


def any_instance(seed: int) -> Instance:
    """Return an instance with links that fail: of the paper's law, or of no law at all."""
    if seed % 3 == 0:
        scenario = replace(PRESETS["push-paper"], num_contents=100, link_up_share=0.7)
        return generate(scenario, seed, "x")
    rng = np.random.default_rng(seed)
    instance = random_push(rng, num_users=3, num_contents=250, num_slots=6, num_requests=999)
    return replace(instance, cluster=rng.integers(0, 1 + seed % 3, 250))


def filled(places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows of a cache that hold something."""
    return places[places[:, 0] == 1]


def test_pushes_are_those_chosen() -> None:
    """With links always up, the plan of an episode is exactly what the heads chose."""
    instance = random_push(np.random.default_rng(5), num_contents=20, link_up=1.0)
    env = PushEnv(instance, contents_per_step=3, users_per_step=1)
    observations, infos = env.reset(seed=0)
    chosen = set()
    for group in range(10**6):
        if not env.agents:
            break
        user = group % instance.num_users
        choice = env.action_space("head_0").sample(mask=observations["head_0"]["action_mask"])
        rows = zip(infos["head_0"]["contents"], choice, strict=True)
        chosen |= {(user, int(f), int(t)) for f, t in rows if t < instance.num_slots}
        observations, _, _, _, infos = env.step({"head_0": choice})
    assert set(env.plan().push) == chosen


def test_nothing_is_dropped() -> None:
    """Every content stands in exactly one step for each user, however small the groups."""
    env = PushEnv(generate(PRESETS["push-paper"], 3, "x"), contents_per_step=4, users_per_step=2)
    _, infos = env.reset(seed=0)
    seen: list[int] = []
    while env.agents:
        seen += [int(f) for info in infos.values() for f in info["contents"] if f >= 0]
        never = np.full(env.sizes.heads, env.sizes.slots)
        infos = env.step(dict.fromkeys(env.agents, never))[4]
    assert sorted(seen) == sorted(list(range(280)) * env.sizes.groups)


def with_links(instance: Instance, up: NDArray[np.bool]) -> Instance:
    """Return the instance with other links."""
    return replace(instance, link_up=up)


def test_a_push_waits_for_its_link() -> None:
    """A push planned for a slot whose link is down is made in the next slot in which it is up."""
    instance = random_push(np.random.default_rng(1), num_users=1, num_contents=1, in_roi=1.0)
    born = int(instance.release[0])
    up = np.ones((1, 5), dtype=bool)
    up[0, born + 1 : 4] = False
    env = PushEnv(with_links(instance, up), contents_per_step=1, users_per_step=1)
    env.reset(seed=0)
    while env.agents:
        env.step({"head_0": np.array([min(born + 1, 4)])})
    assert env.plan().push == ((0, 0, 4),)


def test_masks() -> None:
    """Past slots and the slot of a link that is down are closed, never is always open."""
    instance = random_push(np.random.default_rng(2), num_users=1, num_contents=12, in_roi=1.0)
    env = PushEnv(instance, contents_per_step=12, users_per_step=1)
    observations, infos = env.reset(seed=0)
    for slot in range(instance.num_slots):
        mask = observations["head_0"]["action_mask"]
        there = infos["head_0"]["contents"] >= 0
        assert mask[:, -1].all()
        assert not mask[there, :slot].any()
        assert not mask[~there, :-1].any()
        assert mask[there, slot + 1 :].all()
        assert (mask[there, slot] == instance.link_up[0, slot]).all()
        observations, _, _, _, infos = env.step({"head_0": np.full(12, instance.num_slots)})


def test_choices_that_are_closed_count_as_never() -> None:
    """What the mask forbids is not pushed."""
    instance = generate(TINY, 0, "x")
    env = PushEnv(replace(instance, roi=np.zeros_like(instance.roi)))
    env.reset(seed=0)
    while env.agents:
        env.step({a: np.zeros(env.sizes.heads, dtype=int) for a in env.agents})
    assert env.plan().push == ()


def test_the_future_is_not_shown() -> None:
    """Two instances that agree up to a slot are seen alike up to it."""
    instance = generate(PRESETS["push-paper"], 4, "x")
    slot = 6
    late = instance.release > slot
    stored = dict(instance.scenario["satellites"])
    stored["evicted"] = [e if e <= slot else -1 for e in stored["evicted"]]
    other = replace(
        instance,
        requests=instance.requests[instance.requests[:, 2] < slot],
        cluster=np.where(late, 0, instance.cluster),
        scenario={**instance.scenario, "satellites": stored},
    )
    a, b = PushEnv(instance), PushEnv(other)
    seen = [env.reset(seed=0)[0] for env in (a, b)]
    rng = np.random.default_rng(0)
    while a.slot <= slot:
        for x, y in zip(seen[0].values(), seen[1].values(), strict=True):
            assert all(np.array_equal(x[name], y[name]) for name in x)
        assert np.array_equal(a.state(), b.state())
        choice = {agent: rng.integers(19, size=a.sizes.heads) for agent in a.agents}
        seen = [env.step(choice)[0] for env in (a, b)]


def test_observations_are_in_their_space() -> None:
    """Every observation and state lies in the space that announces it; rewards may be logs."""
    env = PushEnv(TINY, reward_log=True)
    observations, _ = env.reset(seed=3)
    while env.agents:
        space = env.observation_space("head_0")
        assert isinstance(space, Dict)
        assert space.contains(observations["head_0"])
        assert env.state_space.contains(env.state())
        actions = {a: np.full(env.sizes.heads, env.sizes.slots) for a in env.agents}
        observations, rewards, _, _, infos = env.step(actions)
        delay_s = infos["head_0"]["delay_us"] / 1e6
        assert rewards["head_0"] == -np.log2(1 + delay_s)


def test_scenarios_give_a_new_instance_at_every_reset() -> None:
    """Resets without a seed go on drawing; the same seed draws the same again."""
    env = PushEnv(TINY)
    names = []
    for seed in (7, None, 7):
        env.reset(seed=seed)
        names.append(env.instance.sha256)
    assert names[0] == names[2] != names[1]


def test_heads_sample_without_masks() -> None:
    """The action space also works where nobody knows of masks."""
    space = Heads(np.array([3, 3]))
    space.seed(0)
    assert space.contains(space.sample())
