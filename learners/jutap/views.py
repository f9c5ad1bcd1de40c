"""A map as a network sees it that flies maps it was not trained on.

It holds what the paper gives its agent, END and the links and prices of every cell, and the costs
of three simple walks. It holds no costs to go of the optimum.

States are laid out on the grid: kind 0 is the strongest MBS of a cell, or HOLE, kind 1 is GEO.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError
from opt_istn.jutap.flights.table import LOST, Float, Mask, Table, value_iteration
from opt_istn.jutap.instance import IntArray
from opt_istn.jutap.scenario import MILLION
from opt_istn.jutap.starts import judge

KINDS = 2
_COMPASS = [(up, right) for up in (-1, 0, 1) for right in (-1, 0, 1) if (up, right) != (0, 0)]
COLUMNS = (
    *("END", "least cost of the walks / 10", "rows to END", "columns to END", "HOLE", "GEO"),
    *(f"link cost of the move {up:+d} {right:+d}" for up, right in _COMPASS),
    *(
        f"walk {name} less the cheapest"
        for name in ("diagonal first", "straight first", "by angle")
    ),
)


@dataclass(frozen=True)
class View:
    """A map for a value network; costs in units of the objective.

    Parameters
    ----------
    seen
        What the network sees, shape (C, N, N); C as in `COLUMNS`.
    walks
        Cost of the cheapest of the three walks from each cell, shape (N*N,); 0 at END.
    onward
        Place that an action leads to, shape (2 N*N, A); 0 where it is not possible.
    cost, closer
        Cost of an action, and whether it may be chosen, because it ends nearer to END or no action
        does; same shape.
    place
        Place of every state of the table, shape (S,).
    """

    seen: Float
    walks: Float
    onward: IntArray
    cost: Float
    closer: Mask
    place: IntArray


def view_of(table: Table) -> View:
    """Lay out a table of the strongest association; O(states * actions).

    Raises
    ------
    InputError
        If a bonus counts once in a flight.
    """
    if table.instance.layered:
        raise InputError("cost.hole_bonus", "expected a bonus that is paid each time, or none")
    x, cells = table.instance, table.instance.num_cells
    place = np.where(table.link == x.geo, cells, 0) + table.cell
    shape = (KINDS * cells, table.num_actions)
    onward, cost = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    closer = np.zeros(shape, bool)
    possible = table.next >= 0
    onward[place] = np.where(possible, place[table.next], 0)
    cost[place] = table.cost / MILLION
    apart = _apart(table, x.energy_mj)[table.cell]
    nearer = possible & (apart[table.next] < apart[:, None])
    closer[place] = np.where(nearer.any(axis=1, keepdims=True), nearer, possible)
    flown = _walks(table)
    least = flown.min(axis=0)
    channels = [*_places(table, least), *_links(table), *(flown - least)]
    seen = np.stack(channels).reshape(len(COLUMNS), x.grid, x.grid).astype(np.float32)
    return View(seen, least.astype(np.float32), onward, cost, closer, place)


def exact(table: Table, view: View) -> Float:
    """Return the least cost to END of every place, NaN where there is none, shape (2 N*N,)."""
    value = value_iteration(table)
    found = np.full(len(view.onward), np.nan, np.float32)
    found[view.place] = np.where(value < LOST, value / MILLION, np.nan)
    return found


def chosen(view: View, value: NDArray[np.floating], lookahead: int = 1) -> IntArray:
    """Return the action of every state that is best by these costs to go, shape (S,).

    Parameters
    ----------
    value
        Cost to go of every place, shape (2 N*N,).
    lookahead
        Moves whose prices are known exactly before a cost to go takes over, at least 1.
    """
    some = view.closer.any(axis=1)
    ahead = value.astype(np.float64)
    for _ in range(lookahead - 1):
        ahead = np.where(some, _totals(view, ahead).min(axis=1), ahead)
    best: IntArray = _totals(view, ahead)[view.place].argmin(axis=1)
    return best


def _totals(view: View, value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cost and cost to go of every action, shape (2 N*N, A)."""
    total = np.where(view.closer, view.cost + value[view.onward], np.inf)
    found: NDArray[np.float64] = np.where(np.isnan(total), np.inf, total)
    return found


def _apart(table: Table, move: tuple[int, int]) -> IntArray:
    """Return the sum over the moves from every cell to END if all were open, shape (N*N,).

    Parameters
    ----------
    move
        What a straight and a diagonal move add, energy or price.
    """
    up, right = (abs(each) for each in _offsets(table))
    near, far = np.minimum(up, right), np.maximum(up, right)
    straight, diagonal = move
    found: IntArray = near * min(diagonal, 2 * straight) + (far - near) * straight
    return found


def _offsets(table: Table) -> tuple[IntArray, IntArray]:
    """Return rows and columns from END to every cell."""
    x = table.instance
    row, column = np.divmod(np.arange(x.num_cells), x.grid)
    return row - x.end // x.grid, column - x.end % x.grid


def _places(table: Table, least: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return what is seen of each cell alone."""
    x = table.instance
    up, right = _offsets(table)
    cells = np.arange(x.num_cells)
    geo = np.zeros(x.num_cells)
    geo[table.cell[table.link == x.geo]] = 1
    hole = (x.strongest == x.hole).astype(float)
    return [(cells == x.end).astype(float), least / 10, up / x.grid, right / x.grid, hole, geo]


def _links(table: Table) -> list[NDArray[np.float64]]:
    """Return the scaled link cost of terrestrial moves in 8 directions, 1 if impossible."""
    x, found = table.instance, []
    scale = max(abs(x.cost.hole), abs(x.cost.mbs_to_mbs), 1)
    ground = np.flatnonzero(table.link != x.geo)
    for k, (up, right) in enumerate(_COMPASS):
        action = k * table.slots
        cost = table.cost[ground, action] - x.cost.move[int(up != 0 and right != 0)]
        seen = np.ones(x.num_cells)
        seen[table.cell[ground]] = np.where(table.next[ground, action] >= 0, cost / scale, 1.0)
        found.append(seen)
    return found


def _walks(table: Table) -> NDArray[np.float64]:
    """Return what the three walks cost from every cell, shape (3, N*N).

    They are terrestrial and go nearer to END with every move: diagonals first, straight moves
    first, or whichever stays nearer to the line. Of a walk that is blocked, moves alone count.
    """
    up, right = _offsets(table)
    rows, columns = abs(up), abs(right)
    skew = rows != columns
    slim = 2 * np.minimum(rows, columns) < np.maximum(rows, columns)
    open_air = _apart(table, table.instance.cost.move)
    found = []
    for straight in (np.zeros_like(skew), skew, slim):
        step_up = np.where(straight & (columns > rows), 0, -np.sign(up))
        step_right = np.where(straight & (rows > columns), 0, -np.sign(right))
        compass = (step_up + 1) * 3 + step_right + 1
        action = (compass - (compass > 4)) * table.slots
        judged = judge(table, action[table.cell], np.zeros(len(table.starts), np.int64))
        cost = open_air.astype(float)
        cost[judged.cell] = np.where(judged.reached, judged.cost, cost[judged.cell])
        found.append(cost / MILLION)
    return np.stack(found)
