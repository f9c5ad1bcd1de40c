"""What a push policy looks at when it decides on one head, compiled.

A head is a content for a user. A user's heads are decided one after the other: slot by slot, in a
slot the most valuable content first, so that each decision sees those before it. The plan so far
is a sequence of insertions, and everything is told relative to the current slot t. With
d = 0..T-1 a head's features are

    worth[d]   what the content saves in slot t + d, if cached
    own[d]     what it saves if pushed in t + d, until the plan so far evicts it
    gain[d]    the same less what that push costs the contents that it evicts earlier
    load[d]    pushes planned for t + d, in cachefuls: divided by L
    held[d]    what the plan so far saves in slot t + d
    rest[d]    what the undecided contents of this slot would save in t + d, if all were cached
    now[t]     1 for the current slot

followed by the user's number, one-hot, and `SCALARS`. Savings are in units of the scenario's mean
content and enter as signed square roots, for their law has a heavy tail.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from learners.push.stage.batch import Batch, gains, insert, line_up, price, remove
from learners.push.stage.draws import Problems
from opt_istn.compiling import compiled
from opt_istn.push.instance import IntArray

Float = NDArray[np.float32]
CURVES = ("worth", "own", "gain", "load", "held", "rest")
SCALARS = ("total", "undecided", "births to come", "slots left", "link up")

# heads, features, gains -> slots in which they are pushed, T for never
ChooseSlot = Callable[[IntArray, Float, Float], IntArray]


class Decided(NamedTuple):
    """Decisions on heads, in the order of the heads.

    Parameters
    ----------
    plan
        Slot in which each head is pushed, T for never, shape (N,).
    rows
        Features, shape (N, width); zeros for heads that were not asked for.
    gain
        What a push d slots after birth saves more than none, given the decisions before, in units,
        shape (N, T + 1); 0 for d = T, "never".
    """

    plan: IntArray
    rows: Float
    gain: Float


def width(num_users: int, num_slots: int) -> int:
    """Return the number of features."""
    return (len(CURVES) + 1) * num_slots + num_users + len(SCALARS)


class Insertions(NamedTuple):
    """Plans in the making, one per problem.

    Parameters
    ----------
    row, at
        Heads in order of insertion, shape (P, n), and their slots, T past the last, shape
        (P, n + L + 1).
    used
        Number of insertions, shape (P,).
    """

    row: IntArray
    at: IntArray
    used: IntArray


def decide(
    problems: Problems,
    unit_us: float,
    num_users: int,
    choose: ChooseSlot,
    since: int,
    plan: IntArray,
) -> Decided:
    """Decide on the heads of all problems, side by side.

    Parameters
    ----------
    unit_us
        Savings that count as 1.
    num_users
        M.
    choose
        The policy.
    since
        Slot from which on heads are decided; those of contents born before are as in `plan`.
    plan
        Slots of the heads, T for never, shape (N,).
    """
    batch, slots = problems.batch, problems.batch.num_slots
    order, first = _order(batch), np.zeros_like(batch.places)
    insertions = _lined_up(batch, np.where(batch.release < since, plan, slots))
    for p, low in enumerate(batch.start[:-1]):
        first[p] = low + np.sum(batch.release[low : batch.start[p + 1]] < since)
    rows = np.zeros((len(plan), width(num_users, slots)), dtype=np.float32)
    gain, plan = np.zeros((len(plan), slots + 1), dtype=np.float32), plan.copy()
    for k in range(int((batch.start[1:] - first).max(initial=0))):
        turn = np.where(first + k < batch.start[1:], first + k, -1)
        _describe(problems, num_users, unit_us, insertions, order, turn, rows, gain)
        heads = order[turn[turn >= 0]]
        plan[heads] = choose(heads, rows[heads], gain[heads])
        _enter(slots, insertions, order, turn, plan)
    return Decided(plan, rows, gain)


def _order(batch: Batch) -> IntArray:
    """Return the order in which the heads of each problem are decided, shape (N,)."""
    total = batch.saved[:, -1]
    return np.lexsort((-total, batch.release, batch.problem)).astype(np.int64)


def _lined_up(batch: Batch, plan: IntArray) -> Insertions:
    """Return the insertions of a plan, with room for all heads."""
    most = int(np.diff(batch.start).max(initial=0))
    number, places = len(batch.places), int(batch.places.max(initial=0))
    row = np.zeros((number, most), dtype=np.int64)
    at = np.full((number, most + places + 1), batch.num_slots)
    used = np.zeros(number, dtype=np.int64)
    for p in range(number):
        low, high = batch.start[p], batch.start[p + 1]
        used[p] = line_up(plan, low, high, batch.num_slots, row[p], at[p])
    return Insertions(row, at, used)


@compiled
def _enter(
    slots: int, insertions: Insertions, order: IntArray, turn: IntArray, plan: IntArray
) -> None:
    """Enter the decisions on the heads described into their users' insertions."""
    for p in range(len(turn)):
        if turn[p] >= 0 and plan[order[turn[p]]] < slots:
            head = order[turn[p]]
            insert(insertions.row[p], insertions.at[p], insertions.used[p], head, plan[head])
            insertions.used[p] += 1


