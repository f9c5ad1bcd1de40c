"""The profile relaxation as an explicit layered diagram: priced, pruned, split.

Nodes are the (layer, profile) pairs on some path worth more than a threshold. Every node has one
arc that does not push and, if the profile allows, arcs that push the layer's content with one of
its claims. A sweep over the diagram prices it in milliseconds. Where the best path pushes a content
twice, the diagram is *split* on that content: each node in its window gets a copy for "already
pushed", which has no arcs pushing it again, so that content can no longer repeat. This is
decremental state-space relaxation (Righini & Salani, Networks 51, 2008), content by content.
"""

from typing import NamedTuple

import numpy as np

from formulations.push.labels.profile import Layers, Profiles, Relaxation, SmallArray, insert
from opt_istn.compiling import compiled
from opt_istn.push.instance import IntArray

SINK = -1  # where arcs of the last layer lead
DEAD = -2  # an arc that was pruned
_WORST = -(1 << 60)

# whether everything fits, and the first five arrays of a `Diagram`
Unfolded = tuple[bool, IntArray, IntArray, IntArray, IntArray, IntArray]


class Diagram(NamedTuple):
    """Nodes in order of layers; all arcs lead to the next layer.

    Parameters
    ----------
    first
        First node of each layer, shape (K + 1,); the root is node 0.
    skip
        Node reached without a push, shape (nodes,); `SINK` after the last layer, `DEAD` if pruned.
    arc_ptr, arc_head, arc_gain
        Arcs that push the layer's content: node reached, and saving without price.
    content, slot
        Content and slot of each layer, shape (K,).
    """

    first: IntArray
    skip: IntArray
    arc_ptr: IntArray
    arc_head: IntArray
    arc_gain: IntArray
    content: IntArray
    slot: IntArray


class Path(NamedTuple):
    """A best path at some prices.

    Parameters
    ----------
    value
        Saving less prices.
    pushes
        Rows (content, slot, gain) of its pushes.
    times
        Pushes of each content.
    """

    value: int
    pushes: IntArray
    times: IntArray


def build(
    relaxed: Relaxation,
    values: SmallArray,
    offsets: IntArray,
    prices: IntArray,
    threshold: int,
    capacity: int,
) -> Diagram | None:
    """Unfold the relaxation into a diagram of all paths worth more than `threshold`.

    Parameters
    ----------
    values, offsets
        From `profile.backward` with the same prices.
    threshold
        Saving that the upper bound of a path has to exceed.
    capacity
        Nodes allowed.

    Returns
    -------
    The diagram, without nodes if no path is left; None if it needs more than `capacity` nodes.
    """
    layers, profiles = relaxed.layers, relaxed.profiles
    target = threshold - int(prices.sum())
    fits, *arrays = _unfold(layers, profiles, values, offsets, prices, target, capacity)
    return Diagram._make([*arrays, layers.content, layers.slot]) if fits else None


@compiled
def stages_of(
    layers: Layers,
    profiles: Profiles,
    values: SmallArray | IntArray,
    offsets: IntArray,
    prices: IntArray,
    t: int,
) -> SmallArray | IntArray:
    """Return the values before each layer of slot t and after the last, one row each."""
    low, high = layers.first[t], layers.first[t + 1]
    stages = np.empty((high - low + 1, profiles.number[layers.height[t]]), dtype=values.dtype)
    for rank in range(stages.shape[1]):
        stages[high - low, rank] = values[offsets[t + 1] + profiles.shift[rank]]
    for k in range(high - 1, low - 1, -1):
        insert(layers, profiles, prices, k, stages[k - low + 1], stages[k - low])
    return stages


