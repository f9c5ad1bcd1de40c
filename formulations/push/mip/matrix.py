"""The interval formulations as sparse matrices, built without a modelling language.

Rows and columns are those of `formulations.push.mip.intervals`: columns z by claim, then those of
the formulation; all rows read ``<=``.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from formulations.push.mip.cuts import Columns
from formulations.push.mip.intervals import IntArray, Intervals, list_intervals
from opt_istn.push.instance import UserProblem


@dataclass(frozen=True)
class Program:
    """Minimise ``-gain @ z`` over ``matrix @ x <= upper``, least <= x <= most, z binary.

    Parameters
    ----------
    columns
        The claims; the first len(columns.start) variables x are z, the others continuous.
    matrix
        Shape (rows, variables), by column.
    upper
        Right-hand sides, shape (rows,).
    least, most
        Bounds of each variable, shape (variables,); None for 0 and 1.
    """

    columns: Intervals
    matrix: sparse.csc_matrix
    upper: NDArray[np.float64]
    least: NDArray[np.float64] | None = None
    most: NDArray[np.float64] | None = None

    @cached_property
    def served(self) -> sparse.csr_matrix:
        """The claims that serve each request: the sums of SERVED, shape (requests, claims)."""
        x = self.columns
        span = int(x.end.max(initial=0)) + 1
        request = np.unique(x.content * span + x.end)
        first = np.searchsorted(request, x.content * span + x.start)
        claim, row = _spans(first, np.searchsorted(request, x.content * span + x.end))
        return _ones(row, claim, (len(request), len(x.start)))


@dataclass(frozen=True)
class _Pairs:
    """The (position, slot) pairs p, k with s < k <= horizon: pair (p, k) is ``base[p] + k``."""

    columns: Intervals

    @cached_property
    def base(self) -> IntArray:
        x = self.columns
        sizes = x.horizon - x.slot
        base: IntArray = np.cumsum(sizes) - sizes - x.slot - 1
        return base

    @cached_property
    def listed(self) -> tuple[IntArray, IntArray]:
        """Position and slot of every pair."""
        return _spans(self.columns.slot + 1, self.columns.horizon)

    @cached_property
    def own(self) -> NDArray[np.bool]:
        """Whether the position's content is requested in the slot or later: reach may begin."""
        x, (position, slot) = self.columns, self.listed
        last = np.zeros(int(x.content.max()) + 1, dtype=np.int64)
        np.maximum.at(last, x.content, x.end)
        own: NDArray[np.bool] = slot <= last[x.item[position]]
        return own

    @cached_property
    def latest(self) -> IntArray:
        """Number of each pair's reach variable; a pair without one uses the latest before it."""
        order = np.lexsort(self.listed)  # by slot, then by position; a slot begins with an own pair
        found = np.where(self.own[order], np.arange(len(order)), 0)
        number = np.cumsum(self.own) - 1
        latest: IntArray = np.zeros(len(order), dtype=np.int64)
        latest[order] = number[order[np.maximum.accumulate(found)]]
        return latest

    @cached_property
    def reach(self) -> sparse.csr_matrix:
        """Incidence of pairs and reach variables."""
        pairs = np.arange(len(self.latest))
        return _ones(pairs, self.latest, (len(pairs), int(self.own.sum())))

    @cached_property
    def twins(self) -> tuple[IntArray, IntArray]:
        """Positions (earlier, later) of the same content, equal ones included."""
        where = [np.flatnonzero(self.columns.item == f) for f in np.unique(self.columns.item)]
        index = [np.triu_indices(len(positions)) for positions in where]
        pairs = [(at[i], at[j]) for at, (i, j) in zip(where, index, strict=True)]
        earlier, later = zip(*pairs, strict=True)
        return np.concatenate(earlier), np.concatenate(later)

    def ones(self, first: Any, second: Any) -> sparse.csr_matrix:
        """Return the matrix with ones at pairs (position, slot) and (position, slot)."""
        size = self.columns.num_pairs
        rows, columns = (self.base[p] + k for p, k in (first, second))
        return _ones(rows, columns, (size, size))


def columns_of(problem: UserProblem) -> Columns:
    """Return where hold and reach lie among the columns of `profile`."""
    pairs = _Pairs(list_intervals(problem))
    slots = problem.weight.shape[1]
    return Columns(pairs.columns, pairs.latest, problem.cache_size, slots)


