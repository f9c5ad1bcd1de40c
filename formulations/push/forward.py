"""`push.forward`: exact PUSH by labels that go forward under a bound, in plain numpy and Python.

A second proof for instances in which few contents are alive at a time: it shares no kernel and no
way of splitting with `labels`. Both relax push-once and price it; but the prices that `labels`
finds are only hints here: any prices of at least 0 give a bound. With prices charged for pushes,
pushing a content again that was evicted is allowed, so what a user's cache holds says it all:

    V_t[c_1, ..., c_L] = the most that pushes from slot t on add, less their prices

is an array with an axis for each place, the oldest first. Labels that know all pushes made then go
forward from the empty cache. One that cannot come above a threshold, even if it goes on as well as
V says, is dropped. The best that arrives is optimal; if nothing does, the threshold is a bound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from formulations.push.labels import solver
from formulations.push.labels.dense import MAX_STATES, MAX_US, NARROW_US, integers
from formulations.push.labels.solver import UserSearch
from formulations.push.users import UserResult, UserTask, relaxed_bound, solve
from opt_istn.push.instance import Instance, IntArray, UserProblem
from opt_istn.solver import Budget, Claims

PROOF = "forward"
MAX_LABELS = 1_000_000  # of a slot
_TIDY = 2000  # labels from which on they are compared with each other within a slot
_RATE = 1e8  # tuples filled in a second
_FINEST = 64  # part of the gap that the first threshold leaves
_EMPTY = -1  # a place without a content that is still requested
_NONE = -1  # below any V: one can push nothing
State = tuple[tuple[int, ...], frozenset[int]]  # contents held, oldest first; those evicted
Chain = tuple[int, int, Any] | None  # a push, content and slot, and the pushes before it
Labels = dict[State, tuple[int, Chain]]  # what is saved, and how


@dataclass(frozen=True)
class Forward:
    """Forward labels under a priced bound. The seed decides the annealing, not what is proven."""

    stochastic = True
    kind = "exact"
    knows = "requests"

    def supports(self, instance: Any) -> str | None:
        """Instances are supported in which few contents are alive at a time."""
        if not isinstance(instance, Instance):
            return "expected a PUSH instance"
        problems = [instance.user(user) for user in range(instance.num_users)]
        if any(_num_tuples(p) * (1 + (p.base_us > NARROW_US)) > MAX_STATES for p in problems):
            return "too many contents alive at a time for caches of this size"
        if instance.base_us < MAX_US:
            return None
        return f"expected delays that add up to less than {MAX_US} us"

    def prepare(self) -> None:
        """Compile the kernels that find prices, or load them from numba's cache."""
        solver.Labels().prepare()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Solve every user; the bound is the sum of the users' bounds."""
        return solve(instance, _solve_task, budget, seed, PROOF)


def _solve_task(task: UserTask) -> UserResult:
    problem, rng = task.problem, np.random.default_rng([task.seed, task.user])
    search = UserSearch(problem, rng, task.budget)
    prices = np.maximum(solver.tuple_prices(search), 0)
    most, chain = problem.base_us, None
    if search.has(_num_tuples(problem) / _RATE):
        most, chain = _closed(problem, prices, search.saved_us, search.expired)
    plan, slots = search.plan, problem.weight.shape[1]
    kept = [(int(f), int(plan[f])) for f in np.flatnonzero(plan < slots)]
    bound = max(problem.base_us - most, relaxed_bound(problem))
    return UserResult(tuple(_pushes(chain) or kept), bound, search.work["sweeps"])


