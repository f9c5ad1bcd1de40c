"""Many PUSH plans at once, compiled: what they save, and what every other choice would have saved.

Users share nothing and requests do not react to pushes, so a plan can be replayed with one push
moved. The difference of the two delays is exactly what that head of the policy is responsible for,
evictions of others included. With the insertions of a user in order, q_0, q_1, .. in slots
S_0 <= S_1 <= .. (S_k = T past the last), content q_j lives in [S_j, S_{j+L}). One more insertion at
place p in slot s

    lives itself in            [s, S_{p+L-1}),
    cuts the life of q_{p-L}   from S_p to s,
    cuts the lives of q_j      from S_{j+L} to S_{j+L-1},  p - L < j < p,

so with prefix sums of the last line all T + 1 choices of a head cost O(T). Savings are integers in
microseconds and equal those of `opt_istn.push.evaluate` exactly.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from opt_istn.compiling import compiled
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.plan import Plan

HEAT = 0.1  # first temperature of annealing, see `anneal`


class Batch(NamedTuple):
    """Users' problems one after the other: N heads, a head being a content for a user.

    Parameters
    ----------
    start
        First head of each problem, and N at the end, shape (P + 1,). Heads of a problem are in
        order of generation of their contents.
    places
        L of each problem, shape (P,).
    release
        Slot of birth of each head's content, shape (N,).
    saved
        Delay that having the content cached in slots 0..t-1 saves at t, shape (N, T + 1).
    link_up
        Whether the link of each problem's user is up in each slot, shape (P, T).
    """

    start: IntArray
    places: IntArray
    release: IntArray
    saved: IntArray
    link_up: NDArray[np.bool]

    @property
    def num_slots(self) -> int:
        """T."""
        return int(self.saved.shape[1]) - 1

    @property
    def problem(self) -> IntArray:
        """Problem of each head, shape (N,)."""
        return np.repeat(np.arange(len(self.places)), np.diff(self.start))

    @property
    def allowed(self) -> NDArray[np.bool]:
        """Whether a head may push in each slot, shape (N, T)."""
        exists = np.arange(self.num_slots) >= self.release[:, None]
        allowed: NDArray[np.bool] = exists & self.link_up[self.problem]
        return allowed


def joined(batches: Sequence[Batch]) -> Batch:
    """Return several batches of the same T as one."""
    ends = np.cumsum([0, *(x.start[-1] for x in batches)])
    start = [x.start[:-1] + end for x, end in zip(batches, ends, strict=False)]
    columns = zip(*(x[1:] for x in batches), strict=True)
    return Batch(np.append(np.concatenate(start), ends[-1]), *map(np.concatenate, columns))


def realised(instance: Instance) -> IntArray:
    """Return the delay saved by a cached content as the requests fell, shape (M, F, T)."""
    weight = np.zeros((*instance.roi.shape, instance.num_slots), dtype=np.int64)
    user, content, slot = instance.requests[:, :3].T
    weight[user, content, slot] = instance.miss_us
    return weight


def plan_of(instance: Instance, slots: IntArray) -> Plan:
    """Return the plan of the heads' slots, T for never, shape (N,)."""
    pushes = zip(*np.nonzero(instance.roi), slots, strict=True)
    rows = [(int(u), int(f), int(t)) for u, f, t in pushes if t < instance.num_slots]
    return Plan(instance.sha256, tuple(sorted(rows)))


def effective(batch: Batch, plan: IntArray) -> IntArray:
    """Return the slots in which planned pushes are made: the next in which the link is up, or T."""
    following = np.full((len(batch.places), batch.num_slots + 1), batch.num_slots)
    for t in range(batch.num_slots - 1, -1, -1):
        following[:, t] = np.where(batch.link_up[:, t], t, following[:, t + 1])
    made: IntArray = following[batch.problem, plan]
    return made


def replay(batch: Batch, plan: IntArray) -> IntArray:
    """Return what plans save in microseconds, shape (P,).

    Parameters
    ----------
    plan
        Slot of each head, T for never, shape (N,).
    """
    made = effective(batch, plan)
    return np.asarray(_replay(batch.start, batch.places, batch.saved, made))


