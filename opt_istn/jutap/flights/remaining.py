"""JUTAP as a decision process that knows what is left of the energy budget, constraint (5a).

A state is one of `opt_istn.jutap.flights.table` together with the energy that is left. Energies of
flights are sums of two numbers, so there are few of them; every state that a flight from START can
be in is listed, and a move is possible only if what is left after it still reaches END. So no
flight runs out of energy, and value iteration on this table is exact under the budget.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from opt_istn.files import InputError
from opt_istn.jutap import graph
from opt_istn.jutap.flights.table import FREQUENCIES, FeatureKind, Float, Table
from opt_istn.jutap.instance import IntArray
from opt_istn.jutap.routes import Routes

MAX_STATES = 500_000  # a larger table is refused; the budgets of such maps hardly bind
_LARGEST = 2**62


@dataclass(frozen=True)
class RemainingTable(Table):
    """The table of an instance with a budget, its states split by the energy that is left.

    Parameters
    ----------
    plain
        The table without the budget.
    state
        State of `plain`, shape (S,). State 0 is START with the whole budget.
    left_mj
        Energy left, shape (S,).
    spare_mj
        What of it is not needed to reach END, shape (S,).
    """

    plain: Table
    state: IntArray
    left_mj: IntArray
    spare_mj: IntArray

    @property
    def start(self) -> int:
        """State that flights of the instance begin in."""
        return 0

    @cached_property
    def cell(self) -> IntArray:
        """Cell of every state, shape (S,)."""
        found: IntArray = self.plain.cell[self.state]
        return found

    @cached_property
    def link(self) -> IntArray:
        """Link of every state, shape (S,)."""
        found: IntArray = self.plain.link[self.state]
        return found

    @cached_property
    def starts(self) -> IntArray:
        """Where episodes begin: wherever a flight from START can be on its cell's strongest MBS."""
        strongest = self.link == self.instance.strongest[self.cell]
        spent = self.instance.states[2][self.state]
        found: IntArray = np.flatnonzero(strongest & ~spent & ~self.done)
        return found

    def budgets(self, states: IntArray) -> list[int | None]:
        """Return the energy that flights from these states may use."""
        return list(self.left_mj[states].tolist())

    def priced(self, plain: Table) -> Table:
        """Return the table with the costs of another one of the same map."""
        return replace(self, plain=plain, cost=np.where(self.next >= 0, plain.cost[self.state], 0))

    def features(self, kind: FeatureKind) -> Float:
        """Return what an agent sees: the columns of `Table.features`, then what is to spare.

        The spare energy, as a share of START's, and its sines and cosines of k pi, k = 1..12.
        """
        spare = self.spare_mj[:, None] / max(int(self.spare_mj[0]), 1)
        angle = np.pi * spare * np.arange(1, FREQUENCIES + 1)
        plain = self.plain.features(kind)[self.state]
        parts = (plain, *(x.astype(np.float32) for x in (spare, np.sin(angle), np.cos(angle))))
        return np.concatenate(parts, axis=1)

    def columns(self, kind: FeatureKind) -> list[str]:
        """Return the names of the columns of `features`."""
        waves = [f"{f} {k} pi spare" for f in ("sin", "cos") for k in range(1, FREQUENCIES + 1)]
        return [*self.plain.columns(kind), "spare energy, 0 to 1", *waves]


def remaining(table: Table) -> RemainingTable:
    """Split the states of a table by the energy that is left; O(states * actions).

    Raises
    ------
    InputError
        If there is no budget, none of the walks from START keeps it, or there are too many states.
    """
    x, start = table.instance, graph.start_state(table.instance)
    if x.energy_budget_mj is None:
        raise InputError("energy_budget_mj", "expected a budget: the agent is to know what is left")
    least = Routes(x).to_end
    needed = np.where(np.isfinite(least), least, _LARGEST).astype(np.int64)[table.cell]
    if x.energy_budget_mj < needed[start]:
        rule = f"expected at least {needed[start]}, which reaches END"
        raise InputError("energy_budget_mj", f"{rule}, found {x.energy_budget_mj}")
    state, left = _reached(table, needed, start, x.energy_budget_mj)
    onward, remains = table.next[state], left[:, None] - table.energy[state]
    allowed = (onward >= 0) & (remains >= needed[onward])
    number = {key: i for i, key in enumerate(zip(state.tolist(), left.tolist(), strict=True))}
    pairs = zip(onward[allowed].tolist(), remains[allowed].tolist(), strict=True)
    following = np.full(onward.shape, -1)
    following[allowed] = [number[pair] for pair in pairs]
    cost, energy = (np.where(allowed, each[state], 0) for each in (table.cost, table.energy))
    known = (x, table.slots, following, cost, energy)
    return RemainingTable(*known, table, state, left, left - needed[state])


def _reached(table: Table, needed: IntArray, start: int, budget: int) -> tuple[IntArray, IntArray]:
    """Return the states, and the energy left in them, that flights from START can be in."""
    scale = budget + 1  # a state and what is left in one number
    if table.num_states > _LARGEST // scale:
        raise _too_large(budget)
    wave = np.array([start * scale + budget])
    found = [wave]
    seen = wave
    while len(wave):
        state, left = np.divmod(wave, scale)
        onward, remains = table.next[state], left[:, None] - table.energy[state]
        allowed = (onward >= 0) & (remains >= needed[onward])
        wave = np.setdiff1d(onward[allowed] * scale + remains[allowed], seen)
        found.append(wave)
        seen = np.union1d(seen, wave)
        if len(seen) > MAX_STATES:
            raise _too_large(budget)
    state, left = np.divmod(np.concatenate(found), scale)
    return state, left


def _too_large(budget: int) -> InputError:
    rule = f"expected one that leaves at most {MAX_STATES} states of cell, link and energy"
    return InputError("energy_budget_mj", f"{rule}, found {budget}")
