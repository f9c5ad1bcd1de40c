"""Agents ``push.mappo`` and ``push.mmappo``: multi-agent PPO, without and with images.

MAPPO (Yu et al. 2022, arXiv:2103.01955) as in its reference implementation on-policy, which the
push paper's Table 2 follows to the names: parameters shared by all agents, a centralised critic
with normalised values, generalised advantages normalised once a rollout, Huber loss, and clipped
ratios. An agent's action has many heads. As in on-policy, ratios are clipped head by head and
summed over an agent's heads (``ratio = per_head``); ``joint`` clips their product instead.

The reward is minus the delay. How much of it a head is credited with decides what can be learned:

``shared``
    The delay of all users, for every agent, as in the paper.
``user``
    The delay of the head's user. Users share nothing, so nothing is lost.
``head``
    What the choice saved against "never", all other choices being as they were: the difference
    reward, computed exactly by replay (`learners.push.stage.batch`).

Rewards of drawn instances are expected over requests: they do not react to pushes, so the optimum
is the same and noise is less.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from learners import nets
from learners.push.actor import Choosing
from learners.push.networks.nets import Critic, ValueNorm
from learners.push.networks.vision import Images
from learners.push.stage.batch import counterfactuals
from learners.push.stage.scene import Episode, perform
from learners.push.stage.view import Sight, part_of
from learners.push.training import PLAY, ActorTrainer, PushCourse, explained
from learners.training import BY_PROFILE, by_profile, timed
from opt_istn.files import InputError
from opt_istn.training import Task

Credit = Literal["shared", "user", "head"]
FAIR: dict[str, Any] = (
    {"reward_credit": "head", "reward_log": False, "ratio": "per_head", "episodes": 4}
    | {"epochs": 4, "minibatches": 1, "clip": 0.2, "gamma": 0.99, "gae_lambda": 0.95}
    | {"entropy": 0.01, "huber": 10.0, "grad_norm": 10.0, "actor_rate": 2e-3}
    | {"critic_rate": 2e-3, "decay": True, "hidden": 64, "redraws": 4}
    | {"recurrent": False, "chunk": 10, "state": "own"}
)
PAPER = (  # Table 2, R-MAPPO's shuffled minibatches and memory, on-policy's values beyond that
    {"hidden": 256, "actor_rate": 1e-4, "critic_rate": 5e-4, "epochs": 5, "episodes": 16}
    | {"minibatches": 16, "reward_credit": "shared", "reward_log": True, "decay": False}
    | {"recurrent": True, "state": "paper"}
)
PROFILES = {"fair": FAIR, "paper": FAIR | PAPER}


@dataclass(frozen=True)
class Mappo(ActorTrainer):
    """Trains the agent. What is not given is as in the profile, see `PROFILES`.

    Parameters
    ----------
    profile
        ``fair``, the project's own, or ``paper``: the paper's Table 2.
    reward_credit
        Whose delay a head is credited with: ``shared``, of all users, ``user``, of its own, or
        ``head``: what its choice saved.
    reward_log
        Whether the shared reward is the paper's -log2(1 + delay) of a slot.
    ratio
        Whether ratios are clipped head by head or as a product over an agent's heads.
    recurrent
        Whether the actor's memory of the caches goes through the whole episode; if not, it has two
        snapshots, of one slot before and now.
    chunk
        Slots through which gradients of a recurrent memory go.
    episodes
        Instances a rollout.
    minibatches
        Parts that a rollout is split into by instances, drawn anew in every epoch; a step each.
    epochs, clip, gamma, gae_lambda, entropy, huber, grad_norm
        As in on-policy: passes over a rollout, clipping of ratios and values, discount, weight
        of later advantages, weight of the mean entropy of heads, threshold of the Huber loss on
        normalised errors, and clipping of gradients.
    actor_rate, critic_rate
        Learning rates of Adam.
    decay
        Whether the learning rates fall linearly to 0.
    """

    reward_credit: Credit = BY_PROFILE
    reward_log: bool = BY_PROFILE
    ratio: Literal["per_head", "joint"] = BY_PROFILE
    episodes: int = BY_PROFILE
    epochs: int = BY_PROFILE
    minibatches: int = BY_PROFILE
    recurrent: bool = BY_PROFILE
    chunk: int = BY_PROFILE
    clip: float = BY_PROFILE
    gamma: float = BY_PROFILE
    gae_lambda: float = BY_PROFILE
    entropy: float = BY_PROFILE
    huber: float = BY_PROFILE
    grad_norm: float = BY_PROFILE
    actor_rate: float = BY_PROFILE
    critic_rate: float = BY_PROFILE
    decay: bool = BY_PROFILE

    method: ClassVar[str] = "push.mappo"

    def __post_init__(self) -> None:
        super().__post_init__()
        filled = by_profile(self, PROFILES)
        if self.minibatches is not None and filled["minibatches"] > filled["episodes"]:
            rule = f"expected at most as many as episodes, {filled['episodes']}"
            raise InputError("minibatches", f"{rule}, found {self.minibatches}")
        if self.reward_log and filled["reward_credit"] == "head":
            rule = "expected reward_credit=shared or user: what a head saved has no logarithm"
            raise InputError("reward_log", rule)

    def settled(self) -> Self:
        """Return what is trained: the fields that were not given are the profile's."""
        filled, given = by_profile(self, PROFILES), vars(self)
        if given["minibatches"] is None:
            filled["minibatches"] = min(filled["minibatches"], filled["episodes"])
        if given["reward_log"] is None and filled["reward_credit"] == "head":
            filled["reward_log"] = False
        return timed(replace(self, **filled))

    def course(self, task: Task, seed: int) -> "MappoCourse":
        """Return the training that `train` carries out."""
        return MappoCourse(self, task, seed)


