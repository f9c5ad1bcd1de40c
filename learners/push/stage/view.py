"""What the agents of PUSH see of contents and satellites, as arrays."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opt_istn.physics.frames import Array
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.play import Game, Observation, World, holders, leaves, world_of
from opt_istn.push.world.constellation import constellation_of
from opt_istn.push.world.demand import CODE_LENGTH, Features, features
from opt_istn.push.world.users import NUM_LEVELS, PAYLOADS, RESOLUTIONS_M

Float = NDArray[np.float32]
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
EXTENT = (
    "number in hundreds",
    *(f"{axis} {end} in half circles" for axis in ("latitude", "longitude") for end in (1, 2)),
)
_NEVER = -1
_WHOLE = 180.0  # degrees that scale to 1
_NO_IMAGE = {"image": {"class": 0, "seed": 0}}  # images show in their codes alone


class Contents(NamedTuple):
    """Contents of some instances, F in all, those of an instance in order of generation.

    Parameters
    ----------
    instance, release, cluster
        Which instance they are of, slot of birth, and cluster, shape (F,).
    evicted
        Slot from which on no satellite stores them; T if that is not known to happen, shape (F,).
    rows
        Attributes, the columns `META`, age 0, shape (F, NUM_META).
    codes
        Codes of the images, shape (F, CODE_LENGTH).
    extent
        Their numbers and both ends of their footprints, the columns `EXTENT`, a row for each.
    holder
        Which satellite of the cluster stores them, -1 if that is not known, shape (F,).
    """

    instance: IntArray
    release: IntArray
    cluster: IntArray
    evicted: IntArray
    rows: Float
    codes: Float
    extent: Float
    holder: IntArray


def extent_of(lat_deg: tuple[Array, Array], lon_deg: tuple[Array, Array]) -> Float:
    """Return `Contents.extent` of contents in order of generation, from starts and ends."""
    number = np.arange(len(lat_deg[0])) / 100
    ends = [x / _WHOLE for x in (*lat_deg, *lon_deg)]
    return np.stack([number, *ends], axis=1).astype(np.float32)


def rows_of(traits: Features, lat_deg: Array, lon_deg: Array) -> Float:
    """Return `Contents.rows` of contents with these attributes and centres."""
    rows = np.zeros((len(lat_deg), NUM_META), dtype=np.float32)
    rows[:, 0] = 1
    rows[:, 2], rows[:, 3] = lat_deg / _WHOLE, lon_deg / _WHOLE
    column = 4
    for values, size in (
        (traits.payload, len(PAYLOADS)),
        (traits.resolution, len(RESOLUTIONS_M)),
        (traits.level, NUM_LEVELS),
    ):
        rows[np.arange(len(rows)), column + values] = 1
        column += size
    return rows


def contents_of(observation: Observation, member: IntArray) -> Contents:
    """Return the contents known in an instance, as far as they are stored now.

    Parameters
    ----------
    member
        Number of each satellite in its cluster, see `members`.
    """
    number, slot, seen = len(observation.release), observation.slot, observation.attributes
    rows = np.zeros((number, NUM_META), dtype=np.float32)
    rows[:, 0] = 1
    codes = np.zeros((number, CODE_LENGTH), dtype=np.float32)
    extent = np.zeros((number, len(EXTENT)), dtype=np.float32)
    if seen:
        traits = features([{**x, **_NO_IMAGE} for x in seen])
        lat, lon = _ends(seen, "lat"), _ends(seen, "lon")
        rows = rows_of(traits, (lat[0] + lat[1]) / 2, (lon[0] + lon[1]) / 2)
        extent = extent_of(lat, lon)
    if observation.codes.shape[1]:
        codes = observation.codes.astype(np.float32)
    evicted = np.where(observation.stored, slot + 1, slot)
    none = np.zeros(number, dtype=np.int64)
    holder = _member(member, observation.holder)
    born = (observation.release, observation.cluster, evicted)
    return Contents(none, *born, rows, codes, extent, holder)


def _ends(seen: Sequence[Mapping[str, Any]], axis: str) -> tuple[Array, Array]:
    """Return the starts and the ends of footprints along an axis, degrees, shape (n,) each."""
    start, end = (np.array([x[f"{axis}_{side}"] for x in seen]) for side in ("start", "end"))
    return start, end


def contents_in(instance: Instance) -> Contents:
    """Return all contents of an instance, as a game to its end shows them, and when they leave."""
    game = Game(instance)
    while game.slot < instance.num_slots - 1:
        game.step([])
    member = members(world_of(instance))
    seen = contents_of(game.observe(), member)
    return seen._replace(evicted=leaves(instance), holder=_member(member, holders(instance)))


def members(world: World | None) -> IntArray:
    """Return the number of each remote-sensing satellite in its cluster; none without a world."""
    if world is None:
        return np.zeros(0, dtype=np.int64)
    cluster = constellation_of(world.scenario).cluster
    return np.array([int((cluster[:i] == k).sum()) for i, k in enumerate(cluster)])


def _member(member: IntArray, holder: IntArray) -> IntArray:
    """Return the numbers of satellites in their clusters, -1 for none."""
    return np.append(member, -1)[holder] if len(member) else np.full(len(holder), -1)


def joined(contents: list[Contents]) -> Contents:
    """Return the contents of several instances as one."""
    instance = np.repeat(np.arange(len(contents)), [len(x.release) for x in contents])
    columns = zip(*(x[1:] for x in contents), strict=True)
    return Contents(instance, *map(np.concatenate, columns))


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


class Satellites:
    """An instance's satellites and what they hold.

    Parameters
    ----------
    instance
        What its satellites hold is shown if its scenario says so.
    """

    def __init__(self, instance: Instance) -> None:
        world = world_of(instance)
        self._slots, self._release = instance.num_slots, instance.release
        self._stored = _stored(instance, world)
        most = int(instance.cluster.max(initial=0)) + 1
        self.num_clusters = most if world is None else max(most, world.scenario.num_clusters)

    @property
    def places(self) -> tuple[int, int]:
        """Most satellites in a cluster, and contents that each can hold."""
        if self._stored is None:
            return 0, 0
        return int(self._stored.member.max()) + 1, self._stored.places

    def held(self, slot: int) -> Float:
        """Return what the satellites hold in `slot`, shape (K, satellites, places).

        A place shows 1 minus the age of its content in horizons; 0 if it is empty. Contents of a
        satellite are in order of generation.
        """
        held = np.zeros((self.num_clusters, *self.places), dtype=np.float32)
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
    cluster, member = constellation_of(world.scenario).cluster, members(world)
    holder, evicted = (np.array(named[n], dtype=np.int64) for n in ("holder", "evicted"))
    return Stored(cluster, member, holder, evicted, world.scenario.satellite_items)
