"""The FIFO-profile relaxation of one user's PUSH problem, dense and compiled.

A *claim* (f, s, e) pushes content f in slot s and counts its requests up to slot e. A sequence of
claims in insertion order (slot, then f) fits a FIFO cache of L places exactly if, with
E_i = max(E_{i-1}, e_i), every insertion in slot s finds E_{i-L} < s: the content it evicts is no
longer claimed. So the state needs no content identity, only the last L running maxima: the
*profile*, a nondecreasing L-tuple, here relative to the slot (0 = may be evicted now).

What the profile forgets is that a content is pushed once. That is priced (lambda_f a push), so
each price vector gives the upper bound ``value of the relaxation + sum of prices`` on the saving.
Prices are integers, hence so is the bound.

Profiles are ranked in colexicographic order: rank(E) = sum_j C(E_j + j - 1, j), j = 1..L.
"""

from dataclasses import dataclass
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from opt_istn.compiling import compiled
from opt_istn.push.instance import IntArray, UserProblem

SmallArray = NDArray[np.int32]  # the tall tables: half the memory of 64 bits


class Layers(NamedTuple):
    """The decisions in order: one layer for each (slot, content) that may be pushed usefully.

    Parameters
    ----------
    slot, content
        Slot and content of each layer, shape (K,), ascending by (slot, content).
    claim_ptr, claim_end, claim_gain
        Claims of layer k at ``claim_ptr[k]:claim_ptr[k + 1]``: end relative to the slot (1 = the
        slot itself), and saving in microseconds; both ascending.
    first
        First layer of each slot, shape (T + 1,).
    height
        Largest relative end that can occur in a profile of each slot, shape (T + 1,).
    """

    slot: IntArray
    content: IntArray
    claim_ptr: IntArray
    claim_end: IntArray
    claim_gain: IntArray
    first: IntArray
    height: IntArray


class Profiles(NamedTuple):
    """Tables over the ranks of all profiles up to some height.

    Parameters
    ----------
    shift
        Rank of the same profile one slot later.
    base, top
        An insertion with relative end v turns the profile into rank
        ``base + lift[max(top, v)]``; ``top`` is the largest entry.
    free
        Whether an insertion is possible (the oldest entry is 0).
    lift
        C(v + L - 1, L) for every v.
    number
        Number of profiles of each height, C(h + L, L).
    """

    shift: SmallArray
    base: SmallArray
    top: SmallArray
    free: np.ndarray[tuple[int], np.dtype[np.bool_]]
    lift: IntArray
    number: IntArray


@dataclass(frozen=True)
class Relaxation:
    """A user's problem with everything the relaxation needs.

    Parameters
    ----------
    problem, layers, profiles
        See there.
    """

    problem: UserProblem
    layers: Layers
    profiles: Profiles


def relaxation(problem: UserProblem, layers: Layers | None = None) -> Relaxation:
    """Prepare the relaxation of a user's problem, whose layers may be known."""
    layers = layers or make_layers(problem)
    height = int(layers.height.max(initial=0))
    return Relaxation(problem, layers, make_profiles(problem.cache_size, height))


def make_layers(problem: UserProblem) -> Layers:
    """List the useful decisions in order of insertion."""
    contents, slots = problem.weight.shape
    saved = np.zeros((contents, slots + 1), dtype=np.int64)
    saved[:, 1:] = problem.weight.cumsum(axis=1)
    useful = problem.pushable & (saved[:, :-1] < saved[:, -1:])
    slot, content = map(np.ascontiguousarray, np.nonzero(useful.T))
    owner, asked = np.nonzero(problem.weight)  # the requests, by content and slot
    begin = np.searchsorted(owner * slots + asked, content * slots + slot)
    sizes = np.searchsorted(owner, content, side="right") - begin
    ptr = np.append(0, sizes.cumsum())
    layer = np.repeat(np.arange(len(slot)), sizes)
    until = asked[np.arange(len(layer)) - (ptr[:-1] - begin)[layer]]
    end = until - slot[layer] + 1
    gain = saved[content[layer], until + 1] - saved[content[layer], slot[layer]]
    first = np.searchsorted(slot, np.arange(slots + 1))
    height = np.zeros(slots + 1, dtype=np.int64)
    for t in range(slots):
        mine = end[ptr[first[t]] : ptr[first[t + 1]]]
        height[t] = max(height[t - 1] - 1 if t else 0, int(mine.max(initial=0)))
    return Layers(slot, content, ptr, end, gain, first, height)


