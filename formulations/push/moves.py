"""Annealing with four moves on the order of insertions: incumbents for large users.

The insertions are kept sorted. The i-th lives until the (i + L)-th enters, so an insertion that
comes or goes changes its own life and those of the L before it, and nothing else: a move costs
O(L) look-ups whatever the number of contents and slots. By a uniform number u a step tries

``u < .35``
    to push a content in a random slot in which it may be pushed, or never;
``u < .6``
    to push it one slot earlier or later;
``u < .85``
    to give its slot to another content, and to it that one's where it may be pushed there, else
    none;
else
    to push it never, and another one in a random slot.

What each move is worth is measured in bench/hard-notes.md.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from formulations.push.anneal import (
    cumulative,
    first_plan,
    heat_of,
    never,
    num_pushes,
    options,
    restarts,
)
from opt_istn.compiling import compiled
from opt_istn.push.instance import IntArray, UserProblem
from opt_istn.push.random import random_push
from opt_istn.solver import Budget

Mask = NDArray[np.bool]
Draws = NDArray[np.float64]

LARGE = 1000  # pushes from which on these moves beat restarts
_STEPS = 24_000_000  # in all, where no clock ends them before
# heat of each annealing and its part of steps or time: the first is long, the others go on from
# the best plan
_ROUNDS = ((1.0, 0.4), (0.3, 0.2), (0.3, 0.2), (0.3, 0.2))
_HEATS = 0.3, 0.15, 0.5  # of the rounds of a chain
_RESTARTS = 2  # that begin one; it goes on from the better
_ROUND = 200_000  # steps of one of its rounds at most
_CHUNK = 100_000  # steps between two looks at the clock
_COLD = 0.01  # last temperature over the first
_MOVE, _SHIFT, _SWAP = 0.35, 0.6, 0.85  # shares of the moves, summed up


def incumbent(
    problem: UserProblem,
    rng: np.random.Generator,
    budget: Budget,
    rounds: int,
    bound: int | None = None,
) -> tuple[IntArray, int]:
    """Return a good plan and what it saves in microseconds.

    Parameters
    ----------
    budget
        Its clock runs; all of its time may be used.
    rounds
        Of chains of small users, at most.
    bound
        On the saving: a plan that meets it ends the search.
    """
    best = first_plan(problem, rng, budget.left_s())

    def done(saved_us: int) -> bool:
        return budget.expired() or (bound is not None and saved_us >= bound)

    return anneal_on(problem, best, rng, budget, rounds, done)


def anneal_on(
    problem: UserProblem,
    best: tuple[IntArray, int],
    rng: np.random.Generator,
    budget: Budget,
    rounds: int,
    done: Callable[[int], bool],
) -> tuple[IntArray, int]:
    """Improve the best plan: in chains for a small user, in one go for a large one.

    Parameters
    ----------
    best
        Plan and what it saves in microseconds.
    budget
        Cools the four moves: its clock runs, and all of its time is used.
    rounds
        Of chains, at most.
    done
        Told the best saving, says whether to stop.
    """
    if num_pushes(problem) < LARGE:
        better = chains(problem, best, rng)
        for _ in range(min(num_pushes(problem) // 6, rounds)):
            if done(best[1]):
                break
            best = next(better)
        return best
    time_s = budget.left_s()
    for heat, part in _ROUNDS:
        begin, best_us = budget.used_s(), best[1]

        def progress(steps: int, saved_us: int) -> float:
            if done(max(saved_us, best_us)):  # noqa: B023 - called before the next round
                return 1.0
            late = 0.0 if time_s is None else (budget.used_s() - begin) / max(time_s, 1e-9)  # noqa: B023
            return max(steps / _STEPS, late) / part  # noqa: B023

        found = improve(problem, best[0], heat * heat_of(problem), rng, progress)
        best = _better(best, found)
        if done(best[1]):
            break
    return best


def chains(
    problem: UserProblem, best: tuple[IntArray, int], rng: np.random.Generator
) -> Iterator[tuple[IntArray, int]]:
    """Yield the best plan and its saving after each round of annealing, without end.

    Three rounds of the four moves go on from the best plan, each from what the one before it came
    to; then restarts begin another chain, to leave a plan that no heat leads out of.
    """
    steps = min(_ROUND, 1000 * num_pushes(problem))
    chain = best
    while True:
        for heat in _HEATS:
            hot = heat * heat_of(problem)
            found = improve(problem, chain[0], hot, rng, lambda n, _: n / steps)
            chain = _better(chain, found)
            best = _better(best, chain)
            yield best
        chain = restarts(problem, never(problem), 0, rng, _RESTARTS, lambda _saved_us: False)
        best = _better(best, chain)
        yield best


def improve(
    problem: UserProblem,
    plan: IntArray,
    heat: float,
    rng: np.random.Generator,
    progress: Callable[[int, int], float],
) -> tuple[IntArray, int]:
    """Anneal from a plan; return the best one met with its saving in microseconds.

    Parameters
    ----------
    plan
        Push slot of each content, T for never, shape (n,).
    heat
        First temperature in microseconds; it falls geometrically to a hundredth.
    progress
        Told the steps done and the best saving, says how far the cooling is: from 0 on, 1 ends it.
    """
    useful, ptr, flat = options(problem)
    movable = np.flatnonzero(useful.any(axis=1))
    may = np.append(useful, np.ones((len(useful), 1), dtype=bool), axis=1)
    saved = cumulative(problem)
    state = _State(saved, problem.cache_size, plan)
    steps, share = 0, 0.0
    while len(movable) and share < 1:
        draws = rng.random((_CHUNK, 5))  # outside the kernel: the generator is the caller's
        before = share
        steps += _CHUNK
        share = min(progress(steps, state.best_value), 1.0)
        hot, cold = heat * _COLD**before, heat * _COLD**share
        state.run(draws, movable, ptr, flat, may, hot, cold)
    return state.best, state.best_value


def _better(one: tuple[IntArray, int], other: tuple[IntArray, int]) -> tuple[IntArray, int]:
    return max(one, other, key=lambda x: x[1])


def touch() -> None:
    """Compile all kernels of the annealing, of small users and of large ones."""
    rng = np.random.default_rng(0)
    problem = random_push(rng, num_users=1, num_requests=40).user(0)
    plan, _ = first_plan(problem, rng)
    improve(problem, plan, 1.0, rng, lambda _steps, _saved_us: 1.0)


class _State:
    """A plan, its insertions in order, and the best plan met."""

    def __init__(self, saved: IntArray, places: int, plan: IntArray) -> None:
        self.saved, self.places = saved, places
        self.plan = plan.copy()
        slots = saved.shape[1] - 1
        pushed = np.flatnonzero(plan < slots)
        pushed = pushed[np.lexsort((pushed, plan[pushed]))]
        self.order = np.zeros(len(plan) + 1, dtype=np.int64)
        self.when = np.full(len(plan) + 1, slots, dtype=np.int64)
        self.order[: len(pushed)], self.when[: len(pushed)] = pushed, plan[pushed]
        self.used = len(pushed)
        self.value = int(_saving(saved, places, self.order, self.when, self.used))
        self.best, self.best_value = plan.copy(), self.value

    def run(
        self,
        draws: Draws,
        movable: IntArray,
        ptr: IntArray,
        options: IntArray,
        may: Mask,
        hot: float,
        cold: float,
    ) -> None:
        """Take the steps of `draws`, cooling from `hot` to `cold`."""
        sequence = self.order, self.when, self.used, self.value
        moves = movable, ptr, options, may
        fixed = self.saved, self.places, self.plan, *sequence, self.best, self.best_value
        self.used, self.value, self.best_value = map(int, _walk(*fixed, *moves, draws, hot, cold))


@compiled
def _saving(saved: IntArray, places: int, order: IntArray, when: IntArray, used: int) -> int:
    total = 0
    for i in range(used):
        end = when[i + places] if i + places < used else saved.shape[1] - 1
        total += saved[order[i], end] - saved[order[i], when[i]]
    return total


@compiled
def _place(order: IntArray, when: IntArray, used: int, f: int, slot: int) -> int:
    """Return the number of insertions before content f in a slot."""
    low, high = 0, used
    while low < high:
        middle = (low + high) // 2
        if when[middle] < slot or (when[middle] == slot and order[middle] < f):
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _take(
    saved: IntArray, places: int, order: IntArray, when: IntArray, used: int, f: int, slot: int
) -> int:
    """Take content f out of a slot; return what that saves."""
    i = _place(order, when, used, f, slot)
    never = saved.shape[1] - 1
    end = when[i + places] if i + places < used else never
    gain: int = saved[f, slot] - saved[f, end]
    for j in range(max(0, i - places), min(i, used - places)):
        later = when[j + places + 1] if j + places + 1 < used else never
        gain += saved[order[j], later] - saved[order[j], when[j + places]]
    for j in range(i, used - 1):
        order[j], when[j] = order[j + 1], when[j + 1]
    return gain


@compiled
def _put(
    saved: IntArray, places: int, order: IntArray, when: IntArray, used: int, f: int, slot: int
) -> int:
    """Insert content f in a slot; return what that saves."""
    i = _place(order, when, used, f, slot)
    never = saved.shape[1] - 1
    for j in range(used, i, -1):
        order[j], when[j] = order[j - 1], when[j - 1]
    order[i], when[i] = f, slot
    used += 1
    end = when[i + places] if i + places < used else never
    gain: int = saved[f, end] - saved[f, slot]
    for j in range(max(0, i - places), min(i, used - places)):
        later = when[j + places + 1] if j + places + 1 < used else never
        gain += saved[order[j], when[j + places]] - saved[order[j], later]
    return gain


@compiled
def _change(
    saved: IntArray, places: int, plan: IntArray, order: IntArray, when: IntArray, used: int,
    f: int, slot: int,
) -> tuple[int, int]:  # fmt: skip
    """Push content f in another slot, T for never; return what that saves, and the insertions."""
    gain, never = 0, saved.shape[1] - 1
    if plan[f] < never:
        gain += _take(saved, places, order, when, used, f, plan[f])
        used -= 1
    plan[f] = slot
    if slot < never:
        gain += _put(saved, places, order, when, used, f, slot)
        used += 1
    return gain, used


@compiled
def _choose(
    plan: IntArray, movable: IntArray, ptr: IntArray, options: IntArray, may: Mask, draw: Draws
) -> tuple[int, int, int, int]:
    """Return two contents and their new slots; a content with its old slot stays."""
    f = movable[int(draw[1] * len(movable))]
    g = movable[int(draw[2] * len(movable))]
    never = may.shape[1] - 1
    if draw[0] < _MOVE:
        return f, options[ptr[f] + int(draw[3] * (ptr[f + 1] - ptr[f]))], f, plan[f]
    if draw[0] < _SHIFT:
        slot = plan[f] + (1 if draw[3] < 0.5 else -1)
        if plan[f] == never or not 0 <= slot < never or not may[f, slot]:
            slot = plan[f]
        return f, slot, f, plan[f]
    if draw[0] < _SWAP:
        if not may[g, plan[f]]:
            return f, plan[f], f, plan[f]
        return f, plan[g] if may[f, plan[g]] else never, g, plan[f]
    return f, never, g, options[ptr[g] + int(draw[3] * (ptr[g + 1] - ptr[g]))]


@compiled
def _walk(
    saved: IntArray, places: int, plan: IntArray, order: IntArray, when: IntArray, used: int,
    value: int, best: IntArray, best_value: int, movable: IntArray, ptr: IntArray,
    options: IntArray, may: Mask, draws: Draws, hot: float, cold: float,
) -> tuple[int, int, int]:  # fmt: skip
    steps = len(draws)
    for i in range(steps):
        f, to_f, g, to_g = _choose(plan, movable, ptr, options, may, draws[i])
        from_f, from_g = plan[f], plan[g]
        if (to_f == from_f) and (f == g or to_g == from_g):
            continue
        new, used = _change(saved, places, plan, order, when, used, f, to_f)
        if f != g:
            more, used = _change(saved, places, plan, order, when, used, g, to_g)
            new += more
        temperature = hot * (cold / hot) ** (i / steps)
        if new >= 0 or draws[i, 4] < np.exp(new / temperature):
            value += new
            if value > best_value:
                best_value = value
                for j in range(len(plan)):  # a slice would be slow to compile
                    best[j] = plan[j]
        else:
            if f != g:
                _, used = _change(saved, places, plan, order, when, used, g, from_g)
            _, used = _change(saved, places, plan, order, when, used, f, from_f)
    return used, value, best_value