@compiled
def _unfold(
    layers: Layers,
    profiles: Profiles,
    values: SmallArray | IntArray,
    offsets: IntArray,
    prices: IntArray,
    target: int,
    capacity: int,
) -> Unfolded:
    total = len(layers.slot)
    first = np.zeros(total + 1, dtype=np.int64)
    skip = np.empty(capacity, dtype=np.int64)
    ptr = np.empty(capacity + 1, dtype=np.int64)
    head = np.empty(3 * capacity, dtype=np.int64)
    gain = np.empty(3 * capacity, dtype=np.int64)
    rank = np.empty(capacity, dtype=np.int64)
    worth = np.empty(capacity, dtype=np.int64)
    number = np.full(profiles.number[layers.height.max()], -1, dtype=np.int64)
    nodes, arcs = 0, 0
    if total > 0 and values[0] > target:
        nodes, rank[0], worth[0] = 1, 0, 0
    stages = np.empty((1, 1), dtype=values.dtype)
    for k in range(total):
        t, begin, end = layers.slot[k], first[k], nodes
        if k == layers.first[t]:
            stages = stages_of(layers, profiles, values, offsets, prices, t)
        after = stages[k - layers.first[t] + 1]
        days = layers.slot[k + 1] - t if k + 1 < total else -1
        low, high = layers.claim_ptr[k], layers.claim_ptr[k + 1]
        for node in range(begin, end):
            if nodes + high - low + 1 > capacity or arcs + high - low > len(head):
                return False, first, skip, ptr, head, gain
            here, value = rank[node], worth[node]
            ptr[node] = arcs
            skip[node] = DEAD
            if value + after[here] > target:
                skip[node] = node_of(
                    number, rank, worth, nodes, _later(profiles, here, days), value
                )
                nodes = max(nodes, skip[node] + 1)
            if not profiles.free[here]:
                continue
            base, top = profiles.base[here], profiles.top[here]
            for c in range(high - 1, low - 1, -1):
                there = base + profiles.lift[max(layers.claim_end[c], top)]
                later = value + layers.claim_gain[c] - prices[layers.content[k]]
                if later + after[there] > target:
                    there = _later(profiles, there, days)
                    child = node_of(number, rank, worth, nodes, there, later)
                    nodes = max(nodes, child + 1)
                    head[arcs], gain[arcs] = child, layers.claim_gain[c]
                    arcs += 1
                if layers.claim_end[c] <= top:
                    break
        first[k + 1] = end
        for node in range(end, nodes):
            number[rank[node]] = -1
    ptr[nodes] = arcs
    unfolded: Unfolded = packed(first, skip, ptr, head, gain, nodes, arcs)
    return unfolded


@compiled
def packed(
    first: IntArray,
    skip: IntArray,
    ptr: IntArray,
    head: IntArray,
    gain: IntArray,
    nodes: int,
    arcs: int,
) -> Unfolded:
    """Return that everything fits, and copies of what was filled of the arrays."""
    head, gain = head[:arcs].copy(), gain[:arcs].copy()
    return True, first, skip[:nodes].copy(), ptr[: nodes + 1].copy(), head, gain


@compiled
def _later(profiles: Profiles, profile: int, days: int) -> int:
    """Return the profile `days` slots later; `SINK` after the last layer."""
    if days < 0:
        return SINK
    for _ in range(days):
        if profile == 0:
            break
        profile = profiles.shift[profile]
    return profile


@compiled
def node_of(
    number: IntArray, rank: IntArray, worth: IntArray, nodes: int, state: int, value: int
) -> int:
    """Return the next layer's node of a state reached with `value`; a new one is `nodes`."""
    if state == SINK:
        return SINK
    node: int = number[state]
    if node < 0:
        node = nodes
        number[state] = node
        rank[node], worth[node] = state, value
    elif value > worth[node]:
        worth[node] = value
    return node


@compiled
def sweep(diagram: Diagram, prices: IntArray) -> tuple[IntArray, IntArray]:
    """Return the best priced value from every node to the sink, and the arc it takes.

    The arc is `DEAD` for none, `SINK` for the skip, else an arc number. O(arcs).
    """
    nodes = len(diagram.skip)
    value = np.full(nodes, _WORST)
    choice = np.full(nodes, DEAD)
    for k in range(len(diagram.content) - 1, -1, -1):
        price = prices[diagram.content[k]]
        end = diagram.first[k + 1] if k + 1 < len(diagram.first) else nodes
        for node in range(diagram.first[k], end):
            child = diagram.skip[node]
            if child != DEAD:
                value[node] = 0 if child == SINK else value[child]
                choice[node] = SINK
            for arc in range(diagram.arc_ptr[node], diagram.arc_ptr[node + 1]):
                child = diagram.arc_head[arc]
                total = diagram.arc_gain[arc] - price + (0 if child == SINK else value[child])
                if total > value[node]:
                    value[node] = total
                    choice[node] = arc
    return value, choice