@dataclass(frozen=True)
class MultiModal(Mappo):
    """Trains the multi-modal agent: the same algorithm, an actor and a critic that see images."""

    images: Images = "codes"

    method: ClassVar[str] = "push.mmappo"


def advantages(reward: Tensor, value: Tensor, gamma: float, lam: float) -> Tensor:
    """Return generalised advantages, shape (T, B), of episodes that end after T steps.

    A_t = sum_k (gamma lambda)^k delta_{t+k}, delta_t = r_t + gamma V_{t+1} - V_t, V_T = 0
    (Schulman et al. 2016, arXiv:1506.02438).

    Parameters
    ----------
    reward, value
        Rewards and values, shape (T, B).
    """
    result, last = torch.zeros_like(reward), torch.zeros_like(reward[0])
    following = torch.zeros_like(reward[0])
    for t in range(len(reward) - 1, -1, -1):
        delta = reward[t] + gamma * following - value[t]
        last = delta + gamma * lam * last
        result[t], following = last, value[t]
    return result


def policy_loss(log_ratio: Tensor, advantage: Tensor, clip: float, agent_of: Tensor) -> Tensor:
    """Return minus the clipped surrogate: summed over an agent's heads, averaged over agents.

    Parameters
    ----------
    log_ratio, advantage
        Of every head, shape (n,).
    agent_of
        Number of the decision that a head belongs to, 0..B-1, shape (n,).
    """
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    surrogate = torch.minimum(ratio * advantage, clipped * advantage)
    return -surrogate.sum() / max(int(agent_of.max()) + 1, 1)


def joint(values: Tensor, agent_of: Tensor, mean: bool = False) -> Tensor:
    """Return sums or means of heads' values over an agent's heads, shape (B,)."""
    total = values.new_zeros(int(agent_of.max()) + 1).index_add(0, agent_of, values)
    return total / torch.bincount(agent_of) if mean else total


def value_loss(value: Tensor, old: Tensor, target: Tensor, clip: float, huber: float) -> Tensor:
    """Return on-policy's value loss: of value and value clipped to `old`, the worse Huber loss."""
    moved = old + (value - old).clamp(-clip, clip)
    losses = [
        nn.functional.huber_loss(x, target, delta=huber, reduction="none") for x in (value, moved)
    ]
    return torch.maximum(*losses).mean()


