"""The content-tuple relaxation of one user's PUSH problem, dense and compiled.

The state is what the cache holds, oldest first; a place is empty (0) when its content will not be
requested any more. A push of f is credited with all requests of f to come, and takes back those
of the content it evicts. So the state says exactly what every push is worth, and all it forgets
are the contents already evicted: pushing one of them again is priced as in `profile`, and gives
the same kind of bound, much stronger where few contents are alive at a time.

A tuple is ranked as a number with L digits, the oldest first; digit d of slot t is the d-th
content alive there, base[t] - 1 of them.
"""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from formulations.push.labels.diagram import Diagram, Path, finished
from formulations.push.labels.growing import DEAD, SINK, Growing, begin, node_of
from formulations.push.labels.profile import SmallArray
from opt_istn.compiling import compiled
from opt_istn.push.instance import IntArray, UserProblem

_NEVER = -1  # below the value of any tuple: from each one can push nothing


def _cast(value: Any, like: Any) -> Any:
    """Return a number as an element of an array."""
    return like.dtype.type(value)


@overload(_cast)
def _cast_compiled(value, like):  # type: ignore[no-untyped-def] # noqa: ARG001 - numba compares it
    if like.dtype.bitwidth == 32:
        return lambda value, like: np.int32(value)  # noqa: ARG005
    return lambda value, like: np.int64(value)  # noqa: ARG005


class Alive(NamedTuple):
    """The contents alive in each slot, and the decisions in order.

    Parameters
    ----------
    places
        L.
    base
        Contents alive in each slot, plus 1, shape (T + 1,).
    worth
        Saving of digit d from slot t on, shape (T + 1, max base); 0 for no content.
    step
        Digit of the same content one slot later, 0 if it is not requested any more; same shape.
    slot, content, digit
        Slot, content and its digit there of each layer, shape (K,), ascending by (slot, content).
    first
        First layer of each slot, shape (T + 1,).
    """

    places: int
    base: IntArray
    worth: IntArray
    step: IntArray
    slot: IntArray
    content: IntArray
    digit: IntArray
    first: IntArray


def make_alive(problem: UserProblem) -> Alive:
    """List the contents alive in each slot and the useful pushes."""
    slots = problem.weight.shape[1]
    left = problem.weight[:, ::-1].cumsum(axis=1)[:, ::-1]
    alive = np.maximum.accumulate(problem.pushable, axis=1) & (left > 0)
    base = np.append(alive.sum(axis=0) + 1, 1)
    digit = np.where(alive, alive.cumsum(axis=0), 0)
    worth = np.zeros((slots + 1, int(base.max())), dtype=np.int64)
    step = np.zeros_like(worth)
    slot, content = np.nonzero(alive.T)
    worth[slot, digit[content, slot]] = left[content, slot]
    digit = np.concatenate([digit, np.zeros((len(digit), 1), dtype=digit.dtype)], axis=1)
    step[slot, digit[content, slot]] = digit[content, slot + 1]
    layers = problem.pushable[content, slot]
    slot, content = slot[layers], content[layers]
    first = np.searchsorted(slot, np.arange(slots + 1))
    places = problem.cache_size
    return Alive(places, base, worth, step, slot, content, digit[content, slot], first)


def num_tuples(alive: Alive) -> tuple[float, float]:
    """Return the number of tuples of all slots, and the most of a slot over all its layers."""
    with np.errstate(over="ignore"):  # more than any number
        tuples = alive.base.astype(float) ** alive.places
    stages = np.append(np.diff(alive.first), 0) + 1
    return float(tuples.sum()), float((stages * tuples).max())


def num_pushes(alive: Alive) -> float:
    """Return how many pushes `backward` tries: tuples times layers, over all slots."""
    return float((np.diff(alive.first) * alive.base[:-1].astype(float) ** alive.places).sum())


def build(
    alive: Alive,
    values: SmallArray,
    offsets: IntArray,
    prices: IntArray,
    threshold: int,
    capacity: int,
) -> Diagram | None:
    """Unfold into a diagram of all paths worth more than `threshold`, as `diagram.build` does."""
    target = threshold - int(prices.sum())
    states = int(alive.base.max() ** alive.places)
    tree = begin(len(alive.slot), states, capacity, capacity)
    nodes, arcs = _unfold(alive, values, offsets, prices, target, tree)
    return finished(tree, nodes, arcs, alive.content, alive.slot) if nodes >= 0 else None


def best(alive: Alive, prices: IntArray, kind: SmallArray | IntArray) -> Path:
    """Return the best path at these prices; `kind` as in `backward`."""
    values, offsets = backward(alive, prices, kind)
    number = np.full(alive.base.max() ** alive.places, -1, dtype=np.int32)
    pushes, times = _best_path(alive, values, offsets, prices, number)
    return Path(int(values[0]), pushes, times)


