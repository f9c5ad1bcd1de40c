"""Pushes decided against several possible futures, compiled.

Contents known by now have one push slot for all futures, contents still to be born one in each: so
a plan for the known ones is worth the mean over futures of what can be made of it. Rows of a
future are in order of generation, the known contents first, then the future's own.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from formulations.push.anneal import saving
from opt_istn.compiling import compiled
from opt_istn.push.instance import IntArray


class Futures(NamedTuple):
    """One user's decision.

    Parameters
    ----------
    saved
        Expected saving of holding content f in slots 0..t-1 in future k, shape (K, n, T + 1).
    first
        First slot in which each content may still be pushed, T where none is, shape (K, n). The
        rows of known contents agree.
    places
        L.
    known
        Number of known contents.
    """

    saved: IntArray
    first: IntArray
    places: int
    known: int


@compiled
def anneal(futures: Futures, plan: IntArray, draws: NDArray[np.float64], heat: float) -> float:
    """Improve `plan` (slots, shape (K, n), T for never) in place; return its value in us.

    Parameters
    ----------
    draws
        Random numbers of each move, shape (steps, 4).
    heat
        First temperature in microseconds; it falls geometrically to a hundredth.
    """
    count, contents = plan.shape
    slots = futures.saved.shape[2] - 1
    value = np.zeros(count, dtype=np.int64)
    for k in range(count):
        value[k] = saving(futures.saved[k], futures.places, plan[k])
    open_known = np.flatnonzero(futures.first[0, : futures.known] < slots)
    own = contents - futures.known
    weight = len(open_known) / max(len(open_known) + own, 1)
    best, best_value = plan.copy(), value.sum()
    new = np.zeros(count, dtype=np.int64)
    for i in range(len(draws)):
        shared = draws[i, 0] < weight
        low, high = 0, count
        if shared:
            f = open_known[int(draws[i, 1] * len(open_known))]
        else:
            if own == 0:
                break
            low = int(draws[i, 1] * count)
            high = low + 1
            f = futures.known + int((draws[i, 1] * count - low) * own)
        first = futures.first[low, f]
        old = plan[low, f]
        slot = first + int(draws[i, 2] * (slots - first + 1))
        if slot == old:
            continue
        change = 0.0
        for k in range(low, high):
            plan[k, f] = slot
            new[k] = saving(futures.saved[k], futures.places, plan[k])
            change += new[k] - value[k]
        temperature = heat * 0.01 ** (i / len(draws)) * (high - low)
        if change >= 0 or draws[i, 3] < np.exp(change / temperature):
            for k in range(low, high):
                value[k] = new[k]
            if value.sum() > best_value:
                best, best_value = plan.copy(), value.sum()
        else:
            for k in range(low, high):
                plan[k, f] = old
    for k in range(count):  # slices would be slow to compile
        for f in range(contents):
            plan[k, f] = best[k, f]
    return float(best_value)
