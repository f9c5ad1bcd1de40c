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
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import torch

from learners import agent
from learners.checks import COUNT, check_one, check_ranges
from learners.dqn_run import PROFILES, Network, Output, Run, Settings
from learners.envs.jutap import Features, Reward, Table, features_of, strongest, table_of
from learners.flying import AgentSolver
from learners.qlearning import single_map
from opt_istn.files import InputError
from opt_istn.jutap.instance import IntArray
from opt_istn.training import Report, Task

METHOD = "jutap.dqn"
_SAVE_S = 20.0  # between checkpoints


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
        check_one(self, "updates", "episodes")
        if self.epsilon_by is not None and not self.settings().epsilon_decay:
            raise InputError(
                "epsilon_by", "expected an epsilon_decay, for without it nothing counts"
            )
        self.settings()

    def settings(self) -> Settings:
        """Return the profile's settings with the fields that are given."""
        given = {f.name: getattr(self, f.name) for f in fields(Settings)}
        changed = {name: value for name, value in given.items() if value is not None}
        if "updates" in changed:  # they say how long, whatever the profile counts in
            changed["episodes"] = None
        if self.profile not in PROFILES:
            known = ", ".join(PROFILES)
            raise InputError("profile", f"expected one of {known}, found {self.profile!r}")
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
