"""JUTAP as a Markov decision process: one table behind every environment and every agent.

`Table` lists, for each state (cell, link) and action (direction, slot of the new cell's links),
the next state and the integer cost. Value iteration, tabular Q-learning, the batched environment
`Flights` and the Gymnasium environment `JutapEnv` all read it, so they solve the same problem.
Costs come from `opt_istn.jutap.graph`, whose arcs are tested against the evaluator.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium import spaces
from numba import njit
from numpy.typing import NDArray

from opt_istn.files import InputError
from opt_istn.jutap import graph
from opt_istn.jutap.instance import GEO, Instance, IntArray
from opt_istn.jutap.scenario import MILLION, paper_reward

Reward = Literal["objective", "paper", "shaped"]
Features = Literal["raw", "fourier", "onehot"]
Float = NDArray[np.float32]
Mask = NDArray[np.bool]

MAX_STEPS = 1000  # N_step of the paper's Table I
FREQUENCIES = 12  # of the Fourier features, per axis
MAX_ENTRIES = 200_000_000  # a larger table is refused
_DIRECTIONS = 8


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

    @cached_property
    def cell(self) -> IntArray:
        """Cell of every state, shape (S,)."""
        return graph.state_cells(self.instance)

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


def table_of(instance: Instance) -> Table:
    """Build the table; O(states * actions).

    Raises
    ------
    InputError
        If the table would not fit into memory.
    """
    links = np.diff(instance.usable[0])
    first, ids, _ = instance.states
    slots, states = int(links.max()), len(ids)
    if states * _DIRECTIONS * slots > MAX_ENTRIES:
        raise InputError("grid", f"expected at most {MAX_ENTRIES} state-action pairs for a table")
    arcs, cells = graph.state_arcs(instance), graph.state_cells(instance)
    tail, head = cells[arcs.tail], cells[arcs.head]
    up = head // instance.grid - tail // instance.grid
    right = head % instance.grid - tail % instance.grid
    compass = (up + 1) * 3 + right + 1
    direction = compass - (compass > 4)
    action = direction * slots + (arcs.head - first[head]) % links[head]
    shape = (states, _DIRECTIONS * slots)
    table = Table(instance, slots, np.full(shape, -1), np.zeros(shape, int), np.zeros(shape, int))
    for array, values in ((table.next, arcs.head), (table.cost, arcs.cost)):
        array[arcs.tail, action] = values
    table.energy[arcs.tail, action] = arcs.energy
    return table


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
        return table_of(replace(table.instance, cost=paper_reward(table.instance)))
    x = table.instance
    apart = [abs(np.arange(x.num_cells) // x.grid - x.end // x.grid)]
    apart.append(abs(np.arange(x.num_cells) % x.grid - x.end % x.grid))
    near, far = np.minimum(*apart), np.maximum(*apart)
    away = near * min(x.cost.move[1], 2 * x.cost.move[0]) + (far - near) * x.cost.move[0]
    phi = away[table.cell]
    shaped = np.where(table.next >= 0, table.cost + phi[table.next] - phi[:, None], 0)
    return replace(table, cost=shaped)


def features_of(table: Table, kind: Features, spent: bool = False) -> Float:
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


class Flights:
    """Many flights at once, each from a random START; compiled, O(n) a step.

    Ended flights begin anew in the same step (Gymnasium's ``SAME_STEP`` autoreset).

    Parameters
    ----------
    table
        The decision process.
    number
        n, flights at a time.
    rng
        Draws the starts.
    max_steps
        Moves after which a flight is truncated.
    """

    def __init__(
        self, table: Table, number: int, rng: np.random.Generator, max_steps: int = MAX_STEPS
    ) -> None:
        self._table, self._rng, self._max_steps = table, rng, max_steps
        self.state = rng.choice(table.starts, number)
        self.steps = np.zeros(number, dtype=np.int64)

    def step(
        self, action: IntArray
    ) -> tuple[IntArray, IntArray, NDArray[np.bool], NDArray[np.bool]]:
        """Fly one move in every flight; an impossible action keeps the UAV in place at no cost.

        Parameters
        ----------
        action
            Shape (n,).

        Returns
        -------
        State arrived at (the final one where a flight ends), integer cost, whether it is END, and
        whether the flight is truncated; all of shape (n,). `state` holds where the next move
        begins.
        """
        t, n = self._table, len(self.state)
        fresh = self._rng.choice(t.starts, n)
        out = (np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, bool), np.empty(n, bool))
        _step(t.next, t.cost, t.done, self.state, self.steps, action, fresh, self._max_steps, *out)
        return out


@njit(cache=True)
def _step(
    onward: IntArray,
    cost: IntArray,
    done: Mask,
    state: IntArray,
    steps: IntArray,
    action: IntArray,
    fresh: IntArray,
    max_steps: int,
    final: IntArray,
    paid: IntArray,
    ended: Mask,
    cut: Mask,
) -> None:
    for i in range(len(state)):
        s, a = state[i], action[i]
        to = onward[s, a]
        paid[i] = 0 if to < 0 else cost[s, a]
        to = s if to < 0 else to
        steps[i] += 1
        final[i] = to
        ended[i] = done[to]
        cut[i] = not done[to] and steps[i] >= max_steps
        state[i] = to
        if ended[i] or cut[i]:
            state[i] = fresh[i]
            steps[i] = 0


class JutapEnv(gymnasium.Env[Float, np.int64]):
    """One flight at a time, for Gymnasium; id ``opt-istn/Jutap-v0``.

    Actions are those of `Table`. ``info`` holds ``action_mask`` (int8, (A,)), ``cost`` (integer
    millionths of the objective, of the move just flown), ``cell`` and ``link``. An action that is
    not possible leaves the UAV where it is and costs `stall`, so that agents without masks learn
    to avoid it; it is no part of any plan.

    Parameters
    ----------
    instance
        A JUTAP instance; of its MBSs only the strongest of each cell is used.
    reward
        ``objective``, ``paper`` or ``shaped``; see `rewarded`. In objective units.
    features
        See `features_of`.
    energy_penalty
        Objective units per diagonal move's energy flown beyond the instance's budget; the share
        of the budget that is spent is then part of the observation.
    random_start
        Whether episodes begin in any cell from which END is reached; else in START.
    max_steps
        Moves after which an episode is truncated.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  # an instance variable to Gymnasium's types

    def __init__(
        self,
        instance: Instance,
        reward: Reward = "objective",
        features: Features = "raw",
        energy_penalty: float = 0.0,
        *,
        random_start: bool = True,
        max_steps: int = MAX_STEPS,
    ) -> None:
        if energy_penalty and instance.energy_budget_mj is None:
            raise InputError("energy_budget_mj", "expected a budget, for there is a penalty on it")
        self.table = table_of(strongest(instance))
        self._reward = rewarded(self.table, reward)
        self._features = features_of(self.table, features, bool(energy_penalty))
        self._penalty, self._random, self._max_steps = energy_penalty, random_start, max_steps
        self.stall = (abs(instance.cost.move[1]) + abs(instance.cost.hole)) / MILLION
        high = np.ones(self._features.shape[1], dtype=np.float32)
        if energy_penalty and instance.energy_budget_mj:
            high[-1] = max_steps * max(instance.energy_mj) / instance.energy_budget_mj
        self.observation_space = spaces.Box(-np.ones_like(high), high, dtype=np.float32)
        self.action_space = spaces.Discrete(self.table.num_actions)
        self._state, self._steps, self._spent_mj = 0, 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float, dict[str, Any]]:
        """Begin an episode; ``options={"cell": q}`` chooses where."""
        super().reset(seed=seed)
        starts, cells = self.table.starts, self.table.cell[self.table.starts]
        asked = (options or {}).get("cell", None if self._random else self.table.instance.start)
        if asked is not None and asked not in cells:
            raise InputError("cell", f"expected a cell from which END is reached, found {asked}")
        drawn = self.np_random.integers(len(starts))
        self._state = int(starts[drawn] if asked is None else starts[cells == asked][0])
        self._steps, self._spent_mj = 0, 0
        return self._seen(), self._info(0)

    def step(self, action: np.int64) -> tuple[Float, float, bool, bool, dict[str, Any]]:
        """Fly one move."""
        s, a = self._state, int(action)
        to = int(self.table.next[s, a])
        self._steps += 1
        if to < 0:
            reward, cost = -self.stall, 0
        else:
            cost = int(self.table.cost[s, a])
            reward = -int(self._reward.cost[s, a]) / MILLION - self._overrun(s, a)
            self._state = to
        ended = bool(self.table.done[self._state])
        truncated = not ended and self._steps >= self._max_steps
        return self._seen(), reward, ended, truncated, self._info(cost)

    def _overrun(self, state: int, action: int) -> float:
        """Spend the energy of a move; return the penalty for what is beyond the budget."""
        before, budget = self._spent_mj, self.table.instance.energy_budget_mj
        self._spent_mj += int(self.table.energy[state, action])
        if budget is None or not self._penalty:
            return 0.0
        beyond = max(self._spent_mj - budget, 0) - max(before - budget, 0)
        return self._penalty * beyond / self.table.instance.energy_mj[1]

    def _seen(self) -> Float:
        seen: Float = self._features[self._state].copy()
        budget = self.table.instance.energy_budget_mj
        if self._penalty and budget:
            seen[-1] = self._spent_mj / budget
        return seen

    def _info(self, cost: int) -> dict[str, Any]:
        x, s = self.table.instance, self._state
        mask = (self.table.next[s] >= 0).astype(np.int8)
        place = {"cell": int(self.table.cell[s]), "link": int(x.states[1][s])}
        return {"action_mask": mask, "cost": cost, **place}


def strongest(instance: Instance) -> Instance:
    """Return the instance with the strongest association.

    Raises
    ------
    InputError
        If START holds a link that this association does not know.
    """
    return replace(instance, association="strongest")


gymnasium.register("opt-istn/Jutap-v0", "learners.envs.jutap:JutapEnv")
