"""Walker shells and their motion.

A Walker shell i: T/P/F has T satellites on circular orbits of one inclination i and height, in P
planes whose nodes are spread over 360 degrees (delta) or 180 degrees (star); F shifts the phase
from one plane to the next by F/T of a revolution (J. G. Walker, J. Brit. Interplanet. Soc. 37,
1984). Positions come from SGP4 with WGS-72 constants, as two-line element sets require; the
ideal circle is kept for geometry that does not depend on the moment.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sgp4.api import SGP4_ERRORS, WGS72, Satrec, SatrecArray

from opt_istn.files import InputError
from opt_istn.physics.frames import WGS84_RADIUS_M, Array

WGS84_MU_M3_S2 = 3.986004418e14
WGS72_RADIUS_M = 6_378_135.0
WGS72_MU_M3_S2 = 3.986008e14
SGP4_EPOCH_JD = 2_433_281.5  # SGP4 counts days from 1949-12-31 0h


@dataclass(frozen=True)
class Shell:
    """A Walker shell. Satellite s of plane p has the number p * per_plane + s.

    Parameters
    ----------
    altitude_m, inclination_deg
        Height above the equator and inclination of the orbits.
    planes, per_plane
        P, and the satellites in each plane S = T/P.
    phasing
        F, 0 <= F < P.
    raan_span_deg
        360 for a delta, 180 for a star.
    """

    altitude_m: float
    inclination_deg: float
    planes: int
    per_plane: int
    phasing: int
    raan_span_deg: float = 360.0

    @property
    def num_satellites(self) -> int:
        """T."""
        return self.planes * self.per_plane

    @property
    def closed(self) -> bool:
        """Whether the last plane is a neighbour of the first (delta), not a seam (star)."""
        return self.raan_span_deg == 360.0

    def angles_rad(self) -> tuple[Array, Array]:
        """Return node and argument of latitude of each satellite at the epoch, shape (T,)."""
        plane, slot = np.divmod(np.arange(self.num_satellites), self.per_plane)
        node = np.radians(self.raan_span_deg) * plane / self.planes
        turn = slot / self.per_plane + self.phasing * plane / self.num_satellites
        return node, 2 * np.pi * (turn % 1)


def mean_motion_rad_s(
    altitude_m: float, mu_m3_s2: float = WGS84_MU_M3_S2, radius_m: float = WGS84_RADIUS_M
) -> float:
    """Return n = sqrt(mu / a^3) of a circular orbit."""
    return math.sqrt(mu_m3_s2 / (radius_m + altitude_m) ** 3)


def period_s(altitude_m: float) -> float:
    """Return the period of a circular orbit about WGS-84's point mass."""
    return 2 * math.pi / mean_motion_rad_s(altitude_m)


def circular_positions_m(shell: Shell, time_s: ArrayLike) -> Array:
    """Return positions on ideal circles, inertial, shape time_s.shape + (T, 3)."""
    node, start = shell.angles_rad()
    rate = mean_motion_rad_s(shell.altitude_m)
    along = start + rate * np.asarray(time_s, dtype=float)[..., None]
    to_node, across = _plane_axes(shell, node)
    radius = WGS84_RADIUS_M + shell.altitude_m
    position: Array = radius * (
        np.cos(along)[..., None] * to_node + np.sin(along)[..., None] * across
    )
    return position


def _plane_axes(shell: Shell, node: Array) -> tuple[Array, Array]:
    """Return unit vectors to the ascending node and 90 degrees ahead of it, shape (T, 3) each."""
    tilt = math.radians(shell.inclination_deg)
    zero = np.zeros_like(node)
    to_node = np.stack([np.cos(node), np.sin(node), zero], axis=-1)
    across = np.stack(
        [
            -np.sin(node) * math.cos(tilt),
            np.cos(node) * math.cos(tilt),
            zero + math.sin(tilt),
        ],
        axis=-1,
    )
    return to_node, across


@lru_cache(maxsize=64)
def minimum_separation_m(shell: Shell) -> float:
    """Return the closest that any two satellites of the shell ever come, on ideal circles.

    Two satellites on circles of the same radius and speed have r1.r2 = a^2 (C + D cos(2u + c))
    as u goes round, so the minimum is a sqrt(2 - 2(C + D)). By the shell's symmetry about the
    axis it is enough to compare satellite 0 with all others.
    """
    node, ahead = shell.angles_rad()
    p, q = _plane_axes(shell, node)
    pp, pq = p @ p[0], q @ p[0]
    qp, qq = p @ q[0], q @ q[0]
    constant = ((pp + qq) * np.cos(ahead) + (pq - qp) * np.sin(ahead)) / 2
    swing = np.hypot(pp - qq, pq + qp) / 2
    closest = np.max((constant + swing)[1:], initial=-1.0)
    radius = WGS84_RADIUS_M + shell.altitude_m
    return radius * math.sqrt(max(0.0, 2 - 2 * float(closest)))


def satellites(shell: Shell, epoch_jd: float) -> list[Satrec]:
    """Return SGP4 records of a shell: no drag, e = 0, argument of perigee 0."""
    node, along = shell.angles_rad()
    rate = mean_motion_rad_s(shell.altitude_m, WGS72_MU_M3_S2, WGS72_RADIUS_M)
    return [
        _record(i, epoch_jd, shell, rate, *pair)
        for i, pair in enumerate(zip(node, along, strict=True))
    ]


def _record(
    number: int, epoch_jd: float, shell: Shell, rate_rad_s: float, node: float, along: float
) -> Satrec:
    record = Satrec()
    record.sgp4init(
        WGS72,
        "i",
        number + 1,
        epoch_jd - SGP4_EPOCH_JD,
        0.0,  # drag
        0.0,
        0.0,
        0.0,  # eccentricity
        0.0,  # argument of perigee
        math.radians(shell.inclination_deg),
        float(along),
        rate_rad_s * 60,
        float(node),
    )
    # Without these two, exported element sets have blank fields that strict readers refuse.
    record.intldesg = "25001A"
    record.elnum = 999
    return record


def propagate_m(records: Sequence[Satrec], julian_day: float, time_s: ArrayLike) -> Array:
    """Return SGP4 positions, inertial (TEME), shape (times, satellites, 3).

    Parameters
    ----------
    julian_day, time_s
        The moments: seconds after a Julian day (UTC), shape (times,).

    Raises
    ------
    InputError
        If SGP4 gives up on a satellite, for example because it has decayed.
    """
    time = np.atleast_1d(np.asarray(time_s, dtype=float))
    fraction = time / 86_400
    errors, position_km, _ = SatrecArray(list(records)).sgp4(
        np.full_like(time, julian_day), fraction
    )
    if errors.any():
        satellite, moment = (int(x) for x in np.argwhere(errors)[0])
        reason = SGP4_ERRORS[int(errors[satellite, moment])]
        number = records[satellite].satnum_str.strip()
        raise InputError(
            f"satellite with catalogue number {number}",
            f"expected an orbit that SGP4 can follow ({reason})",
        )
    position: NDArray[np.float64] = np.swapaxes(position_km, 0, 1) * 1000.0
    return position