@compiled
def _best_path(
    alive: Alive,
    values: SmallArray | IntArray,
    offsets: IntArray,
    prices: IntArray,
    number: SmallArray,
) -> tuple[IntArray, IntArray]:
    """Return (content, slot, gain) of the best path's pushes, and the pushes of each content.

    `number` has -1 for every tuple.
    """
    pushes = np.empty((len(alive.slot), 3), dtype=np.int64)
    times = np.zeros(len(prices), dtype=np.int64)
    count, rank = 0, np.int64(0)  # a literal 0 has another type: kernels would be compiled twice
    for t in range(len(alive.base) - 1):
        now = values[offsets[t] : offsets[t + 1]]
        later = values[offsets[t + 1] : offsets[t + 2]]
        for k in _best_of_slot(alive, prices, now, later, t, rank, number):
            change, rank = _pushed(alive, k, rank)
            pushes[count, 0], pushes[count, 1], pushes[count, 2] = alive.content[k], t, change
            times[alive.content[k]] += 1
            count += 1
        rank = _moved(alive, t, t + 1, rank)
    return pushes[:count], times


@compiled
def _best_of_slot(
    alive: Alive,
    prices: IntArray,
    now: SmallArray | IntArray,
    later: SmallArray | IntArray,
    t: int,
    root: int,
    number: IntArray,
) -> IntArray:
    """Return the layers pushed in slot t on a best path from tuple `root`.

    Tuples are reached layer by layer, each by its best way. What is still to come is at most their
    value at the start of the slot, `now`; a tuple that cannot match the root with it is dropped.
    """
    rank, worth = np.full(1, root), np.zeros(1, dtype=np.int64)
    before, layer = np.full(1, -1), np.full(1, -1)  # the node before each, and the layer pushed
    number[root], count = 0, 1
    for k in range(alive.first[t], alive.first[t + 1]):
        if 2 * count > len(rank):
            rank, worth, before = _wider(rank), _wider(worth), _wider(before)
            layer = _wider(layer)
        for node in range(count):
            change, there = _pushed(alive, k, rank[node])
            value = worth[node] + change - prices[alive.content[k]]
            if number[rank[node]] != node or there < 0 or value + now[there] < now[root]:
                continue
            if number[there] < 0 or value > worth[number[there]]:
                rank[count], worth[count], number[there] = there, value, count
                before[count], layer[count] = node, k
                count += 1
    node = 0
    for other in range(count):
        number[rank[other]] = -1
        if worth[other] + later[_moved(alive, t, t + 1, rank[other])] == now[root]:
            node = other
    length, other = 0, node
    while other > 0:
        length, other = length + 1, before[other]
    layers = np.empty(length, dtype=np.int64)
    for i in range(length - 1, -1, -1):
        layers[i], node = layer[node], before[node]
    return layers


@compiled
def _wider(old: IntArray) -> IntArray:
    """Return an array with room for four times as many; `np.append` is slow to compile."""
    new = np.empty(4 * len(old), dtype=old.dtype)
    for i in range(len(old)):
        new[i] = old[i]
    return new


