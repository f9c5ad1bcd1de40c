"""A layered diagram while it grows: nodes of one layer after the other, each with its arcs."""

from typing import NamedTuple

import numpy as np

from opt_istn.compiling import compiled
from opt_istn.push.instance import IntArray

SINK = -1  # where arcs of the last layer lead
DEAD = -2  # an arc that was pruned
NODES, ARCS = range(2)  # of `Growing.used`


class Growing(NamedTuple):
    """Arrays with room for a diagram, and how much of it is used.

    Parameters
    ----------
    first, skip, arc_ptr, arc_head, arc_gain
        As in `formulations.push.labels.diagram.Diagram`.
    state, worth
        What is behind each node, and the best value of a path to it.
    number
        Node of each state in the layer to come, -1 where there is none.
    used
        Nodes and arcs so far, shape (2,).
    """

    first: IntArray
    skip: IntArray
    arc_ptr: IntArray
    arc_head: IntArray
    arc_gain: IntArray
    state: IntArray
    worth: IntArray
    number: IntArray
    used: IntArray


def begin(layers: int, states: int, nodes: int, arcs: int, *, root: bool) -> Growing:
    """Return a diagram with room for so many nodes and arcs; its root, if any, is state 0."""
    tree = Growing(
        first=np.zeros(layers + 1, dtype=np.int64),
        skip=np.empty(nodes, dtype=np.int64),
        arc_ptr=np.empty(nodes + 1, dtype=np.int64),
        arc_head=np.empty(arcs, dtype=np.int64),
        arc_gain=np.empty(arcs, dtype=np.int64),
        state=np.empty(nodes, dtype=np.int64),
        worth=np.empty(nodes, dtype=np.int64),
        number=np.full(states, -1),
        used=np.array([int(root), 0]),
    )
    tree.state[:1] = tree.worth[:1] = 0
    return tree


@compiled
def is_full(tree: Growing, arcs: int) -> bool:
    """Return whether a node with a skip and so many arcs might not fit."""
    nodes = tree.used[NODES] + arcs + 1
    return bool(nodes > len(tree.skip) or tree.used[ARCS] + arcs > len(tree.arc_head))


@compiled
def node_of(tree: Growing, state: int, value: int) -> int:
    """Return the node in the layer to come of a state that is reached with `value`."""
    if state == SINK:
        return SINK
    node: int = tree.number[state]
    if node < 0:
        node = tree.used[NODES]
        tree.used[NODES] += 1
        tree.number[state] = node
        tree.state[node], tree.worth[node] = state, value
    elif value > tree.worth[node]:
        tree.worth[node] = value
    return node


@compiled
def add_arc(tree: Growing, state: int, value: int, gain: int) -> None:
    """Add an arc to a state of the layer to come, which it reaches with `value`."""
    arc = tree.used[ARCS]
    tree.arc_head[arc], tree.arc_gain[arc] = node_of(tree, state, value), gain
    tree.used[ARCS] += 1


@compiled
def close(tree: Growing, layer: int, end: int) -> None:
    """End a layer, whose nodes are those before `end`."""
    tree.first[layer + 1] = end
    for node in range(end, tree.used[NODES]):
        tree.number[tree.state[node]] = -1
