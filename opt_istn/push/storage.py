"""Where contents are on the satellites: FIFO caches inside the cluster that made them.

Placement rules, by which a cluster's head chooses the satellite:

``origin``
    The satellite that took the content.
``nearest``
    The satellite with a free place that is nearest to it; if all are full, the one that holds
    the cluster's oldest content.
``random``
    Any satellite of the cluster.

A full satellite drops its oldest content. A content that no satellite holds comes from the ground.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opt_istn.physics.chance import Chance
from opt_istn.physics.frames import Array
from opt_istn.push.births import Births
from opt_istn.push.instance import IntArray
from opt_istn.push.parameters import Scenario

NEVER = -1
Caches = dict[int, deque[int]]


@dataclass(frozen=True)
class Storage:
    """The satellites' caches over the slots.

    Parameters
    ----------
    satellite
        Satellite that stores each content from its release on, shape (F,).
    evicted
        Slot from which on no satellite has it; `NEVER` if it stays, shape (F,).
    release
        Slot of birth, shape (F,).
    """

    satellite: IntArray
    evicted: IntArray
    release: IntArray

    def held(self, slot: int) -> NDArray[np.bool]:
        """Return whether each content is on a satellite in `slot`, shape (F,)."""
        there = (self.evicted == NEVER) | (self.evicted > slot)
        held: NDArray[np.bool] = (self.release <= slot) & there
        return held


def store(
    scenario: Scenario,
    found: Births,
    cluster: IntArray,
    position_m: Array,
    rng: Chance,
) -> Storage:
    """Store contents in order of generation.

    Parameters
    ----------
    cluster
        Cluster of each remote-sensing satellite.
    position_m
        Positions of the remote-sensing satellites at the slots' starts, shape (T, p, 3).
    """
    choose = _RULES[scenario.placement]
    caches: Caches = {i: deque() for i in range(len(cluster))}
    of_cluster = [np.flatnonzero(cluster == k) for k in range(int(cluster.max()) + 1)]
    chosen = np.empty(len(found.release), dtype=np.int64)
    evicted = np.full(len(found.release), NEVER)
    for f, (slot, origin) in enumerate(zip(found.release, found.satellite, strict=True)):
        members = of_cluster[cluster[origin]]
        apart = np.linalg.norm(position_m[slot, members] - position_m[slot, origin], axis=1)
        near = members[np.argsort(apart, kind="stable")].tolist()
        keeper = choose(near, caches, scenario.satellite_items, rng)
        if len(caches[keeper]) == scenario.satellite_items:
            evicted[caches[keeper].popleft()] = slot
        caches[keeper].append(f)
        chosen[f] = keeper
    return Storage(chosen, evicted, found.release)


def _origin(near: list[int], _caches: Caches, _size: int, _rng: Chance) -> int:
    return near[0]


def _nearest(near: list[int], caches: Caches, size: int, _rng: Chance) -> int:
    free = next((i for i in near if len(caches[i]) < size), None)
    return min(near, key=lambda i: caches[i][0]) if free is None else free


def _random(near: list[int], _caches: Caches, _size: int, rng: Chance) -> int:
    return near[int(rng.integers(len(near)))]


_RULES: dict[str, Callable[[list[int], Caches, int, Chance], int]] = {
    "origin": _origin,
    "nearest": _nearest,
    "random": _random,
}
