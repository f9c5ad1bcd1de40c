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

from formulations.push.labels.growing import DEAD, SINK, Growing, begin, node_of
from formulations.push.labels.profile import Layers, Profiles, Relaxation, SmallArray, insert
from opt_istn.compiling import compiled
from opt_istn.push.instance import IntArray

_WORST = -(1 << 60)


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
    states = int(profiles.number[layers.height.max()])
    tree = begin(len(layers.slot), states, capacity, 3 * capacity)
    nodes, arcs = _unfold(layers, profiles, values, offsets, prices, target, tree)
    return finished(tree, nodes, arcs, layers.content, layers.slot) if nodes >= 0 else None


def finished(tree: Growing, nodes: int, arcs: int, content: IntArray, slot: IntArray) -> Diagram:
    """Return the diagram, its arrays cut to what is used."""
    tree.arc_ptr[nodes] = arcs
    return Diagram(
        tree.first,
        tree.skip[:nodes].copy(),
        tree.arc_ptr[: nodes + 1].copy(),
        tree.arc_head[:arcs].copy(),
        tree.arc_gain[:arcs].copy(),
        content,
        slot,
    )


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
    tree: Growing,
) -> tuple[int, int]:
    """Grow all paths worth more than `target`; return nodes and arcs, -1 if they do not fit."""
    first, skip, ptr, head, gain, rank, worth, number = tree
    total = len(layers.slot)
    nodes, arcs = int(total > 0 and values[0] > target), 0
    stages = np.empty((1, 1), dtype=values.dtype)
    for k in range(total):
        t, end = layers.slot[k], nodes
        if k == layers.first[t]:
            stages = stages_of(layers, profiles, values, offsets, prices, t)
        after = stages[k - layers.first[t] + 1]
        days = layers.slot[k + 1] - t if k + 1 < total else -1
        low, high = layers.claim_ptr[k], layers.claim_ptr[k + 1]
        for node in range(first[k], end):
            if nodes + high - low + 1 > len(skip) or arcs + high - low > len(head):
                return -1, -1
            here, value = rank[node], worth[node]
            ptr[node] = arcs
            skip[node] = DEAD
            if value + after[here] > target:
                there = _later(profiles, here, days)
                skip[node] = node_of(number, rank, worth, nodes, there, value)
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
    return nodes, arcs


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
                value[node] = _rest(value, child)
                choice[node] = SINK
            for arc in range(diagram.arc_ptr[node], diagram.arc_ptr[node + 1]):
                child = diagram.arc_head[arc]
                total = diagram.arc_gain[arc] - price + _rest(value, child)
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
            pushes[count, 0], pushes[count, 1] = content, diagram.slot[k]
            pushes[count, 2] = diagram.arc_gain[arc]
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
    old, arcs = len(diagram.skip), len(diagram.arc_head)
    tree = begin(len(diagram.content), 2 * old, 2 * old, 2 * arcs)
    nodes, arcs = _split(diagram, content, prices, value, target, tree)
    return finished(tree, nodes, arcs, diagram.content, diagram.slot)


@compiled
def _split(
    diagram: Diagram, content: int, prices: IntArray, ahead: IntArray, target: int, tree: Growing
) -> tuple[int, int]:
    """Grow the diagram anew: state 2 * node + 1 is a node with `content` pushed already."""
    first, skip, ptr, head, gain, states, worth, number = tree
    total, last = len(diagram.content), 0
    for k in range(total):
        if diagram.content[k] == content:
            last = k
    nodes, arcs = int(len(diagram.skip) > 0 and ahead[0] > target), 0
    for k in range(total):
        end, price, mine = nodes, prices[diagram.content[k]], diagram.content[k] == content
        for node in range(first[k], end):
            source, pushed, value = states[node] // 2, states[node] % 2, worth[node]
            ptr[node] = arcs
            skip[node] = DEAD
            child = diagram.skip[source]
            if child != DEAD and value + _rest(ahead, child) > target:
                copy = _copy(child, pushed * (k < last))
                skip[node] = node_of(number, states, worth, nodes, copy, value)
                nodes = max(nodes, skip[node] + 1)
            if mine and pushed:
                continue
            for arc in range(diagram.arc_ptr[source], diagram.arc_ptr[source + 1]):
                child, later = diagram.arc_head[arc], value + diagram.arc_gain[arc] - price
                if later + _rest(ahead, child) > target:
                    copy = _copy(child, (1 if mine else pushed) * (k < last))
                    child = node_of(number, states, worth, nodes, copy, later)
                    nodes = max(nodes, child + 1)
                    head[arcs], gain[arcs] = child, diagram.arc_gain[arc]
                    arcs += 1
        first[k + 1] = end
    return nodes, arcs


@compiled
def _rest(ahead: IntArray, node: int) -> int:
    """Return the best value from a node on, the sink included."""
    return 0 if node == SINK else int(ahead[node])


@compiled
def _copy(node: int, pushed: int) -> int:
    """Return the state of a node of the diagram that is split; the sink has no copies."""
    return SINK if node == SINK else 2 * node + pushed
