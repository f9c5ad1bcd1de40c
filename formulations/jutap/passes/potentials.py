"""Exact backward potentials on the JUTAP state graph, compiled.

One pass gives, for every state (cell, link), the least value of ``cost_scale * cost +
energy_scale * energy`` over all walks to END, ties broken by the other criterion. It is label
correcting (Bellman-Ford-Moore) in Gauss-Seidel order: sweeps over the grid in four alternating
directions, looking only at cells next to one that changed. Negative arcs are allowed; a negative
cycle shows as a cycle of the successor graph (Cherkassky & Goldberg, Math. Prog. 85, 1999).
A sweep costs O(8 * states * links per cell); radio maps need 5 to 30 of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from formulations.jutap.passes.ranges import LARGEST, SWEEPS, Reach, reach
from opt_istn.compiling import compiled
from opt_istn.jutap.graph import state_cells
from opt_istn.jutap.instance import KINDS, NO_ARC, Instance, IntArray

INFINITE = np.int64(2**61)  # two of them still fit into int64; all else is below `LARGEST`


class OutOfTimeError(Exception):
    """The time was up before a pass was done."""


class Grid(NamedTuple):
    """What the compiled kernels read of an instance.

    ``active`` marks the cells in play, shape (N*N,); ``ptr``, ``link``, ``kind`` and ``cell`` are
    of the states, ``transition`` is that between kinds of states; the rest is as in `Instance`.
    """

    size: int
    end: int
    ptr: IntArray
    link: IntArray
    kind: IntArray
    cell: IntArray
    active: NDArray[np.bool]
    transition: IntArray
    move: IntArray
    energy: IntArray
    enter: IntArray


@dataclass(frozen=True)
class Potentials:
    """Result of a backward pass; all arrays are indexed by state.

    Parameters
    ----------
    value, tie
        Least scaled value to END and, among the walks that attain it, the least energy (the least
        cost if ``cost_scale`` is 0). `INFINITE` where END cannot be reached.
    successor
        Next state on such a walk, -1 at END and where there is none.
    negative_cycle
        Whether the walks have no least value; the arrays are then meaningless.
    cost_scale, energy_scale
        As asked for.
    """

    value: IntArray
    tie: IntArray
    successor: IntArray
    negative_cycle: bool
    cost_scale: int
    energy_scale: int

    def cost(self, state: int) -> int:
        """Return the cost of the walk from `state`."""
        if self.cost_scale == 0:
            return int(self.tie[state])
        return (
            int(self.value[state]) - self.energy_scale * int(self.tie[state])
        ) // self.cost_scale

    def energy(self, state: int) -> int:
        """Return the energy of the walk from `state`, in millijoules."""
        if self.cost_scale == 0:
            return int(self.value[state]) // self.energy_scale
        return int(self.tie[state])

    def walk(self, state: int) -> list[int]:
        """Return the states of the walk from `state` to END, both included."""
        states = [state]
        while self.successor[states[-1]] >= 0:
            states.append(int(self.successor[states[-1]]))
        return states


def grid_of(instance: Instance, active: NDArray[np.bool] | None = None) -> Grid:
    """Return the kernels' view of an instance; by default the cells reachable from START."""
    ptr, link, _ = instance.states
    return Grid(
        size=instance.grid,
        end=instance.end,
        ptr=ptr,
        link=link,
        kind=instance.state_kinds,
        cell=state_cells(instance),
        active=_reachable(instance) if active is None else active,
        transition=instance.state_transition,
        move=np.array(instance.cost.move, dtype=np.int64),
        energy=np.array(instance.energy_mj, dtype=np.int64),
        enter=instance.enter,
    )


def reach_of(grid: Grid) -> Reach:
    """Return how far the values of passes over `grid` can get."""
    return reach(grid.move, grid.transition, grid.enter, grid.energy, len(grid.cell))


