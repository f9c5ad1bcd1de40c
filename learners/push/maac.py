"""Agent ``push.maac``: multi-actor attention critic (Iqbal and Sha 2019, arXiv:1810.02912).

Off-policy: episodes are kept, and critic and actor learn from them by soft actor-critic with the
attention critic of `learners.push.networks.attention`. As in the reference implementation,
actions of all agents are drawn anew from the current policies for the actor and from the target
policies for the critic's targets, rewards are standardised over the replay, the actor follows

    grad log pi(a) (Q(a) - sum_a' pi(a') Q(a') - log pi(a) / scale)

head by head, and squares of logits and of attention scores are penalised. ``actor_grad =
gumbel_st`` differentiates through a straight-through sample instead. Unlike there, parameters are
shared by all agents, for clusters come and go between instances, and inputs are not normalised by
batch statistics.

An agent is a cluster that makes contents in the instance; a step is a slot. The reward is minus
the delay of all users, the same for every agent; ``reward_log`` takes the paper's
-log2(1 + delay) instead.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from learners import nets
from learners.push.actor import Choosing
from learners.push.networks.attention import AttentionCritic, Crowd
from learners.push.networks.nets import HeadEncoder, Shape
from learners.push.stage.scene import Episode, Scene, again, perform
from learners.push.stage.view import Sight, home_width
from learners.push.training import PLAY, REPLAY, ActorTrainer, PushCourse, explained
from learners.training import BY_PROFILE, by_profile, timed
from opt_istn.files import InputError
from opt_istn.training import Task

_PENALTY = 1e-3  # of squared logits and attention scores
_DECAY = 1e-3  # of the critic's weights
_CRITIC_CLIP, _ACTOR_CLIP = 10.0, 0.5  # of gradients' norms


FAIR: dict[str, Any] = {"reward_log": False, "state": "own", "episodes": 4, "updates": 4} | {
    "replay": 64,
    "tau": 0.01,
    "hidden": 64,
}
# The reference's width and target networks, and its 4 updates in 100 steps of the environment. Its
# batches have 1,024 steps; here a step has the decisions on some fifty heads.
PAPER = {"reward_log": True, "state": "paper", "updates": 3} | {
    "replay": 256,
    "tau": 0.001,
    "hidden": 128,
}
PROFILES = {"fair": FAIR, "paper": FAIR | PAPER}


@dataclass(frozen=True)
class Maac(ActorTrainer):
    """Trains the agent. What is not given is as in the profile, see `PROFILES`.

    Parameters
    ----------
    profile
        ``fair``, the project's own, or ``paper``: the reference implementation's, for the paper
        prints no values for this agent.
    reward_log
        Whether the reward is the paper's -log2(1 + delay) of a slot.
    actor_grad
        ``score``, the reference's, or ``gumbel_st``.
    episodes
        Instances played a round, and learned from at once.
    updates
        Steps of critic and actor a round.
    replay
        Rounds that are kept.
    gamma, tau, scale
        Discount; share of the learned weights that a target network takes over in a step; weight
        of the reward against the entropy.
    actor_rate, critic_rate
        Learning rates of Adam.
    attend
        Attention heads.
    """

    reward_log: bool = BY_PROFILE
    actor_grad: Literal["score", "gumbel_st"] = "score"
    episodes: int = BY_PROFILE
    updates: int = BY_PROFILE
    replay: int = BY_PROFILE
    gamma: float = 0.99
    tau: float = BY_PROFILE
    scale: float = 100.0
    actor_rate: float = 1e-3
    critic_rate: float = 1e-3
    attend: int = 4
    redraws: int = 4

    method: ClassVar[str] = "push.maac"

    def __post_init__(self) -> None:
        super().__post_init__()
        if (hidden := by_profile(self, PROFILES)["hidden"]) % self.attend:
            rule = f"expected a multiple of attend, {self.attend}, found {hidden}"
            raise InputError("hidden", rule)

    def settled(self) -> Self:
        """Return what is trained: the fields that were not given are the profile's."""
        return timed(replace(self, **by_profile(self, PROFILES)))

    def course(self, task: Task, seed: int) -> "MaacCourse":
        """Return the training that `train` carries out."""
        return MaacCourse(self, task, seed)


class Lesson(NamedTuple):
    """Episodes to learn from.

    Parameters
    ----------
    sight, action
        As in `Episode`.
    crowd
        Agents are clusters; with E instances, step t E + e is slot t of instance e.
    active
        Whether a cluster makes contents in the instance, shape (B, K).
    delay
        What a slot costs, as `MaacCourse._delay` says, shape (T, instances).
    opening
        Homes of all users when a slot began, shape (T, P).
    """

    sight: Sight
    action: Tensor
    crowd: Crowd
    active: Tensor
    delay: Tensor
    opening: Tensor


