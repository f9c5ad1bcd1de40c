"""Where satellites are over the Earth: inertial (TEME) to Earth-fixed to latitude and longitude.

The Earth turns by the Greenwich mean sidereal time of the IAU 1982 model. UT1 is taken equal to
UTC and polar motion is left out, which misplaces a satellite by less than 500 m: of no
consequence for visibility and delays.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

WGS84_RADIUS_M = 6_378_137.0
MEAN_RADIUS_M = 6_371_008.8
WGS84_FLATTENING = 1 / 298.257223563
_E2 = WGS84_FLATTENING * (2 - WGS84_FLATTENING)
_STEPS = 7  # each shrinks the latitude's error by a factor of about 150


def gmst_rad(julian_day_ut1: float) -> float:
    """Return Greenwich mean sidereal time (Vallado, Fundamentals of Astrodynamics, eq. 3-47)."""
    century = (julian_day_ut1 - 2_451_545.0) / 36_525
    seconds = 67_310.54841 + century * (
        876_600 * 3600 + 8_640_184.812866 + century * (0.093104 - 6.2e-6 * century)
    )
    return math.radians(seconds / 240 % 360)


def teme_to_ecef(position_m: Array, julian_day_ut1: float) -> Array:
    """Rotate inertial positions into the Earth-fixed frame of a moment, shape (..., 3)."""
    angle = gmst_rad(julian_day_ut1)
    c, s = math.cos(angle), math.sin(angle)
    x, y, z = np.moveaxis(position_m, -1, 0)
    return np.stack([c * x + s * y, c * y - s * x, z], axis=-1)


def j2000_to_ecef(position_m: Array, julian_day_ut1: float) -> Array:
    """Rotate from the mean equator and equinox of J2000 (EME2000, GCRF) into the Earth-fixed frame.

    Precession is that of IAU 1976, nutation the four largest terms of IAU 1980 (Meeus,
    Astronomical Algorithms, chapters 21 and 22): within half a second of arc, 20 m in a low orbit.
    """
    century = (julian_day_ut1 - 2_451_545.0) / 36_525
    longitude, obliquity, mean_obliquity = _nutation_rad(century)
    zeta, z, theta = (
        math.radians((a + (b + c * century) * century) * century / 3600)
        for a, b, c in (
            (2306.2181, 0.30188, 0.017998),
            (2306.2181, 1.09468, 0.018203),
            (2004.3109, -0.42665, -0.041833),
        )
    )
    mean = _about(2, -z) @ _about(1, theta) @ _about(2, -zeta)
    tilt = mean_obliquity + obliquity
    true = _about(0, -tilt) @ _about(2, -longitude) @ _about(0, mean_obliquity)
    turn = gmst_rad(julian_day_ut1) + longitude * math.cos(tilt)
    fixed: Array = position_m @ (_about(2, turn) @ true @ mean).T
    return fixed


def _nutation_rad(century: float) -> tuple[float, float, float]:
    """Return the nutation in longitude and in obliquity, and the mean obliquity."""
    node, sun, moon = (
        math.radians(start + rate * century)
        for start, rate in (
            (125.04452, -1934.136261),
            (280.4665, 36_000.7698),
            (218.3165, 481_267.8813),
        )
    )
    longitude = -17.20 * math.sin(node) - 1.32 * math.sin(2 * sun)
    longitude += -0.23 * math.sin(2 * moon) + 0.21 * math.sin(2 * node)
    obliquity = 9.20 * math.cos(node) + 0.57 * math.cos(2 * sun)
    obliquity += 0.10 * math.cos(2 * moon) - 0.09 * math.cos(2 * node)
    mean = math.radians(23.439291 - 0.0130042 * century)
    return math.radians(longitude / 3600), math.radians(obliquity / 3600), mean


def _about(axis: int, angle: float) -> Array:
    """Return the matrix that turns the axes of a frame by an angle about one of them."""
    c, s = math.cos(angle), math.sin(angle)
    matrix = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = s, -s
    return matrix


def great_circle_m(
    lat_deg: Array, lon_deg: Array, other_lat_deg: Array, other_lon_deg: Array
) -> Array:
    """Return distances along a sphere of the Earth's mean radius, shapes (M,), (N,) to (M, N)."""
    a, b = np.radians(lat_deg)[:, None], np.radians(other_lat_deg)[None, :]
    apart = np.radians(other_lon_deg)[None, :] - np.radians(lon_deg)[:, None]
    h = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(apart / 2) ** 2
    distance: Array = 2 * MEAN_RADIUS_M * np.arcsin(np.sqrt(np.clip(h, 0, 1)))
    return distance


def geodetic_to_ecef(
    lat_deg: ArrayLike,
    lon_deg: ArrayLike,
    height_m: ArrayLike = 0.0,
    *,
    radius_m: float = WGS84_RADIUS_M,
    flattening: float = WGS84_FLATTENING,
) -> Array:
    """Return the Earth-fixed position of points on or above an ellipsoid, shape (..., 3)."""
    lat, lon, height = np.broadcast_arrays(np.radians(lat_deg), np.radians(lon_deg), height_m)
    e2 = flattening * (2 - flattening)
    normal = radius_m / np.sqrt(1 - e2 * np.sin(lat) ** 2)
    ring = (normal + height) * np.cos(lat)
    z = (normal * (1 - e2) + height) * np.sin(lat)
    return np.stack([ring * np.cos(lon), ring * np.sin(lon), z], axis=-1)


def ecef_to_geodetic(position_m: Array) -> tuple[Array, Array, Array]:
    """Return latitude and longitude in degrees and height in metres over WGS-84.

    Fixed-point iteration on the latitude, accurate to well under a millimetre for any satellite.
    """
    x, y, z = np.moveaxis(position_m, -1, 0)
    ring = np.hypot(x, y)
    lat = np.arctan2(z, ring * (1 - _E2))
    for _ in range(_STEPS):
        normal = WGS84_RADIUS_M / np.sqrt(1 - _E2 * np.sin(lat) ** 2)
        lat = np.arctan2(z + _E2 * normal * np.sin(lat), ring)
    surface = WGS84_RADIUS_M * np.sqrt(1 - _E2 * np.sin(lat) ** 2)
    height = ring * np.cos(lat) + z * np.sin(lat) - surface
    return np.degrees(lat), np.degrees(np.arctan2(y, x)), height


def elevation_rad(station_m: Array, satellite_m: Array) -> Array:
    """Return the elevation of every satellite above every station's horizon.

    Parameters
    ----------
    station_m, satellite_m
        Earth-fixed positions, shapes (M, 3) and (N, 3); the result has shape (M, N).
    """
    lat, lon, _ = ecef_to_geodetic(station_m)
    phi, lam = np.radians(lat), np.radians(lon)
    up = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
    height = up @ satellite_m.T - np.sum(up * station_m, axis=-1)[:, None]
    elevation: Array = np.arcsin(np.clip(height / distance_m(station_m, satellite_m), -1, 1))
    return elevation


def distance_m(a_m: Array, b_m: Array) -> Array:
    """Return all distances between two sets of points, shapes (M, 3) and (N, 3) to (M, N)."""
    apart: Array = np.linalg.norm(a_m[:, None, :] - b_m[None, :, :], axis=-1)
    return apart
