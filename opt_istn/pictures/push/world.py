"""The world of a PUSH instance on the ground: the data of the constellation's map.

Everything is in degrees as (longitude, latitude), cut where it crosses the date line.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from opt_istn.files import InputError
from opt_istn.physics.frames import Array, geodetic_to_ecef
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.world import law
from opt_istn.push.world.constellation import ground_track, positions_m, utc
from opt_istn.push.world.draw import Draw

SIDES = ("south", "north", "west", "east")
Lines = list[Array]  # polylines, shape (points, 2) each
SAMPLES = 13  # points of a link: straight in space, it is curved on the map
EDGE_POINTS = 9  # points of an edge of a box, so that neighbours are less than 180 degrees apart
TRACK_S = 20.0  # time between the points of a ground track, at most
TRACK_POINTS = 2000  # but no more points than that


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One slot of an instance's world.

    Parameters
    ----------
    moment
        Start of the slot, UTC.
    remote, comm
        Points below the remote-sensing and the communication satellites, shape (satellites, 2).
    users
        Places of the users, shape (users, 2).
    links
        Inter-satellite links that work, by sort: ``remote``, ``comm`` and ``cross``.
    access
        Links between users and the satellites that serve them.
    tracks
        Ground tracks of the satellites that generate contents, over all slots.
    region
        South, north, west, east of the region.
    boxes
        The same of the users' regions of interest, shape (users, 4).
    footprints
        The same of the contents, shape (F, 4).
    """

    moment: str
    remote: Array
    comm: Array
    users: Array
    links: dict[str, Lines]
    access: Lines
    tracks: Lines
    region: Array
    boxes: Array
    footprints: Array


def redrawn(instance: Instance) -> Draw:
    """Draw the world of an instance once more, from its ``scenario`` field.

    Raises
    ------
    InputError
        If the instance was not generated from that scenario.
    """
    seed = instance.scenario.get("seed")
    if not isinstance(seed, int) or seed < 0:
        rule = "expected the parameters and the seed of a generated instance"
        raise InputError("scenario", f"{rule}; others have no map")
    drawn = law.redrawn(instance.scenario)
    same = (
        np.array_equal(drawn.births.release, instance.release)
        and np.array_equal(drawn.roi, instance.roi)
        and drawn.scenario.num_slots == instance.num_slots
    )
    if not same:
        raise InputError("scenario", "expected what the instance was generated from")
    return drawn


def world_of(drawn: Draw, slot: int, users: IntArray) -> Snapshot:
    """Return what is where in a slot.

    Parameters
    ----------
    users
        The users to show.
    """
    position_m, p = drawn.position_m[slot], drawn.constellation.num_remote
    places = geodetic_to_ecef(drawn.users.lat_deg[users], drawn.users.lon_deg[users])
    up = [(i, u) for i, u in enumerate(users) if drawn.link_up[u, slot]]
    seen = [(i, s) for i, u in up for s in drawn.networks[slot].seen[u]]
    user, satellite = np.array(seen, dtype=np.int64).reshape(-1, 2).T
    box, scenario, births = drawn.users.box_deg[users], drawn.scenario, drawn.births
    half = scenario.footprint_deg / 2
    lat, lon = births.lat_deg, births.lon_deg
    return Snapshot(
        moment=utc(drawn.constellation, drawn.start_s + slot * scenario.slot_s),
        remote=_points(position_m[:p]),
        comm=_points(position_m[p:]),
        users=_points(places),
        links=_links(drawn, slot),
        access=lines_of(places[user], position_m[satellite]),
        tracks=_tracks(drawn),
        region=np.array([getattr(scenario, f"{side}_deg") for side in SIDES]),
        boxes=box,
        footprints=np.stack([lat - half, lat + half, lon - half, lon + half], axis=1),
    )


def _links(drawn: Draw, slot: int) -> dict[str, Lines]:
    position_m, p = drawn.position_m[slot], drawn.constellation.num_remote
    both = drawn.networks[slot].between_s.tocoo()
    edges = np.stack([both.row, both.col], axis=1)[both.row < both.col]
    remote_ends = np.sum(edges < p, axis=1)
    sorts = {"comm": 0, "cross": 1, "remote": 2}
    return {
        name: lines_of(*(position_m[edges[remote_ends == count, i]] for i in (0, 1)))
        for name, count in sorts.items()
    }


def _tracks(drawn: Draw) -> Lines:
    horizon_s = drawn.scenario.num_slots * drawn.scenario.slot_s
    points = min(math.ceil(horizon_s / TRACK_S) + 1, TRACK_POINTS)
    times_s = np.linspace(0, horizon_s, max(points, 2))
    remote = positions_m(drawn.constellation.remote(), drawn.start_s, times_s)
    makers = np.unique(drawn.births.satellite)
    return [piece for i in makers for piece in cut(_points(remote[:, i]))]


def _points(position_m: Array) -> Array:
    lat, lon = ground_track(position_m)
    return np.stack([lon, lat], axis=-1)


def lines_of(a_m: Array, b_m: Array) -> Lines:
    """Return what lies below straight lines in space, cut at the date line.

    Parameters
    ----------
    a_m, b_m
        Earth-fixed ends, shape (lines, 3).
    """
    share = np.linspace(0, 1, SAMPLES)[None, :, None]
    below = _points(a_m[:, None] + share * (b_m - a_m)[:, None])
    return [piece for line in below for piece in cut(line)]


def cut(line: Array) -> Lines:
    """Return a polyline in pieces that do not cross the date line.

    Between neighbouring points the shorter way around the Earth is meant.
    """
    pieces, start = [], np.empty((0, 2))
    begin = 0
    for i in np.flatnonzero(np.abs(np.diff(line[:, 0])) > 180).tolist():
        (lon, lat), (to_lon, to_lat) = line[i], line[i + 1]
        side = math.copysign(180.0, lon)
        whole = to_lon + 2 * side - lon
        share = (side - lon) / whole if whole else 0.0
        crossing = lat + share * (to_lat - lat)
        pieces.append(np.concatenate([start, line[begin : i + 1], [[side, crossing]]]))
        start, begin = np.array([[-side, crossing]]), i + 1
    return [*pieces, np.concatenate([start, line[begin:]])]


def rectangles(boxes: Iterable[Array]) -> Lines:
    """Return the corners of boxes on the map, two rectangles for one that crosses the date line.

    Parameters
    ----------
    boxes
        South, north, west, east of each.
    """
    found = []
    for south, north, west, east in boxes:
        low, high = max(south, -90.0), min(north, 90.0)
        left = (west + 180) % 360 - 180
        right = left + min(east - west, 360.0)
        parts = [(left, min(right, 180.0))]
        if right > 180:
            parts.append((-180.0, right - 360))
        found += [np.array([[a, low], [b, low], [b, high], [a, high]]) for a, b in parts]
    return found


def outlines(boxes: Iterable[Array]) -> Lines:
    """Return the edges of boxes, without one where the date line cuts them; see `rectangles`."""
    found = []
    for south, north, west, east in boxes:
        left = (west + 180) % 360 - 180
        across = np.linspace(left, left + east - west, EDGE_POINTS)
        lon = np.concatenate([across, across[::-1], across[:1]])
        lat = np.repeat([south, north, south], [EDGE_POINTS, EDGE_POINTS, 1])
        found += cut(np.stack([np.where(lon > 180, lon - 360, lon), lat], axis=1))
    return found
