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

What the rows are worth: LP relaxation above the best saving in %, then CPU seconds to the proof on
one thread. One user, uniform births, geometric (0.25) request ages, 0.14-1 s a request; HiGHS 1.12,
CP-SAT 9.15 without presolve; T slots / contents / requests / L, seed of the draw::

                             LP above best      HiGHS            CP-SAT
                            big-m    profile   big-m  profile   big-m  profile
    18/60/91/3     s0        3.9       0.51     2.3     1.5      0.20    0.42
                   s1        2.7       0.98     0.4     0.7      0.09    0.14
                   s2        2.1       0.00     1.1     0.2      0.18    0.24
                   s3        5.9       1.38     7.2     5.7      0.33    0.68
    18/90/91/3     s0        2.3       0.00     0.9     0.1      0.17    0.21
    18/90/200/10   s0        8.9       1.29   > 60      26       > 30    20
                   s1       11.3       1.23       -     64         -     49
    60/200/500/3   s0        1.0       0.17       -     10         -     22
    180/280/547/3  s0        5.8       1.39       -   > 88         -   > 68   (0.5 %, 3.9 % left)
    18/280/547/30  s0       14.7       2.43       -   > 74         -      -   (2.4 % left)

These seconds are those of twice as many rows: hold a variable, bounded by its claims, each position
with a reach of its own, and no SERVED. A user of push-paper with 18 slots, 91 requests and 10
places has 4,839 rows instead of 9,534, with the same LP, solved in 0.30 s instead of 0.90; HiGHS
proves the optimum in 25 s, 742 nodes, instead of 335 s. With 8 places it takes 17 s, 364 nodes, and
without SERVED it is not done after 100 s, 3,198 nodes: a claim that is not chosen says little, a
request that is not served says much. CP-SAT keeps hold, and has no SERVED; with shared reaches it
proves 6 places in 10 s instead of 55.

Without the sums over a content in REACH and FIFO the LP is 0.72, 2.35 and 4.00 % above (18/60/91/3
s0 and s3, 18/90/200/10 s0) instead of 0.51, 1.38 and 1.29, and the last is not proven in 60 s.
Rows that turned out to be worth nothing on top of the profile rows: ``hold[p, k] <= hold[p, k-1]``
(the same LP), and big-M rows lifted by all claims that reach the slot, M telescoped over the slots
(alone 3.1, 3.7 and 7.1 %, shared between contents through a variable 2.9, 3.5 and 7.4 %).
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


def intervals(problem: UserProblem) -> Intervals:
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
    columns = intervals(problem)
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
