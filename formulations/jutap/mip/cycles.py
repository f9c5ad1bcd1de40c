"""Negative cycles of the state graph, found exactly.

An arc-flow model is wrong on an instance that has one: the engine attaches free-floating subtours.
Only cycles in the part that START reaches matter, and `graph.state_arcs` holds no other arcs.
"""

import numpy as np

from opt_istn.jutap.graph import Arcs
from opt_istn.jutap.instance import IntArray

_ROUNDS_PER_CHECK = 8  # a check for a cycle costs about as much as this many rounds


def negative_cycle(arcs: Arcs) -> IntArray | None:
    """Return the states of a cycle of negative cost in order, or None if there is none.

    Bellman-Ford in integers from all states at once, all arcs a round: distances settle exactly
    when no negative cycle exists, and else the predecessors close one after finitely many rounds
    (a cycle of predecessors is always negative). O(states * arcs), in practice a few rounds.
    """
    if not len(arcs.cost) or arcs.cost.min() >= 0:
        return None
    order = np.argsort(arcs.head, kind="stable")
    tail, head, cost = arcs.tail[order], arcs.head[order], arcs.cost[order]
    heads, first = np.unique(head, return_index=True)
    count = np.diff(np.append(first, len(head)))
    size = int(max(tail.max(), head.max())) + 1
    distance = np.zeros(size, dtype=np.int64)
    previous = np.full(size, -1, dtype=np.int64)
    rounds = 0
    while True:
        offer = distance[tail] + cost
        best = np.minimum.reduceat(offer, first)
        better = best < distance[heads]
        if not better.any():
            return None
        # the last arc of each head that attains the minimum; any of them will do
        attains = np.flatnonzero((offer == np.repeat(best, count)) & np.repeat(better, count))
        previous[head[attains]] = tail[attains]
        distance[heads[better]] = best[better]
        rounds += 1
        if rounds % _ROUNDS_PER_CHECK == 0:
            cycle = _cycle_of(previous)
            if cycle is not None:
                return cycle


def _cycle_of(previous: IntArray) -> IntArray | None:
    """Return a cycle of the graph in which state s has the one arc previous[s] -> s, or None."""
    size = len(previous)
    jump = np.append(np.where(previous < 0, size, previous), size)  # roots lead to a sink
    for _ in range(size.bit_length()):
        jump = jump[jump]  # after k rounds: 2**k steps back
    trapped = np.flatnonzero(jump[:size] < size)
    if not len(trapped):
        return None
    first = int(jump[trapped[0]])  # more than `size` steps back from anywhere is on a cycle
    cycle = [first]
    while (state := int(previous[cycle[-1]])) != first:
        cycle.append(state)
    return np.array(cycle[::-1], dtype=np.int64)