def _closed(
    problem: UserProblem, prices: IntArray, saved_us: int, expired: Callable[[], bool]
) -> tuple[int, Chain]:
    """Return an upper bound on the saving, and the plan that reaches it if it is a new one.

    Thresholds fall, each twice as far below the first bound as the one before, for few labels stand
    above a high one. The first that some plan beats is the last.
    """
    known = completions(problem, prices)
    most = first = int(known.value[0].flat[0] + prices.sum())  # of the empty cache
    step = max((first - saved_us) // _FINEST, 1)
    while most > saved_us:
        floor = max(saved_us, first - step)
        found = improved(problem, known, prices, floor, MAX_LABELS, expired)
        if found is None:
            break
        most, chain = found
        if chain is not None:
            return most, chain
        step *= 2
    return max(most, saved_us), None


class Completions(NamedTuple):
    """What can still be added, by slot; lists have T + 1 entries, or T of pushes.

    Parameters
    ----------
    worth
        What content f saves from slot t on, shape (n, T + 1).
    digit
        Place of content f on the axes of slot t, 0 if it is not there, shape (n + 1, T + 1); the
        last row is for no content.
    value
        V; the contents held are digits.
    pushes
        Contents that can be pushed in a slot, ascending.
    """

    worth: IntArray
    digit: IntArray
    value: list[NDArray[np.int32 | np.int64]]
    pushes: list[list[int]]


def completions(problem: UserProblem, prices: IntArray) -> Completions:
    """Return V of every slot. O(pushes times tuples of their slots); all tuples in memory."""
    slots, places = problem.weight.shape[1], problem.cache_size
    worth, alive = _alive(problem)
    digit = np.zeros((len(worth) + 1, slots + 1), dtype=np.int64)
    digit[:-1] = np.where(alive, alive.cumsum(axis=0), 0)
    pushes = [np.flatnonzero(x).tolist() for x in (problem.pushable & alive[:, :-1]).T]
    whole = integers(int(problem.weight.sum())).dtype.type
    value = [np.zeros((1,) * places, dtype=whole)]
    for t in range(slots - 1, -1, -1):
        here = np.flatnonzero(alive[:, t])
        step = np.append(0, digit[here, t + 1])
        table = value[-1][np.ix_(*[step] * places)]
        lost = np.append(0, worth[here, t]).astype(whole).reshape(-1, *(1,) * (places - 1))
        for f in reversed(pushes[t]):
            after = table[..., digit[f, t]] + whole(worth[f, t] - prices[f])
            pushed = after[None] - lost
            for axis in range(places):  # what is held is not pushed
                pushed[(slice(None),) * axis + (digit[f, t],)] = _NONE
            np.maximum(table, pushed, out=table)
        value.append(table)
    return Completions(worth, digit, value[::-1], pushes)


def improved(
    problem: UserProblem,
    known: Completions,
    prices: IntArray,
    floor: int,
    limit: int,
    expired: Callable[[], bool] = lambda: False,
) -> tuple[int, Chain] | None:
    """Return the most that any plan saves beyond a threshold and how; None if given up.

    Parameters
    ----------
    known
        V at these prices.
    prices
        Of a push of each content, microseconds, at least 0, shape (n,).
    floor
        The threshold, microseconds. If no plan saves more, it is returned without a plan.
    limit
        Labels in a slot at which to give up.
    expired
        Tells whether to give up.
    """
    last = np.full(len(prices), -1)  # slot in which a content can be pushed for the last time
    for t, contents in enumerate(known.pushes):
        last[contents] = t
    labels: Labels = {((_EMPTY,) * problem.cache_size, frozenset()): (0, None)}
    for t in range(problem.weight.shape[1]):
        due = np.append(np.where(last >= t, prices, 0), 0)  # the last one: of no content
        most = _Most(known, t, due.tolist(), floor - int(due.sum()))
        open_ = frozenset(np.flatnonzero(last >= t).tolist())
        labels = _forget(labels, known.digit[:, t].tolist(), open_)
        labels = {x: found for x, found in labels.items() if most.beats(x, found[0])}
        tidy = _TIDY
        for f in known.pushes[t]:
            labels |= _push(labels, f, t, most)
            if len(labels) > tidy:
                labels = _undominated(labels)
                tidy = max(_TIDY, 2 * len(labels))
            if len(labels) > limit or expired():
                return None
        labels = _undominated(labels)
    best = max(labels.values(), key=lambda found: found[0], default=(floor, None))
    return best if best[0] > floor else (floor, None)


class _Most:
    """What labels of a slot can still come to."""

    def __init__(self, known: Completions, t: int, due: list[int], floor: int) -> None:
        self.worth: list[int] = [*known.worth[:, t].tolist(), 0]  # the last one: of no content
        self._value, self._digit = known.value[t], known.digit[:, t].tolist()
        self._due, self._floor = due, floor

    def beats(self, state: State, saved: int) -> bool:
        """Return whether a label may beat the incumbent: the prices of pushes made are refunded."""
        held, gone = state
        more = self._value[tuple([self._digit[f] for f in held])]
        paid = sum([self._due[f] for f in held]) + sum([self._due[f] for f in gone])
        return bool(saved + more - paid > self._floor)


def _push(labels: Labels, f: int, t: int, most: _Most) -> Labels:
    """Return the labels that a push of content f in slot t leads to, those that are better."""
    result: Labels = {}
    for (held, gone), (saved, chain) in labels.items():
        if f in held or f in gone:
            continue
        oldest = held[0]
        after = (*held[1:], f), gone if oldest == _EMPTY else gone | {oldest}
        total = saved + most.worth[f] - most.worth[oldest]
        before = result.get(after) or labels.get(after)
        if (before is None or total > before[0]) and most.beats(after, total):
            result[after] = total, (f, t, chain)
    return result


def _forget(labels: Labels, digit: list[int], open_: frozenset[int]) -> Labels:
    """Return labels without contents requested no more, and evicted ones not to be pushed."""
    result: Labels = {}
    for (held, gone), found in labels.items():
        x = tuple([f if digit[f] else _EMPTY for f in held]), gone & open_
        if x not in result or found[0] > result[x][0]:
            result[x] = found
    return result


def _undominated(labels: Labels) -> Labels:
    """Return the labels that no other with the same cache betters: more saved, fewer evicted."""
    alike: dict[tuple[int, ...], list[tuple[int, int, frozenset[int]]]] = {}
    for (held, gone), (saved, _) in labels.items():
        alike.setdefault(held, []).append((-saved, len(gone), gone))
    result: Labels = {}
    for held, rows in alike.items():
        kept: list[frozenset[int]] = []
        for _, _, gone in sorted(rows, key=lambda row: row[:2]):
            if not any(other <= gone for other in kept):
                kept.append(gone)
                result[held, gone] = labels[held, gone]
    return result


def _pushes(chain: Chain) -> list[tuple[int, int]]:
    """Return the pushes, content and slot, of a chain."""
    pushes = []
    while chain is not None:
        f, t, chain = chain
        pushes.append((f, t))
    return pushes


def _alive(problem: UserProblem) -> tuple[IntArray, NDArray[np.bool]]:
    """Return what contents save from each slot on, and whether a cache may hold them and gain."""
    slots = problem.weight.shape[1]
    worth = np.zeros((len(problem.weight), slots + 1), dtype=np.int64)
    worth[:, :-1] = problem.weight[:, ::-1].cumsum(axis=1)[:, ::-1]
    alive = worth > 0
    alive[:, :-1] &= np.logical_or.accumulate(problem.pushable, axis=1)
    alive[:, -1] = False
    return worth, alive


def _num_tuples(problem: UserProblem) -> float:
    _, alive = _alive(problem)
    with np.errstate(over="ignore"):  # more than any number
        return float(((alive.sum(axis=0) + 1.0) ** problem.cache_size).sum())