@compiled
def _pushed(alive: Alive, k: int, rank: int) -> tuple[int, int]:
    """Return what pushing in layer `k` gains without its price, and the tuple after; -1 if held."""
    t, digit = alive.slot[k], alive.digit[k]
    base = alive.base[t]
    size = base ** (alive.places - 1)
    if _holds(rank, base, digit):
        return 0, -1
    change = alive.worth[t, digit] - alive.worth[t, rank // size]
    return change, rank % size * base + digit


@compiled
def backward(
    alive: Alive, prices: IntArray, kind: SmallArray | IntArray
) -> tuple[SmallArray | IntArray, IntArray]:
    """Return the value of the relaxation at the start of every slot, all tuples.

    Row t of the result starts at ``offsets[t]`` and has ``base[t] ** L`` entries, integers like
    those of the array `kind`.
    O(sum over layers of base ** L).
    """
    slots = len(alive.base) - 1
    offsets = np.zeros(slots + 2, dtype=np.int64)
    for t in range(slots + 1):
        offsets[t + 1] = offsets[t] + alive.base[t] ** alive.places
    values = np.zeros(offsets[slots + 1], dtype=kind.dtype)
    for t in range(slots - 1, -1, -1):
        now = values[offsets[t] : offsets[t + 1]]
        _next_slot(alive, t, values[offsets[t + 1] : offsets[t + 2]], now)
        for k in range(alive.first[t + 1] - 1, alive.first[t] - 1, -1):
            _push(alive, prices, k, now, now)
    return values, offsets


@compiled
def _next_slot(
    alive: Alive, t: int, later: SmallArray | IntArray, now: SmallArray | IntArray
) -> None:
    """Set the value of every tuple of slot t to that of the tuple one slot later."""
    base, after = alive.base[t], alive.base[t + 1]
    moved = np.zeros(1, dtype=np.int64)
    for _ in range(alive.places - 1):
        wider = np.empty(len(moved) * base, dtype=np.int64)
        for prefix in range(len(moved)):
            for d in range(base):
                wider[prefix * base + d] = moved[prefix] * after + alive.step[t, d]
        moved = wider
    for prefix in range(len(moved)):
        for d in range(base):
            now[prefix * base + d] = later[moved[prefix] * after + alive.step[t, d]]


@compiled
def _push(
    alive: Alive,
    prices: IntArray,
    k: int,
    after: SmallArray | IntArray,
    before: SmallArray | IntArray,
) -> None:
    """Let layer `k` push or not: `before` from `after` (they may be the same array)."""
    t, digit = alive.slot[k], alive.digit[k]
    base = alive.base[t]
    size = base ** (alive.places - 1)
    gain = alive.worth[t, digit] - prices[alive.content[k]]
    held = np.zeros(1, dtype=np.bool_)
    for _ in range(alive.places - 1):
        wider = np.empty(len(held) * base, dtype=np.bool_)
        for prefix in range(len(held)):
            for d in range(base):
                wider[prefix * base + d] = held[prefix] or d == digit
        held = wider
    brought = np.empty(size, dtype=after.dtype)
    for rest in range(size):
        brought[rest] = _NEVER if held[rest] else after[rest * base + digit] + gain
    for oldest in range(base):
        low, lost = oldest * size, _cast(alive.worth[t, oldest], after)
        if oldest == digit:
            for rest in range(low, low + size):  # a slice would be slow to compile
                before[rest] = after[rest]
            continue
        for rest in range(size):
            before[low + rest] = max(after[low + rest], _cast(brought[rest] - lost, after))


@compiled
def _stages(
    alive: Alive, values: SmallArray | IntArray, offsets: IntArray, prices: IntArray, t: int
) -> SmallArray | IntArray:
    """Return the values before each layer of slot t and after the last, one row each."""
    low, high = alive.first[t], alive.first[t + 1]
    stages = np.empty((high - low + 1, offsets[t + 1] - offsets[t]), dtype=values.dtype)
    _next_slot(alive, t, values[offsets[t + 1] : offsets[t + 2]], stages[high - low])
    for k in range(high - 1, low - 1, -1):
        _push(alive, prices, k, stages[k - low + 1], stages[k - low])
    return stages


@compiled
def _unfold(
    alive: Alive,
    values: SmallArray | IntArray,
    offsets: IntArray,
    prices: IntArray,
    target: int,
    tree: Growing,
) -> tuple[int, int]:
    """Grow all paths worth more than `target`; return nodes and arcs, -1 if they do not fit."""
    first, skip, ptr, head, gain, rank, worth, number = tree
    total = len(alive.slot)
    nodes, arcs = int(total > 0 and values[0] > target), 0
    stages = np.empty((1, 1), dtype=values.dtype)
    for k in range(total):
        t, end = alive.slot[k], nodes
        if k == alive.first[t]:
            stages = _stages(alive, values, offsets, prices, t)
        after = stages[k - alive.first[t] + 1]
        until = alive.slot[k + 1] if k + 1 < total else -1
        for node in range(first[k], end):
            if nodes + 2 > len(skip) or arcs + 1 > len(head):
                return -1, -1
            here, value = rank[node], worth[node]
            ptr[node] = arcs
            skip[node] = DEAD
            if value + after[here] > target:
                there = _moved(alive, t, until, here)
                skip[node] = node_of(number, rank, worth, nodes, there, value)
                nodes = max(nodes, skip[node] + 1)
            change, there = _pushed(alive, k, here)
            later = value + change - prices[alive.content[k]]
            if there >= 0 and later + after[there] > target:
                there = _moved(alive, t, until, there)
                child = node_of(number, rank, worth, nodes, there, later)
                nodes = max(nodes, child + 1)
                head[arcs], gain[arcs] = child, change
                arcs += 1
        first[k + 1] = end
        for node in range(end, nodes):
            number[rank[node]] = -1
    return nodes, arcs


@compiled
def _holds(rank: int, base: int, digit: int) -> bool:
    while rank > 0:
        if rank % base == digit:
            return True
        rank //= base
    return False


@compiled
def _moved(alive: Alive, t: int, until: int, rank: int) -> int:
    """Return the rank in slot `until` of a tuple of slot t; `SINK` after the last layer."""
    if until < 0:
        return SINK
    while t < until:
        moved, power, base = 0, 1, alive.base[t]
        while rank > 0:
            moved += alive.step[t, rank % base] * power
            power *= alive.base[t + 1]
            rank //= base
        rank, t = moved, t + 1
    return rank
