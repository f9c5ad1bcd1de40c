"""Rows that a linear relaxation violates: LEAVE and COVER_GIVEN, found exactly.

Their names are those of `opt_istn.verifier`, whose proofs hold here: slots and contents follow the
family, ``("LEAVE", f, a, b, k)`` and ``("COVER_GIVEN", k, s, f, t1, g1, t2, g2, ..)``. Every plan
satisfies them all, so adding some keeps the optimum; all numbers in them are integers.

Both hold for every plan because of what `reach` says of a boundary: the last insertion that FIFO
still has to keep. A linear relaxation mixes several boundaries, and COVER and FIFO hold only on
average over the mixture. COVER_GIVEN holds COVER to each boundary q by itself, LEAVE makes an
insertion that leaves in slot k leave because the boundary passed it in k.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from formulations.push.mip.intervals import IntArray, Intervals

Name = tuple[Any, ...]
Floats = NDArray[np.float64]

TOLERANCE = 1e-4  # a row is violated by more
_PER_SLOT = 10  # most violated boundaries of a slot


@dataclass(frozen=True)
class Point:
    """A fractional point, as `hold` and `reach` of positions and slots.

    Parameters
    ----------
    slot, item
        s and f of each position, in the order of insertion, shape (P,).
    hold, reach
        As in `opt_istn.verifier`, shape (P, T); hold is 0 and reach 1 before the position's slot.
    """

    slot: IntArray
    item: IntArray
    hold: Floats
    reach: Floats

    @cached_property
    def where(self) -> dict[int, IntArray]:
        """The positions of each content."""
        order = np.lexsort((np.arange(len(self.item)), self.item))
        found, first = np.unique(self.item[order], return_index=True)
        parts = np.split(order, first[1:])
        return dict(zip(found.tolist(), parts, strict=True))


def renamed(name: Name, numbers: Sequence[int]) -> Name:
    """Return a row's name with content f called numbers[f]."""
    family, *at = name
    contents = [0] if family == "LEAVE" else range(2, len(at), 2)
    for i in contents:
        at[i] = numbers[at[i]]
    return (family, *at)


def violated(point: Point, places: int) -> list[Name]:
    """Return the names of violated rows: of every content and slot, and some of every slot."""
    rows = list(_leaving(point))
    for k in range(point.hold.shape[1]):
        rows += _covering(point, places, k)
    return rows


def _leaving(point: Point) -> list[Name]:
    """Return the most violated LEAVE of each content and slot.

    The ends a <= b are chosen apart: b makes the sum up to b less reach(b, k - 1) largest, a makes
    the sum before a less reach(a, k) smallest.
    """
    rows: list[Name] = []
    for f, own in point.where.items():
        hold, reach, slot = point.hold[own], point.reach[own], point.slot[own]
        for k in range(int(slot[0]) + 1, hold.shape[1]):
            count = int(np.searchsorted(slot, k))  # positions before slot k
            fall = hold[:count, k - 1] - hold[:count, k]
            total = np.cumsum(fall)
            begin = reach[:count, k] - (total - fall)
            end = total - reach[:count, k - 1]
            best = np.maximum.accumulate(begin) + end
            b = int(best.argmax())
            if best[b] > TOLERANCE:
                a = int(begin[: b + 1].argmax())
                rows.append(("LEAVE", f, int(slot[a]), int(slot[b]), k))
    return rows


def _covering(point: Point, places: int, k: int) -> list[Name]:
    """Return the most violated COVER_GIVEN of a slot.

    Given the boundary q, a content's best end is where its hold after q, summed up to there, less
    reach is largest. The content is part of the row if that is more than -reach(q).
    """
    live = np.flatnonzero((point.slot <= k) & ((point.hold[:, k] > 0) | (point.reach[:, k] > 0)))
    hold, reach = point.hold[live, k], point.reach[live, k]
    excess = np.cumsum(hold) - places * reach
    gains, ends = _ends(point.item[live], hold, reach)
    excess += gains.sum(axis=0)
    excess[point.slot[live] == k] = 0  # reach is 1: COVER itself
    order = np.argsort(-excess, kind="stable")[:_PER_SLOT]
    rows: list[Name] = []
    for q in order[excess[order] > TOLERANCE].tolist():
        chosen = live[np.sort(ends[gains[:, q] > 0, q])]
        pairs = np.column_stack([point.slot[chosen], point.item[chosen]]).ravel().tolist()
        rows.append(("COVER_GIVEN", k, int(point.slot[live[q]]), int(point.item[live[q]]), *pairs))
    return rows


def _ends(item: IntArray, hold: Floats, reach: Floats) -> tuple[Floats, IntArray]:
    """Return what each content adds for each boundary, and with which end: shape (contents, P)."""
    positions = np.arange(len(item))
    contents = np.unique(item[hold > 0])
    gains = np.zeros((len(contents), len(item)))
    ends = np.zeros((len(contents), len(item)), dtype=np.int64)
    for row, f in enumerate(contents):
        own = np.flatnonzero(item == f)
        held = np.cumsum(hold[own])
        value = (held - reach[own])[::-1]
        best = np.maximum.accumulate(value)
        first = np.where(value == best, np.arange(len(own)), 0)
        last = np.maximum.accumulate(first)[::-1]  # of equal ends any will do
        following = np.searchsorted(own, positions, side="right")
        some = following < len(own)
        before = np.concatenate([[0.0], held])[following[some]]
        gain = best[::-1][following[some]] - before + reach[some]
        gains[row, some] = np.where(gain > TOLERANCE / 10, gain, 0)
        ends[row, some] = own[len(own) - 1 - last[following[some]]]
    return gains, ends


