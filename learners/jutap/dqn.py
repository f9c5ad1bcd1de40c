"""Agent ``jutap.dqn``: deep Q-network for JUTAP (arXiv:2603.22127, Algorithm 1 and Table I).

Profile ``paper`` is the paper's, profile ``strong`` the project's own. Deviations of ``paper``,
each a setting where both readings run:

1. The output layer is linear. Table I says ReLU, but with costs all values are negative: a ReLU
   output is 0 in every state and has no gradient (`output`).
2. END is terminal: line 11 of Algorithm 1 bootstraps past it, and with gamma = 1 the values then
   fall without limit (`terminal_mask`).
3. The distance term and the move term of (6)-(7) are costs; as printed, longer paths earn more
   (`opt_istn.jutap.flights.table.rewarded`).
4. Moves over the border, and GEO where it is not available, are masked; the paper says nothing.
5. Epsilon decays per episode, as in line 19; the text says per step (`epsilon_by`).
6. The paper gives no learning rate, batch, buffer, optimiser or loss but the squared one.
7. Algorithm 1 starts in any cell with an MBS or in a hole (association 0), as here.

Profile ``strong`` changes what limits a DQN here: the state is seen through Fourier features, 64
flights run at once, targets are double (van Hasselt, Guez & Silver, AAAI 2016), the loss is
Huber's and the learning rate falls to 0.
"""

import copy
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from learners import agent, training
from learners.agent import Agent
from learners.jutap.curve import Measure, measured
from learners.jutap.env import Flights
from learners.jutap.qlearning import single_map
from learners.jutap.solver import AgentSolver, BudgetKind, process_of
from learners.nets import linear
from learners.training import BY_PROFILE, COUNT, RATE, SHARE, WIDTH, check_one, check_ranges
from opt_istn.files import InputError
from opt_istn.jutap.flights import table as mdp
from opt_istn.jutap.flights.table import FeatureKind, Reward, Table
from opt_istn.jutap.instance import IntArray
from opt_istn.jutap.scenario import MILLION
from opt_istn.jutap.starts import STRONGEST
from opt_istn.training import Report, Task

METHOD = "jutap.dqn"
Output = Literal["linear", "relu"]
_CHECKS = 50  # rows of the training curve, beside that of the untrained network
_KEPT = ("updates", "episodes", "steps", "seconds", "returns", "best", "history")
_LEARNED = ("online", "target", "optimizer")
STRONG: dict[str, Any] = (
    {"reward": "objective", "features": "fourier", "hidden": 128, "output": "linear"}
    | {"terminal_mask": True, "double": True, "loss": "huber", "flights": 64, "batch": 256}
    | {"learning_rate": 2e-3, "decay": True, "gamma": 1.0, "tau": 0.01, "buffer": 100_000}
    | {"epsilon": 1.0, "epsilon_min": 0.2, "epsilon_decay": 0.0, "epsilon_by": "episode"}
    | {"warm_up": 2_000, "updates": 20_000, "episodes": None}
)
PAPER = (
    {"reward": "paper", "features": "raw", "double": False, "loss": "mse", "flights": 1}
    | {"batch": 64, "learning_rate": 1e-3, "decay": False, "tau": 0.005, "epsilon_min": 0.1}
    | {"epsilon_decay": 0.999, "warm_up": 64, "updates": None, "episodes": 10_000}
)
PROFILES = {"strong": STRONG, "paper": STRONG | PAPER}


@dataclass(frozen=True)
class Dqn:
    """Trains the agent. What is not given is as in the profile, see `PROFILES`.

    Parameters
    ----------
    profile
        ``strong`` or ``paper``.
    patience
        Rows of the training curve without a better validation cost after which training stops.
    budget
        Whether the energy that is left is known; see `learners.jutap.solver.process_of`.
    reward, features
        What is learned from and what is seen; see `opt_istn.jutap.flights.table`.
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
        eps_0, eps_min, and lambda of eps = max(eps_min, eps_0 lambda^n); with lambda = 0, eps falls
        linearly from eps_0 to eps_min over the first half of the training.
    epsilon_by
        What n counts, ``episode`` or ``step``.
    warm_up
        Transitions in the buffer before the first update.
    updates, episodes
        Length of the training: updates, or ended flights (N_ep).
    """

    profile: Literal["strong", "paper"] = "strong"
    patience: int | None = None
    budget: BudgetKind = "ignored"
    reward: Reward = BY_PROFILE
    features: FeatureKind = BY_PROFILE
    hidden: int = BY_PROFILE
    output: Output = BY_PROFILE
    terminal_mask: bool = BY_PROFILE
    double: bool = BY_PROFILE
    loss: Literal["huber", "mse"] = BY_PROFILE
    flights: int = BY_PROFILE
    batch: int = BY_PROFILE
    learning_rate: float = BY_PROFILE
    decay: bool = BY_PROFILE
    gamma: float = BY_PROFILE
    tau: float = BY_PROFILE
    buffer: int = BY_PROFILE
    epsilon: float = BY_PROFILE
    epsilon_min: float = BY_PROFILE
    epsilon_decay: float = BY_PROFILE
    epsilon_by: Literal["episode", "step"] = BY_PROFILE
    warm_up: int = BY_PROFILE
    updates: int = BY_PROFILE
    episodes: int | None = BY_PROFILE

    def __post_init__(self) -> None:
        counts = ("patience", "flights", "batch", "buffer", "updates", "episodes")
        shares = ("gamma", "tau", "epsilon", "epsilon_min", "epsilon_decay")
        more = {"hidden": WIDTH, "learning_rate": RATE, "warm_up": (0.0, 1e9)}
        check_ranges(self, **dict.fromkeys(counts, COUNT), **dict.fromkeys(shares, SHARE), **more)
        check_one(self, "updates", "episodes")
        training.by_profile(self, PROFILES)

    def settled(self) -> Self:
        """Return what is trained: the fields that were not given are the profile's."""
        filled = training.by_profile(self, PROFILES)
        given = {"updates": self.updates, "episodes": self.episodes}
        return replace(self, **filled | (given if any(given.values()) else {}))

    def supports(self, task: Task) -> str | None:
        """One instance of JUTAP is supported."""
        return single_map(task)

    def train(self, task: Task, seed: int, out: Path, report: Report) -> dict[str, Any]:
        """Train on one thread and write the agent file."""
        torch.set_num_threads(1)
        table, about = process_of(task.instance, self.budget), agent.described(task)
        return training.train(DqnCourse(self, table, seed, about), out, report)