def counterfactuals(batch: Batch, plan: IntArray) -> IntArray:
    """Return how many more microseconds each choice saves than "never", shape (N, T + 1).

    All other heads stay as in `plan`. Choices before a content's birth count 0, like "never".
    Moving head i from its slot a[i] to s adds ``gain[i, s] - gain[i, a[i]]`` to the saving.
    """
    made = effective(batch, plan)
    gain = _counterfactuals(batch.start, batch.places, batch.release, batch.saved, made)
    every = np.broadcast_to(np.arange(batch.num_slots + 1), gain.shape)
    moved = np.stack([effective(batch, column) for column in every.T], axis=1)
    result: IntArray = np.take_along_axis(gain, moved, axis=1)
    return result


def anneal(batch: Batch, sweeps: int, heat: float, rng: np.random.Generator) -> IntArray:
    """Return good plans, births being known: slots of the heads, T for never, shape (N,).

    Heat-bath sampling: head after head, a slot is drawn with probability proportional to
    exp(saving / temperature), all other heads being fixed; the last tenth of the sweeps takes the
    best.

    Parameters
    ----------
    sweeps
        How often every head is drawn.
    heat
        First temperature in mean savings of a head; it falls geometrically to a hundredth.
    """
    plan = np.full(len(batch.release), batch.num_slots)
    draws = rng.random((sweeps, len(plan)))
    _anneal(batch.start, batch.places, batch.allowed, batch.saved, plan, draws, heat)
    return plan


class Yardstick:
    """Measures plans by annealed ones, which know all births.

    Parameters
    ----------
    batch, users
        The problems, those of an instance one after the other, and M.
    sweeps, rng
        Of the annealing.
    """

    def __init__(self, batch: Batch, users: int, sweeps: int, rng: np.random.Generator) -> None:
        self._batch, self._users = batch, users
        self._best = np.maximum(self._saved(anneal(batch, sweeps, HEAT, rng)), 1)

    def savings(self, plan: IntArray) -> list[float]:
        """Return the saving of slots of heads, shape (N,), over the best: a number an instance."""
        shares: list[float] = (self._saved(plan) / self._best).tolist()
        return shares

    def _saved(self, plan: IntArray) -> IntArray:
        total: IntArray = replay(self._batch, plan).reshape(-1, self._users).sum(axis=1)
        return total


@compiled
def insert(row: IntArray, at: IntArray, used: int, head: int, slot: int) -> int:
    """Insert a head into the insertions of its user; return its place.

    Parameters
    ----------
    row, at
        Heads in order of insertion and their slots, T past the last.
    used
        Number of insertions.
    """
    k = used
    while k > 0 and (at[k - 1] > slot or (at[k - 1] == slot and row[k - 1] > head)):
        row[k], at[k] = row[k - 1], at[k - 1]
        k -= 1
    row[k], at[k] = head, slot
    return k


@compiled
def remove(row: IntArray, at: IntArray, used: int, head: int, never: int) -> int:
    """Remove a head from the insertions of its user if it is there; return how many are left."""
    k = 0
    while k < used and row[k] != head:
        k += 1
    if k == used:
        return used
    for j in range(k, used - 1):
        row[j], at[j] = row[j + 1], at[j + 1]
    at[used - 1] = never
    return used - 1


@compiled
def price(
    saved: IntArray, places: int, row: IntArray, at: IntArray, used: int, lost: IntArray
) -> None:
    """Write into ``lost[p]`` what the first p insertions lose if each dies one insertion early."""
    lost[0] = 0
    for j in range(used):
        f = row[j]
        lost[j + 1] = lost[j] + saved[f, at[j + places]] - saved[f, at[j + places - 1]]


@compiled
def gains(
    saved: IntArray,
    places: int,
    row: IntArray,
    at: IntArray,
    used: int,
    lost: IntArray,
    head: int,
    first: int,
    gain: IntArray,
    own: IntArray,
) -> None:
    """Write what pushing a head saves in each slot from `first` on; it is not inserted yet.

    Parameters
    ----------
    gain, own
        Results, microseconds, shape (T + 1,): what the user saves more, and the head's own part.
    """
    slots = saved.shape[1] - 1
    p = 0
    gain[slots] = own[slots] = 0
    for s in range(first, slots):
        while p < used and (at[p] < s or (at[p] == s and row[p] < head)):
            p += 1
        own[s] = saved[head, at[p + places - 1]] - saved[head, s]
        gain[s] = own[s] - (lost[p] - lost[max(p - places + 1, 0)])
        if p >= places:
            f = row[p - places]
            gain[s] -= saved[f, at[p]] - saved[f, s]


