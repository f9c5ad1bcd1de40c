"""The interval formulations as sparse matrices, built without a modelling language.

Rows and columns are those of `formulations.push.intervals`: columns z by claim, then hold, then
reach by (position, slot) pair; all rows read ``<=``.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from formulations.push.intervals import IntArray, Intervals, intervals
from opt_istn.push.instance import UserProblem


@dataclass(frozen=True)
class Program:
    """Minimise ``-gain @ z`` over ``matrix @ x <= upper``, 0 <= x <= 1, z binary.

    Parameters
    ----------
    columns
        The claims; the first len(columns.start) variables x are z, the others continuous.
    matrix
        Shape (rows, variables), by column.
    upper
        Right-hand sides, shape (rows,).
    """

    columns: Intervals
    matrix: sparse.csc_matrix
    upper: NDArray[np.float64]


@dataclass
class _Entries:
    """Matrix entries in coordinate form, collected family by family."""

    rows: list[IntArray] = field(default_factory=list)
    cols: list[IntArray] = field(default_factory=list)
    values: list[IntArray] = field(default_factory=list)

    def add(self, rows: IntArray, cols: IntArray, value: int) -> None:
        self.rows.append(rows)
        self.cols.append(cols)
        self.values.append(np.full(len(rows), value))

    def program(self, columns: Intervals, upper: IntArray, width: int) -> Program:
        """Assemble, without the rows that no binary point violates."""
        rows, cols = np.concatenate(self.rows), np.concatenate(self.cols)
        values = np.concatenate(self.values).astype(float)
        matrix = sparse.csr_matrix((values, (rows, cols)), shape=(len(upper), width))
        binding = np.flatnonzero(np.asarray(matrix.maximum(0).sum(axis=1)).ravel() > upper)
        return Program(columns, matrix[binding].tocsc(), upper[binding].astype(float))


@dataclass(frozen=True)
class _Layout:
    """Numbers of the (position, slot) pairs, s < k <= horizon: pair (p, k) is ``base[p] + k``."""

    columns: Intervals

    @cached_property
    def base(self) -> IntArray:
        x = self.columns
        sizes = x.horizon - x.slot
        base: IntArray = np.cumsum(sizes) - sizes - x.slot - 1
        return base

    @cached_property
    def twins(self) -> tuple[IntArray, IntArray]:
        """Positions (earlier, later) of the same content, equal ones included."""
        where = [np.flatnonzero(self.columns.item == f) for f in np.unique(self.columns.item)]
        index = [np.triu_indices(len(positions)) for positions in where]
        pairs = [(at[i], at[j]) for at, (i, j) in zip(where, index, strict=True)]
        earlier, later = zip(*pairs, strict=True)
        return np.concatenate(earlier), np.concatenate(later)


def profile(problem: UserProblem) -> Program:
    """Build the profile formulation of one user who has a claim."""
    layout = _Layout(intervals(problem))
    x = layout.columns
    once, cover, pairs = len(problem.content), problem.weight.shape[1], x.num_pairs
    first_row = [once + cover + i * pairs for i in range(4)]
    entries = _Entries()
    _add_packing(entries, layout, once)
    _add_hold(entries, layout, first_row[0])
    _add_reach(entries, layout, first_row[1], first_row[2])
    _add_fifo(entries, layout, first_row[3])
    upper = np.repeat([1, problem.cache_size, 0, 1], [once, cover, 3 * pairs, pairs])
    return entries.program(x, upper, len(x.start) + 2 * pairs)


def big_m(problem: UserProblem) -> Program:
    """Build the big-M formulation of one user who has a claim; its row k is that of claim k."""
    x, size = intervals(problem), problem.cache_size
    claims, num_slots = len(x.start), problem.weight.shape[1]
    per_slot = np.minimum(np.bincount(x.slot, minlength=num_slots), size)
    upto = np.concatenate([[0], np.cumsum(per_slot)])
    entries, upper = _Entries(), np.zeros(claims, dtype=np.int64)
    for j in range(claims):
        after = _following(x, j)
        here = len(np.unique(x.content[after[x.start[after] == x.start[j]]]))
        in_slots = min(here, size) + upto[x.end[j] + 1] - upto[x.start[j] + 1]
        most = min(len(np.unique(x.content[after])), in_slots)
        big = max(int(most) - (size - 1), 0)
        same = np.flatnonzero((x.position == x.position[j]) & (x.end >= x.end[j]))
        entries.add(np.full(len(after), j), after, 1)
        entries.add(np.full(len(same), j), same, big)
        upper[j] = size - 1 + big
    entries.add(claims + x.content, np.arange(claims), 1)
    covered, slots = _spans(x.start, x.end)
    entries.add(claims + len(problem.content) + slots, covered, 1)
    packing = np.repeat([1, size], [len(problem.content), num_slots])
    return entries.program(x, np.concatenate([upper, packing]), claims)


def _following(x: Intervals, j: int) -> IntArray:
    """Return the claims of other contents inserted after claim j, up to its end."""
    after = np.arange(
        np.searchsorted(x.position, x.position[j], side="right"),
        np.searchsorted(x.start, x.end[j], side="right"),
    )
    others: IntArray = after[x.content[after] != x.content[j]]
    return others


def _add_packing(entries: _Entries, layout: _Layout, cover: int) -> None:
    """ONCE[f] in rows 0.., COVER[k] from row `cover` on."""
    x = layout.columns
    claims = np.arange(len(x.start))
    entries.add(x.content, claims, 1)
    entries.add(cover + x.start, claims, 1)
    position, k = _spans(x.slot + 1, x.horizon)
    entries.add(cover + k, len(x.start) + layout.base[position] + k, 1)


def _add_hold(entries: _Entries, layout: _Layout, row: int) -> None:
    """HOLD[p, k]: sum of z[p, e >= k] - hold[p, k] <= 0."""
    x = layout.columns
    pairs = np.arange(x.num_pairs)
    claim, k = _spans(x.start + 1, x.end)
    entries.add(row + layout.base[x.position[claim]] + k, claim, 1)
    entries.add(row + pairs, len(x.start) + pairs, -1)


def _add_reach(entries: _Entries, layout: _Layout, reach: int, carry: int) -> None:
    """REACH: sum of hold[p', k] - reach[p, k] <= 0; CARRY: reach[p-1, k] - reach[p, k] <= 0."""
    x = layout.columns
    pairs, width = np.arange(x.num_pairs), len(x.start)
    earlier, later = layout.twins
    twin, k = _spans(x.slot[later] + 1, x.horizon[earlier])
    entries.add(reach + layout.base[later[twin]] + k, width + layout.base[earlier[twin]] + k, 1)
    entries.add(reach + pairs, width + len(pairs) + pairs, -1)
    before, k = _spans(x.slot[1:] + 1, x.horizon[:-1])
    row = carry + layout.base[before + 1] + k
    entries.add(row, width + len(pairs) + layout.base[before] + k, 1)
    entries.add(row, width + len(pairs) + layout.base[before + 1] + k, -1)


def _add_fifo(entries: _Entries, layout: _Layout, row: int) -> None:
    """FIFO[p, k]: reach[p-1, k] + sum of z[p', e] - hold[p', k] <= 1."""
    x = layout.columns
    pairs, width = x.num_pairs, len(x.start)
    before, k = _spans(x.slot[1:] + 1, x.horizon[:-1])
    entries.add(row + layout.base[before + 1] + k, width + pairs + layout.base[before] + k, 1)
    earlier, later = (twins[layout.twins[0] > 0] for twins in layout.twins)
    twin, k = _spans(x.slot[later] + 1, x.horizon[earlier - 1])
    rows = row + layout.base[earlier[twin]] + k
    entries.add(rows, width + layout.base[later[twin]] + k, -1)
    first_claim = np.searchsorted(x.position, np.arange(len(x.slot) + 1))
    which, claim = _spans(first_claim[later[twin]], first_claim[later[twin] + 1] - 1)
    entries.add(rows[which], claim, 1)


def _spans(first: IntArray, last: IntArray) -> tuple[IntArray, IntArray]:
    """Return (i, v) for every i and v = first[i]..last[i]; empty where last[i] < first[i]."""
    sizes = np.maximum(last - first + 1, 0)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return owner, first[owner] + offset
