"""Simulated annealing on push slots: incumbents of small users; `moves` has those of large ones.

The saving of a plan is computed in O(contents + slots): insertions in order, the i-th lives until
the (i + L)-th enters.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from opt_istn.compiling import compiled
from opt_istn.push.instance import IntArray, UserProblem

_STEPS = 300_000  # of a restart, at most
_RATE = 5e8  # contents and slots looked at in a second


def options(problem: UserProblem) -> tuple[NDArray[np.bool], IntArray, IntArray]:
    """Return in which slots a push can save something, as a mask and as a list per content.

    Returns
    -------
    useful
        Whether it can, shape (n, T).
    ptr, slots
        The slots of content f, T for never being the last, are ``slots[ptr[f]:ptr[f + 1]]``.
    """
    useful = problem.pushable & (problem.weight[:, ::-1].cumsum(axis=1)[:, ::-1] > 0)
    rows = [np.append(np.flatnonzero(row), useful.shape[1]) for row in useful]
    slots = np.concatenate([*rows, np.empty(0, dtype=np.int64)])
    return useful, np.cumsum([0, *map(len, rows)]), slots


def anneal_plan(
    problem: UserProblem, plan: IntArray, steps: int, heat: float, rng: np.random.Generator
) -> tuple[IntArray, int]:
    """Improve a plan and return the best one met with its saving in microseconds.

    Parameters
    ----------
    plan
        Push slot of each content, T for never, shape (n,).
    steps
        Moves tried; each gives one content another slot.
    heat
        First temperature in microseconds; it falls geometrically to a hundredth.
    """
    _, ptr, flat = options(problem)
    saved = cumulative(problem)
    # random numbers are drawn outside the kernel, so that the generator is the caller's
    draws = rng.random((steps, 3))
    best, value = _anneal(saved, problem.cache_size, plan, ptr, flat, draws, heat)
    return best, int(value)


def heat_of(problem: UserProblem) -> float:
    """Return a good first temperature: half of what serving a content in a slot saves."""
    weight = problem.weight
    return 0.5 * float(weight[weight > 0].mean()) if weight.any() else 1.0


def first_plan(
    problem: UserProblem, rng: np.random.Generator, time_s: float | None = None
) -> tuple[IntArray, int]:
    """Return an annealed plan and its saving, with as many steps as problem and time are worth."""
    steps = min(100 * num_pushes(problem), 1_000_000)
    while time_s is not None and steps * sum(problem.weight.shape) > time_s * _RATE:
        steps //= 2
    return anneal_plan(problem, never(problem), steps, heat_of(problem), rng)


def restarts(
    problem: UserProblem,
    plan: IntArray,
    value: int,
    rng: np.random.Generator,
    rounds: int,
    done: Callable[[int], bool],
) -> tuple[IntArray, int]:
    """Anneal anew, and every third time from the best; finds what one long annealing misses.

    Parameters
    ----------
    plan, value
        The best so far, and what it saves in microseconds.
    rounds
        Annealings at most; small problems take fewer.
    done
        Told the best value, says whether to stop.
    """
    pushes, heat = num_pushes(problem), heat_of(problem)
    for k in range(min(pushes // 6, rounds)):
        if done(value):
            break
        first, warm = (plan, 0.3 * heat) if k % 3 == 2 else (never(problem), heat)
        found, saved = anneal_plan(problem, first, min(1000 * pushes, _STEPS), warm, rng)
        if saved > value:
            plan, value = found, saved
    return plan, value


def num_pushes(problem: UserProblem) -> int:
    """Return the number of pushes, content and slot, that can save something."""
    saved = cumulative(problem)
    return int((problem.pushable & (saved[:, :-1] < saved[:, -1:])).sum())


def never(problem: UserProblem) -> IntArray:
    """Return the plan that pushes nothing."""
    return np.full(len(problem.weight), problem.weight.shape[1])


def cumulative(problem: UserProblem) -> IntArray:
    """Return the saving of holding content f in slots 0..t-1 at column t, shape (n, T + 1)."""
    total = np.cumsum(problem.weight, axis=1)
    return np.concatenate([np.zeros((len(total), 1), dtype=np.int64), total], axis=1)


@compiled
def saving(saved: IntArray, places: int, plan: IntArray) -> int:
    """Return what a plan saves: shape (n,) of push slots, T for never."""
    contents, slots = saved.shape[0], saved.shape[1] - 1
    start = np.zeros(slots + 2, dtype=np.int64)
    for f in range(contents):
        start[plan[f] + 1] += 1
    for t in range(slots + 1):
        start[t + 1] += start[t]
    used = start[slots]
    slot = np.empty(contents, dtype=np.int64)
    order = np.empty(contents, dtype=np.int64)
    for f in range(contents):
        position = start[plan[f]]
        start[plan[f]] += 1
        order[position], slot[position] = f, plan[f]
    total = 0
    for i in range(used):
        end = slot[i + places] if i + places < used else slots
        total += saved[order[i], end] - saved[order[i], slot[i]]
    return total


@compiled
def _anneal(
    saved: IntArray,
    places: int,
    plan: IntArray,
    ptr: IntArray,
    options: IntArray,
    draws: NDArray[np.float64],
    heat: float,
) -> tuple[IntArray, int]:
    plan = plan.copy()
    value = saving(saved, places, plan)
    best, best_value = plan.copy(), value
    steps, contents = len(draws), len(plan)
    if contents == 0:
        return best, best_value
    for i in range(steps):
        f = int(draws[i, 0] * contents)
        width = ptr[f + 1] - ptr[f]
        old = plan[f]
        plan[f] = options[ptr[f] + int(draws[i, 1] * width)]
        if plan[f] == old:
            continue
        new = saving(saved, places, plan)
        temperature = heat * 0.01 ** (i / steps)
        if new >= value or draws[i, 2] < np.exp((new - value) / temperature):
            value = new
            if value > best_value:
                best, best_value = plan.copy(), value
        else:
            plan[f] = old
    return best, best_value
