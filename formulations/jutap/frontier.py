"""All budgets and all STARTs of a map at once: Pareto fronts of (cost, energy), and value tables.

Both are read off one backward pass (`levels`), which finds every Pareto-optimal pair of every
state within the budgets asked for. All is in integers, and each entry can be put to the test as an
instance of its own (`Front.questions`, `StartTable.questions`) with a certificate
(`opt_istn.verifier`), which is made without that pass.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from formulations.jutap.passes import levels as kernel
from formulations.jutap.passes.levels import DONE, LABELS, Levels, Wanted
from formulations.jutap.passes.potentials import (
    INFINITE,
    Grid,
    compute_potentials,
    energy_left,
    grid_of,
    restrict_to_end,
)
from formulations.jutap.passes.ranges import LARGEST, MAX_MOVES, too_far
from opt_istn.files import InputError
from opt_istn.jutap.frontier import NO_FLIGHT, Front, Point, StartTable, first_links
from opt_istn.jutap.graph import start_state
from opt_istn.jutap.instance import Instance, IntArray
from opt_istn.jutap.plan import Plan

MAX_LABELS = 100_000_000  # about 2 GB of labels


def pareto(instance: Instance, max_labels: int = MAX_LABELS) -> Front:
    """Return the Pareto front of (cost, energy) from START within the energy budget.

    O(labels * links of a cell * 8), labels being those of all states that some walk within the
    budget passes.

    Parameters
    ----------
    max_labels
        More labels than this are refused; each needs 20 bytes.

    Raises
    ------
    InputError
        If costs fall without limit, numbers could leave 64 bits, or there are too many labels.
    """
    grid, start = grid_of(instance), start_state(instance)
    budget = _limits(instance, grid, [instance.energy_budget_mj])[0]
    if not grid.active[instance.end]:
        return Front(instance, ())
    found = _from_start(instance, grid, budget, max_labels)
    return Front(instance, tuple(_points(instance, grid, found, start)))


def cheapest_within(
    instance: Instance, grid: Grid, budget: int, max_labels: int = MAX_LABELS
) -> list[int]:
    """Return the states of a cheapest walk from START within an energy budget.

    Parameters
    ----------
    grid
        May hold other costs than the instance.

    Raises
    ------
    InputError
        If no walk keeps the budget, or there are too many labels.
    """
    found = _from_start(instance, grid, budget, max_labels)
    labels = np.flatnonzero(found.state[: found.numbers[LABELS]] == start_state(instance))
    if not len(labels):
        raise InputError("energy_budget_mj", "expected a budget that some walk to END keeps")
    return _walk(found, int(labels[-1]))


def starts(
    instance: Instance, kappas: Sequence[float | None], max_labels: int = MAX_LABELS
) -> StartTable:
    """Return the optimum from every START with budgets of kappa times the straightest energy.

    Parameters
    ----------
    kappas
        The straightest energy is that of as many diagonal moves as possible, then straight ones,
        from START to END over free cells; as in the presets, kappa times it is rounded down. None
        is no budget.

    Raises
    ------
    InputError
        As `pareto`; with a negative cycle for every None.
    """
    straightest = _straightest(instance)
    columns = [
        np.full(len(straightest), NO_FLIGHT)
        if kappa is None
        else np.array([min(int(kappa * e), LARGEST) for e in straightest.tolist()], dtype=np.int64)
        for kappa in kappas
    ]
    return under(instance, np.stack(columns, axis=1), max_labels)


def under(instance: Instance, budget_mj: IntArray, max_labels: int = MAX_LABELS) -> StartTable:
    """Return the optimum from every START with the budgets given; see `starts`.

    Parameters
    ----------
    budget_mj
        Energy budgets in mJ, shape (N*N, K); `NO_FLIGHT` is none.
    """
    grid, links = restrict_to_end(instance), first_links(instance)
    begins = links >= 0
    asked = [None if b >= NO_FLIGHT else b for b in np.unique(budget_mj[begins]).tolist()]
    limits = _limits(instance, grid, asked)
    budget = np.where(begins[:, None], np.minimum(budget_mj, max(limits, default=0)), -1)
    row = np.full(len(grid.cell), -1)
    cells = np.flatnonzero(begins)
    row[_first_states(instance, cells)] = np.arange(len(cells))
    shape = (len(cells), budget_mj.shape[1])
    wanted = Wanted(row, budget[cells], np.full(shape, INFINITE), np.full(shape, INFINITE))
    if len(cells):
        _run(grid, energy_left(grid, budget.max(axis=1)), wanted, max_labels, keep=False)
    cost, energy = np.full((2, *budget_mj.shape), NO_FLIGHT)
    cost[cells], energy[cells] = wanted.cost, wanted.energy
    return StartTable(instance, links, budget_mj, cost, energy)


def _straightest(instance: Instance) -> IntArray:
    """Return the energy of the straightest way from every cell to END, links aside, (N*N,)."""
    up, right = np.divmod(np.arange(instance.num_cells), instance.grid)
    row, column = divmod(instance.end, instance.grid)
    apart = np.stack([abs(up - row), abs(right - column)])
    near, far = apart.min(axis=0), apart.max(axis=0)
    straight, diagonal = instance.energy_mj
    energy: IntArray = near * diagonal + (far - near) * straight
    return energy


def _first_states(instance: Instance, cells: IntArray) -> IntArray:
    """Return the states that flights from `cells` begin in: the strongest link, unspent."""
    first, _, _ = instance.states
    ptr, ids = instance.usable
    owner = np.repeat(np.arange(instance.num_cells), np.diff(ptr))
    before = np.bincount(owner[ids < instance.strongest[owner]], minlength=instance.num_cells)
    found: IntArray = first[cells] + before[cells]
    return found


def _limits(instance: Instance, grid: Grid, budgets: Iterable[int | None]) -> list[int]:
    """Return budgets as numbers that the pass can take; refuse what it cannot.

    Raises
    ------
    InputError
        If numbers could leave 64 bits or costs fall without limit.
    """
    far = too_far(instance)
    if far:
        raise InputError("cost", far)
    asked = list(budgets)
    if compute_potentials(instance, 1, 0, grid).negative_cycle:
        most = MAX_MOVES * min(instance.energy_mj)
        if any(b is None or b > most for b in asked):
            rule = f"expected an energy budget of at most {most} mJ ({MAX_MOVES} moves)"
            raise InputError("energy_budget_mj", f"{rule}: a negative cycle makes flights cheaper")
    return [LARGEST if b is None else min(b, LARGEST) for b in asked]


def _run(grid: Grid, limit: IntArray, wanted: Wanted, max_labels: int, *, keep: bool) -> Levels:
    found = kernel.begin(grid, wanted)
    while kernel.advance(grid, found, limit, wanted) != DONE:
        found = kernel.grow(found, keep=keep)
        if found.numbers[LABELS] > max_labels:
            raise InputError("energy_budget_mj", f"the front needs more than {max_labels} labels")
    return found


def _from_start(instance: Instance, grid: Grid, budget: int, max_labels: int) -> Levels:
    """Return the pass over what walks from START within the budget may pass."""
    begins = np.full(grid.size**2, -1)
    begins[instance.start] = budget
    nothing = np.zeros((0, 0), dtype=np.int64)
    asked = Wanted(np.full(len(grid.cell), -1), nothing, nothing, nothing)
    return _run(grid, energy_left(grid, begins), asked, max_labels, keep=True)


def _points(instance: Instance, grid: Grid, found: Levels, start: int) -> list[Point]:
    """Return the points of the state `start`, with the walks of their labels."""
    labels = np.flatnonzero(found.state[: found.numbers[LABELS]] == start)
    level = np.searchsorted(found.first[: found.numbers[kernel.LEVELS] + 1], labels, "right") - 1
    points = []
    for label, energy in zip(labels.tolist(), found.energy[level].tolist(), strict=True):
        states = _walk(found, label)
        cells, links = grid.cell[states].tolist(), grid.link[states].tolist()
        plan = Plan(instance.sha256, tuple(cells), tuple(links))
        points.append(Point(energy, int(found.cost[label]), plan))
    return points


def _walk(found: Levels, label: int) -> list[int]:
    states = []
    while label >= 0:
        states.append(int(found.state[label]))
        label = int(found.onward[label])
    return states
