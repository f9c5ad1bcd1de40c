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
