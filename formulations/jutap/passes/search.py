"""The compiled label search: best-first over walks, one resource, scalar dominance.

A label is a walk from START to a state, with its cost and energy. Two orders are used:

- by *estimate* (cost so far plus exact cost to go, then energy), when costs have no negative
  cycle. Labels of a state then leave the queue in order of cost, so a label is dominated exactly
  if its energy is not below the least energy already expanded there (the WC-A* rule of Ahmadi,
  Tack, Harabor & Kilby, SoCS 2021);
- by *energy* (then cost) otherwise; energy strictly grows, so the search is finite, and a label
  is dominated exactly if its cost is not below the least cost already expanded there.

Labels are also cut by energy to go, by the incumbent, and by a Lagrangian bound. Whenever the
known walk of one of the potentials completes a label within the budget, the incumbent improves.
"""

from typing import NamedTuple

import numpy as np

from formulations.jutap.passes.potentials import INFINITE, Grid, change
from opt_istn.compiling import compiled
from opt_istn.jutap.instance import NO_ARC, IntArray

DONE, PAUSED, FULL = 0, 1, 2

_EXACT = 2.0**52  # sums of two such products are exact in floats
_ROUNDING = 2e-15  # more than the relative errors of two products and their sum

PER_LABEL = 7  # arrays of Search that grow with the labels

# positions in Search.numbers
LABELS, QUEUE, EXPANDED, COST, LABEL, ROW = 0, 1, 2, 3, 4, 5


class Completions(NamedTuple):
    """Walks from every state to END, one row each: least cost, least energy, least Lagrangian.

    ``cost`` and ``energy`` have shape (3, states). The last row is optimal for
    ``scale * cost + weight * energy``; it cuts nothing if ``scale`` is 0. By energy order the first
    row repeats the last one.
    """

    cost: IntArray
    energy: IntArray
    scale: int
    weight: int


class Search(NamedTuple):
    """Labels, queue and dominance records of a search in progress.

    Parameters
    ----------
    state, cost, energy, parent
        The labels, shape (capacity,); parent is a label number, -1 for the first.
    first, second, label
        Binary heap by (first, second) of label numbers, shape (capacity,).
    least
        Energy (by estimate) or cost (by energy) that a label of each state has to be below.
    last_cost, last_energy
        The label made last for each state: cheap test against repeats.
    numbers
        Counters and the incumbent: labels made, queue length, labels expanded, incumbent's cost,
        label it starts with, and row of `Completions` it ends with.
    """

    state: IntArray
    cost: IntArray
    energy: IntArray
    parent: IntArray
    first: IntArray
    second: IntArray
    label: IntArray
    least: IntArray
    last_cost: IntArray
    last_energy: IntArray
    numbers: IntArray


def begin(states: int, capacity: int) -> Search:
    """Return an empty search with room for `capacity` labels."""
    per_label = [np.empty(capacity, dtype=np.int64) for _ in range(PER_LABEL)]
    per_state = [np.full(states, INFINITE) for _ in range(3)]
    numbers = np.zeros(6, dtype=np.int64)
    numbers[COST] = INFINITE
    numbers[LABEL] = -1
    return Search._make([*per_label, *per_state, numbers])


def grow(search: Search) -> Search:
    """Return the search with twice the room."""
    per_label = [np.concatenate([array, np.empty_like(array)]) for array in search[:PER_LABEL]]
    return Search._make([*per_label, *search[PER_LABEL:]])


@compiled
def offer(
    grid: Grid,
    search: Search,
    ends: Completions,
    budget: int,
    by_energy: bool,
    state: int,
    cost: int,
    energy: int,
    parent: int,
) -> None:
    """Make a label unless it is cut, and let it improve the incumbent; return nothing."""
    numbers = search.numbers
    if energy + ends.energy[1, state] > budget:
        return
    if (cost if by_energy else energy) >= search.least[state]:
        return
    if search.last_cost[state] <= cost and search.last_energy[state] <= energy:
        return
    row = -1
    for k in range(3):
        total = cost + ends.cost[k, state]
        if total < numbers[COST] and energy + ends.energy[k, state] <= budget:
            numbers[COST] = total
            row = k
    if row < 0 and _hopeless(numbers[COST], ends, budget, by_energy, state, cost, energy):
        return
    label = numbers[LABELS]
    search.state[label] = state
    search.cost[label] = cost
    search.energy[label] = energy
    search.parent[label] = parent
    search.last_cost[state] = cost
    search.last_energy[state] = energy
    numbers[LABELS] += 1
    if row >= 0:
        numbers[LABEL] = label
        numbers[ROW] = row
        if _hopeless(numbers[COST], ends, budget, by_energy, state, cost, energy):
            return
    if grid.cell[state] == grid.end:
        return
    if by_energy:
        _push(search, energy, cost, label)
    else:
        _push(search, cost + ends.cost[0, state], energy, label)


