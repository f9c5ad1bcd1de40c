"""JUTAP to fly in, on the table of `opt_istn.jutap.flights`: many flights at once, or Gymnasium."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from opt_istn.compiling import compiled
from opt_istn.files import InputError
from opt_istn.jutap import graph
from opt_istn.jutap.flights.observation import Layout
from opt_istn.jutap.flights.table import (
    MAX_STEPS,
    FeatureKind,
    Float,
    Mask,
    Reward,
    Table,
    rewarded,
    strongest,
    table_of,
)
from opt_istn.jutap.instance import Instance, IntArray
from opt_istn.jutap.scenario import MILLION


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


@compiled
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


class Seen(spaces.Box):
    """The space of observations with its layout and map, saved by stable-baselines3 with an agent.

    Parameters
    ----------
    high
        Largest value of every column, shape (D,); the least are -1.
    layout
        Name of what is seen, see `opt_istn.jutap.flights.observation`.
    instance
        Hash of the map.
    """

    def __init__(self, high: Float, layout: str, instance: str) -> None:
        super().__init__(-np.ones_like(high), high, dtype=np.float32)
        self.layout, self.instance = layout, instance


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
        See `opt_istn.jutap.flights.table.features_of`.
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
        features: FeatureKind = "raw",
        energy_penalty: float = 0.0,
        *,
        random_start: bool = True,
        max_steps: int = MAX_STEPS,
    ) -> None:
        if energy_penalty and instance.energy_budget_mj is None:
            raise InputError("energy_budget_mj", "expected a budget, for there is a penalty on it")
        self.instance, self.table = instance, table_of(strongest(instance))
        self.layout = Layout(features, bool(energy_penalty))
        self._reward = rewarded(self.table, reward)
        self._features = self.layout.of(self.table)
        self._penalty, self._random, self._max_steps = energy_penalty, random_start, max_steps
        self.stall = (abs(instance.cost.move[1]) + abs(instance.cost.hole)) / MILLION
        high = np.ones(self._features.shape[1], dtype=np.float32)
        if energy_penalty and instance.energy_budget_mj:
            high[-1] = max_steps * max(instance.energy_mj) / instance.energy_budget_mj
        space: Any = Seen(high, self.layout.name, instance.sha256)
        self.observation_space = space
        self.action_space = spaces.Discrete(self.table.num_actions)
        self._state, self._steps, self._spent_mj = 0, 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float, dict[str, Any]]:
        """Begin an episode; ``options={"cell": q}`` chooses where.

        START has the link that the instance gives it, any other cell its strongest.
        """
        super().reset(seed=seed)
        starts, cells = self.table.starts, self.table.cell[self.table.starts]
        asked = (options or {}).get("cell", None if self._random else self.instance.start)
        if asked is not None and asked not in cells:
            raise InputError("cell", f"expected a cell from which END is reached, found {asked}")
        drawn = self.np_random.integers(len(starts))
        if asked == self.instance.start:
            self._state = graph.start_state(self.table.instance)
        else:
            self._state = int(starts[drawn] if asked is None else starts[cells == asked][0])
        self._steps, self._spent_mj = 0, 0
        return self._seen(), self._info(0)

    def step(self, action: np.int64) -> tuple[Float, float, bool, bool, dict[str, Any]]:
        """Fly one move.

        Raises
        ------
        InputError
            If there is no such action.
        """
        s, a = self._state, self._checked(action)
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

    def action_masks(self) -> NDArray[np.bool]:
        """Return which actions are possible, shape (A,); sb3-contrib's MaskablePPO asks for it."""
        mask: NDArray[np.bool] = self.table.next[self._state] >= 0
        return mask

    def _checked(self, action: Any) -> int:
        found, count = np.asarray(action), self.table.num_actions
        if found.shape != () or found.dtype.kind not in "iu" or not 0 <= found < count:
            raise InputError("action", f"expected an integer 0..{count - 1}, found {action!r}")
        return int(found)

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


gymnasium.register("opt-istn/Jutap-v0", "learners.jutap.env:JutapEnv")
