"""Path loss between a macro base station and an aerial user: 3GPP TR 36.777 v15.0.0, Annex B.

Distances in metres, frequency in GHz, heights of the user in metres. ``uma`` is urban macro
(UMa-AV, mast 25 m), ``rma`` rural macro (RMa-AV, mast 35 m). The tables hold up to a horizontal
distance of 4 km (uma) and 10 km (rma); beyond it the formulas are extrapolated.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Site = Literal["uma", "rma"]

MAST_M = {"uma": 25.0, "rma": 35.0}
VALID_TO_M = {"uma": 4_000.0, "rma": 10_000.0}
LOWEST_AERIAL_M = {"uma": 22.5, "rma": 10.0}  # users at or below are on the ground
MAX_HEIGHT_M = 300.0


def los_probability(site: Site, height_m: float, distance_2d_m: ArrayLike) -> Array:
    """Return the probability of line of sight, Table B-1; 1 above 100 m (uma) or 40 m (rma).

    At or below 22.5 m (uma) and 10 m (rma) it is that of a ground user, TR 38.901 Table 7.4.2-1.

    Raises
    ------
    ValueError
        If `height_m` is not within 1.5..300 m.
    """
    if not 1.5 <= height_m <= MAX_HEIGHT_M:
        raise ValueError(f"los_probability: expected a height of 1.5..300 m, found {height_m}")
    distance = np.asarray(distance_2d_m, dtype=float)
    if height_m > (100 if site == "uma" else 40):
        return np.ones_like(distance)
    if height_m <= LOWEST_AERIAL_M[site]:
        return _ground_uma(height_m, distance) if site == "uma" else _ground_rma(distance)
    decade = np.log10(height_m)
    if site == "uma":
        scale, near = 4300 * decade - 3800, max(460 * decade - 700, 18)
    else:
        scale, near = max(15021 * decade - 16053, 1000), max(1350.8 * decade - 1602, 18)
    far = np.maximum(distance, near)
    return np.asarray(near / far + np.exp(-far / scale) * (1 - near / far))


def _ground_rma(distance: Array) -> Array:
    return np.where(distance <= 10, 1.0, np.exp(-(distance - 10) / 1000))


def _ground_uma(height_m: float, distance: Array) -> Array:
    far = np.maximum(distance, 18)
    plain = 18 / far + np.exp(-far / 63) * (1 - 18 / far)
    lift = ((height_m - 13) / 10) ** 1.5 if height_m > 13 else 0.0
    raised = plain * (1 + lift * 1.25 * (far / 100) ** 3 * np.exp(-far / 150))
    return np.asarray(np.minimum(raised, 1.0))  # the table's product passes 1 just beyond 18 m


def path_loss_db(
    site: Site, height_m: float, distance_3d_m: ArrayLike, frequency_ghz: float, *, los: bool
) -> Array:
    """Return the median path loss, Table B-2.

    Raises
    ------
    ValueError
        For NLOS in urban macro above 100 m, which the table does not define, or below the
        table's heights (22.5 m uma, 10 m rma).
    """
    low = LOWEST_AERIAL_M[site]
    if not low < height_m <= MAX_HEIGHT_M:
        raise ValueError(f"path_loss_db: expected a height of {low:g}..300 m, found {height_m}")
    decade = np.log10(np.asarray(distance_3d_m, dtype=float))
    lift = np.log10(height_m)
    if site == "uma":
        if los:
            return np.asarray(28 + 22 * decade + 20 * np.log10(frequency_ghz))
        if height_m > 100:
            raise ValueError("path_loss_db: urban macro has line of sight above 100 m")
        tail = 20 * np.log10(40 * np.pi * frequency_ghz / 3)
        return np.asarray(-17.5 + (46 - 7 * lift) * decade + tail)
    tail = 20 * np.log10(40 * np.pi * frequency_ghz / 3)
    clear = np.maximum(23.9 - 1.8 * lift, 20) * decade + tail
    if los:
        return np.asarray(clear)
    return np.asarray(np.maximum(clear, -12 + (35 - 5.3 * lift) * decade + tail))


def shadowing_db(site: Site, height_m: float, *, los: bool) -> float:
    """Return the standard deviation of shadow fading, Table B-3."""
    if not los:
        return 6.0
    if site == "uma":
        return float(4.64 * np.exp(-0.0066 * height_m))
    return float(4.2 * np.exp(-0.0046 * height_m))