@compiled
def expand(
    grid: Grid, search: Search, ends: Completions, budget: int, by_energy: bool, limit: int
) -> int:
    """Expand up to `limit` labels; return DONE, PAUSED (limit reached) or FULL (no room).

    O(log queue + 8 * links per cell) a label.
    """
    numbers = search.numbers
    widest = 0
    for cell in range(grid.size * grid.size):
        widest = max(widest, grid.ptr[cell + 1] - grid.ptr[cell])
    while numbers[QUEUE] > 0:
        if limit <= 0:
            return PAUSED
        if numbers[LABELS] + 8 * widest > len(search.state):
            return FULL
        key = search.first[0]
        if not by_energy and key >= numbers[COST]:
            numbers[QUEUE] = 0
            break
        label = _pop(search)
        state, cost, energy = search.state[label], search.cost[label], search.energy[label]
        measure = cost if by_energy else energy
        if measure >= search.least[state]:
            continue
        if _hopeless(numbers[COST], ends, budget, by_energy, state, cost, energy):
            continue
        search.least[state] = measure
        numbers[EXPANDED] += 1
        limit -= 1
        _extend(grid, search, ends, budget, by_energy, label)
    return DONE


@compiled
def _extend(
    grid: Grid, search: Search, ends: Completions, budget: int, by_energy: bool, label: int
) -> None:
    """Offer a label's walk, one move longer, to the states of the cells around it."""
    state, cost, energy = search.state[label], search.cost[label], search.energy[label]
    size, cell = grid.size, grid.cell[state]
    row, column = cell // size, cell % size
    for r in range(max(row - 1, 0), min(row + 2, size)):
        for c in range(max(column - 1, 0), min(column + 2, size)):
            near = r * size + c
            if near == cell or not grid.active[near]:
                continue
            turn = 1 if r != row and c != column else 0
            base = cost + grid.move[turn] + grid.enter[near]
            need = energy + grid.energy[turn]
            for t in range(grid.ptr[near], grid.ptr[near + 1]):
                link = change(grid, state, t)
                if link < NO_ARC:
                    offer(grid, search, ends, budget, by_energy, t, base + link, need, label)


@compiled
def _hopeless(
    incumbent: int,
    ends: Completions,
    budget: int,
    by_energy: bool,
    state: int,
    cost: int,
    energy: int,
) -> bool:
    if not by_energy and cost + ends.cost[0, state] >= incumbent:
        return True
    if ends.scale == 0:  # no multiplier is known
        return False
    # scale times weighted sums may leave 64 bits: floats, exact while small, else with their error
    saved = ends.scale * float(cost + ends.cost[2, state] - incumbent)
    spent = ends.weight * float(energy + ends.energy[2, state] - budget)
    size = max(abs(saved), abs(spent))
    if size < _EXACT:
        return saved + spent >= 0
    return saved + spent > _ROUNDING * size


@compiled
def _before(search: Search, i: int, j: int) -> bool:
    if search.first[i] != search.first[j]:
        return bool(search.first[i] < search.first[j])
    return bool(search.second[i] < search.second[j])


@compiled
def _swap(search: Search, i: int, j: int) -> None:
    for array in (search.first, search.second, search.label):
        array[i], array[j] = array[j], array[i]


@compiled
def _push(search: Search, first: int, second: int, label: int) -> None:
    i = search.numbers[QUEUE]
    search.first[i], search.second[i], search.label[i] = first, second, label
    search.numbers[QUEUE] += 1
    while i > 0 and _before(search, i, (i - 1) // 2):
        _swap(search, i, (i - 1) // 2)
        i = (i - 1) // 2


@compiled
def _pop(search: Search) -> int:
    top = int(search.label[0])
    search.numbers[QUEUE] -= 1
    last = search.numbers[QUEUE]
    i = np.int64(0)  # for a literal 0, `_swap` and `_before` would be compiled once more
    _swap(search, i, last)
    while True:
        child = 2 * i + 1
        if child >= last:
            return top
        if child + 1 < last and _before(search, child + 1, child):
            child += 1
        if not _before(search, child, i):
            return top
        _swap(search, i, child)
        i = child
