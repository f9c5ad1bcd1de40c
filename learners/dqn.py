"""Agent ``jutap.dqn``: deep Q-network for JUTAP (arXiv:2603.22127, Algorithm 1 and Table I).

Profile ``paper`` is the paper's, profile ``strong`` the project's own. Deviations of ``paper``,
each a setting where both readings run:

1. The output layer is linear. Table I says ReLU, but with costs all values are negative: a ReLU
   output is 0 in every state and has no gradient (`output`).
2. END is terminal: line 11 of Algorithm 1 bootstraps past it, and with gamma = 1 the values then
   fall without limit (`terminal_mask`).
3. The distance term and the move term of (6)-(7) are costs; as printed, longer paths earn more
   (`learners.envs.jutap.rewarded`).
4. Moves over the border, and GEO where it is not available, are masked; the paper says nothing.
5. Epsilon decays per episode, as in line 19; the text says per step (`epsilon_by`).
6. The paper gives no learning rate, batch, buffer, optimiser or loss but the squared one.
7. Algorithm 1 starts in any cell with an MBS or in a hole (association 0), as here.

Profile ``strong`` changes what limits a DQN here: the state is seen through Fourier features, 64
flights run at once, targets are double (van Hasselt, Guez & Silver, AAAI 2016), the loss is
Huber's and the learning rate falls to 0.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from learners import agent
from learners.checks import COUNT, RATE, SHARE, check_ranges
from learners.envs.jutap import (
    Features,
    Flights,
    Reward,
    Table,
    features_of,
    rewarded,
    strongest,
    table_of,
)
from learners.flying import AgentSolver
from learners.nets import linear
from learners.qlearning import single_map
from learners.replay import Replay
from learners.starts import judge, value_iteration
from opt_istn.files import InputError
from opt_istn.jutap.instance import IntArray
from opt_istn.jutap.scenario import MILLION
from opt_istn.training import Report, Task

METHOD = "jutap.dqn"
Output = Literal["linear", "relu"]
_CHECKS = 50  # rows of the training curve
_VALIDATED = 64  # STARTs by which the best weights are chosen
_SAVE_S = 20.0  # between checkpoints


@dataclass(frozen=True)
class Settings:
    """What a training does; the values here are profile ``strong``.

    Parameters
    ----------
    reward, features
        What is learned from and what is seen; see `learners.envs.jutap`.
    hidden
        Units of each of the two hidden layers.
    output, terminal_mask, double
        Activation of the output layer; whether targets stop at END; whether the online network
        chooses the action of the target.
    loss
        ``huber`` (delta 1) or ``mse``.
    flights, batch
        Flights at a time; transitions of an update, one update per step of all flights.
    learning_rate, decay
        Of Adam at first; whether it falls linearly to 0.
    gamma, tau, buffer
        Discount, step of the soft target update, capacity L_B.
    epsilon, epsilon_min, epsilon_decay
        eps_0, eps_min, and lambda of eps = max(eps_min, eps_0 lambda^n); 0: eps falls linearly
        from eps_0 to eps_min over the first half of the training.
    epsilon_by
        What n counts, ``episode`` or ``step``.
    warm_up
        Transitions in the buffer before the first update.
    updates, episodes
        Length of the training: updates, or if `episodes` is given, ended flights (N_ep).
    """

    reward: Reward = "objective"
    features: Features = "fourier"
    hidden: int = 128
    output: Output = "linear"
    terminal_mask: bool = True
    double: bool = True
    loss: Literal["huber", "mse"] = "huber"
    flights: int = 64
    batch: int = 256
    learning_rate: float = 2e-3
    decay: bool = True
    gamma: float = 1.0
    tau: float = 0.01
    buffer: int = 100_000
    epsilon: float = 1.0
    epsilon_min: float = 0.2
    epsilon_decay: float = 0.0
    epsilon_by: Literal["episode", "step"] = "episode"
    warm_up: int = 2_000
    updates: int = 20_000
    episodes: int | None = None

    def __post_init__(self) -> None:
        counts = ("hidden", "flights", "batch", "buffer", "updates", "episodes")
        shares = ("gamma", "tau", "epsilon", "epsilon_min", "epsilon_decay")
        more = {"learning_rate": RATE, "warm_up": (0.0, 1e9)}
        check_ranges(self, **dict.fromkeys(counts, COUNT), **dict.fromkeys(shares, SHARE), **more)


PROFILES = {
    "strong": Settings(),
    "paper": Settings(
        reward="paper",
        features="raw",
        double=False,
        loss="mse",
        flights=1,
        batch=64,
        learning_rate=1e-3,
        decay=False,
        tau=0.005,
        epsilon_min=0.1,
        epsilon_decay=0.999,
        warm_up=64,
        episodes=10_000,
    ),
}


class Network(nn.Module):
    """Two hidden layers of ReLU units, action values out, shape (n, D) to (n, A)."""

    def __init__(
        self, inputs: int, hidden: int, actions: int, output: Output, rng: torch.Generator
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [linear(inputs, hidden, rng, 2**0.5), nn.ReLU()]
        layers += [linear(hidden, hidden, rng, 2**0.5), nn.ReLU(), linear(hidden, actions, rng)]
        self.body = nn.Sequential(*layers, *([nn.ReLU()] if output == "relu" else []))

    def forward(self, seen: Tensor) -> Tensor:
        """Return Q(s, a)."""
        values: Tensor = self.body(seen)
        return values


class Run:
    """A training that can be interrupted: `state` and `restore` are exact.

    Parameters
    ----------
    config
        The settings.
    table
        The decision process with the costs to judge by.
    seed
        Source of all randomness.
    """

    def __init__(self, config: Settings, table: Table, seed: int) -> None:
        self.config, self.table = config, table
        self.process = rewarded(table, config.reward)
        self.rng = np.random.default_rng(seed)
        self.torch_rng = torch.Generator().manual_seed(seed)
        self.flights = Flights(self.process, config.flights, self.rng)
        self.seen = torch.from_numpy(features_of(table, config.features))
        self.shut = torch.from_numpy(table.next < 0)
        shape = (self.seen.shape[1], config.hidden, table.num_actions, config.output)
        self.online = Network(*shape, self.torch_rng)
        self.target = Network(*shape, self.torch_rng)
        self.target.load_state_dict(self.online.state_dict())
        self.parameters = list(self.online.parameters())
        self.slow = list(self.target.parameters())
        self.soften = get_ema_multi_avg_fn(1 - config.tau)  # type: ignore[no-untyped-call]
        self.optimizer = torch.optim.Adam(self.parameters, config.learning_rate, fused=True)
        self.replay = Replay(config.buffer)
        self.validated = np.sort(self.rng.permutation(len(table.starts))[:_VALIDATED])
        self.optimum = value_iteration(table)[table.starts]
        self.updates, self.episodes, self.steps, self.seconds = 0, 0, 0, 0.0
        self.returns: list[float] = []
        self.flown = np.zeros(config.flights)
        self.best = (np.inf, {k: v.clone() for k, v in self.online.state_dict().items()})
        self.history: list[dict[str, Any]] = []

    @property
    def share(self) -> float:
        """Part of the training that is done."""
        if self.config.episodes is not None:
            return self.episodes / self.config.episodes
        return self.updates / self.config.updates

    def run(self) -> Iterator[float]:
        """Train; yields the part done after every step of the flights."""
        while (share := self.share) < 1:
            begin = time.perf_counter()
            self._fly()
            if self.replay.size >= self.config.warm_up:
                self._learn(1 - share)
            if self.share >= (len(self.history) + 1) / _CHECKS:
                self.note()
            self.seconds += time.perf_counter() - begin
            yield self.share

    @torch.no_grad()
    def actions(self, network: Network | None = None) -> IntArray:
        """Return the greedy action of every state, shape (S,)."""
        values = (network or self.online)(self.seen).masked_fill(self.shut, -torch.inf)
        chosen: IntArray = values.argmax(dim=1).numpy()
        return chosen

    def _epsilon(self) -> float:
        c = self.config
        if c.epsilon_decay:
            number = self.episodes if c.epsilon_by == "episode" else self.steps
            return max(c.epsilon_min, c.epsilon * c.epsilon_decay**number)
        return max(c.epsilon_min, c.epsilon + (c.epsilon_min - c.epsilon) * 2 * self.share)

    @torch.no_grad()
    def _fly(self) -> None:
        """Lines 7-9: act epsilon-greedily among the possible actions, and remember."""
        state = torch.from_numpy(self.flights.state.copy())
        values = self.online(self.seen[state])
        random = torch.rand(values.shape, generator=self.torch_rng)
        lot = torch.rand(len(state), 1, generator=self.torch_rng)
        values = torch.where(lot < self._epsilon(), random, values)
        action = values.masked_fill(self.shut[state], -torch.inf).argmax(dim=1)
        onward, cost, ended, cut = self.flights.step(action.numpy())
        reward = -cost / MILLION
        rows = torch.stack([state, action, torch.from_numpy(onward)], dim=1)
        paid = torch.from_numpy(reward.astype(np.float32))
        self.replay.add(rows, paid, torch.from_numpy(ended))
        self.steps += len(state)
        self.flown += reward
        over = ended | cut
        if over.any():
            self.returns += self.flown[over].tolist()
            self.episodes += int(over.sum())
            self.flown[over] = 0.0

    def _learn(self, left: float) -> None:
        """Lines 10-13: one update on a batch, and the soft update of the target network."""
        c = self.config
        rows, reward, ended = self.replay.sample(c.batch, self.torch_rng)
        state, action, onward = rows.unbind(1)
        with torch.no_grad():
            seen, shut = self.seen[onward], self.shut[onward]
            value = self.target(seen).masked_fill(shut, -torch.inf)
            if c.double:
                chosen = self.online(seen).masked_fill(shut, -torch.inf).argmax(1, keepdim=True)
                future = value.gather(1, chosen).squeeze(1)
            else:
                future = value.amax(1)
            # END has no actions: without the mask it is worth what the network says of it.
            if c.terminal_mask:
                future = future.masked_fill(ended, 0.0)
            else:
                future = torch.where(ended, self.target(seen).amax(1), future)
            goal = reward + c.gamma * future
        value = self.online(self.seen[state]).gather(1, action[:, None]).squeeze(1)
        loss = nn.functional.huber_loss if c.loss == "huber" else nn.functional.mse_loss
        if c.decay:
            self.optimizer.param_groups[0]["lr"] = c.learning_rate * left
        self.optimizer.zero_grad()
        loss(value, goal).backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        self.optimizer.step()
        self.soften(self.slow, self.parameters, 0)
        self.updates += 1

    def note(self) -> None:
        """Add a row to the training curve, and keep the weights if they are the best so far."""
        judged = judge(self.table, self.actions(), self.optimum)
        cost = float(judged.cost[self.validated].mean())
        if cost < self.best[0]:
            self.best = (cost, {k: v.clone() for k, v in self.online.state_dict().items()})
        recent = self.returns[-100:]
        self.history.append(
            {
                "updates": self.updates,
                "episodes": self.episodes,
                "steps": self.steps,
                "seconds": round(self.seconds, 2),
                "success": judged.success,
                "gap": judged.mean_gap,
                "total_gap": judged.total_gap,
                "validation": cost / MILLION,
                "return": float(np.mean(recent)) if recent else None,
            }
        )

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        return {
            "online": self.online.state_dict(),
            "target": self.target.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "replay": self.replay.state(),
            "numpy": self.rng.bit_generator.state,
            "torch": self.torch_rng.get_state(),
            "flights": [torch.from_numpy(self.flights.state), torch.from_numpy(self.flights.steps)],
            "counts": [self.updates, self.episodes, self.steps],
            "seconds": self.seconds,
            "returns": self.returns,
            "flown": self.flown.tolist(),
            "best": list(self.best),
            "history": self.history,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.online.load_state_dict(state["online"])
        self.target.load_state_dict(state["target"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.replay.restore(state["replay"])
        self.rng.bit_generator.state = state["numpy"]
        self.torch_rng.set_state(state["torch"])
        self.flights.state, self.flights.steps = (x.numpy().copy() for x in state["flights"])
        self.updates, self.episodes, self.steps = state["counts"]
        self.seconds, self.returns = state["seconds"], list(state["returns"])
        self.flown = np.array(state["flown"])
        self.best = (state["best"][0], state["best"][1])
        self.history = list(state["history"])


@dataclass(frozen=True)
class Training:
    """Trains the agent. Fields that are None are the profile's; see `Settings`.

    Parameters
    ----------
    profile
        ``strong`` or ``paper``.
    patience
        Rows of the training curve without a better validation cost after which training stops;
        None never stops early.
    """

    profile: Literal["strong", "paper"] = "strong"
    patience: int | None = None
    reward: Reward | None = None
    features: Features | None = None
    hidden: int | None = None
    output: Output | None = None
    terminal_mask: bool | None = None
    double: bool | None = None
    loss: Literal["huber", "mse"] | None = None
    flights: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    decay: bool | None = None
    gamma: float | None = None
    tau: float | None = None
    buffer: int | None = None
    epsilon: float | None = None
    epsilon_min: float | None = None
    epsilon_decay: float | None = None
    epsilon_by: Literal["episode", "step"] | None = None
    warm_up: int | None = None
    updates: int | None = None
    episodes: int | None = None

    def __post_init__(self) -> None:
        check_ranges(self, patience=COUNT)
        self.settings()

    def settings(self) -> Settings:
        """Return the profile's settings with the fields that are given."""
        given = {f.name: getattr(self, f.name) for f in fields(Settings)}
        changed = {name: value for name, value in given.items() if value is not None}
        return replace(PROFILES[self.profile], **changed)

    def supports(self, task: Task) -> str | None:
        """One instance of JUTAP is supported."""
        return single_map(task)

    def train(self, task: Task, seed: int, out: Path, report: Report) -> dict[str, Any]:
        """Train on one thread and write the agent file."""
        torch.set_num_threads(1)
        settings = self.settings()
        run = Run(settings, table_of(strongest(task.instance)), seed)
        config = dataclasses.asdict(settings)
        about = agent.described(task)
        key = {"method": METHOD, "config": config, "seed": seed, "task": about}
        if (found := agent.load_checkpoint(out, key)) is not None:
            run.restore(found)
        saved = time.monotonic()
        for share in run.run():
            if run.history and not run.updates % 100:
                report(share, _summary(run.history[-1]))
            if time.monotonic() - saved > _SAVE_S:
                agent.save_checkpoint(out, key, run.state())
                saved = time.monotonic()
            if self._stalled(run.history):
                break
        run.note()
        tensors = {"last": run.online.state_dict(), "best": run.best[1]}
        state = {**tensors, "returns": torch.tensor(run.returns)}
        agent.save(out, agent.Agent(METHOD, config, about, seed, state, run.history))
        agent.drop_checkpoint(out)
        return run.history[-1]

    def _stalled(self, history: list[dict[str, Any]]) -> bool:
        if self.patience is None or len(history) <= self.patience:
            return False
        costs: list[float] = [row["validation"] for row in history]
        return min(costs[-self.patience :]) >= min(costs[: -self.patience])


