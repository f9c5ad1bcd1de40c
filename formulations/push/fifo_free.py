"""A bound that forgets the order of eviction: intervals in a cache of L places.

Each content may be held once, over an interval from the push that serves it to one of its
requests, and at most L intervals cover a slot. The linear program of that relaxation is nearly
integral and takes milliseconds. Its slot prices, rounded to integers, give an integer bound by
weak duality whatever the solver's tolerances: ``L * sum mu_t + sum_f max(0, best interval of f)``.
At 3 places it lies 5 to 14 % above the best FIFO saving, at 30 places up to 20 %.
"""

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from opt_istn.push.instance import IntArray, UserProblem


def fifo_free_bound(problem: UserProblem) -> int:
    """Return an upper bound on the user's saving in microseconds."""
    content, start, end, gain = _intervals(problem)
    if len(gain) == 0:
        return 0
    slots = problem.weight.shape[1]
    prices = _slot_prices(content, start, end, gain, problem.cache_size, slots)
    paid = np.concatenate([[0], np.cumsum(prices)])
    surplus = np.zeros(len(problem.content), dtype=np.int64)
    np.maximum.at(surplus, content, gain - (paid[end + 1] - paid[start]))
    return min(problem.cache_size * int(prices.sum()) + int(surplus.sum()), problem.base_us)


def _intervals(problem: UserProblem) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return content, first slot, last slot and saving of every useful interval."""
    rows = []
    slots = np.arange(problem.weight.shape[1])
    for f, (pushable, weight) in enumerate(zip(problem.pushable, problem.weight, strict=True)):
        latest = np.maximum.accumulate(np.where(pushable, slots, -1))
        requested = np.flatnonzero(weight)
        total = np.concatenate([[0], np.cumsum(weight)])
        for start in np.unique(latest[requested]):
            if start >= 0:
                ends = requested[requested >= start]
                rows += [(f, start, e, total[e + 1] - total[start]) for e in ends]
    content, start, end, gain = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return content, start, end, gain


def _slot_prices(
    content: IntArray, start: IntArray, end: IntArray, gain: IntArray, places: int, slots: int
) -> IntArray:
    """Return the slots' dual prices of the linear program, rounded, shape (slots,)."""
    contents = int(content.max()) + 1
    length = end - start + 1
    column = np.repeat(np.arange(len(gain)), length)
    within = np.arange(len(column)) - np.repeat(np.cumsum(length) - length, length)
    row = np.concatenate([np.repeat(start, length) + within, slots + content])
    column = np.concatenate([column, np.arange(len(gain))])
    shape = (slots + contents, len(gain))
    matrix = csr_array((np.ones(len(row)), (row, column)), shape=shape)
    limits = np.array([places] * slots + [1] * contents)
    cost = -gain.astype(float)
    solved = linprog(cost, matrix, limits, method="highs")  # type: ignore[call-overload] # sparse
    if solved.status != 0:
        return np.zeros(slots, dtype=np.int64)
    prices: IntArray = np.maximum(np.rint(-solved.ineqlin.marginals[:slots]), 0).astype(np.int64)
    return prices