def network(
    inputs: int, hidden: int, actions: int, output: Output, rng: torch.Generator
) -> nn.Sequential:
    """Return two hidden layers of ReLU units: action values out, shape (n, D) to (n, A)."""
    layers: list[nn.Module] = [linear(inputs, hidden, rng, 2**0.5), nn.ReLU()]
    layers += [linear(hidden, hidden, rng, 2**0.5), nn.ReLU(), linear(hidden, actions, rng)]
    body = nn.Sequential(*layers, *([nn.ReLU()] if output == "relu" else []))
    return nn.Sequential(OrderedDict(body=body))


class Buffer:
    """The last `capacity` transitions: rows of state, action, next state and integer cost."""

    def __init__(self, capacity: int) -> None:
        self.rows = torch.zeros((capacity, 4), dtype=torch.int64)
        self.size, self.head = 0, 0

    def add(self, rows: Tensor) -> None:
        """Append transitions, shape (n, 4), over the oldest ones."""
        place = (torch.arange(len(rows)) + self.head) % len(self.rows)
        self.rows[place] = rows
        self.head = (self.head + len(rows)) % len(self.rows)
        self.size = min(self.size + len(rows), len(self.rows))

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Return n transitions drawn uniformly, with replacement."""
        return self.rows[torch.randint(self.size, (n,), generator=rng)]


class DqnCourse:
    """A training that can be interrupted: `state` and `restore` are exact.

    Parameters
    ----------
    config, seed
        As in `Dqn.train`.
    table
        The decision process with the costs to judge by.
    about
        What the agent file says of the task.
    """

    def __init__(
        self, config: Dqn, table: Table, seed: int, about: Mapping[str, Any] | None = None
    ) -> None:
        self.config = config = config.settled()
        self.table, self.seed, self.about = table, seed, dict(about or {})
        self.process = mdp.rewarded(table, config.reward)
        self.rng = np.random.default_rng(seed)
        self.torch_rng = torch.Generator().manual_seed(seed)
        self.flights = Flights(self.process, config.flights, self.rng)
        self.seen = torch.from_numpy(table.features(config.features))
        self.shut, self.ended = (torch.from_numpy(x) for x in (table.next < 0, table.done))
        shape = (self.seen.shape[1], config.hidden, table.num_actions, config.output)
        self.online, self.target = (network(*shape, self.torch_rng) for _ in range(2))
        self.target.load_state_dict(self.online.state_dict())
        self.parameters, self.slow = (list(x.parameters()) for x in (self.online, self.target))
        self.soften = get_ema_multi_avg_fn(1 - config.tau)  # type: ignore[no-untyped-call]
        self.optimizer = torch.optim.Adam(self.parameters, config.learning_rate, fused=True)
        self.replay = Buffer(config.buffer)
        self.measure = Measure(table, self.rng)
        self.updates, self.episodes, self.steps, self.seconds = 0, 0, 0, 0.0
        self.returns: list[float] = []
        self.flown = np.zeros(config.flights)
        self.best: list[Any] = [np.inf, copy.deepcopy(self.online.state_dict())]
        self.history: list[dict[str, Any]] = []

    @property
    def share(self) -> float:
        """Part of the training that is done."""
        if self.config.episodes is None:
            return self.updates / self.config.updates
        return self.episodes / self.config.episodes

    def run(self) -> Iterator[float]:
        """Train; yields the part done after every step of the flights."""
        if not self.history:
            self.note()
        while (share := self.share) < 1:
            begin = time.perf_counter()
            self._fly()
            if self.replay.size >= self.config.warm_up:
                self._learn(1 - share)
            if self.share >= len(self.history) / _CHECKS:
                self.note()
                if self._stalled():
                    break
            self.seconds += time.perf_counter() - begin
            yield self.share
        self.note()

    def _stalled(self) -> bool:
        patience, costs = self.config.patience, [row["validation"] for row in self.history]
        if patience is None or len(costs) <= patience:
            return False
        return bool(min(costs[-patience:]) >= min(costs[:-patience]))

    def summary(self) -> str:
        """Return how training stands."""
        row = self.history[-1] if self.history else {"success": 0.0, "gap": np.nan}
        unit = "updates" if self.config.episodes is None else "episodes"
        done = f"{getattr(self, unit)} of {getattr(self.config, unit)} {unit}"
        gap = f"mean gap {row['gap']:.2%} to {STRONGEST}"
        return f"{done}; {row['success']:.1%} of the STARTs reach END, {gap}"

    def agent(self) -> Agent:
        """Return the trained agent."""
        state = {"last": self.online.state_dict(), "best": self.best[1]}
        state |= {"returns": torch.tensor(self.returns)}
        counts = {"rollouts": self.episodes, "environment_steps": self.steps}
        counts |= {"gradient_steps": self.updates}
        contract = agent.contract(self.table.columns(self.config.features))
        known = (METHOD, asdict(self.config), self.about, self.seed, state, self.history)
        return Agent(*known, counts=counts, measured=measured(self.history), contract=contract)

    @torch.no_grad()
    def actions(self) -> IntArray:
        """Return the greedy action of every state, shape (S,)."""
        values = self.online(self.seen).masked_fill(self.shut, -torch.inf)
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
        told = (torch.from_numpy(onward), torch.from_numpy(cost))
        self.replay.add(torch.stack([state, action, *told], dim=1))
        self.steps += len(state)
        self.flown -= cost / MILLION
        over = ended | cut
        if over.any():
            self.returns += self.flown[over].tolist()
            self.episodes += int(over.sum())
            self.flown[over] = 0.0

    def _learn(self, left: float) -> None:
        """Lines 10-13: one update on a batch, and the soft update of the target network."""
        c = self.config
        state, action, onward, cost = self.replay.sample(c.batch, self.torch_rng).unbind(1)
        with torch.no_grad():
            reward, ended = (-cost.double() / MILLION).float(), self.ended[onward]
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
        found = self.measure.row(self.actions())
        if (cost := found["validation"] * MILLION) < self.best[0]:
            self.best = [cost, copy.deepcopy(self.online.state_dict())]
        row: dict[str, Any] = {"gradient_steps": self.updates, "episodes": self.episodes}
        row |= {"steps": self.steps, "seconds": round(self.seconds, 2)}
        flown = float(np.mean(self.returns[-100:])) if self.returns else None
        self.history.append(row | found | {"return": flown})

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        return {
            **{name: getattr(self, name).state_dict() for name in _LEARNED},
            "replay": [self.replay.rows[: self.replay.size], self.replay.head],
            "numpy": self.rng.bit_generator.state,
            "torch": self.torch_rng.get_state(),
            "flights": [torch.from_numpy(self.flights.state), torch.from_numpy(self.flights.steps)],
            "flown": self.flown.tolist(),
            **{name: getattr(self, name) for name in _KEPT},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        for name in _LEARNED:
            getattr(self, name).load_state_dict(state[name])
        rows, self.replay.head = state["replay"]
        self.replay.size = len(rows)
        self.replay.rows[: len(rows)] = rows
        self.rng.bit_generator.state = state["numpy"]
        self.torch_rng.set_state(state["torch"])
        self.flights.state, self.flights.steps = (x.numpy().copy() for x in state["flights"])
        self.flown = np.array(state["flown"])
        for name in _KEPT:
            setattr(self, name, state[name])


@dataclass(frozen=True)
class DqnAgent(AgentSolver):
    """Solver ``jutap.dqn``: flies greedily on the values of an agent file.

    The untrained network is drawn once more from the seed in the file.
    """

    method = METHOD

    def actions(self, table: Table, loaded: Agent) -> IntArray:
        """Return the greedy action of every state, shape (S,)."""
        path = str(self.agent)
        names = ("features", "hidden", "output")
        kind, hidden, output = (loaded.config.get(name, "") for name in names)
        agent.check_width(hidden, "config.hidden", path)
        if kind not in get_args(FeatureKind) or output not in get_args(Output):
            raise InputError("config", f"expected {' and '.join(names)} of a network", path)
        seen = torch.from_numpy(table.features(kind))
        rng = torch.Generator().manual_seed(loaded.seed)
        net = network(seen.shape[1], hidden, table.num_actions, output, rng)
        if self.weights != "untrained":
            agent.load_state(net, loaded.state.get(self.weights, {}), path)
        with torch.no_grad():
            values = net(seen).masked_fill(torch.from_numpy(table.next < 0), -torch.inf)
        chosen: IntArray = values.argmax(dim=1).numpy()
        return chosen