def profile(problem: UserProblem) -> Program:
    """Build the profile formulation of one user who has a claim; columns z, kept, reach."""
    pairs = _Pairs(list_intervals(problem))
    x, own, reach = pairs.columns, np.flatnonzero(pairs.own), pairs.reach
    claims, slots = np.arange(len(x.start)), problem.weight.shape[1]
    long, short = _claimed(pairs)
    once = _ones(x.content, claims, (len(problem.content), len(claims)))
    starts = _ones(x.start, claims, (slots, len(claims)))
    slot = pairs.listed[1]
    at = _ones(slot, np.arange(len(slot)), (slots, len(slot)))
    before, k = _spans(x.slot[1:] + 1, x.horizon[:-1])
    carried = pairs.ones((before + 1, k), (before, k)) @ reach
    earlier, later = pairs.twins
    twin, k = _spans(x.slot[later] + 1, x.horizon[earlier])
    held = pairs.ones((later[twin], k), (earlier[twin], k))[own]
    earlier, later = earlier[earlier > 0], later[earlier > 0]
    twin, k = _spans(x.slot[later] + 1, x.horizon[earlier - 1])
    left = pairs.ones((earlier[twin], k), (later[twin], k))
    blocks = [
        [once, None, None],  # ONCE
        [starts + at @ long, at, None],  # COVER
        [held @ long, held, -reach[own]],  # REACH
        [None, None, carried[own] - reach[own]],  # CARRY
        [left @ short, -left, carried],  # FIFO
    ]
    sizes = [once.shape[0], slots, 2 * len(own), len(slot)]
    return _program(x, sparse.bmat(blocks), np.repeat([1, problem.cache_size, 0, 1], sizes))


def big_m(problem: UserProblem) -> Program:
    """Build the big-M formulation of one user who has a claim; its row k is that of claim k."""
    x, size = list_intervals(problem), problem.cache_size
    claims, num_slots = len(x.start), problem.weight.shape[1]
    per_slot = np.minimum(np.bincount(x.slot, minlength=num_slots), size)
    upto = np.concatenate([[0], np.cumsum(per_slot)])
    rows, columns, values, upper = [], [], [], np.zeros(claims, dtype=np.int64)
    for j in range(claims):
        after = _following(x, j)
        here = len(np.unique(x.content[after[x.start[after] == x.start[j]]]))
        in_slots = min(here, size) + upto[x.end[j] + 1] - upto[x.start[j] + 1]
        most = min(len(np.unique(x.content[after])), in_slots)
        big = max(int(most) - (size - 1), 0)
        same = np.flatnonzero((x.position == x.position[j]) & (x.end >= x.end[j]))
        rows.append(np.full(len(after) + len(same), j))
        columns += [after, same]
        values.append(np.repeat([1.0, big], [len(after), len(same)]))
        upper[j] = size - 1 + big
    once = _ones(x.content, np.arange(claims), (len(problem.content), claims))
    covered, slots = _spans(x.start, x.end)
    cover = _ones(slots, covered, (num_slots, claims))
    packing = np.repeat([1, size], [len(problem.content), num_slots])
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    follow = sparse.csr_matrix(entries, (claims, claims))
    both = np.concatenate([upper, packing])
    return _program(x, sparse.vstack([follow, once, cover]), both)


def _following(x: Intervals, j: int) -> IntArray:
    """Return the claims of other contents inserted after claim j, up to its end."""
    after = np.arange(
        np.searchsorted(x.position, x.position[j], side="right"),
        np.searchsorted(x.start, x.end[j], side="right"),
    )
    others: IntArray = after[x.content[after] != x.content[j]]
    return others


def _claimed(pairs: _Pairs) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Return the claims of a pair's position that last to its slot, and those that do not."""
    x = pairs.columns
    shape = x.num_pairs, len(x.start)
    claim, k = _spans(x.start + 1, x.end)
    long = _ones(pairs.base[x.position[claim]] + k, claim, shape)
    claim, k = _spans(x.end + 1, x.horizon[x.position])
    return long, _ones(pairs.base[x.position[claim]] + k, claim, shape)


def _program(x: Intervals, rows: Any, upper: IntArray) -> Program:
    """Return the program without the rows that no binary point violates."""
    matrix = sparse.csr_matrix(rows)
    binding = np.flatnonzero(np.asarray(matrix.maximum(0).sum(axis=1)).ravel() > upper)
    return Program(x, matrix[binding].tocsc(), upper[binding].astype(float))


def _ones(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> sparse.csr_matrix:
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape)


def _spans(first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
    """Return (i, v) for every i and v = first[i]..last[i]; empty where last[i] < first[i]."""
    sizes = np.maximum(last - first + 1, 0)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return owner, first[owner] + offset