@compiled
def line_up(plan: IntArray, low: int, high: int, never: int, row: IntArray, at: IntArray) -> int:
    """Write a problem's insertions in order; return their number."""
    at[:] = never
    used = 0
    for s in range(never):
        for f in range(low, high):
            if plan[f] == s:
                row[used], at[used] = f, s
                used += 1
    return used


@compiled
def _replay(start: IntArray, places: IntArray, saved: IntArray, plan: IntArray) -> IntArray:
    never = saved.shape[1] - 1
    total = np.zeros(len(places), dtype=np.int64)
    for p in range(len(places)):
        low, high = start[p], start[p + 1]
        row = np.empty(high - low, dtype=np.int64)
        at = np.empty(high - low + places[p] + 1, dtype=np.int64)
        used = line_up(plan, low, high, never, row, at)
        for k in range(used):
            total[p] += saved[row[k], at[k + places[p]]] - saved[row[k], at[k]]
    return total


@compiled
def _counterfactuals(
    start: IntArray, places: IntArray, release: IntArray, saved: IntArray, plan: IntArray
) -> IntArray:
    never = saved.shape[1] - 1
    gain = np.zeros(saved.shape, dtype=np.int64)
    own = np.zeros(never + 1, dtype=np.int64)
    for p in range(len(places)):
        low, high, size = start[p], start[p + 1], places[p]
        row = np.empty(high - low, dtype=np.int64)
        at = np.empty(high - low + size + 1, dtype=np.int64)
        lost = np.empty(high - low + 1, dtype=np.int64)
        used = line_up(plan, low, high, never, row, at)
        price(saved, size, row, at, used, lost)
        for f in range(low, high):
            if plan[f] == never:
                gains(saved, size, row, at, used, lost, f, release[f], gain[f], own)
                continue
            left = remove(row, at, used, f, never)
            price(saved, size, row, at, left, lost)
            gains(saved, size, row, at, left, lost, f, release[f], gain[f], own)
            insert(row, at, left, f, plan[f])
            price(saved, size, row, at, used, lost)
    return gain


@compiled
def _anneal(
    start: IntArray,
    places: IntArray,
    allowed: NDArray[np.bool],
    saved: IntArray,
    plan: IntArray,
    draws: NDArray[np.float64],
    heat: float,
) -> None:
    never = saved.shape[1] - 1
    gain, own = np.zeros(never + 1, dtype=np.int64), np.zeros(never + 1, dtype=np.int64)
    odds = np.zeros(never + 1)
    for p in range(len(places)):
        low, high, size = start[p], start[p + 1], places[p]
        row = np.empty(high - low, dtype=np.int64)
        at = np.empty(high - low + size + 1, dtype=np.int64)
        lost = np.empty(high - low + 1, dtype=np.int64)
        used = line_up(plan, low, high, never, row, at)
        mean = saved[low:high, never].mean() if high > low else 0.0
        cooled = int(0.9 * len(draws))
        for sweep in range(len(draws)):
            temperature = heat * mean * 0.01 ** (sweep / max(cooled, 1)) + 1e-9
            for f in range(low, high):
                first = int(np.argmax(allowed[f]))
                if saved[f, never] == saved[f, first] or not allowed[f, first]:
                    continue
                used = remove(row, at, used, f, never)
                price(saved, size, row, at, used, lost)
                gains(saved, size, row, at, used, lost, f, first, gain, own)
                slot = never
                if sweep >= cooled:
                    for s in range(first, never):
                        if allowed[f, s] and gain[s] > gain[slot]:
                            slot = s
                else:
                    slot = _drawn(gain, allowed[f], first, temperature, draws[sweep, f], odds)
                plan[f] = slot
                if slot < never:
                    insert(row, at, used, f, slot)
                    used += 1


@compiled
def _drawn(
    gain: IntArray,
    allowed: NDArray[np.bool],
    first: int,
    temperature: float,
    lot: float,
    odds: NDArray[np.float64],
) -> int:
    """Draw a slot with probability proportional to exp(gain / temperature)."""
    never = len(gain) - 1
    most = gain[never]
    for s in range(first, never):
        if allowed[s]:
            most = max(most, gain[s])
    odds[never] = np.exp((gain[never] - most) / temperature)
    total = odds[never]
    for s in range(first, never):
        odds[s] = np.exp((gain[s] - most) / temperature) if allowed[s] else 0.0
        total += odds[s]
    left = lot * total
    for s in range(first, never):
        left -= odds[s]
        if left < 0:
            return s
    return never
