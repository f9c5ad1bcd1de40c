"""The interval formulation's columns, shared by the engines that solve it, and why it is exact.

A column is a claim ``(f, s, e)``: content f is pushed in slot s and hits in the slots s..e, which
end in a request. It saves the weights of f over s..e. Insertions are ordered by slot, in a slot by
content number, so a pair p = (s, f) is a position in this order.

Claims are FIFO-feasible if and only if every slot has at most L insertions that are *held*, where
an insertion is held until the latest end claimed by itself or by an insertion before it: FIFO
evicts nothing before what came earlier. Two formulations of this:

``big-m``
    One row for each claim and end: at most L - 1 insertions follow up to the end of a chosen claim.
``profile``
    ``kept[p, k]`` = 1 if the insertion at p is held through slot k though it claims less,
    ``reach[p, k]`` = 1 if one at or before p is held. With binary claims these may be continuous::

        hold[p, k] = kept[p, k] + sum of z[p, e] over e >= k        (hold[p, s] = sum of z[p, e])

        ONCE[f]      sum of z[f, s, e] <= 1
        COVER[k]     sum of hold[p, k] over p <= L
        REACH[p, k]  reach[p, k] >= sum of hold[p', k], p' <= p of p's content (a clique: C3)
        CARRY[p, k]  reach[p, k] >= reach[p-1, k]
        FIFO[p, k]   reach[p-1, k] + sum of hold[p', s'] - hold[p', k] <= 1, p' >= p of p's content
        SERVED[f, k] served[f, k] = sum of z[f, s, e] over s <= k <= e, binary: to branch on

    REACH and FIFO name each content once, where it enters or leaves the sum; CARRY passes them on
    to the other positions. Where p's content is not requested in slot k or later, an insertion at p
    is held only because one before it is: reach[p, k] is the variable of p - 1, and has no rows.

Two more families hold. They have too many rows to write down; `cuts` finds the violated ones.
Let q, p be positions, p_f one of content f with p_f > q, all of slots up to k, and hold(f) the sum
of hold[p, k] over positions p of f with q < p <= p_f::

        COVER_GIVEN[k, q, p_f, ..]  sum of hold[p, k] over p <= q, + sum of hold(f) over some f
                                    <= L reach[q, k] + sum of reach[p_f, k] - reach[q, k] over them
        LEAVE[f, a, b, k]           sum of hold[p, k-1] - hold[p, k] over p of f in slots a..b < k
                                    <= reach[(b, f), k-1] - reach[(a, f), k]

*Proof.* Take a plan; reach never falls along the positions, nor rises with k, a content is pushed
once, and what is held through k is in the cache in k (see `opt_istn.verifier`). COVER_GIVEN: if
reach[q, k] = 1, so is every reach[p_f, k]; the right side is L, the left a part of COVER[k]. Else
nothing at or before q is held, and hold(f), at most 1, is 1 only if reach[p_f, k] is. LEAVE: of f
one position p is pushed at most, and hold[p, k-1] - hold[p, k] = 1 says that reach[p, .] is 1 in
k - 1 and 0 in k: then so is reach[(b, f), k-1], and reach[(a, f), k] is 0. Else the left side is 0,
and the right one is at least 0, as (a, f) is not after (b, f).

COVER and FIFO hold only on average over the boundaries that a relaxation mixes. With these rows its
distance to the optimum is halved at 7 to 30 places; that helps the search only if reach is binary.

What each row is worth, measured, stands in bench/intervals.md.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opt_istn.push.instance import Instance, UserProblem

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Intervals:
    """Claims of one user, sorted by (start, content, end), and their positions.

    Parameters
    ----------
    start, content, end, gain
        s, f, e and the saved microseconds of each claim, shape (K,).
    position
        Position of each claim, shape (K,).
    slot, item
        s and f of each position, shape (P,).
    horizon
        Last slot claimed at or before each position, shape (P,): hold and reach end there.
    """

    start: IntArray
    content: IntArray
    end: IntArray
    gain: IntArray
    position: IntArray
    slot: IntArray
    item: IntArray
    horizon: IntArray

    @property
    def num_pairs(self) -> int:
        """Number of (position, slot) pairs p, k with s < k <= horizon[p]."""
        return int((self.horizon - self.slot).sum())


def list_intervals(problem: UserProblem) -> Intervals:
    """Enumerate the claims of one user."""
    parts = [_claims(problem, f) for f in range(len(problem.content))]
    rows = np.concatenate([np.zeros((0, 4), dtype=np.int64), *parts])
    start, content, end, gain = rows[np.lexsort(rows[:, 2::-1].T)].T
    first = np.ones(len(start), dtype=bool)
    first[1:] = (np.diff(start) != 0) | (np.diff(content) != 0)
    position = np.cumsum(first) - 1
    last = np.zeros(int(first.sum()), dtype=np.int64)
    np.maximum.at(last, position, end)
    return Intervals(
        start=start,
        content=content,
        end=end,
        gain=gain,
        position=position,
        slot=start[first],
        item=content[first],
        horizon=np.maximum.accumulate(last),
    )


def num_columns(problem: UserProblem) -> int:
    """Return the number of columns of the profile formulation at most."""
    columns = list_intervals(problem)
    return len(columns.start) + 2 * columns.num_pairs


def _claims(problem: UserProblem, f: int) -> IntArray:
    """Return rows (s, f, e, gain) of one content."""
    starts = np.flatnonzero(problem.pushable[f])
    ends = np.flatnonzero(problem.weight[f])
    total = np.concatenate([[0], np.cumsum(problem.weight[f])])
    s, e = (grid.ravel() for grid in np.meshgrid(starts, ends, indexing="ij"))
    s, e = s[e >= s], e[e >= s]
    return np.stack([s, np.full_like(s, f), e, total[e + 1] - total[s]], axis=1)


def refusal(instance: Instance, max_columns: int) -> str | None:
    """Return why the profile formulation of `instance` would be too large, else None."""
    for user in range(instance.num_users):
        count = num_columns(instance.user(user))
        if count > max_columns:
            return f"the model of user {user} would have {count} columns, more than {max_columns}"
    return None


def too_long(instance: Instance, largest: int, why: str) -> str | None:
    """Refuse a user's delays that add up to more than `largest`; `why` ends the sentence."""
    total = np.bincount(instance.requests[:, 0], instance.miss_us, minlength=1).max()
    if total <= largest:
        return None
    return f"a user's delays add up to {int(total)} us, more than the {largest} that {why}"
