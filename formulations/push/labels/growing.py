"""A layered diagram while it grows: nodes of one layer after the other, each with its arcs.

The kernels that make nodes and arcs count them in local variables: an array would be slower.
"""

from typing import NamedTuple

import numpy as np

from opt_istn.compiling import compiled
from opt_istn.push.instance import IntArray

SINK = -1  # where arcs of the last layer lead
DEAD = -2  # an arc that was pruned


class Growing(NamedTuple):
    """Arrays with room for a diagram.

    Parameters
    ----------
    first, skip, arc_ptr, arc_head, arc_gain
        As in `formulations.push.labels.diagram.Diagram`.
    state, worth
        What is behind each node, and the best value of a path to it.
    number
        Node of each state in the layer to come, -1 where there is none.
    """

    first: IntArray
    skip: IntArray
    arc_ptr: IntArray
    arc_head: IntArray
    arc_gain: IntArray
    state: IntArray
    worth: IntArray
    number: IntArray


def begin(layers: int, states: int, nodes: int, arcs: int) -> Growing:
    """Return room for so many nodes and arcs; the root will be state 0."""
    tree = Growing(
        first=np.zeros(layers + 1, dtype=np.int64),
        skip=np.empty(nodes, dtype=np.int64),
        arc_ptr=np.empty(nodes + 1, dtype=np.int64),
        arc_head=np.empty(arcs, dtype=np.int64),
        arc_gain=np.empty(arcs, dtype=np.int64),
        state=np.empty(nodes, dtype=np.int64),
        worth=np.empty(nodes, dtype=np.int64),
        number=np.full(states, -1),
    )
    tree.state[:1] = tree.worth[:1] = 0
    return tree


@compiled
def node_of(
    number: IntArray, states: IntArray, worth: IntArray, nodes: int, state: int, value: int
) -> int:
    """Return the node of a state reached with `value`, its best kept; a new one is `nodes`."""
    if state == SINK:
        return SINK
    node: int = number[state]
    if node < 0:
        node = nodes
        number[state] = node
        states[node], worth[node] = state, value
    elif value > worth[node]:
        worth[node] = value
    return node
