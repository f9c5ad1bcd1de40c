"""One training of `learners.dqn`: settings, network, and the loop of Algorithm 1."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from learners.checks import COUNT, RATE, SHARE, check_ranges
from learners.envs.jutap import Features, Flights, Reward, Table, features_of, rewarded
from learners.nets import linear
from learners.replay import Replay
from learners.starts import judge, value_iteration
from opt_istn.jutap.instance import IntArray
from opt_istn.jutap.scenario import MILLION

Output = Literal["linear", "relu"]
_CHECKS = 50  # rows of the training curve
_VALIDATED = 64  # STARTs by which the best weights are chosen


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