@compiled
def _describe(
    problems: Problems,
    num_users: int,
    unit: float,
    insertions: Insertions,
    order: IntArray,
    turn: IntArray,
    rows: Float,
    relative: Float,
) -> None:
    """Write features and gains of the heads whose turn it is."""
    batch = problems.batch
    saved, slots = batch.saved, batch.saved.shape[1] - 1
    gain, own = np.zeros(slots + 1, dtype=np.int64), np.zeros(slots + 1, dtype=np.int64)
    lost = np.zeros(insertions.row.shape[1] + 1, dtype=np.int64)
    for p in range(len(turn)):
        if turn[p] < 0:
            continue
        head, size, row, at = order[turn[p]], batch.places[p], insertions.row[p], insertions.at[p]
        t, x = batch.release[head], rows[head]
        used = _postpone(row, at, insertions.used[p], batch.link_up[p], t)
        insertions.used[p] = used
        price(saved, size, row, at, used, lost)
        gains(saved, size, row, at, used, lost, head, t, gain, own)
        for d in range(slots - t):
            x[d] = (saved[head, t + d + 1] - saved[head, t + d]) / unit
            x[slots + d] = own[t + d] / unit
            x[2 * slots + d] = relative[head, d] = gain[t + d] / unit
        _tell_plan(saved, size, row, at, used, t, unit, x)
        undecided = _tell_rest(saved, batch.release, order, turn[p], batch.start[p + 1], unit, x)
        for j in range(6 * slots):
            x[j] = np.sqrt(x[j]) if x[j] >= 0 else -np.sqrt(-x[j])
        x[6 * slots + t] = 1
        x[7 * slots + problems.user[p]] = 1
        j = 7 * slots + num_users
        x[j] = np.sqrt(saved[head, slots] / unit)
        x[j + 1] = undecided / 10
        x[j + 2] = 1 - problems.known[p, t]
        x[j + 3] = (slots - t) / slots
        x[j + 4] = batch.link_up[p, t]


@compiled
def _tell_plan(
    saved: IntArray,
    size: int,
    row: IntArray,
    at: IntArray,
    used: int,
    t: int,
    unit: float,
    x: Float,
) -> None:
    """Write what is planned and what is held from slot t on."""
    slots = saved.shape[1] - 1
    for k in range(used):
        if at[k] >= t:
            x[3 * slots + at[k] - t] += 1 / size
        for s in range(max(at[k], t), at[k + size]):
            x[4 * slots + s - t] += (saved[row[k], s + 1] - saved[row[k], s]) / unit


@compiled
def _tell_rest(
    saved: IntArray, release: IntArray, order: IntArray, turn: int, end: int, unit: float, x: Float
) -> int:
    """Write what the undecided contents of the slot are worth; return their number."""
    slots, t, k = saved.shape[1] - 1, release[order[turn]], turn + 1
    while k < end and release[order[k]] == t:
        for d in range(slots - t):
            x[5 * slots + d] += (saved[order[k], t + d + 1] - saved[order[k], t + d]) / unit
        k += 1
    return k - turn - 1


@compiled
def _postpone(row: IntArray, at: IntArray, used: int, link_up: NDArray[np.bool], t: int) -> int:
    """Move pushes that found their link down by slot t to the next slot in which it is up.

    No later link state is known, so that is t + 1 at the latest.
    """
    slots, k = len(link_up), 0
    while k < used and at[k] <= t:
        s = at[k]
        while s <= t and not link_up[s]:
            s += 1
        if s == at[k]:
            k += 1
            continue
        head = row[k]
        used = remove(row, at, used, head, slots)
        if s < slots:
            insert(row, at, used, head, s)
            used += 1
    return used
