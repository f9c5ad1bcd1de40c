"""JUTAP as a Markov decision process: one table behind value iteration and every agent.

`Table` lists, for each state (cell, link) and action (direction, slot of the new cell's links),
the next state and the integer cost. Value iteration, tabular Q-learning, the agents' batched
flights and their Gymnasium environment all read it, so they solve the same problem.
Costs come from `opt_istn.jutap.graph`, whose arcs are tested against the evaluator.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError
from opt_istn.jutap import graph
from opt_istn.jutap.instance import GEO, Instance, IntArray
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.scenario import paper_reward

Reward = Literal["objective", "paper", "shaped"]
FeatureKind = Literal["raw", "fourier", "onehot"]
Float = NDArray[np.float32]
Mask = NDArray[np.bool]

MAX_STEPS = 1000  # N_step of the paper's Table I
FREQUENCIES = 12  # of the Fourier features, per axis
MAX_ENTRIES = 200_000_000  # a larger table is refused
_DIRECTIONS = 8
LOST = np.int64(2**60)  # the cost from where END cannot be reached


@dataclass(frozen=True)
class Table:
    """The deterministic decision process of an instance.

    Action ``direction * slots + j`` moves to the neighbour in one of 8 directions, south-west
    first, row by row, and takes the j-th usable link there. With the strongest association,
    slot 0 is terrestrial (the strongest MBS, or HOLE) and slot 1 is GEO: the paper's 16 actions.

    Parameters
    ----------
    instance
        The problem, with its association.
    slots
        Largest number of links of a cell.
    next
        Next state, -1 where an action is not possible, shape (S, 8 * slots).
    cost, energy
        Integer cost and millijoules of the move; same shape, 0 where it is not possible.
    """

    instance: Instance
    slots: int
    next: IntArray
    cost: IntArray
    energy: IntArray

    @property
    def num_states(self) -> int:
        """S: the states of the instance, its usable (cell, link) pairs or two of each."""
        return len(self.next)

    @property
    def num_actions(self) -> int:
        """Number of actions of a state."""
        return int(self.next.shape[1])

    @property
    def start(self) -> int:
        """State that flights of the instance begin in."""
        return graph.start_state(self.instance)

    @cached_property
    def cell(self) -> IntArray:
        """Cell of every state, shape (S,)."""
        return graph.state_cells(self.instance)

    @cached_property
    def link(self) -> IntArray:
        """Link of every state, shape (S,)."""
        return self.instance.states[1]

    @cached_property
    def done(self) -> NDArray[np.bool]:
        """Whether a state is at END, shape (S,)."""
        ended: Mask = self.cell == self.instance.end
        return ended

    @cached_property
    def starts(self) -> IntArray:
        """The state that an episode begins with in every cell that reaches END, but END.

        The link held at first is the strongest MBS, or HOLE; shape (at most N*N - 1,).
        """
        x = self.instance
        ptr, ids = x.usable
        cells = np.flatnonzero(graph.reachable_cells(x))
        cells = cells[cells != x.end]
        matching = ids[ptr[cells]] != x.strongest[cells]
        found: IntArray = x.states[0][cells]
        for i in np.flatnonzero(matching):
            row = ids[ptr[cells[i]] : ptr[cells[i] + 1]]
            found[i] += int(np.searchsorted(row, x.strongest[cells[i]]))
        return found

    def budgets(self, states: IntArray) -> list[int | None]:
        """Return the energy that flights from these states may use: there is no limit."""
        return [None] * len(states)

    def priced(self, plain: "Table") -> "Table":
        """Return the table with the costs of another one of the same map."""
        return plain

    def features(self, kind: FeatureKind) -> Float:
        """Return what an agent sees of each state, see `features_of`."""
        return features_of(self, kind)

    def columns(self, kind: FeatureKind) -> list[str]:
        """Return the names of the columns of `features`."""
        return columns_of(kind, self.instance.layered)


def never() -> bool:
    """Return that there is time enough."""
    return False


def table_of(instance: Instance, late: Callable[[], bool] = never) -> Table:
    """Build the table; O(states * actions).

    Raises
    ------
    InputError
        If the table would not fit into memory.
    TimeoutError
        If the time is up.
    """
    links = np.diff(instance.usable[0])
    first, ids, _ = instance.states
    slots, states = int(links.max()), len(ids)
    if states * _DIRECTIONS * slots > MAX_ENTRIES:
        raise InputError("grid", f"expected at most {MAX_ENTRIES} state-action pairs for a table")
    arcs, cells = graph.state_arcs(instance), graph.state_cells(instance)
    _expect_time(late)
    tail, head = cells[arcs.tail], cells[arcs.head]
    up = head // instance.grid - tail // instance.grid
    right = head % instance.grid - tail % instance.grid
    compass = (up + 1) * 3 + right + 1
    direction = compass - (compass > 4)
    action = direction * slots + (arcs.head - first[head]) % links[head]
    shape = (states, _DIRECTIONS * slots)
    _expect_time(late)
    table = Table(instance, slots, np.full(shape, -1), np.zeros(shape, int), np.zeros(shape, int))
    for array, values in ((table.next, arcs.head), (table.cost, arcs.cost)):
        array[arcs.tail, action] = values
    table.energy[arcs.tail, action] = arcs.energy
    return table


def strongest(instance: Instance) -> Instance:
    """Return the instance with the strongest association.

    Raises
    ------
    InputError
        If START holds a link that this association does not know.
    """
    return replace(instance, association="strongest")


def not_strongest(instance: Instance) -> str | None:
    """Return why an instance has no strongest association, None if it has."""
    try:
        strongest(instance)
    except InputError as error:
        return str(error)
    return None


def rewarded(table: Table, reward: Reward) -> Table:
    """Return the table with the costs that an agent is trained on.

    ``objective`` is problem (4); ``paper`` is the reward (6)-(7) with the sign that makes a longer
    path worse; ``shaped`` adds to the objective the potential phi(s') - phi(s), phi(s) being the
    cost of the shortest flight to END without links (Ng, Harada & Russell, ICML 1999): the
    optimal policies stay.
    """
    if reward == "objective":
        return table
    if reward == "paper":
        return table.priced(table_of(replace(table.instance, cost=paper_reward(table.instance))))
    x = table.instance
    apart = [abs(np.arange(x.num_cells) // x.grid - x.end // x.grid)]
    apart.append(abs(np.arange(x.num_cells) % x.grid - x.end % x.grid))
    near, far = np.minimum(*apart), np.maximum(*apart)
    away = near * min(x.cost.move[1], 2 * x.cost.move[0]) + (far - near) * x.cost.move[0]
    phi = away[table.cell]
    shaped = np.where(table.next >= 0, table.cost + phi[table.next] - phi[:, None], 0)
    return replace(table, cost=shaped)


def features_of(table: Table, kind: FeatureKind, spent: bool = False) -> Float:
    """Return what the agent sees of each state, shape (S, D).

    ``raw`` is the paper's [x, y, c], scaled to [-1, 1]; ``onehot`` row, column and link kind;
    ``fourier`` the sines and cosines of k pi x and k pi y, k = 1..12, beside ``raw``.
    Where a bonus counts once in a flight a column says whether it is spent.
    With `spent` there is one more column, zeros, for the share of the energy budget that is spent.
    """
    x = table.instance
    row, column = np.divmod(table.cell, x.grid)
    _, link, gone = x.states
    geo = (link - x.num_mbs + 1 == GEO).astype(float)
    scale = max(x.grid - 1, 1)
    place = np.stack([column, row], axis=1) / scale
    raw = np.column_stack([2 * place - 1, 2 * geo - 1])
    parts = [raw]
    if kind == "fourier":
        angle = np.pi * place[:, :, None] * np.arange(1, FREQUENCIES + 1)
        flat = angle.reshape(len(place), -1)
        parts += [np.sin(flat), np.cos(flat)]
    elif kind == "onehot":
        parts = [np.eye(x.grid)[row], np.eye(x.grid)[column], np.eye(2)[geo.astype(int)]]
    if x.layered:
        parts.append(np.where(gone, 1.0, -1.0)[:, None])
    if spent:
        parts.append(np.zeros((len(place), 1)))
    return np.concatenate(parts, axis=1).astype(np.float32)


def columns_of(kind: FeatureKind, layered: bool) -> list[str]:
    """Return the names of the columns of `features_of`, `onehot` as one name for each part.

    Parameters
    ----------
    layered
        Whether a bonus counts once in a flight, so that a column says whether it is spent.
    """
    spent = ["bonus spent, -1 or 1"] if layered else []
    raw = ["column, -1 to 1", "row, -1 to 1", "GEO, -1 or 1"]
    if kind == "onehot":
        return [*raw, "row", "column", "terrestrial, GEO", *spent]
    waves = [
        f"{f} {k} pi {x}"
        for f in ("sin", "cos")
        for x in ("column", "row")
        for k in range(1, FREQUENCIES + 1)
    ]
    return [*raw, *(waves if kind == "fourier" else []), *spent]


def value_iteration(table: Table, late: Callable[[], bool] = never) -> IntArray:
    """Return the least cost to END of every state, `LOST` where there is none, shape (S,).

    Sweeps V(s) = min_a c(s, a) + V(next(s, a)) from V = 0 at END until nothing changes, in
    integers; O(sweeps * states * actions).

    Parameters
    ----------
    late
        Asked before each sweep whether the time is up.

    Raises
    ------
    InputError
        If the costs fall without limit: there is a negative cycle.
    TimeoutError
        If the time is up.
    """
    value = np.where(table.done, 0, LOST)
    possible = table.next >= 0
    for _ in range(table.num_states + 1):
        _expect_time(late)
        onward = np.where(possible, value[table.next], LOST)
        least = np.where(onward < LOST, table.cost + onward, LOST).min(axis=1)
        least[table.done] = 0
        if np.array_equal(least, value):
            return value
        value = least
    raise InputError("cost", "a cycle of negative cost makes flights arbitrarily cheap")


def _expect_time(late: Callable[[], bool]) -> None:
    if late():
        raise TimeoutError("the time was up before the sweeps were done")


def greedy(table: Table, value: IntArray, late: Callable[[], bool] = never) -> IntArray:
    """Return an optimal action of every state, the first one, shape (S,).

    Among equals the action after which END is fewest moves away is taken, so that cycles of cost
    0 cannot trap the flight.
    """
    onward = np.where(table.next >= 0, value[table.next], LOST)
    total = np.where(onward < LOST, table.cost + onward, LOST)
    best = total == total.min(axis=1, keepdims=True)
    moves = np.where(table.done, 0, table.num_states)
    while True:
        _expect_time(late)
        after = np.where(best & (table.next >= 0), moves[table.next] + 1, table.num_states)
        fewer = np.where(table.done, 0, np.minimum(after.min(axis=1), table.num_states))
        if np.array_equal(fewer, moves):
            chosen: IntArray = after.argmin(axis=1)
            return chosen
        moves = fewer


def flown(table: Table, action: IntArray, start: int, max_steps: int = MAX_STEPS) -> Plan:
    """Return the walk of a policy from state `start`, ended at END or at the step limit.

    Parameters
    ----------
    action
        Action of every state, shape (S,).
    """
    states = [start]
    while not table.done[states[-1]] and len(states) <= max_steps:
        onward = int(table.next[states[-1], action[states[-1]]])
        if onward < 0:
            break
        states.append(onward)
    links = table.link[states]
    return Plan(table.instance.sha256, tuple(table.cell[states].tolist()), tuple(links.tolist()))
