"""The state graph of a JUTAP instance, for engines that want explicit arcs.

A state is a (cell, link) pair, see `Instance.states`; where a bonus counts only once in a flight
there are two of each pair, before and after it is paid.
END is absorbing, so states of END have no outgoing arcs. Only what a walk from START can reach
is part of the graph.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opt_istn.jutap.instance import KINDS, MBS, NO_ARC, Instance, IntArray

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True)
class Arcs:
    """Explicit arcs between states, all arrays of one length.

    Parameters
    ----------
    tail, head
        State numbers.
    cost
        Integer cost of the move.
    energy
        Energy of the move in millijoules.
    """

    tail: IntArray
    head: IntArray
    cost: IntArray
    energy: IntArray


def prepare() -> None:
    """Import what finds reachable cells: a quarter of a second, which no clock may count."""
    import scipy.ndimage  # noqa: F401


def reachable_cells(instance: Instance) -> NDArray[np.bool]:
    """Return which cells a walk from START can visit, shape (N*N,).

    Cells without usable links are not flyable, and a walk does not go on from END. Moves can be
    reversed, so from each of these cells END can be reached if it is among them. O(N*N).
    """
    from scipy import ndimage  # with networkx a third of the start of `solve`: only where needed

    ptr, _ = instance.usable
    flyable = np.diff(ptr) > 0
    open_cells = flyable.copy()
    open_cells[instance.end] = False
    grid = (instance.grid, instance.grid)
    eight = np.ones((3, 3), dtype=bool)
    seed = np.zeros(grid, dtype=bool)
    seed.flat[instance.start] = True
    if instance.start == instance.end:
        return seed.ravel()
    labels, _ = ndimage.label(open_cells.reshape(grid), structure=eight)
    inside = labels == labels.flat[instance.start]
    touched = ndimage.binary_dilation(inside, structure=eight).ravel()
    reached: NDArray[np.bool] = inside.ravel()
    reached[instance.end] = touched[instance.end] and flyable[instance.end]
    return reached


def reaching_cells(instance: Instance) -> NDArray[np.bool]:
    """Return from which cells END can be reached, whatever START is, shape (N*N,).

    END is among them if it can be flown. O(N*N).
    """
    from scipy import ndimage

    ptr, _ = instance.usable
    flyable = np.diff(ptr) > 0
    open_cells = flyable.copy()
    open_cells[instance.end] = False
    grid, eight = (instance.grid, instance.grid), np.ones((3, 3), dtype=bool)
    labels, _ = ndimage.label(open_cells.reshape(grid), structure=eight)
    end = np.zeros(grid, dtype=bool)
    end.flat[instance.end] = flyable[instance.end]
    beside = np.unique(labels[ndimage.binary_dilation(end, structure=eight)])
    reached: NDArray[np.bool] = (np.isin(labels, beside[beside > 0]) | end).ravel()
    return reached


def state_cells(instance: Instance) -> IntArray:
    """Return the cell of every state."""
    ptr, _, _ = instance.states
    return np.repeat(np.arange(instance.num_cells), np.diff(ptr))


def start_state(instance: Instance) -> int:
    """Return the state number of START with its initial link."""
    ptr, _, _ = instance.states
    links = instance.links(instance.start)
    return int(ptr[instance.start]) + int(np.searchsorted(links, instance.start_link))


def state_arcs(instance: Instance) -> Arcs:
    """Build all arcs between reachable states, vectorised; O(8 * states * links per cell).

    Every state has exactly one arc for each link of each neighbouring cell.
    """
    ptr, ids, _ = instance.states
    cells = state_cells(instance)
    reached = reachable_cells(instance)
    tails = np.flatnonzero(reached[cells] & (cells != instance.end))
    rows, columns = np.divmod(cells[tails], instance.grid)
    parts: list[tuple[IntArray, IntArray, IntArray]] = []
    for up in (-1, 0, 1):
        for right in (-1, 0, 1):
            row, column = rows + up, columns + right
            inside = (row >= 0) & (row < instance.grid) & (column >= 0) & (column < instance.grid)
            inside &= (up, right) != (0, 0)
            target = (row * instance.grid + column)[inside]
            fan = np.where(reached[target], ptr[target + 1] - ptr[target], 0)
            tail = np.repeat(tails[inside], fan)
            within = np.arange(len(tail)) - np.repeat(np.cumsum(fan) - fan, fan)
            head = np.repeat(ptr[target], fan) + within
            parts.append((tail, head, np.full(len(tail), int(up != 0 and right != 0))))
    tail, head, turn = (np.concatenate(column) for column in zip(*parts, strict=True))
    kinds = instance.state_kinds
    link = instance.state_transition[kinds[tail], kinds[head]]
    stays = (kinds[tail] % KINDS == MBS) & (kinds[tail] == kinds[head]) & (ids[tail] == ids[head])
    link = np.where(stays, 0, link)
    if instance.layered:
        keep = link < NO_ARC
        tail, head, turn, link = tail[keep], head[keep], turn[keep], link[keep]
    cost = np.array(instance.cost.move)[turn] + link + instance.enter[cells[head]]
    return Arcs(tail, head, cost, np.array(instance.energy_mj)[turn])


def to_networkx(instance: Instance) -> "nx.DiGraph[Any]":
    """Export the state graph for use with one's own algorithms.

    Nodes are (cell, link) pairs, (cell, link, spent) where a bonus counts once, and the sink
    ``"END"``, which every state of END reaches by an arc of cost and energy 0. Arcs carry ``cost``
    (integer millionths) and ``energy`` (millijoules). The graph's attributes name ``source``,
    ``target`` and ``energy_budget``.
    """
    _, ids, spent = instance.states
    cells = state_cells(instance)
    reached = reachable_cells(instance)
    arcs = state_arcs(instance)
    columns = (cells, ids, spent) if instance.layered else (cells, ids)
    nodes = list(zip(*(column.tolist() for column in columns), strict=True))
    import networkx as nx

    graph: nx.DiGraph[Any] = nx.DiGraph(
        source=nodes[start_state(instance)],
        target="END",
        energy_budget=instance.energy_budget_mj,
    )
    graph.add_nodes_from(node for node in nodes if reached[node[0]])
    graph.add_node("END")
    graph.add_edges_from(
        (nodes[a], nodes[b], {"cost": c, "energy": e})
        for a, b, c, e in zip(
            arcs.tail.tolist(),
            arcs.head.tolist(),
            arcs.cost.tolist(),
            arcs.energy.tolist(),
            strict=True,
        )
    )
    at_end = [node for node in nodes if node[0] == instance.end and reached[instance.end]]
    graph.add_edges_from(((node, "END") for node in at_end), cost=0, energy=0)
    return graph
