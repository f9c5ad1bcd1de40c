"""A JUTAP policy judged over every START, and its gap split into causes.

Flying is deterministic, so nothing is sampled: the policy is followed from every cell that END is
reached from, and compared with the exact cost from there. A flight that does not reach END is
charged what it has cost when the step limit ends it; it is counted, never dropped.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from learners.envs.jutap import MAX_STEPS, Reward, Table, rewarded, strongest, table_of
from opt_istn.files import InputError
from opt_istn.jutap.instance import Instance, IntArray
from opt_istn.jutap.scenario import MILLION

LOST = np.int64(2**60)  # the cost from where END cannot be reached


def value_iteration(table: Table) -> IntArray:
    """Return the least cost to END of every state, `LOST` where there is none, shape (S,).

    Sweeps V(s) = min_a c(s, a) + V(next(s, a)) from V = 0 at END until nothing changes, in
    integers; O(sweeps * states * actions).

    Raises
    ------
    InputError
        If the costs fall without limit: there is a negative cycle.
    """
    value = np.where(table.done, 0, LOST)
    possible = table.next >= 0
    for _ in range(table.num_states + 1):
        onward = np.where(possible, value[table.next], LOST)
        least = np.where(onward < LOST, table.cost + onward, LOST).min(axis=1)
        least[table.done] = 0
        if np.array_equal(least, value):
            return value
        value = least
    raise InputError("cost", "a cycle of negative cost makes flights arbitrarily cheap")


def greedy(table: Table, value: IntArray) -> IntArray:
    """Return an optimal action of every state, the first one, shape (S,).

    Among equals the action after which END is fewest moves away is taken, so that cycles of cost
    0 cannot trap the flight.
    """
    onward = np.where(table.next >= 0, value[table.next], LOST)
    total = np.where(onward < LOST, table.cost + onward, LOST)
    best = total == total.min(axis=1, keepdims=True)
    moves = np.where(table.done, 0, table.num_states)
    while True:
        after = np.where(best & (table.next >= 0), moves[table.next] + 1, table.num_states)
        fewer = np.where(table.done, 0, np.minimum(after.min(axis=1), table.num_states))
        if np.array_equal(fewer, moves):
            chosen: IntArray = after.argmin(axis=1)
            return chosen
        moves = fewer


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
