"""The satellites of a scenario over the slots: positions, links, clusters.

Satellites 0..p-1 are the remote-sensing ones, the rest carry communication. The topology is fixed
during a slot and taken at its start.
"""

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
from sgp4.api import jday

from opt_istn.files import InputError
from opt_istn.physics.frames import Array, ecef_to_geodetic
from opt_istn.physics.orbits import Shell, satellites
from opt_istn.physics.space_links import Edges, line_of_sight, nearest, plus_grid
from opt_istn.push.instance import IntArray
from opt_istn.push.outside import fleet
from opt_istn.push.outside.fleet import Elements, Fleet, Orbits
from opt_istn.push.world import tle
from opt_istn.push.world.parameters import Scenario

NEIGHBOURS = 4  # links of a satellite of a constellation that comes without links


@dataclass(frozen=True)
class Constellation:
    """Satellites and their permanent links.

    Parameters
    ----------
    shells
        Where satellites are: the remote-sensing ones, then those that carry communication.
    num_remote
        Number of remote-sensing satellites.
    links
        Links (a, b) inside the shells, a < b.
    fixed
        Whether the links of each shell are part of `links`; if not, each of its satellites is
        linked to its nearest neighbours slot by slot.
    cluster
        Cluster of each remote-sensing satellite, shape (num_remote,).
    epoch_jd
        Julian day (UTC) from which a scenario counts.
    """

    shells: tuple[Orbits, ...]
    num_remote: int
    links: Edges
    fixed: tuple[bool, bool]
    cluster: IntArray
    epoch_jd: float

    def remote(self) -> "Constellation":
        """Return the remote-sensing satellites alone, without links."""
        none = np.zeros((0, 2), dtype=np.int64)
        return replace(self, shells=self.shells[:1], links=none)


def constellation_of(scenario: Scenario) -> Constellation:
    """Build the constellation of a scenario.

    Raises
    ------
    InputError
        If the epoch, the clusters or the constellation's files make no sense.
    """
    outside = scenario.constellation or scenario.remote_constellation
    return _built(scenario) if outside else _cached(scenario)


@lru_cache(maxsize=4)
def _cached(scenario: Scenario) -> Constellation:
    """Return a constellation that depends on no file."""
    return _built(scenario)


def _built(scenario: Scenario) -> Constellation:
    own = [
        fleet.read(path) if path else None
        for path in (scenario.remote_constellation, scenario.constellation)
    ]
    epochs = [one.epoch_jd for one in own if one]
    epoch_jd = max(epochs) if epochs else _julian_day(scenario.epoch)
    formulas = (scenario.remote_shell, scenario.comm_shell)
    remote, comm = (
        one or _walker(formula(), epoch_jd) for one, formula in zip(own, formulas, strict=True)
    )
    _check_times(scenario, epoch_jd, remote, comm)
    return Constellation(
        shells=(remote.orbits, comm.orbits),
        num_remote=len(remote.orbits),
        links=np.concatenate([remote.links, comm.links + len(remote.orbits)]),
        fixed=(remote.fixed, comm.fixed),
        cluster=_clusters(remote, scenario.num_clusters),
        epoch_jd=epoch_jd,
    )


def _walker(shell: Shell, epoch_jd: float) -> Fleet:
    orbits = Elements(tuple(satellites(shell, epoch_jd)))
    return Fleet(orbits, plus_grid(shell), True, epoch_jd, shell.planes, shell.per_plane)


def _check_times(scenario: Scenario, epoch_jd: float, remote: Fleet, comm: Fleet) -> None:
    """Check that both shells are known at all moments that may be asked for."""
    for name, one in (("remote_constellation", remote), ("constellation", comm)):
        apart = abs(epoch_jd - one.epoch_jd)
        if apart > tle.MAX_SPREAD_DAYS:
            rule = f"expected epochs of both shells within {tle.MAX_SPREAD_DAYS:g} days"
            raise InputError(name, f"{rule}, found them {apart:.1f} days apart")
        known_s = (one.orbits.span_jd[1] - epoch_jd) * 86_400
        most = known_s - scenario.num_slots * scenario.slot_s
        if scenario.start_window_s > most + 1e-3:
            rule = "expected a window after which all slots end within the file's positions"
            ends = f"at most {math.floor(most + 1e-3)} s"
            left = ends if most >= 0 else f"they last {known_s:.0f} s"
            raise InputError("start_window_s", f"{rule} ({left})", getattr(scenario, name))


def positions_m(constellation: Constellation, start_s: float, times_s: Array) -> Array:
    """Return Earth-fixed positions at `times_s` after the start, shape (times, satellites, 3)."""
    moments, epoch_jd = start_s + times_s, constellation.epoch_jd
    found = [shell.earth_fixed_m(epoch_jd, moments) for shell in constellation.shells]
    return np.concatenate(found, axis=1)


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
    for shell, first, fixed in zip((remote, comm), (0, p), constellation.fixed, strict=True):
        if not fixed:
            found = nearest(shell, shell, NEIGHBOURS + 1)  # the nearest is the satellite itself
            pairs.append(found[found[:, 0] != found[:, 1]] + first)
    joined = np.concatenate(pairs)
    if not all(constellation.fixed):
        joined = np.unique(np.sort(joined, axis=1), axis=0)
    clear = line_of_sight(position_m[joined[:, 0]], position_m[joined[:, 1]], scenario.grazing_m)
    return joined[clear]


def ground_track(position_m: Array) -> tuple[Array, Array]:
    """Return latitude and longitude in degrees below satellites, any leading shape."""
    lat, lon, _ = ecef_to_geodetic(position_m)
    return lat, lon


def _clusters(remote: Fleet, count: int) -> IntArray:
    """Return the clusters of a shell: blocks of its planes, or runs where none are declared."""
    if remote.planes:
        return clusters(remote.planes, remote.per_plane, count)
    n = len(remote.orbits)
    if count > n:
        raise InputError("num_clusters", f"expected at most {n}, one a satellite, found {count}")
    runs: IntArray = np.arange(n) * count // n
    return runs


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