def compute_potentials(
    instance: Instance,
    cost_scale: int,
    energy_scale: int,
    grid: Grid | None = None,
    expired: Callable[[], bool] = lambda: False,
) -> Potentials:
    """Compute the potentials of every state that START can reach (or of `grid`'s active cells).

    Raises
    ------
    ValueError
        If both scales are 0, one is negative, or values could leave 64 bits.
    OutOfTimeError
        If `expired`, which is asked after every sweep, says so.
    """
    if cost_scale < 0 or energy_scale < 0 or cost_scale + energy_scale == 0:
        raise ValueError("potentials: expected scales >= 0, not both 0")
    grid = grid_of(instance) if grid is None else grid
    if reach_of(grid).of(cost_scale, energy_scale) >= LARGEST:
        raise ValueError(f"potentials: scales {cost_scale}, {energy_scale} leave 64 bits")
    states = len(grid.cell)
    value = np.full(states, INFINITE)
    tie = np.full(states, INFINITE)
    successor = np.full(states, -1, dtype=np.int64)
    at_end = slice(grid.ptr[grid.end], grid.ptr[grid.end + 1])
    value[at_end] = tie[at_end] = 0
    dirty = np.zeros(grid.size**2, dtype=np.bool_)
    _mark(grid.end, grid.size, dirty)
    scales = (cost_scale, energy_scale)
    other = (1, 0) if cost_scale == 0 else (0, 1)
    first, second = _weigh(grid, *scales), _weigh(grid, *other)
    sweeps, cycle = 0, False
    while not cycle and _sweep(grid, first, second, sweeps % 4, dirty, value, tie, successor):
        sweeps += 1
        if sweeps % SWEEPS == 0 or sweeps.bit_count() == 1:
            cycle = _has_cycle(successor)
        if expired():
            raise OutOfTimeError
    return Potentials(value, tie, successor, bool(cycle), *scales)


def cell_energy(grid: Grid, source: int) -> IntArray:
    """Return the least energy between `source` and every active cell, shape (N*N,).

    Moves can be reversed, so this is the energy both from and to `source`.
    """
    energy = np.full(grid.size**2, INFINITE)
    energy[source] = 0
    dirty = np.zeros(grid.size**2, dtype=np.bool_)
    _mark(source, grid.size, dirty)
    return _spread(grid, energy, dirty)


def energy_left(grid: Grid, budget: IntArray) -> IntArray:
    """Return the most energy that is left in each cell of what some cell began with.

    Parameters
    ----------
    budget
        Energy that a walk begins with in each cell, below 0 where none begins; shape (N*N,).

    Returns
    -------
    IntArray
        The largest budget minus the least energy of the way, shape (N*N,); below 0 where no
        budget reaches, and no more than the largest budget anywhere.
    """
    spent = np.where(grid.active & (budget >= 0), -budget, INFINITE)
    return -_spread(grid, spent, grid.active.copy())


def _spread(grid: Grid, energy: IntArray, dirty: NDArray[np.bool]) -> IntArray:
    """Lower `energy`, in place, to what it is by way of the neighbours; `dirty` may change."""
    sweeps = 0
    while _sweep_energy(grid.size, grid.active, grid.energy, sweeps % 4, dirty, energy):
        sweeps += 1
    return energy


def corridor(instance: Instance, grid: Grid, budget: int) -> Grid:
    """Return `grid` with only the cells through which some walk keeps the energy budget."""
    total = cell_energy(grid, instance.start) + cell_energy(grid, instance.end)
    return grid._replace(active=grid.active & (total <= budget))


def restrict_to_end(instance: Instance) -> Grid:
    """Return the view with every cell from which END can be reached, whatever START is."""
    ptr, _ = instance.usable
    return grid_of(instance, _flooded(instance.grid, np.diff(ptr) > 0, instance.end, -1))


def _reachable(instance: Instance) -> NDArray[np.bool]:
    """Return `graph.reachable_cells`, without the quarter of a second that it may import."""
    ptr, _ = instance.usable
    cells: NDArray[np.bool] = _flooded(
        instance.grid, np.diff(ptr) > 0, instance.start, instance.end
    )
    return cells


@compiled
def _flooded(size: int, flyable: NDArray[np.bool], source: int, stop: int) -> NDArray[np.bool]:
    """Return the cells that moves from `source` visit, where none goes on from `stop`."""
    reached = np.zeros(size * size, dtype=np.bool_)
    reached[source] = flyable[source]
    stack = np.empty(size * size, dtype=np.int64)
    stack[0] = source
    top = int(flyable[source] and source != stop)
    while top > 0:
        top -= 1
        row, column = stack[top] // size, stack[top] % size
        for r in range(max(row - 1, 0), min(row + 2, size)):
            for c in range(max(column - 1, 0), min(column + 2, size)):
                cell = r * size + c
                if flyable[cell] and not reached[cell]:
                    reached[cell] = True
                    if cell != stop:
                        stack[top] = cell
                        top += 1
    return reached


class _Weights(NamedTuple):
    move: IntArray
    transition: IntArray
    enter: IntArray


