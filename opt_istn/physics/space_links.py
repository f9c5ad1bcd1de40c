"""Links of satellites: who is connected to whom, who sees whom, and at what rate.

The topology is the +Grid of the LEO networking literature (for example Bhattacherjee and Singla,
CoNEXT 2019): each satellite has links to its neighbours in the plane and to the satellite of the
same number in both neighbouring planes. Rates are equations (1)-(4) of Remote Sens. 2025, 17(11),
1905.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from opt_istn.physics.chance import Chance
from opt_istn.physics.frames import WGS84_RADIUS_M, Array
from opt_istn.physics.orbits import Shell

SPEED_OF_LIGHT_M_S = 299_792_458.0

Edges = NDArray[np.int64]


def plus_grid(shell: Shell) -> Edges:
    """Return the links (a, b), a < b, of a shell's +Grid, ascending, shape (links, 2).

    From the last plane of a delta back to the first the phase has advanced by F whole slots, so
    satellite s is joined to (s + F) mod S there; without the shift the link would go through the
    Earth. A star has a seam instead: its last and first planes fly in opposite directions.
    """
    P, S = shell.planes, shell.per_plane
    plane, slot = np.divmod(np.arange(shell.num_satellites), S)
    ahead = plane * S + (slot + 1) % S
    shift = np.where(plane == P - 1, shell.phasing, 0)
    beside = (plane + 1) % P * S + (slot + shift) % S
    if not shell.closed:
        beside = np.where(plane == P - 1, np.arange(len(plane)), beside)
    own = np.arange(len(plane))
    return undirected(np.concatenate([np.stack([own, ahead], 1), np.stack([own, beside], 1)]))


def undirected(pairs: Edges) -> Edges:
    """Return the distinct pairs (a, b) with a < b, ascending; self loops are dropped."""
    ordered = np.sort(pairs, axis=1)
    distinct: Edges = np.unique(ordered[ordered[:, 0] < ordered[:, 1]], axis=0)
    return distinct


def nearest(from_m: Array, to_m: Array, count: int) -> Edges:
    """Return pairs (i, j): point i of the first set and its `count` nearest of the second."""
    count = min(count, len(to_m))
    if count == 0 or len(from_m) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    _, found = cKDTree(to_m).query(from_m, k=count)
    return np.stack([np.repeat(np.arange(len(from_m)), count), np.ravel(found)], axis=1)


def line_of_sight(a_m: Array, b_m: Array, grazing_m: float) -> NDArray[np.bool]:
    """Return whether the segments a-b keep `grazing_m` above a sphere of the equator's radius.

    Parameters
    ----------
    a_m, b_m
        Ends, shape (links, 3), in one geocentric frame.
    """
    along = b_m - a_m
    length2 = np.maximum(np.sum(along**2, axis=-1), 1e-12)
    nearest_point = np.clip(-np.sum(a_m * along, axis=-1) / length2, 0, 1)
    height = np.linalg.norm(a_m + nearest_point[..., None] * along, axis=-1)
    clear: NDArray[np.bool] = height >= WGS84_RADIUS_M + grazing_m
    return clear


def max_link_m(altitude_a_m: float, altitude_b_m: float, grazing_m: float) -> float:
    """Return the longest inter-satellite link between two heights that clears `grazing_m`."""
    limit = WGS84_RADIUS_M + grazing_m
    heights = (altitude_a_m, altitude_b_m)
    return sum(math.sqrt((WGS84_RADIUS_M + h) ** 2 - limit**2) for h in heights)


@dataclass(frozen=True)
class Radio:
    """Transmitters, receivers and noise of the satellite links.

    Parameters
    ----------
    frequency_hz
        Carrier; the paper gives none. Any from 6 to 75 GHz gives nearly the same delays.
    power_w, bandwidth_hz, noise_w_hz
        P_S, B_S and sigma_S^2.
    gain_tx, gain_rx
        Antenna gains as power ratios, G^T and G^R.
    optics_tx, optics_rx
        Efficiencies of the inter-satellite terminals, eta_T and eta_R.
    max_bps_hz
        No modulation carries more than this; None for Shannon's limit, as in the paper, whose
        signal-to-noise ratio of 57 dB stands for 18.9 bit/s/Hz.
    """

    frequency_hz: float = 20e9
    power_w: float = 1500.0
    bandwidth_hz: float = 500e6
    noise_w_hz: float = 5e-20
    gain_tx: float = 1e5
    gain_rx: float = 1e5
    optics_tx: float = 0.8
    optics_rx: float = 0.8
    max_bps_hz: float | None = None

    def user_gain(self, distance_m: Array | float, rain_db: Array | float) -> Array:
        """Return h_SU^2 of a satellite-to-user link, equation (1)."""
        fade = 10 ** (-np.asarray(rain_db, dtype=float) / 10)
        gain: Array = self._free_space(distance_m) * fade
        return gain

    def isl_gain(self, distance_m: Array | float) -> Array:
        """Return h_SS^2 of an inter-satellite link, equation (3)."""
        return self._free_space(distance_m) * self.optics_tx * self.optics_rx

    def rate_bps(self, gain: Array | float) -> Array:
        """Return R = B log2(1 + P h^2 / (B sigma^2)), equations (2) and (4)."""
        noise_w = self.bandwidth_hz * self.noise_w_hz
        efficiency = np.log2(1 + self.power_w * np.asarray(gain, dtype=float) / noise_w)
        if self.max_bps_hz is not None:
            efficiency = np.minimum(efficiency, self.max_bps_hz)
        rate: Array = self.bandwidth_hz * efficiency
        return rate

    def _free_space(self, distance_m: Array | float) -> Array:
        wavelength_m = SPEED_OF_LIGHT_M_S / self.frequency_hz
        spread = wavelength_m / (4 * np.pi * np.asarray(distance_m, dtype=float))
        gain: Array = self.gain_tx * self.gain_rx * spread**2
        return gain


def slot_rates_bps(full_bps: Array, outage: float, rng: Chance) -> Array:
    """Return the rates of links in one slot: U[R/3, R], or 0 with probability `outage`."""
    drawn: Array = full_bps * rng.uniform(1 / 3, 1, np.shape(full_bps))
    rates: Array = drawn * (rng.random(np.shape(full_bps)) >= outage)
    return rates
