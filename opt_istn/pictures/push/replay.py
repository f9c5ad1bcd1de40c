"""What sits where in a user's cache, slot by slot, and what it serves: the data of the figure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from opt_istn.push.instance import ABSENT, MAX_DELAY_US, Instance, IntArray
from opt_istn.push.plan import Plan

HIT, WAITING, DEAD = range(3)  # states of a content in a cache


@dataclass(frozen=True)
class Stay:
    """A content in a place of the cache.

    Parameters
    ----------
    content, place
        Which, and where. The places are a ring: the i-th insertion takes place i mod L, and so
        that of the oldest content.
    first, end
        The slots [first, end) in which it is there when requests are served; none if other
        contents of the same slot drive it out.
    hits
        The slots in which a request for it is served, ascending.
    """

    content: int
    place: int
    first: int
    end: int
    hits: tuple[int, ...]

    def phases(self) -> Iterator[tuple[int, int, int]]:
        """Yield (state, first, end): hits, waits for later hits, and the dead rest."""
        now = self.first
        for slot in self.hits:
            if now < slot:
                yield WAITING, now, slot
            yield HIT, slot, slot + 1
            now = slot + 1
        if now < self.end:
            yield DEAD, now, self.end


@dataclass(frozen=True, eq=False)
class Replay:
    """One user under a plan.

    Parameters
    ----------
    cache_size
        L.
    stays
        In order of insertion.
    served
        Requests served from the cache, and missed by mode (see `MODES`), shape (T, 4).
    pushed, born
        Contents pushed to the user, and those generated in the region of interest, shape (T,).
    link_up
        Whether the user's link is up, shape (T,).
    delay_us, no_push_us
        Delay of the user's requests, and that without pushes.
    """

    cache_size: int
    stays: tuple[Stay, ...]
    served: IntArray
    pushed: IntArray
    born: IntArray
    link_up: np.ndarray[tuple[int], np.dtype[np.bool_]]
    delay_us: int
    no_push_us: int

    @property
    def places(self) -> int:
        """How many places are ever used, at least 1."""
        return min(self.cache_size, max(len(self.stays), 1))


def follow(instance: Instance, plan: Plan, user: int) -> Replay:
    """Replay one user's cache; pushes that do not exist in the instance are left out."""
    slots, size = instance.num_slots, int(instance.cache_size[user])
    pushes = sorted(
        (slot, f)
        for u, f, slot in plan.push
        if u == user and 0 <= f < instance.num_contents and 0 <= slot < slots
    )
    rows = instance.requests[:, 0] == user
    requests, miss_us = instance.requests[rows], instance.miss_us[rows]
    stays = _stays(pushes, size, slots, requests)
    inside = {(stay.content, slot) for stay in stays for slot in stay.hits}
    hit = np.array([(f, t) in inside for f, t in requests[:, 1:3].tolist()], dtype=bool)
    delays = np.where(requests[:, 3:] == ABSENT, MAX_DELAY_US + 1, requests[:, 3:])
    mode = np.where(hit, 0, 1 + delays.argmin(axis=1))
    served = np.zeros((slots, 4), dtype=np.int64)
    np.add.at(served, (requests[:, 2], mode), 1)
    return Replay(
        cache_size=size,
        stays=stays,
        served=served,
        pushed=np.bincount([slot for slot, _ in pushes], minlength=slots),
        born=np.bincount(instance.release[instance.roi[user]], minlength=slots),
        link_up=instance.link_up[user],
        delay_us=int(miss_us[~hit].sum()),
        no_push_us=int(miss_us.sum()),
    )


def _stays(
    pushes: list[tuple[int, int]], size: int, slots: int, requests: IntArray
) -> tuple[Stay, ...]:
    asked: dict[int, list[int]] = {}
    for _, content, slot, *_ in requests.tolist():
        asked.setdefault(content, []).append(slot)
    ends = [slot for slot, _ in pushes[size:]] + [slots] * size
    found = []
    for i, ((first, f), end) in enumerate(zip(pushes, ends, strict=False)):
        hits = tuple(sorted(slot for slot in asked.get(f, []) if first <= slot < end))
        found.append(Stay(f, i % size, first, end, hits))
    return tuple(found)
