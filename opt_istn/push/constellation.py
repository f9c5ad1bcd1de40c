"""The satellites of a scenario over the slots: positions, links, clusters.

Satellites 0..p-1 are the remote-sensing ones, the rest carry communication. The topology is fixed
during a slot and taken at its start.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
from sgp4.api import Satrec, jday

from opt_istn.files import InputError
from opt_istn.physics.frames import Array, ecef_to_geodetic, teme_to_ecef
from opt_istn.physics.orbits import propagate_m, satellites
from opt_istn.physics.space_links import Edges, line_of_sight, nearest, plus_grid
from opt_istn.push import hypatia
from opt_istn.push.instance import IntArray
from opt_istn.push.parameters import Scenario

NEIGHBOURS = 4  # links of a satellite of a constellation that comes without links


@dataclass(frozen=True)
class Constellation:
    """Satellites and their permanent links.

    Parameters
    ----------
    records
        SGP4 records, remote-sensing satellites first.
    num_remote
        Number of remote-sensing satellites.
    links
        Links (a, b) inside the shells, a < b.
    fixed
        Whether the communication satellites' links are part of `links`; if not, each is linked
        to its nearest neighbours slot by slot.
    cluster
        Cluster of each remote-sensing satellite, shape (num_remote,).
    epoch_jd
        Julian day (UTC) from which a scenario counts.
    """

    records: tuple[Satrec, ...]
    num_remote: int
    links: Edges
    fixed: bool
    cluster: IntArray
    epoch_jd: float

    def remote(self) -> "Constellation":
        """Return the remote-sensing satellites alone, without links."""
        none = np.zeros((0, 2), dtype=np.int64)
        return replace(self, records=self.records[: self.num_remote], links=none)


def constellation_of(scenario: Scenario) -> Constellation:
    """Build the constellation of a scenario.

    Raises
    ------
    InputError
        If the epoch, the clusters or the constellation's files make no sense.
    """
    return _built(scenario) if scenario.constellation else _cached(scenario)


@lru_cache(maxsize=4)
def _cached(scenario: Scenario) -> Constellation:
    """Return a constellation that depends on no file."""
    return _built(scenario)


def _built(scenario: Scenario) -> Constellation:
    remote = scenario.remote_shell()
    own = hypatia.read(scenario.constellation) if scenario.constellation else None
    epoch_jd = own.epoch_jd if own else _julian_day(scenario.epoch)
    records = satellites(remote, epoch_jd)
    links = [plus_grid(remote)]
    if own is None:
        comm = scenario.comm_shell()
        records += satellites(comm, epoch_jd)
        links.append(plus_grid(comm) + remote.num_satellites)
    else:
        records += own.records
        links.append(own.links + remote.num_satellites)
    return Constellation(
        records=tuple(records),
        num_remote=remote.num_satellites,
        links=np.concatenate(links),
        fixed=own is None or len(own.links) > 0,
        cluster=clusters(remote.planes, remote.per_plane, scenario.num_clusters),
        epoch_jd=epoch_jd,
    )


def positions_m(constellation: Constellation, start_s: float, times_s: Array) -> Array:
    """Return Earth-fixed positions at `times_s` after the start, shape (times, satellites, 3)."""
    moments = start_s + times_s
    inertial = propagate_m(constellation.records, constellation.epoch_jd, moments)
    days = constellation.epoch_jd + moments / 86_400
    return np.stack([teme_to_ecef(x, day) for x, day in zip(inertial, days, strict=True)])


def links_at(constellation: Constellation, scenario: Scenario, position_m: Array) -> Edges:
    """Return the inter-satellite links of a slot: those with a line of sight, shape (links, 2).

    Parameters
    ----------
    position_m
        Positions of all satellites in the slot.
    """
    p = constellation.num_remote
    remote, comm = position_m[:p], position_m[p:]
    pairs = [constellation.links, nearest(remote, comm, scenario.cross_links) + np.array([0, p])]
    if not constellation.fixed:
        found = nearest(comm, comm, NEIGHBOURS + 1)  # the nearest is the satellite itself
        pairs.append(found[found[:, 0] != found[:, 1]] + p)
    joined = np.concatenate(pairs)
    if not constellation.fixed:
        joined = np.unique(np.sort(joined, axis=1), axis=0)
    clear = line_of_sight(position_m[joined[:, 0]], position_m[joined[:, 1]], scenario.grazing_m)
    return joined[clear]


def ground_track(position_m: Array) -> tuple[Array, Array]:
    """Return latitude and longitude in degrees below satellites, any leading shape."""
    lat, lon, _ = ecef_to_geodetic(position_m)
    return lat, lon


def clusters(planes: int, per_plane: int, count: int) -> IntArray:
    """Return the cluster of each satellite: equal blocks of neighbouring planes and places.

    Of the ways to cut the shell into `count` blocks the one nearest to squares is taken.

    Raises
    ------
    InputError
        If no a x b = count cuts P planes into a parts and the places of a plane into b.
    """
    cuts = [a for a in range(1, count + 1) if count % a == 0 and planes % a == 0]
    cuts = [a for a in cuts if per_plane % (count // a) == 0]
    if not cuts:
        rule = f"expected a divisor of {planes} times a divisor of {per_plane}, found {count}"
        raise InputError("num_clusters", rule)
    parts = min(cuts, key=lambda a: abs(math.log(planes / a) - math.log(per_plane * a / count)))
    plane, slot = np.divmod(np.arange(planes * per_plane), per_plane)
    across = plane // (planes // parts)
    along = slot // (per_plane * parts // count)
    block: IntArray = across * (count // parts) + along
    return block


def heads(constellation: Constellation) -> IntArray:
    """Return the head of each cluster: the satellite in the middle of its block, shape (K,)."""
    members = [np.flatnonzero(constellation.cluster == k) for k in np.unique(constellation.cluster)]
    return np.array([group[len(group) // 2] for group in members])


def utc(constellation: Constellation, start_s: float) -> str:
    """Return the moment `start_s` after the epoch as ISO 8601 text."""
    unix = (constellation.epoch_jd - 2_440_587.5) * 86_400 + start_s
    return datetime.fromtimestamp(round(unix, 3), UTC).isoformat(timespec="milliseconds")


def _julian_day(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            "epoch", f"expected a moment such as 2025-03-20T00:00:00, found {text!r}"
        ) from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    seconds = moment.second + moment.microsecond / 1e6
    day, fraction = jday(moment.year, moment.month, moment.day, moment.hour, moment.minute, seconds)
    return float(day + fraction)