class MaacCritic(nn.Module):
    """The critic: features of heads, and attention between agents.

    Parameters
    ----------
    shape, attend
        Sizes.
    rng
        Source of the weights.
    """

    def __init__(self, shape: Shape, attend: int, rng: torch.Generator) -> None:
        super().__init__()
        context = shape.width + home_width(shape.slots, shape.users)
        self.features = HeadEncoder(shape, rng)
        sizes = (shape.width, shape.slots + 1, shape.width, attend, context)
        self.attention = AttentionCritic(*sizes, rng)

    def forward(self, x: Lesson, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return table (n, A), base (B, K) and strain for actions of all heads, shape (n,)."""
        memory = self.features.memory(x.sight, x.opening)
        rows = self.features(x.sight, memory)
        homes = torch.cat([memory, x.sight.state], dim=1)[x.opening]
        homes = homes.view(-1, self.features.shape.users, homes.shape[2]).mean(dim=1)
        valued = self.attention(rows, action, x.crowd, homes)
        return valued.table, valued.base, valued.strain


def soft_targets(
    reward: Tensor, following: Tensor, log_prob: Tensor, gamma: float, scale: float
) -> Tensor:
    """Return y_t = r_t + gamma (Q_{t+1} - log pi_{t+1} / scale), the last step's being r_T.

    Parameters
    ----------
    reward
        Of the steps, shape (T, E).
    following, log_prob
        Values and log-probabilities of the actions drawn in every step, shape (T, E, K).
    """
    soft = following - log_prob / scale
    after = torch.cat([soft[1:], torch.zeros_like(soft[:1])])
    return reward.unsqueeze(-1) + gamma * after


def score_loss(log_probs: Tensor, action: Tensor, table: Tensor, scale: float) -> Tensor:
    """Return each head's loss, whose gradient is the score function's, shape (n,).

    Parameters
    ----------
    log_probs, table
        Log-probabilities and values of all choices, shape (n, A).
    action
        Drawn choices, shape (n,).
    """
    log_prob = nets.log_prob(log_probs, action)
    expected = (log_probs.exp() * table).sum(-1)
    advantage = nets.log_prob(table, action) - expected
    return log_prob * (log_prob / scale - advantage).detach()


def straight_loss(log_probs: Tensor, action: Tensor, table: Tensor, scale: float) -> Tensor:
    """Return each head's loss by a straight-through sample, shape (n,); see `score_loss`.

    The entropy is exact.
    """
    chance = log_probs.exp()
    hard = nn.functional.one_hot(action, chance.shape[-1]).to(chance.dtype)
    sampled = hard - chance.detach() + chance
    return -nets.entropy(log_probs) / scale - (sampled * table.detach()).sum(-1)


class MaacCourse(PushCourse):
    """A training, as `PushCourse` says."""

    config: Maac

    def __init__(self, config: Maac, task: Task, seed: int) -> None:
        config = config.settled()
        super().__init__(config, task, seed)
        self.critic = MaacCritic(self.shape, config.attend, self.weights_rng).to(config.device)
        self.late_actor, self.late_critic = copy.deepcopy((self.actor, self.critic))
        self.learned = {"actor": self.actor, "judge": self.critic}  # names that checkpoints have
        self.learned |= {"late_actor": self.late_actor, "late_judge": self.late_critic}
        self.optimizers = [
            torch.optim.Adam(self.actor.parameters(), config.actor_rate, fused=self.fused),
            torch.optim.Adam(
                self.critic.parameters(), config.critic_rate, weight_decay=_DECAY, fused=self.fused
            ),
        ]
        self._kept: dict[int, Episode] = {}

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on; of kept episodes, the plans."""
        plans = {k: torch.from_numpy(x.plan) for k, x in self._kept.items()}
        return super().state() | {"plans": plans}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state; kept episodes are played again."""
        super().restore(state)
        plans = state["plans"].items()
        self._kept = {k: again(self._scene(k), x.numpy()) for k, x in plans}

    def _scene(self, number: int) -> Scene:
        return self.scenes.scene(self.config.episodes, self.rng(PLAY, number))

    def improve(self, left: float) -> None:  # noqa: ARG002
        """Play, keep what was played, and learn from what is kept."""
        rng = self.rng(PLAY, self.step)
        scene = self.scenes.scene(self.config.episodes, rng)
        noise = torch.Generator().manual_seed(int(rng.integers(2**62)))
        self._kept[self.step] = perform(scene, Choosing(self.actor, noise))
        self.played(self.config.episodes)
        self._kept.pop(self.step - self.config.replay, None)
        draw = self.rng(REPLAY, self.step)
        delay = np.concatenate([self._delay(x).ravel() for x in self._kept.values()])
        mean, deviation = float(delay.mean()), float(delay.std()) + 1e-6
        for _ in range(self.config.updates):
            x = self._batch(self._kept[int(draw.choice(list(self._kept)))])
            noise = torch.Generator().manual_seed(int(draw.integers(2**62)))
            self._learn(x, -(x.delay - mean) / deviation, noise)

    def _delay(self, played: Episode) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the cost of each slot: delay of all users in units, or log2(1 + seconds)."""
        by_user = played.delay.reshape(len(played.delay), -1, self.shape.users)
        delay: np.ndarray[Any, np.dtype[np.float64]] = by_user.sum(axis=2).astype(np.float64)
        return np.log2(1 + delay / 1e6) if self.config.reward_log else delay / self.scenes.unit_us

    def _batch(self, played: Episode) -> Lesson:
        """Return an episode as the networks take it."""
        x, contents = played.scene, played.scene.contents
        row, delay = x.head[played.heads], self._delay(played)
        instances, agents = delay.shape[1], int(contents.cluster.max(initial=0)) + 1
        step = contents.release[row] * instances + contents.instance[row]
        cell = torch.from_numpy(step * agents + contents.cluster[row])
        active = np.zeros((instances, agents), dtype=bool)
        active[contents.instance, contents.cluster] = True
        put = self.config.device
        return Lesson(
            Sight(*(v.to(put) for v in played.sight)),
            torch.from_numpy(played.after).to(put),
            Crowd(cell.to(put), delay.size, agents),
            torch.from_numpy(np.tile(active, (len(delay), 1))).to(put),
            torch.from_numpy(delay.astype(np.float32)).to(put),
            torch.from_numpy(played.opening).to(put),
        )

    def _learn(self, x: Lesson, reward: Tensor, noise: torch.Generator) -> None:
        """Take a step of the critic, then of the actor, then move their target networks."""
        self._learn_critic(x, reward, noise)
        log_probs = self.actor(x.sight, self.actor.recall(x.sight, x.opening))
        action = nets.sample(log_probs.cpu(), noise).to(log_probs.device)
        with torch.no_grad():
            table = self.critic(x, action)[0]
        method = score_loss if self.config.actor_grad == "score" else straight_loss
        self.told["entropy"] = round(float(nets.entropy(log_probs.detach()).mean()), 4)
        open_choices = log_probs.masked_fill(x.sight.shut, 0.0)
        loss = method(log_probs, action, table, self.config.scale).mean()
        self.take(0, self.actor, loss + _PENALTY * open_choices.square().mean(), _ACTOR_CLIP)
        with torch.no_grad():
            pairs = ((self.late_actor, self.actor), (self.late_critic, self.critic))
            for target, module in pairs:
                for old, new in zip(target.parameters(), module.parameters(), strict=True):
                    old.lerp_(new, self.config.tau)

    def _learn_critic(self, x: Lesson, reward: Tensor, noise: torch.Generator) -> None:
        with torch.no_grad():
            log_probs = self.late_actor(x.sight, self.late_actor.recall(x.sight, x.opening))
            action = nets.sample(log_probs.cpu(), noise).to(log_probs.device)
            table, base, _ = self.late_critic(x, action)
            value = _total(x, table, base, action)
            log_prob = x.crowd.sum(nets.log_prob(log_probs, action))
            steps = (*reward.shape, x.crowd.agents)
            parts = (value.view(steps), log_prob.view(steps))
            target = soft_targets(reward, *parts, self.config.gamma, self.config.scale)
        table, base, strain = self.critic(x, x.action)
        value = _total(x, table, base, x.action)
        error = value - target.flatten(0, 1)
        self.told["explained"] = explained(target.flatten(0, 1)[x.active], value.detach()[x.active])
        loss = error[x.active].square().mean() + _PENALTY * strain
        self.take(1, self.critic, loss, _CRITIC_CLIP)


def _total(x: Lesson, table: Tensor, base: Tensor, action: Tensor) -> Tensor:
    """Return agents' values of what they do, shape (B, K)."""
    return base + x.crowd.sum(nets.log_prob(table, action))
