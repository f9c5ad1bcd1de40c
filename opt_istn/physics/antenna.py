"""Gain of a base station's antenna array: ITU-R M.2101-0, section 5, Tables 3 and 4.

Angles are in the sector's own frame: theta from the zenith, phi from the boresight, in degrees.
Element parameters default to 3GPP TR 38.901 Table 7.3-1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """A uniform planar array."""

    rows: int = 8  # N_V
    columns: int = 8  # N_H
    element_gain_dbi: float = 8.0  # G_Emax
    horizontal_width_deg: float = 65.0  # phi_3dB
    vertical_width_deg: float = 65.0  # theta_3dB
    front_to_back_db: float = 30.0  # A_m
    side_lobe_db: float = 30.0  # SLA_v
    row_spacing: float = 0.5  # d_V in wavelengths
    column_spacing: float = 0.5  # d_H in wavelengths
    down_tilt_deg: float = 10.0  # electrical, positive towards the ground
    scan_deg: float = 0.0
    floor_dbi: float = -30.0  # exact nulls of the formula are filled up to this


def element_gain_dbi(panel: Panel, theta_deg: ArrayLike, phi_deg: ArrayLike) -> Array:
    """Return the gain of one element, Table 3."""
    theta, phi = np.asarray(theta_deg, dtype=float), np.asarray(phi_deg, dtype=float)
    across = np.minimum(12 * (phi / panel.horizontal_width_deg) ** 2, panel.front_to_back_db)
    along = np.minimum(12 * ((theta - 90) / panel.vertical_width_deg) ** 2, panel.side_lobe_db)
    return np.asarray(panel.element_gain_dbi - np.minimum(across + along, panel.front_to_back_db))


def array_gain_dbi(panel: Panel, theta_deg: ArrayLike, phi_deg: ArrayLike) -> Array:
    """Return the gain of the steered array, Table 4, not below the panel's floor.

    The array factor of a uniform plane is the product of two Dirichlet kernels, which is what is
    evaluated here; it equals the table's double sum.
    """
    theta, phi = np.radians(theta_deg), np.radians(phi_deg)
    tilt, scan = np.radians(panel.down_tilt_deg), np.radians(panel.scan_deg)
    rise = panel.row_spacing * (np.cos(theta) + np.sin(tilt))
    side = np.sin(theta) * np.sin(phi) - np.cos(tilt) * np.sin(scan)
    factor = _dirichlet(rise, panel.rows) * _dirichlet(panel.column_spacing * side, panel.columns)
    floor = 10 ** (panel.floor_dbi / 10)
    element = 10 ** (element_gain_dbi(panel, theta_deg, phi_deg) / 10)
    return np.asarray(10 * np.log10(np.maximum(element * factor, floor)))


def _dirichlet(turns: Array, count: int) -> Array:
    """Return |sum_{n < count} exp(2 pi i n turns)|^2 / count."""
    half = np.sin(np.pi * turns)
    small = np.abs(half) < 1e-9
    ratio = np.sin(count * np.pi * turns) / np.where(small, 1.0, half)
    return np.asarray(np.where(small, float(count), ratio**2 / count))


def facing_sector_deg(azimuth_deg: ArrayLike, boresight_deg: ArrayLike) -> Array:
    """Return the azimuth within the nearest of three sectors 120 degrees apart, in -60..60.

    Parameters
    ----------
    azimuth_deg
        Direction of the user from the mast.
    boresight_deg
        Direction of the first sector.
    """
    turned = np.asarray(azimuth_deg, dtype=float) - np.asarray(boresight_deg, dtype=float)
    return np.asarray((turned + 60) % 120 - 60)
