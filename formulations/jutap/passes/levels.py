"""Every Pareto-optimal (cost, energy) of every state at once: backward levels of equal energy.

A label is a walk from a state to END. All labels of one energy form a *level*; levels come in
increasing order, because that of a walk is the level of its rest plus a straight or a diagonal
move: two pointers into the sorted levels, as for Hamming's numbers, replace a queue of labels. A
label is kept if it is cheaper than all labels of its state before it. So the labels kept of a state
are its Pareto front, each with the least energy of its cost, whatever the signs of the costs:
energies are positive, so a finite limit makes all of it finite, negative cycles included.

Each label kept is extended once over each arc into its state; O(labels * links of a cell * 8).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from formulations.jutap.passes.potentials import INFINITE, Grid, change
from opt_istn.compiling import compiled
from opt_istn.jutap.instance import NO_ARC, IntArray

DONE, FULL = 0, 1

# positions in Levels.numbers
LABELS, LEVELS, STRAIGHT, DIAGONAL = 0, 1, 2, 3


class Wanted(NamedTuple):
    """What is looked up on the way: the optimum of some states under some budgets.

    ``row`` is the row of a state in the tables, -1 where nothing is asked, shape (states,);
    ``budget``, ``cost`` and ``energy`` have shape (rows, budgets). A budget below 0 admits nothing.
    """

    row: IntArray
    budget: IntArray
    cost: IntArray
    energy: IntArray


class Levels(NamedTuple):
    """Labels and levels of a pass in progress.

    Parameters
    ----------
    state, cost, onward
        The labels in order of energy, shape (capacity,); onward is the label of the rest of the
        walk, -1 at END, and means something only while no labels are dropped.
    energy, first
        Energy and first label of each level, shapes (capacity of levels,) and one more.
    least
        Cost of the last label kept of each state.
    offered, source
        Of the level being built: cheapest label of each state, and the label that it extends.
    touched
        The states that the level being built has reached.
    numbers
        Counters: labels, levels, and the next level to extend by straight and by diagonal moves.
    """

    state: NDArray[np.int32]
    cost: IntArray
    onward: IntArray
    energy: IntArray
    first: IntArray
    least: IntArray
    offered: IntArray
    source: IntArray
    touched: IntArray
    numbers: IntArray


def begin(grid: Grid, wanted: Wanted, capacity: int = 1 << 16) -> Levels:
    """Return the pass with its first level: END with each of its links."""
    states = len(grid.cell)
    ends = np.arange(grid.ptr[grid.end], grid.ptr[grid.end + 1])
    found = Levels(
        np.empty(capacity + states, dtype=np.int32),
        np.empty(capacity + states, dtype=np.int64),
        np.empty(capacity + states, dtype=np.int64),
        np.empty(capacity, dtype=np.int64),
        np.empty(capacity + 1, dtype=np.int64),
        np.full(states, INFINITE),
        np.full(states, INFINITE),
        np.empty(states, dtype=np.int64),
        np.empty(states, dtype=np.int64),
        np.array([len(ends), 1, 0, 0]),
    )
    found.state[: len(ends)] = ends
    found.cost[: len(ends)] = 0
    found.onward[: len(ends)] = -1
    found.energy[0] = found.first[0] = 0
    found.first[1] = len(ends)
    found.least[ends] = 0
    for state in ends[wanted.row[ends] >= 0]:
        row = wanted.row[state]
        wanted.cost[row, wanted.budget[row] >= 0] = wanted.energy[row, wanted.budget[row] >= 0] = 0
    return found


def grow(levels: Levels, *, keep: bool) -> Levels:
    """Return the pass with room for more labels; without `keep`, extended ones are dropped."""
    numbers = levels.numbers.copy()
    dropped = 0 if keep else int(min(numbers[STRAIGHT], numbers[DIAGONAL]))
    before = int(levels.first[dropped])
    used, rest = int(numbers[LABELS]) - before, int(numbers[LEVELS]) - dropped
    numbers -= np.array([before, dropped, dropped, dropped])
    room = max(len(levels.state), 2 * used + len(levels.least))
    rooms = max(len(levels.energy), 2 * rest)
    energy, first = np.empty(rooms, dtype=np.int64), np.empty(rooms + 1, dtype=np.int64)
    energy[:rest] = levels.energy[dropped : dropped + rest]
    first[: rest + 1] = levels.first[dropped : dropped + rest + 1] - before
    moved = []
    for array in levels[:3]:
        longer = np.empty(room, dtype=array.dtype)
        longer[:used] = array[before : before + used]
        moved.append(longer)
    return Levels(moved[0], moved[1], moved[2], energy, first, *levels[5:9], numbers)


@compiled
def advance(grid: Grid, levels: Levels, limit: IntArray, wanted: Wanted) -> int:
    """Build levels until there are no more (DONE) or room is needed (FULL).

    Parameters
    ----------
    limit
        The most energy that a label of each cell may have, shape (N*N,).
    """
    numbers = levels.numbers
    while True:
        energy = INFINITE
        for turn in range(2):
            if numbers[STRAIGHT + turn] < numbers[LEVELS]:
                onward = levels.energy[numbers[STRAIGHT + turn]] + grid.energy[turn]
                energy = min(energy, onward)
        if energy == INFINITE:
            return DONE
        room = len(levels.state) - numbers[LABELS]
        if room < len(levels.least) or numbers[LEVELS] == len(levels.energy):
            return FULL
        touched = 0
        for turn in range(2):
            level = numbers[STRAIGHT + turn]
            if level < numbers[LEVELS] and levels.energy[level] + grid.energy[turn] == energy:
                touched = _extend(grid, levels, limit, level, turn, energy, touched)
                numbers[STRAIGHT + turn] += 1
        _keep(levels, wanted, energy, touched)


@compiled
def _extend(
    grid: Grid, levels: Levels, limit: IntArray, level: int, turn: int, energy: int, touched: int
) -> int:
    """Offer the level's labels to the cells one move back; return how many states are touched."""
    size = grid.size
    for label in range(levels.first[level], levels.first[level + 1]):
        t, rest = levels.state[label], levels.cost[label]
        cell = grid.cell[t]
        base = rest + grid.move[turn] + grid.enter[cell]
        row, column = cell // size, cell % size
        for r in range(max(row - 1, 0), min(row + 2, size)):
            for c in range(max(column - 1, 0), min(column + 2, size)):
                near = r * size + c
                if (r != row and c != column) != (turn == 1) or near == cell:
                    continue
                if near == grid.end or not grid.active[near] or energy > limit[near]:
                    continue
                for s in range(grid.ptr[near], grid.ptr[near + 1]):
                    link = change(grid, s, t)
                    if link >= NO_ARC:
                        continue
                    cost = base + link
                    if cost < levels.least[s] and cost < levels.offered[s]:
                        if levels.offered[s] == INFINITE:
                            levels.touched[touched] = s
                            touched += 1
                        levels.offered[s] = cost
                        levels.source[s] = label
    return touched


@compiled
def _keep(levels: Levels, wanted: Wanted, energy: int, touched: int) -> None:
    """Make a level of what was offered, if that is anything, and look up what is wanted."""
    numbers = levels.numbers
    for i in range(touched):
        s = levels.touched[i]
        label = numbers[LABELS]
        levels.state[label], levels.cost[label] = s, levels.offered[s]
        levels.onward[label] = levels.source[s]
        levels.least[s] = levels.offered[s]
        levels.offered[s] = INFINITE
        numbers[LABELS] += 1
        row = wanted.row[s]
        if row >= 0:
            for k in range(wanted.budget.shape[1]):
                if energy <= wanted.budget[row, k]:
                    wanted.cost[row, k], wanted.energy[row, k] = levels.least[s], energy
    if touched:
        levels.energy[numbers[LEVELS]] = energy
        numbers[LEVELS] += 1
        levels.first[numbers[LEVELS]] = numbers[LABELS]