@dataclass(frozen=True)
class Columns:
    """Where `hold` and `reach` lie among the columns z, kept, reach of the profile formulation.

    Parameters
    ----------
    claims
        Claims and positions.
    latest
        Number of the reach variable of each pair (position, slot), shape (pairs,).
    places, num_slots
        L and T.
    """

    claims: Intervals
    latest: IntArray
    places: int
    num_slots: int

    @cached_property
    def first(self) -> IntArray:
        """The first claim of each position, and the number of claims."""
        x = self.claims
        return np.searchsorted(x.position, np.arange(len(x.slot) + 1))

    @cached_property
    def base(self) -> IntArray:
        """Pair (p, k) has the number base[p] + k."""
        x = self.claims
        sizes = x.horizon - x.slot
        base: IntArray = np.cumsum(sizes) - sizes - x.slot - 1
        return base

    @cached_property
    def number(self) -> dict[tuple[int, int], int]:
        """Number of each position (slot, content)."""
        x = self.claims
        return {key: p for p, key in enumerate(zip(x.slot.tolist(), x.item.tolist(), strict=True))}

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.claims.start) + len(self.latest) + int(self.latest.max(initial=-1)) + 1

    def hold(self, p: int, k: int) -> IntArray:
        """Return the columns whose sum is hold(p, k)."""
        x, first, last = self.claims, int(self.first[p]), int(self.first[p + 1])
        first += int(np.searchsorted(x.end[first:last], k))
        kept = [len(x.start) + int(self.base[p]) + k] if x.slot[p] < k <= x.horizon[p] else []
        return np.append(np.arange(first, last), np.array(kept, dtype=np.int64))

    def reach(self, p: int, k: int) -> tuple[IntArray, int]:
        """Return the column of reach(p, k), if it is one, and the constant otherwise."""
        x, none = self.claims, np.zeros(0, dtype=np.int64)
        if k <= x.slot[p]:
            return none, 1
        if k > x.horizon[p]:
            return none, 0
        offset = len(x.start) + len(self.latest)
        return np.array([offset + int(self.latest[self.base[p] + k])]), 0

    def point(self, values: Floats) -> Point:
        """Return hold and reach of a point of the formulation."""
        x, pairs = self.claims, len(self.latest)
        shape = len(x.slot), self.num_slots
        z, kept = values[: len(x.start)], values[len(x.start) : len(x.start) + pairs]
        lasting = np.zeros(shape)
        np.add.at(lasting, (x.position, x.end), z)
        hold = np.cumsum(lasting[:, ::-1], axis=1)[:, ::-1]
        hold[np.arange(self.num_slots) < x.slot[:, None]] = 0
        sizes = x.horizon - x.slot
        position = np.repeat(np.arange(len(sizes)), sizes)
        slot = np.arange(pairs) - self.base[position]
        hold[position, slot] += kept
        reach = (np.arange(self.num_slots) <= x.slot[:, None]).astype(float)
        reach[position, slot] = values[len(x.start) + pairs :][self.latest]
        return Point(x.slot, x.item, hold, reach)

    def rows(self, names: list[Name]) -> tuple[sparse.csr_matrix, Floats]:
        """Return named rows, ``matrix @ x <= upper``."""
        parts, upper = [], np.zeros(len(names))
        for row, name in enumerate(names):
            terms, constant = (self._leave if name[0] == "LEAVE" else self._cover)(*name[1:])
            upper[row] = -constant
            parts += [(np.full(len(where), row), where, sign) for sign, where in terms]
        columns = np.concatenate([where for _, where, _ in parts])
        rows = np.concatenate([numbers for numbers, _, _ in parts])
        values = np.concatenate([np.full(len(where), float(sign)) for _, where, sign in parts])
        return sparse.csr_matrix((values, (rows, columns)), (len(names), self.width)), upper

    def _leave(self, f: int, first: int, last: int, k: int) -> tuple[list[Any], int]:
        number = self.number
        reached, constant = self.reach(number[first, f], k)
        left, one = self.reach(number[last, f], k - 1)
        terms = [(1, reached), (-1, left)]
        for s in range(first, last + 1):
            if (s, f) in number:
                terms += [(1, self.hold(number[s, f], k - 1)), (-1, self.hold(number[s, f], k))]
        return terms, constant - one

    def _cover(self, k: int, s: int, f: int, *pairs: int) -> tuple[list[Any], int]:
        number, ends = self.number, list(zip(pairs[::2], pairs[1::2], strict=True))
        q = number[s, f]
        boundary, one = self.reach(q, k)
        factor = len(ends) - self.places
        terms, constant = [(factor, boundary)], factor * one
        terms += [(1, self.hold(p, k)) for p in range(q + 1)]
        for t, g in ends:
            end, one = self.reach(number[t, g], k)
            terms.append((-1, end))
            constant -= one
            own = (number[slot, g] for slot in range(s, t + 1) if (slot, g) in number)
            terms += [(1, self.hold(p, k)) for p in own if p > q]
        return terms, constant
