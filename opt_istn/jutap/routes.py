"""Walks over cells alone: the energy of moves, the straight line, the most frugal route."""

from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opt_istn.jutap import graph
from opt_istn.jutap.evaluate import pays_bonus, step_cost
from opt_istn.jutap.instance import Instance, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FloatArray = NDArray[np.float64]
Held = tuple[int, bool]  # link, and whether a bonus that counts once is spent
MAX_ENERGY_MJ = 2**53  # floats hold every sum up to here exactly


class Routes:
    """Energies between the cells that START can reach; END is absorbing.

    Energies are floats because scipy's are; they are exact if no route needs more than
    `MAX_ENERGY_MJ`.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    @staticmethod
    def prepare() -> None:
        """Import what finds routes: a tenth of a second, which no solver's clock may count."""
        import scipy.sparse.csgraph  # noqa: F401

        graph.prepare()

    @cached_property
    def moves(self) -> "csr_matrix[np.float64]":
        """Energy of every move, shape (N*N, N*N)."""
        from scipy.sparse import csr_matrix

        n, cells = self.instance.grid, self.instance.num_cells
        reached = graph.reachable_cells(self.instance)
        tails = np.flatnonzero(reached & (np.arange(cells) != self.instance.end))
        rows, columns = np.divmod(tails, n)
        parts: list[tuple[IntArray, IntArray, FloatArray]] = []
        for up, right in np.ndindex(3, 3):
            row, column = rows + up - 1, columns + right - 1
            inside = (row >= 0) & (row < n) & (column >= 0) & (column < n)
            inside &= (up, right) != (1, 1)
            inside[inside] = reached[(row * n + column)[inside]]
            energy = float(self.instance.energy_mj[int(up != 1 and right != 1)])
            head = (row * n + column)[inside]
            parts.append((tails[inside], head, np.full(len(head), energy)))
        tail, head, weight = (np.concatenate(part) for part in zip(*parts, strict=True))
        return csr_matrix((weight, (tail, head)), shape=(cells, cells))

    @cached_property
    def to_end(self) -> FloatArray:
        """Least energy from every cell to END, infinite where there is no way; (N*N,)."""
        return self._towards_end[0]

    @cached_property
    def from_start(self) -> FloatArray:
        """Least energy from START to every cell, infinite where there is no way; (N*N,)."""
        energy: FloatArray = _dijkstra(self.moves, indices=[self.instance.start])[0]
        return energy

    @cached_property
    def allowed(self) -> float:
        """The energy budget, or what the most frugal route needs where that is more."""
        budget = self.instance.energy_budget_mj
        if budget is None:
            return np.inf
        return max(budget, float(self.to_end[self.instance.start]))

    @cached_property
    def _towards_end(self) -> tuple[FloatArray, IntArray]:
        energy, after = _dijkstra(
            self.moves.T.tocsr(), indices=[self.instance.end], return_predecessors=True
        )
        return energy[0], after[0].astype(np.int64)

    def frugal(self) -> list[int]:
        """Return the cells of a route of least energy; END must be reachable."""
        after = self._towards_end[1]
        route = [self.instance.start]
        while route[-1] != self.instance.end:
            route.append(int(after[route[-1]]))
        return route

    def straight(self) -> list[int]:
        """Return the straight line, or a frugal route where the line cannot be flown.

        The line takes max(|rows|, |columns|) moves with its diagonals spread evenly (Bresenham).
        It cannot be flown if a cell has no usable link or the energy budget does not allow it.
        """
        line = _line(self.instance)
        return line if self._can_fly(line) else self.frugal()

    def has_walk(self) -> bool:
        """Return whether END can be reached at all, whatever the energy."""
        line = _line(self.instance)
        return self._can_fly(line) or bool(graph.reachable_cells(self.instance)[self.instance.end])

    def _can_fly(self, line: list[int]) -> bool:
        """Return whether a line from START to END is open, and within the energy allowed."""
        instance, budget = self.instance, self.instance.energy_budget_mj
        ptr, _ = instance.usable
        if not all(ptr[cell] < ptr[cell + 1] for cell in line):
            return False
        energy = sum(instance.energy_mj[_turn(instance, *pair)] for pair in pairwise(line))
        return budget is None or energy <= budget or energy <= self.allowed


def _dijkstra(*arguments: Any, **options: Any) -> Any:
    from scipy.sparse.csgraph import dijkstra  # half a second to import

    return dijkstra(*arguments, **options)


def best_links(instance: Instance, cells: list[int]) -> list[int]:
    """Return the links of least cost along `cells`, by dynamic programming."""
    value = {(instance.start_link, False): 0}
    choices: list[dict[Held, Held]] = []
    for cell, following in pairwise(cells):
        turn = _turn(instance, cell, following)
        step: dict[Held, int] = {}
        best: dict[Held, Held] = {}
        for (held, spent), so_far in value.items():
            for link in instance.links(following).tolist():
                cost = so_far + step_cost(instance, held, following, link, turn, spent)
                to = link, spent or pays_bonus(instance, held, link)
                if to not in step or cost < step[to]:
                    step[to], best[to] = cost, (held, spent)
        value = step
        choices.append(best)
    path = [min(value, key=value.__getitem__)]
    for best in reversed(choices):
        path.append(best[path[-1]])
    return [link for link, _ in path[::-1]]


def neighbours(instance: Instance, cell: int) -> list[tuple[int, int]]:
    """Return the up to eight cells around `cell`, each with 1 if the move is diagonal, else 0."""
    n = instance.grid
    row, column = divmod(cell, n)
    return [
        (r * n + c, int(r != row and c != column))
        for r in range(max(row - 1, 0), min(row + 2, n))
        for c in range(max(column - 1, 0), min(column + 2, n))
        if (r, c) != (row, column)
    ]


def _line(instance: Instance) -> list[int]:
    n = instance.grid
    (row, column), (last_row, last_column) = divmod(instance.start, n), divmod(instance.end, n)
    up, right = last_row - row, last_column - column
    steps = max(abs(up), abs(right), 1)
    halves = [(2 * i * up + steps, 2 * i * right + steps) for i in range(steps + 1)]
    line = [(row + a // (2 * steps)) * n + column + b // (2 * steps) for a, b in halves]
    return line if instance.start != instance.end else line[:1]


def _turn(instance: Instance, cell: int, following: int) -> int:
    n = instance.grid
    return int(cell // n != following // n and cell % n != following % n)