def _summary(row: Mapping[str, Any]) -> str:
    return f"{row['success']:.1%} of the STARTs reach END, mean gap {row['gap']:.2%}"


@dataclass(frozen=True)
class DqnAgent(AgentSolver):
    """Solver ``jutap.dqn``: flies greedily on the values of an agent file.

    Parameters
    ----------
    agent, elsewhere
        As in `AgentSolver`.
    weights
        ``last``, or the ``best`` on the STARTs used for validation.
    """

    weights: Literal["last", "best"] = "last"
    method = METHOD

    def actions(
        self, table: Table, config: Mapping[str, Any], state: Mapping[str, Any]
    ) -> IntArray:
        """Return the greedy action of every state, shape (S,)."""
        path = str(self.agent)
        try:
            settings = Settings(**config)
            seen = torch.from_numpy(features_of(table, settings.features))
            sizes = (seen.shape[1], settings.hidden, table.num_actions, settings.output)
        except TypeError as error:
            raise InputError("config", str(error), path) from None
        network = Network(*sizes, torch.Generator())
        agent.load_state(network, state.get(self.weights, {}), path)
        with torch.no_grad():
            values = network(seen).masked_fill(torch.from_numpy(table.next < 0), -torch.inf)
        chosen: IntArray = values.argmax(dim=1).numpy()
        return chosen
