"""What the agents of the PUSH environment see, as arrays: contents, caches, satellites."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.play import Observation, World, world_of
from opt_istn.push.world.constellation import constellation_of
from opt_istn.push.world.demand import CODE_LENGTH
from opt_istn.push.world.users import NUM_LEVELS, PAYLOADS, RESOLUTIONS_M

Float = NDArray[np.float32]
NUM_KINDS = len(PAYLOADS) + len(RESOLUTIONS_M) + NUM_LEVELS
META = (
    "there",
    "age in horizons",
    "latitude in half circles",
    "longitude in half circles",
    *(f"payload {x}" for x in PAYLOADS),
    *(f"resolution {x:g} m" for x in RESOLUTIONS_M),
    *(f"level {x}" for x in range(NUM_LEVELS)),
)
NUM_META = len(META)
_NEVER = -1
_WHOLE = 180.0  # degrees that scale to 1


def traits(attributes: tuple[Any, ...]) -> Float:
    """Return payload, resolution and product level one-hot, shape (n, NUM_KINDS)."""
    rows = np.zeros((len(attributes), NUM_KINDS), dtype=np.float32)
    for row, x in zip(rows, attributes, strict=True):
        row[PAYLOADS.index(x["payload"])] = 1
        row[len(PAYLOADS) + RESOLUTIONS_M.index(x["resolution_m"])] = 1
        row[len(PAYLOADS) + len(RESOLUTIONS_M) + x["product_level"]] = 1
    return rows


def meta(observation: Observation, contents: IntArray, num_slots: int) -> Float:
    """Return attributes of contents, zeros where there is none, shape (*contents, NUM_META).

    Columns: 1 for a content, its age in horizons, latitude and longitude of its centre in half
    circles, and `traits`.

    Parameters
    ----------
    contents
        Contents known, -1 for none, of any shape.
    """
    rows = np.zeros((*contents.shape, NUM_META), dtype=np.float32)
    there = contents >= 0
    known = contents[there]
    rows[there, 0] = 1
    rows[there, 1] = (observation.slot - observation.release[known]) / num_slots
    if observation.attributes:
        seen = tuple(observation.attributes[f] for f in known)
        lat = [(x["lat_start"] + x["lat_end"]) / 2 for x in seen]
        lon = [(x["lon_start"] + x["lon_end"]) / 2 for x in seen]
        rows[there, 2] = np.array(lat, dtype=float) / _WHOLE
        rows[there, 3] = np.array(lon, dtype=float) / _WHOLE
        rows[there, 4:] = traits(seen)
    return rows


def caches_of(observation: Observation, cache_size: IntArray) -> list[list[int]]:
    """Return the contents in each user's cache, oldest first."""
    rows = zip(observation.pushed, cache_size.tolist(), strict=True)
    return [[f for _, f in pushes[-size:]] for pushes, size in rows]


class Stored(NamedTuple):
    """Where satellites keep contents; see `opt_istn.push.world.storage.Storage`.

    Parameters
    ----------
    cluster, member
        Cluster of each satellite, and its number in it, shape (p,).
    holder, evicted
        Of each content, shape (F,).
    places
        Contents a satellite can hold.
    """

    cluster: IntArray
    member: IntArray
    holder: IntArray
    evicted: IntArray
    places: int


class View:
    """An instance's contents and satellites, shown as far as they are known.

    Parameters
    ----------
    instance
        Its scenario's ``satellites`` are shown if it names them.
    """

    def __init__(self, instance: Instance) -> None:
        world = world_of(instance)
        self._slots, self._release = instance.num_slots, instance.release
        self._stored = _stored(instance, world)
        most = int(instance.cluster.max(initial=0)) + 1
        self.num_clusters = most if world is None else max(most, world.scenario.num_clusters)

    @property
    def satellite_places(self) -> tuple[int, int]:
        """Most satellites in a cluster, and contents that each can hold."""
        if self._stored is None:
            return 0, 0
        return int(self._stored.member.max()) + 1, self._stored.places

    def rows(self, observation: Observation, contents: IntArray) -> Float:
        """Return `meta` of contents."""
        return meta(observation, contents, self._slots)

    def codes(self, observation: Observation, contents: IntArray) -> Float:
        """Return codes of the contents' images, shape (*contents, CODE_LENGTH), zeros for none."""
        rows = np.zeros((*contents.shape, CODE_LENGTH), dtype=np.float32)
        there = contents >= 0
        if observation.codes.shape[1]:
            rows[there] = observation.codes[contents[there]]
        return rows

    def satellites(self, slot: int) -> Float:
        """Return what the satellites hold in `slot`, shape (K, satellites, places).

        A place shows 1 minus the age of its content in horizons; 0 if it is empty. Contents of a
        satellite are in order of generation.
        """
        held = np.zeros((self.num_clusters, *self.satellite_places), dtype=np.float32)
        x = self._stored
        if x is None:
            return held
        there = (self._release <= slot) & ((x.evicted == _NEVER) | (x.evicted > slot))
        used = np.zeros(len(x.cluster), dtype=np.int64)
        for f in np.flatnonzero(there):
            keeper = x.holder[f]
            place = (x.cluster[keeper], x.member[keeper], used[keeper])
            held[place] = 1 - (slot - self._release[f]) / self._slots
            used[keeper] += 1
        return held


def _stored(instance: Instance, world: World | None) -> Stored | None:
    """Return where the instance's contents are stored, None if it does not say so."""
    named = instance.scenario.get("satellites")
    if named is None or world is None:
        return None
    cluster = constellation_of(world.scenario).cluster
    member = np.array([int((cluster[:i] == k).sum()) for i, k in enumerate(cluster)])
    holder, evicted = (np.array(named[n], dtype=np.int64) for n in ("holder", "evicted"))
    return Stored(cluster, member, holder, evicted, world.scenario.satellite_items)