class Targets(NamedTuple):
    """What an update needs beside what was seen; n heads, B values of the critic.

    Parameters
    ----------
    action, log_prob
        Choices of the heads, and their log-probabilities when they were made, shape (n,).
    advantage
        Of the heads' choices, normalised, shape (n,).
    value, returns
        The critic's normalised values before the update, and the returns, shape (B,).
    """

    action: Tensor
    log_prob: Tensor
    advantage: Tensor
    value: Tensor
    returns: Tensor


class Rollout(NamedTuple):
    """What an update looks at.

    Parameters
    ----------
    sight, opening
        As in `Episode`.
    hidden
        What the actor remembered before each slot, shape (T, 2, P, width); T = 0 if its memory is
        not recurrent.
    """

    sight: Sight
    opening: Tensor
    hidden: Tensor


class MappoCourse(PushCourse):
    """A training, as `PushCourse` says."""

    config: Mappo

    def __init__(self, config: Mappo, task: Task, seed: int) -> None:
        config = config.settled()
        super().__init__(config, task, seed, config.chunk if config.recurrent else 0)
        self.critic = Critic(self.shape, self.weights_rng).to(config.device)
        self.norm = ValueNorm().to(config.device)
        self.learned = {"actor": self.actor, "critic": self.critic, "norm": self.norm}
        rates = ((self.actor, config.actor_rate), (self.critic, config.critic_rate))
        self.optimizers = [
            torch.optim.Adam(m.parameters(), rate, eps=1e-5, fused=self.fused) for m, rate in rates
        ]

    def improve(self, left: float) -> None:
        """Play a rollout and take the epochs' steps; `left` 1..0 scales the rates."""
        config, rng = self.config, self.rng(PLAY, self.step)
        scene = self.scenes.scene(config.episodes, rng)
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        choosing = Choosing(self.actor, noise)
        played = perform(scene, choosing)
        seen = self._seen(played, choosing.hidden)
        found = self._targets(played, seen)
        rates = (config.actor_rate, config.critic_rate)
        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * (left if config.decay else 1.0)
        self.played(config.episodes)
        known: dict[Any, Any] = {}
        for _ in range(config.epochs):
            for part in self._parts(seen, found, rng, known):
                self._descend(*part)

    def _seen(self, played: Episode, hidden: list[Tensor]) -> Rollout:
        """Return what was seen and remembered in a rollout."""
        sight = Sight(*(x.to(self.config.device) for x in played.sight))
        kept = torch.stack(hidden) if hidden else torch.zeros(0, 2, played.opening.shape[1], 0)
        return Rollout(sight, torch.from_numpy(played.opening), kept)

    def _log_probs(self, seen: Rollout) -> Tensor:
        """Return the log-probabilities of all choices of all heads, shape (n, T + 1)."""
        log_probs: Tensor = self.actor(seen.sight, self.actor.recall(*seen))
        return log_probs

    def _targets(self, played: Episode, seen: Rollout) -> Targets:
        """Return choices, advantages and returns of a rollout."""
        action = torch.from_numpy(played.after).to(self.config.device)
        with torch.no_grad():
            log_prob = nets.log_prob(self._log_probs(seen), action)
            value = self._values(seen)
            reward = self._rewards(played).to(self.config.device)
            plain = self.norm.denormalize(value)
            if self.config.reward_credit == "head":
                advantage, returns = reward - plain, reward
            else:
                advantage = advantages(reward, plain, self.config.gamma, self.config.gae_lambda)
                returns = advantage + plain
                advantage = advantage[self._place(played)]
            self.told["explained"] = explained(returns, plain)
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-5)
        return Targets(action, log_prob, advantage, value, returns)

    def _rewards(self, played: Episode) -> Tensor:
        """Return rewards: of heads, shape (n,), or by slot, of users or instances, (T, B)."""
        unit, batch = self.scenes.unit_us, played.scene.problems.batch
        if self.config.reward_credit == "head":
            gain = counterfactuals(batch, played.plan)
            saved = gain[np.arange(len(gain)), played.plan][played.heads]
            return torch.from_numpy((saved / unit).astype(np.float32))
        delay = played.delay
        if self.config.reward_credit == "shared":
            delay = delay.reshape(len(delay), -1, self.scenes.num_users).sum(axis=2)
        if self.config.reward_log:
            return torch.from_numpy(-np.log2(1 + delay / 1e6).astype(np.float32))
        return torch.from_numpy((-delay / unit).astype(np.float32))

    def _values(self, seen: Rollout) -> Tensor:
        """Return the critic's normalised values of what `_rewards` rewards."""
        if self.config.reward_credit == "head":
            return self.critic.of_heads(seen.sight)
        value = self.critic.of_homes(seen.sight, seen.opening)
        if self.config.reward_credit == "shared":
            return value.reshape(len(value), -1, self.scenes.num_users).mean(dim=2)
        return value

    def _place(self, played: Episode) -> tuple[Tensor, Tensor]:
        """Return slot and column of the rewards that each head is credited with."""
        batch = played.scene.problems.batch
        owner = batch.problem[played.heads]
        if self.config.reward_credit == "shared":
            owner = owner // self.scenes.num_users
        return torch.from_numpy(batch.release[played.heads]), torch.from_numpy(owner)

    def _parts(
        self, seen: Rollout, found: Targets, rng: np.random.Generator, known: dict[Any, Any]
    ) -> Iterator[tuple[Rollout, Targets]]:
        """Yield the minibatches of an epoch: what is seen, and targets.

        A minibatch is all that happened in some instances, drawn anew in every epoch. Minibatches
        are kept in `known`, by the numbers of their instances, and taken from there.
        """
        if self.config.minibatches == 1:
            yield seen, found
            return
        order = rng.permutation(self.config.episodes)
        for chosen in np.array_split(order, self.config.minibatches):
            key = tuple(sorted(chosen.tolist()))
            if key not in known:
                known[key] = self._part(seen, found, torch.tensor(key))
            yield known[key]

    def _part(self, seen: Rollout, found: Targets, chosen: Tensor) -> tuple[Rollout, Targets]:
        """Return what was seen in the instances that are chosen, and targets."""
        users = self.scenes.num_users
        mine = torch.isin(torch.arange(seen.opening.shape[1]) // users, chosen)
        part, rows, place = part_of(seen.sight, mine)
        targets = [x[rows.to(x.device)] for x in found[:3]]
        if self.config.reward_credit == "head":
            targets += [x[rows.to(x.device)] for x in found[3:]]
        else:
            of = mine if self.config.reward_credit == "user" else mine[::users]
            targets += [x[:, of] for x in found[3:]]
        hidden = seen.hidden[:, :, mine.to(seen.hidden.device)]
        return Rollout(part, place[seen.opening[:, mine]], hidden), Targets(*targets)

    def _descend(self, seen: Rollout, found: Targets) -> None:
        """Take one step of the actor and one of the critic."""
        config = self.config
        log_probs = self._log_probs(seen)
        log_ratio = nets.log_prob(log_probs, found.action) - found.log_prob
        advantage, group = found.advantage, seen.sight.agent
        if config.ratio == "joint":
            log_ratio = joint(log_ratio, group)
            advantage = joint(advantage, group, mean=True)
            group = torch.arange(len(log_ratio))
        loss = policy_loss(log_ratio, advantage, config.clip, group)
        entropy = nets.entropy(log_probs).mean()
        self.told["entropy"] = round(float(entropy.detach()), 4)
        loss = loss - config.entropy * entropy
        self.take(0, self.actor, loss, config.grad_norm)
        self.norm.update(found.returns)
        target = self.norm.normalize(found.returns)
        value = self._values(seen)
        loss = value_loss(value, found.value, target, config.clip, config.huber)
        self.take(1, self.critic, loss, config.grad_norm)
