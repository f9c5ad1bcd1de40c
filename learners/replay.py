"""The replay buffer of `learners.dqn`."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Replay:
    """The last L_B transitions, as numbers of states: (state, action, next state), cost, END.

    Parameters
    ----------
    capacity
        L_B.
    """

    def __init__(self, capacity: int) -> None:
        self.rows = torch.zeros((capacity, 3), dtype=torch.int64)
        self.reward = torch.zeros(capacity)
        self.ended = torch.zeros(capacity, dtype=torch.bool)
        self.size, self.head = 0, 0

    def add(self, rows: Tensor, reward: Tensor, ended: Tensor) -> None:
        """Append transitions, shapes (n, 3), (n,), (n,), over the oldest ones."""
        capacity, n = len(self.reward), len(reward)
        place = (torch.arange(n) + self.head) % capacity
        self.rows[place], self.reward[place], self.ended[place] = rows, reward, ended
        self.head = (self.head + n) % capacity
        self.size = min(self.size + n, capacity)

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return n transitions drawn uniformly, with replacement."""
        drawn = torch.randint(self.size, (n,), generator=rng)
        return self.rows[drawn], self.reward[drawn], self.ended[drawn]

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        n = self.size
        kept = {"rows": self.rows[:n], "reward": self.reward[:n], "ended": self.ended[:n]}
        return {**kept, "head": self.head}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.size, self.head = len(state["reward"]), state["head"]
        for name in ("rows", "reward", "ended"):
            getattr(self, name)[: self.size] = state[name]
