"""What the agents of PUSH see of contents and satellites, as arrays."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learners.push.stage.draws import DrawnBirths
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


def contents_drawn(x: DrawnBirths, codes: Float, side_deg: float, member: IntArray) -> Contents:
    """Return the contents of drawn births.

    Parameters
    ----------
    x
        The births, drawn with where they are stored.
    codes
        What is seen of their images.
    side_deg
        Sides of a content's footprint.
    member
        As in `contents_of`.
    """
    none, half = np.zeros(len(x.release), dtype=np.int64), side_deg / 2
    ends = (x.lat_deg + half, x.lat_deg - half), (x.lon_deg - half, x.lon_deg + half)
    rows, born = rows_of(x.traits, x.lat_deg, x.lon_deg), (x.release, x.cluster, x.evicted)
    return Contents(none, *born, rows, codes, extent_of(*ends), member[x.holder])


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


def gathered(contents: list[Contents]) -> Contents:
    """Return the contents of several instances as one."""
    instance = np.repeat(np.arange(len(contents)), [len(x.release) for x in contents])
    columns = zip(*(x[1:] for x in contents), strict=True)
    return Contents(instance, *map(np.concatenate, columns))


def clusters_in(instance: Instance) -> int:
    """Return the number of clusters that instances like this one have."""
    most, world = int(instance.cluster.max(initial=0)) + 1, world_of(instance)
    return most if world is None else max(most, world.scenario.num_clusters)


def satellites_in(instance: Instance) -> tuple[int, int]:
    """Return the most satellites in a cluster, and contents that each can hold; 0 if not named."""
    world = world_of(instance)
    if instance.scenario.get("satellites") is None or world is None:
        return 0, 0
    return int(members(world).max()) + 1, world.scenario.satellite_items


class Sight(NamedTuple):
    """What is seen of n heads and of U homes; a *home* is a user in a slot.

    Parameters
    ----------
    content
        Attributes of the content and its satellites' caches, shape (n, content_width(T, ..)).
    code
        Code of the content's image, shape (n, CODE_LENGTH).
    what
        Number of each head's content among those seen, shape (n,).
    user, own
        User, and content in its instance, of each head, shape (n,).
    home
        Home of each head, shape (n,), 0..U-1.
    mine
        Number of the decision that a head belongs to where an agent decides for one user at a
        time, shape (n,).
    agent
        The same where an agent decides for a group of users at a time, the paper's step.
    shut
        Choices that are not allowed, by slots after birth and never, shape (n, T + 1).
    caches
        A user's caches before and now, oldest content first, shape (U, 2, L * NUM_META).
    state
        Pushes planned from the slot on over the places of the cache, slot and user one-hot, share
        of the births that are known, shape (U, home_width(T, M)).
    """

    content: Tensor
    code: Tensor
    what: Tensor
    user: Tensor
    own: Tensor
    home: Tensor
    mine: Tensor
    agent: Tensor
    shut: Tensor
    caches: Tensor
    state: Tensor


def columns(whole: bool = False, links: bool = False) -> list[str]:
    """Return the names of what is seen, in order: the contract between agents and the process."""
    more = (*EXTENT, "satellite's place, 1 minus age") if whole else ()
    miss = ("delay of a miss in seconds",) if links else ()
    names = (*META, "stored by age, in tens", "number in tens", *more, *miss)
    content = [f"content.{name}" for name in names]
    caches = [f"cache, then now, oldest first.{name}" for name in META]
    state = ["planned in cachefuls from now on", "slot", "user", "part of births known"]
    return [*content, "code", *caches, *(f"home.{name}" for name in state)]


def content_width(num_slots: int, whole: tuple[int, int] | None = None, links: bool = False) -> int:
    """Return the number of columns of `Sight.content`."""
    more = len(EXTENT) + whole[0] * whole[1] if whole is not None else 0
    return NUM_META + num_slots + 1 + more + links


def home_width(num_slots: int, num_users: int) -> int:
    """Return the number of columns of `Sight.state`."""
    return 2 * num_slots + num_users + 1


def slot_of(sight: Sight, num_slots: int) -> int:
    """Return the slot in which something was seen, of all homes the same."""
    return int(sight.state[0, num_slots : 2 * num_slots].argmax())


def joined(sights: list[Sight], homes: int) -> Sight:
    """Return the sights of successive turns as one; home h of turn k becomes k P + h.

    Parameters
    ----------
    homes
        Homes of each sight, P.
    """
    number = dict.fromkeys(("what", "home", "mine", "agent"), 0)
    columns: dict[str, list[Tensor]] = {name: [] for name in Sight._fields}
    for sight in sights:
        for name, value in zip(Sight._fields, sight, strict=True):
            columns[name].append(value + number[name] if name in number else value)
        number["home"] += homes
        for name in ("what", "mine", "agent"):
            values = getattr(sight, name)
            number[name] += int(values.max()) + 1 if len(values) else 0
    return Sight(*(torch.cat(column) for column in columns.values()))


def part_of(sight: Sight, mine: Tensor) -> tuple[Sight, Tensor, Tensor]:
    """Return what was seen in the problems that are chosen.

    Parameters
    ----------
    mine
        Whether each problem is chosen, shape (P,); homes are the problems in turn after turn.

    Returns
    -------
    What was seen of them, whether each row is theirs, and the new numbers of homes, shape (U,).
    """
    device = sight.home.device
    homes = mine.to(device).repeat(len(sight.state) // len(mine))
    rows, place = homes[sight.home], homes.cumsum(0) - 1
    seen = {name: getattr(sight, name)[rows] for name in ("content", "code", "user", "own", "shut")}
    numbered = ("what", "mine", "agent")
    numbers = {n: getattr(sight, n)[rows].unique(return_inverse=True)[1] for n in numbered}
    kept = {"caches": sight.caches[homes], "state": sight.state[homes]}
    part = Sight(**seen, **numbers, **kept, home=place[sight.home[rows]])
    return part, rows, place.cpu()