def make_profiles(places: int, height: int) -> Profiles:
    """Tabulate all profiles of `places` entries up to `height`; O(L * C(H + L, L))."""
    binomial = np.array(
        [[comb(a, b) for b in range(places + 2)] for a in range(height + places + 1)],
        dtype=np.int64,
    )
    number = np.array([comb(h + places, places) for h in range(height + 1)], dtype=np.int64)
    shift, base, top, free = _tabulate(places, int(number[-1]), binomial)
    return Profiles(shift, base, top, free, binomial[places - 1 : -1, places].copy(), number)


@compiled
def _tabulate(
    places: int, total: int, binomial: IntArray
) -> tuple[SmallArray, SmallArray, SmallArray, NDArray[np.bool]]:
    shift = np.zeros(total, dtype=np.int32)
    base = np.zeros(total, dtype=np.int32)
    top = np.zeros(total, dtype=np.int32)
    free = np.zeros(total, dtype=np.bool_)
    profile = np.zeros(places + 1, dtype=np.int64)
    profile[places] = 1 << 40
    for rank in range(total):
        for j in range(places):
            shift[rank] += binomial[max(profile[j] - 1, 0) + j, j + 1]
            if j > 0:
                base[rank] += binomial[profile[j] + j - 1, j]
        top[rank] = profile[places - 1]
        free[rank] = profile[0] == 0
        j = 0
        while profile[j] == profile[j + 1]:
            profile[j] = 0
            j += 1
        profile[j] += 1
    return shift, base, top, free


@compiled
def backward(
    layers: Layers, profiles: Profiles, prices: IntArray, kind: SmallArray | IntArray
) -> tuple[SmallArray | IntArray, IntArray]:
    """Return the value of the relaxation at the start of every slot, all profiles.

    The values are integers like those of the array `kind`.

    Row t of the result starts at ``offsets[t]`` and has ``number[height[t]]`` entries.
    O(sum over layers of claims * C(H + L - 1, L - 1)).
    """
    slots = len(layers.first) - 1
    offsets = np.zeros(slots + 2, dtype=np.int64)
    for t in range(slots + 1):
        offsets[t + 1] = offsets[t] + profiles.number[layers.height[t]]
    values = np.zeros(offsets[slots + 1], dtype=kind.dtype)
    for t in range(slots - 1, -1, -1):
        now = values[offsets[t] : offsets[t + 1]]
        later = values[offsets[t + 1] : offsets[t + 2]]
        for rank in range(len(now)):
            now[rank] = later[profiles.shift[rank]]
        for k in range(layers.first[t + 1] - 1, layers.first[t] - 1, -1):
            insert(layers, profiles, prices, k, now, now)
    return values, offsets


@compiled
def insert(
    layers: Layers,
    profiles: Profiles,
    prices: IntArray,
    k: int,
    after: SmallArray | IntArray,
    before: SmallArray | IntArray,
) -> None:
    """Let layer `k` push or not: `before` from `after` (they may be the same array)."""
    low, high = layers.claim_ptr[k], layers.claim_ptr[k + 1]
    price = prices[layers.content[k]]
    for rank in range(len(after)):
        best = after[rank]
        if profiles.free[rank]:
            base, top = profiles.base[rank], profiles.top[rank]
            for c in range(high - 1, low - 1, -1):
                end = layers.claim_end[c]
                value = layers.claim_gain[c] - price
                value += after[base + profiles.lift[max(end, top)]]
                if value > best:
                    best = value
                if end <= top:  # shorter claims give less and free nothing
                    break
        before[rank] = best
