"""The link between a geostationary satellite's beam and a user near the ground."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import jv

from opt_istn.physics.frames import distance_m, elevation_rad, geodetic_to_ecef
from opt_istn.physics.space_links import SPEED_OF_LIGHT_M_S

Array = NDArray[np.float64]

GEO_RADIUS_M = 42_164_172.0


@dataclass(frozen=True)
class Beam:
    """One spot beam of Anik F2 towards Ottawa, and the link's budget."""

    longitude_deg: float = -111.1  # of the satellite
    centre_lat_deg: float = 50.0  # beam centre on the ground
    centre_lon_deg: float = -70.0
    half_width_deg: float = 0.4  # half-power angle off the beam's axis
    peak_gain_dbi: float = 51.0
    power_dbm: float = 30.0  # P_G
    frequency_ghz: float = 2.1
    bandwidth_hz: float = 180e3  # B_G, one resource block: enough for command and control
    noise_dbm_hz: float = -173.9  # N_0
    user_gain_dbi: float = 0.0  # G_r
    polarisation_db: float = 3.0  # circular to linear
    gas_db: float = 0.078  # ITU-R P.676 at 2.1 GHz and 27 degrees


def satellite_ecef_m(longitude_deg: float) -> Array:
    """Return the Earth-fixed position of a geostationary satellite, shape (3,)."""
    angle = math.radians(longitude_deg)
    return GEO_RADIUS_M * np.array([math.cos(angle), math.sin(angle), 0.0])


def slant_range_m(longitude_deg: float, lat_deg: float, lon_deg: float, height_m: float) -> float:
    """Return the distance from a geostationary satellite to a point."""
    user = geodetic_to_ecef(lat_deg, lon_deg, height_m)
    return float(distance_m(user[None], satellite_ecef_m(longitude_deg)[None])[0, 0])


def elevation_deg(longitude_deg: float, lat_deg: float, lon_deg: float, height_m: float) -> float:
    """Return the elevation of a geostationary satellite above a point's horizon."""
    user = geodetic_to_ecef(lat_deg, lon_deg, height_m)
    satellite = satellite_ecef_m(longitude_deg)
    return math.degrees(float(elevation_rad(user[None], satellite[None])[0, 0]))


def azimuth_deg(longitude_deg: float, lat_deg: float, lon_deg: float, height_m: float) -> float:
    """Return the azimuth of a geostationary satellite, clockwise from north, 0..360."""
    user = geodetic_to_ecef(lat_deg, lon_deg, height_m)
    sight = satellite_ecef_m(longitude_deg) - user
    lat, lon = math.radians(lat_deg), math.radians(lon_deg)
    east = np.array([-math.sin(lon), math.cos(lon), 0.0])
    north = np.array(
        [-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)]
    )
    return math.degrees(math.atan2(float(sight @ east), float(sight @ north))) % 360


def off_axis_deg(beam: Beam, lat_deg: float, lon_deg: float, height_m: float) -> float:
    """Return the angle at the satellite between the beam's centre and a point."""
    satellite = satellite_ecef_m(beam.longitude_deg)
    centre = geodetic_to_ecef(beam.centre_lat_deg, beam.centre_lon_deg) - satellite
    user = geodetic_to_ecef(lat_deg, lon_deg, height_m) - satellite
    across = float(np.linalg.norm(np.cross(centre, user)))
    return math.degrees(math.atan2(across, float(centre @ user)))


def free_space_db(distance_m: ArrayLike, frequency_ghz: float) -> Array:
    """Return free-space path loss."""
    wavelength = SPEED_OF_LIGHT_M_S / (frequency_ghz * 1e9)
    return np.asarray(20 * np.log10(4 * np.pi * np.asarray(distance_m, dtype=float) / wavelength))


def scintillation_db(frequency_ghz: float) -> float:
    """Return ionospheric scintillation loss, 6.22 / f^1.5 (3GPP TR 38.811, 6.6.6)."""
    return 6.22 / float(frequency_ghz**1.5)


def tapered_pattern_db(angle_deg: ArrayLike, half_width_deg: float) -> Array:
    """Return the relative gain of a tapered aperture, [J1(u)/2u + 36 J3(u)/u^3]^2.

    u = 2.07123 sin(angle) / sin(half width), so that it is -3 dB at the half width (Caini et al.,
    1992, the usual model of multi-beam satellites).
    """
    ratio = np.sin(np.radians(angle_deg)) / math.sin(math.radians(half_width_deg))
    u = np.maximum(np.abs(2.07123 * ratio), 1e-6)
    return np.asarray(20 * np.log10(np.abs(jv(1, u) / (2 * u) + 36 * jv(3, u) / u**3)))


def snr_db(beam: Beam, lat_deg: float, lon_deg: float, height_m: float) -> float:
    """Return the SNR of the user in the beam, equation (2) of the JUTAP paper.

    Noise is N_0 B_G; losses are free space, scintillation, gases and polarisation.
    """
    distance = slant_range_m(beam.longitude_deg, lat_deg, lon_deg, height_m)
    angle = off_axis_deg(beam, lat_deg, lon_deg, height_m)
    gain = beam.peak_gain_dbi + float(tapered_pattern_db(angle, beam.half_width_deg))
    loss = float(free_space_db(distance, beam.frequency_ghz)) + scintillation_db(beam.frequency_ghz)
    received = (
        beam.power_dbm + gain + beam.user_gain_dbi - loss - beam.polarisation_db - beam.gas_db
    )
    return received - beam.noise_dbm_hz - 10 * math.log10(beam.bandwidth_hz)