def _weigh(grid: Grid, cost_scale: int, energy_scale: int) -> _Weights:
    return _Weights(
        cost_scale * grid.move + energy_scale * grid.energy,
        np.where(grid.transition < NO_ARC, cost_scale * grid.transition, NO_ARC),
        cost_scale * grid.enter,
    )


@compiled
def change(grid: Grid, s: int, t: int) -> int:
    """Return the cost of changing from the link of state s to that of t, `NO_ARC` if never."""
    a, b = grid.kind[s], grid.kind[t]
    if grid.link[s] == grid.link[t] and a == b and a % KINDS == 0:
        return 0
    return int(grid.transition[a, b])


@compiled
def _mark(cell: int, size: int, dirty: NDArray[np.bool]) -> None:
    row, column = cell // size, cell % size
    for r in range(max(row - 1, 0), min(row + 2, size)):
        for c in range(max(column - 1, 0), min(column + 2, size)):
            dirty[r * size + c] = True
    dirty[cell] = False


@compiled
def _sweep(
    grid: Grid,
    first: _Weights,
    second: _Weights,
    order: int,
    dirty: NDArray[np.bool],
    value: IntArray,
    tie: IntArray,
    successor: IntArray,
) -> bool:
    size = grid.size
    changed_any = False
    for i in range(size):
        row = i if order < 2 else size - 1 - i
        for j in range(size):
            column = j if order % 2 == 0 else size - 1 - j
            cell = row * size + column
            if not dirty[cell]:
                continue
            dirty[cell] = False
            if cell == grid.end or not grid.active[cell]:
                continue
            if _relax_cell(grid, first, second, row, column, value, tie, successor):
                changed_any = True
                _mark(cell, size, dirty)
    return changed_any


@compiled
def _relax_cell(
    grid: Grid,
    first: _Weights,
    second: _Weights,
    row: int,
    column: int,
    value: IntArray,
    tie: IntArray,
    successor: IntArray,
) -> bool:
    size = grid.size
    cell = row * size + column
    changed = False
    for r in range(max(row - 1, 0), min(row + 2, size)):
        for c in range(max(column - 1, 0), min(column + 2, size)):
            near = r * size + c
            if near == cell or not grid.active[near]:
                continue
            turn = 1 if r != row and c != column else 0
            base1 = first.move[turn] + first.enter[near]
            base2 = second.move[turn] + second.enter[near]
            for t in range(grid.ptr[near], grid.ptr[near + 1]):
                if value[t] >= INFINITE:
                    continue
                for s in range(grid.ptr[cell], grid.ptr[cell + 1]):
                    v1, v2 = base1 + value[t], base2 + tie[t]
                    a, b = grid.kind[s], grid.kind[t]
                    if grid.link[s] != grid.link[t] or a != b or a % KINDS != 0:
                        if grid.transition[a, b] >= NO_ARC:
                            continue
                        v1 += first.transition[a, b]
                        v2 += second.transition[a, b]
                    if v1 < value[s] or (v1 == value[s] and v2 < tie[s]):
                        value[s], tie[s], successor[s] = v1, v2, t
                        changed = True
    return changed


@compiled
def _sweep_energy(
    size: int,
    active: NDArray[np.bool],
    energy_of: IntArray,
    order: int,
    dirty: NDArray[np.bool],
    energy: IntArray,
) -> bool:
    changed_any = False
    for i in range(size):
        row = i if order < 2 else size - 1 - i
        for j in range(size):
            column = j if order % 2 == 0 else size - 1 - j
            cell = row * size + column
            if not dirty[cell]:
                continue
            dirty[cell] = False
            if not active[cell]:
                continue
            best = energy[cell]
            for r in range(max(row - 1, 0), min(row + 2, size)):
                for c in range(max(column - 1, 0), min(column + 2, size)):
                    turn = 1 if r != row and c != column else 0
                    near = energy[r * size + c] + energy_of[turn]
                    if near < best and (r != row or c != column):
                        best = near
            if best < energy[cell]:
                energy[cell] = best
                changed_any = True
                _mark(cell, size, dirty)
    return changed_any


@compiled
def _has_cycle(successor: IntArray) -> bool:
    seen = np.zeros(len(successor), dtype=np.int64)
    for first in range(len(successor)):
        state = first
        while state >= 0 and seen[state] == 0:
            seen[state] = first + 1
            state = successor[state]
        if state >= 0 and seen[state] == first + 1:
            return True
    return False