def best(diagram: Diagram, prices: IntArray) -> Path:
    """Return the best path at these prices."""
    value, choice = sweep(diagram, prices)
    if len(value) == 0:  # nothing is worth more than the threshold of the diagram
        return Path(_WORST, np.empty((0, 3), dtype=np.int64), np.zeros(len(prices), dtype=np.int64))
    pushes, times = best_path(diagram, choice, len(prices))
    return Path(int(value[0]), pushes, times)


@compiled
def best_path(diagram: Diagram, choice: IntArray, contents: int) -> tuple[IntArray, IntArray]:
    """Return (content, slot, gain) of the best path's pushes, and the pushes of each content."""
    pushes = np.empty((len(diagram.content), 3), dtype=np.int64)
    times = np.zeros(contents, dtype=np.int64)
    count, node = 0, 0
    for k in range(len(diagram.content)):
        arc = choice[node]
        if arc >= 0:
            content = diagram.content[k]
            pushes[count] = content, diagram.slot[k], diagram.arc_gain[arc]
            times[content] += 1
            count += 1
            node = diagram.arc_head[arc]
        else:
            node = diagram.skip[node]
    return pushes[:count], times


def split(diagram: Diagram, content: int, prices: IntArray, threshold: int) -> Diagram:
    """Return the diagram in which `content` is pushed at most once, pruned again; O(arcs)."""
    value, _ = sweep(diagram, prices)
    target = threshold - int(prices.sum())
    arrays = _split(diagram, content, prices, value, target)
    return Diagram._make([*arrays, diagram.content, diagram.slot])


@compiled
def _split(
    diagram: Diagram, content: int, prices: IntArray, ahead: IntArray, target: int
) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    old, total = len(diagram.skip), len(diagram.content)
    last = 0
    for k in range(total):
        if diagram.content[k] == content:
            last = k
    copies = np.full((old, 2), -1, dtype=np.int64)
    first = np.zeros(total + 1, dtype=np.int64)
    skip = np.empty(2 * old, dtype=np.int64)
    ptr = np.zeros(2 * old + 1, dtype=np.int64)
    head = np.empty(2 * len(diagram.arc_head), dtype=np.int64)
    gain = np.empty(2 * len(diagram.arc_head), dtype=np.int64)
    origin = np.empty(2 * old, dtype=np.int64)
    pushed = np.zeros(2 * old, dtype=np.int64)
    worth = np.zeros(2 * old, dtype=np.int64)
    nodes, arcs = 0, 0
    if old > 0 and ahead[0] > target:
        nodes = 1
        origin[0] = 0
    for k in range(total):
        begin, end = first[k], nodes
        price, mine = prices[diagram.content[k]], diagram.content[k] == content
        for node in range(begin, end):
            source, bit, value = origin[node], pushed[node], worth[node]
            ptr[node] = arcs
            skip[node] = DEAD
            child = diagram.skip[source]
            if child == SINK and value > target:
                skip[node] = SINK
            elif child >= 0 and value + ahead[child] > target:
                skip[node] = _copy(
                    copies, origin, pushed, worth, nodes, child, bit * (k < last), value
                )
                nodes = max(nodes, skip[node] + 1)
            if mine and bit:
                continue
            for arc in range(diagram.arc_ptr[source], diagram.arc_ptr[source + 1]):
                child, later = diagram.arc_head[arc], value + diagram.arc_gain[arc] - price
                if later + (0 if child == SINK else ahead[child]) <= target:
                    continue
                if child >= 0:
                    flag = (1 if mine else bit) * (k < last)
                    child = _copy(copies, origin, pushed, worth, nodes, child, flag, later)
                    nodes = max(nodes, child + 1)
                head[arcs], gain[arcs] = child, diagram.arc_gain[arc]
                arcs += 1
        first[k + 1] = end
    ptr[nodes] = arcs
    return first, skip[:nodes], ptr[: nodes + 1], head[:arcs], gain[:arcs]


@compiled
def _copy(
    copies: IntArray,
    origin: IntArray,
    pushed: IntArray,
    worth: IntArray,
    nodes: int,
    source: int,
    bit: int,
    value: int,
) -> int:
    """Return the copy of an old node with this bit; a new one is `nodes`."""
    node: int = copies[source, bit]
    if node < 0:
        node = nodes
        copies[source, bit] = node
        origin[node], pushed[node], worth[node] = source, bit, value
    elif value > worth[node]:
        worth[node] = value
    return node
