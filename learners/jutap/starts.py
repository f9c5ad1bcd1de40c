"""A JUTAP policy judged over every START, and its gap split into causes.

Flying is deterministic, so nothing is sampled: the policy is followed from every cell that END is
reached from, and compared with the exact cost from there. A flight that does not reach END is
charged what it has cost when the step limit ends it; it is counted, never dropped.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from opt_istn.jutap.instance import Instance, IntArray
from opt_istn.jutap.scenario import MILLION
from opt_istn.jutap.table import (
    MAX_STEPS,
    Reward,
    Table,
    greedy,
    rewarded,
    strongest,
    table_of,
    value_iteration,
)


@dataclass(frozen=True)
class Judged:
    """A policy over every START; arrays of shape (starts,).

    Parameters
    ----------
    cell
        The cell started from.
    cost, optimum
        Integer cost flown, and the least one of the same instance.
    reached
        Whether the flight reached END within the step limit.
    """

    cell: IntArray
    cost: IntArray
    optimum: IntArray
    reached: NDArray[np.bool]

    @property
    def gap(self) -> NDArray[np.float64]:
        """(cost - optimum) / max(|optimum|, 1 unit), of every START."""
        gap: NDArray[np.float64] = (self.cost - self.optimum) / np.maximum(abs(self.optimum), 1)
        return gap

    @property
    def success(self) -> float:
        """Share of STARTs from which END is reached."""
        return float(self.reached.mean())

    @property
    def mean_gap(self) -> float:
        """Mean gap over all STARTs, failures included."""
        return float(self.gap.mean())

    @property
    def total_gap(self) -> float:
        """Gap of the summed costs; not swayed by STARTs next to END whose optimum is almost 0."""
        total = int(self.optimum.sum())
        return (int(self.cost.sum()) - total) / max(abs(total), 1)


def judge(
    table: Table, action: IntArray, value: IntArray | None = None, max_steps: int = MAX_STEPS
) -> Judged:
    """Follow a policy from every START; O(starts * steps).

    Parameters
    ----------
    table
        The decision process, with the costs to judge by.
    action
        Action of every state, shape (S,).
    value
        Least costs of every START, shape (starts,); by default those of `table`.
    """
    state, starts = table.starts.copy(), table.starts
    cost = np.zeros(len(starts), dtype=np.int64)
    for _ in range(max_steps):
        flying = np.flatnonzero(~table.done[state])
        if len(flying) == 0:
            break
        chosen = action[state[flying]]
        onward = table.next[state[flying], chosen]
        cost[flying] += table.cost[state[flying], chosen]
        state[flying] = np.where(onward >= 0, onward, state[flying])
    optimum = value_iteration(table)[starts] if value is None else value
    return Judged(table.cell[starts], cost, optimum, table.done[state])


@dataclass(frozen=True)
class Split:
    """Summed gap over every START in objective units, by cause; `total` is the sum of the parts.

    Parameters
    ----------
    optimum
        Least costs with every link allowed.
    association
        Price of using the strongest MBS only.
    reward
        Price of the reward: the policy that is exact under it, against the exact one.
    learning
        What the agent flies beyond that policy.
    """

    optimum: float
    association: float
    reward: float
    learning: float

    @property
    def total(self) -> float:
        """The whole gap."""
        return self.association + self.reward + self.learning


def split(instance: Instance, action: IntArray, reward: Reward) -> Split:
    """Split the gap of a policy on the strongest association into its causes.

    Parameters
    ----------
    action
        Action of every state of the table of the strongest association, shape (S,).
    reward
        The reward it was trained on.
    """
    table = table_of(strongest(instance))
    every = table_of(replace(instance, association="full"))
    least = int(value_iteration(every)[every.starts].sum())
    only = int(value_iteration(table)[table.starts].sum())
    trained = rewarded(table, reward)
    exact = int(judge(table, greedy(trained, value_iteration(trained))).cost.sum())
    flown = int(judge(table, action).cost.sum())
    parts = (least, only - least, exact - only, flown - exact)
    return Split(*(part / MILLION for part in parts))
