"""Radio map of a grid: which base stations reach which cell, SINR of equation (1) of the paper.

All stations share the band, so every other one interferes. Gains towards a cell are those of the
sector that faces it; the other sectors interfere too if that is asked for. The map is computed in
blocks of cells on all cores; only what an instance needs of it is kept.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from opt_istn.physics import pathloss
from opt_istn.physics.antenna import Panel, array_gain_dbi, facing_sector_deg

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Interference = Literal["facing", "all"]

_BLOCK = 1 << 17  # cell-station pairs a block: the temporaries stay in the cache


@dataclass(frozen=True)
class Stations:
    """Tri-sector macro base stations.

    Parameters
    ----------
    xy_m
        Positions, shape (B, 2).
    rural
        Whether a station is rural macro (mast 35 m) rather than urban (25 m), shape (B,).
    boresight_deg
        Azimuth of the first sector, counter-clockwise from east, shape (B,).
    """

    xy_m: Array
    rural: NDArray[np.bool]
    boresight_deg: Array

    @property
    def height_m(self) -> Array:
        """Height of the masts, shape (B,)."""
        return np.where(self.rural, pathloss.MAST_M["rma"], pathloss.MAST_M["uma"])


@dataclass(frozen=True)
class Downlink:
    """What the stations send and the user receives.

    Parameters
    ----------
    load
        Share of the time an interfering station transmits.
    interference
        What of the stations interferes: the sector that faces the cell (``facing``), or all three
        sectors, those of the serving station but the serving one included (``all``).
    sampled_los
        Draw line of sight per cell and station from its probability (it is certain above 100 m);
        otherwise the more likely of the two is taken.
    shadowing
        Draw log-normal shadow fading per cell and station.
    """

    altitude_m: float = 150.0
    frequency_ghz: float = 2.545
    power_dbm: float = 43.0  # P_M
    bandwidth_hz: float = 10e6  # B_M
    noise_dbm_hz: float = -173.9  # N_0
    user_gain_dbi: float = 0.0  # G_r
    load: float = 1.0
    interference: Interference = "facing"
    sampled_los: bool = True
    shadowing: bool = False
    panel: Panel = field(default_factory=Panel)

    @property
    def noise_mw(self) -> float:
        """Noise power in the band, N_0 B_M."""
        return float(10 ** (self.noise_dbm_hz / 10) * self.bandwidth_hz)


@dataclass(frozen=True)
class Coverage:
    """What an instance keeps of a radio map.

    Parameters
    ----------
    strongest, best_sinr_db
        Station with the highest SINR in each cell, and that SINR; shape (cells,).
    ptr, ids
        Stations with SINR >= beta of each cell, ascending, in compressed rows.
    """

    strongest: IntArray
    best_sinr_db: Array
    ptr: IntArray
    ids: IntArray


def received_dbm(
    stations: Stations, cells_xy_m: Array, link: Downlink, rng: np.random.Generator
) -> Array:
    """Return the received power P_M |h|^2, |h|^2 = G G_r / L, shape (cells, B)."""
    ground, distance, theta, azimuth = _directions(stations, cells_xy_m, link)
    phi = facing_sector_deg(azimuth, stations.boresight_deg)
    gain = array_gain_dbi(link.panel, theta, phi)
    loss = np.empty_like(ground)
    sites: tuple[tuple[pathloss.Site, NDArray[np.bool]], ...] = (
        ("rma", stations.rural),
        ("uma", ~stations.rural),
    )
    for site, mine in sites:
        loss[:, mine] = _loss_db(site, link, ground[:, mine], distance[:, mine], rng)
    return np.asarray(link.power_dbm + gain + link.user_gain_dbi - loss)


def _loss_db(
    site: pathloss.Site, link: Downlink, ground: Array, distance: Array, rng: np.random.Generator
) -> Array:
    height, frequency = link.altitude_m, link.frequency_ghz
    loss = pathloss.path_loss_db(site, height, distance, frequency, los=True)
    deviation = np.full_like(loss, pathloss.shadowing_db(site, height, los=True))
    likely = pathloss.los_probability(site, height, ground)
    if (likely < 1).any():
        blocked = rng.random(likely.shape) >= likely if link.sampled_los else likely < 0.5
        behind = pathloss.path_loss_db(site, height, distance, frequency, los=False)
        loss = np.where(blocked, behind, loss)
        deviation[blocked] = pathloss.shadowing_db(site, height, los=False)
    if link.shadowing:
        loss = loss + deviation * rng.standard_normal(loss.shape)
    return loss


def _directions(
    stations: Stations, cells_xy_m: Array, link: Downlink
) -> tuple[Array, Array, Array, Array]:
    """Return ground distance, distance, zenith angle and azimuth from the masts, (cells, B)."""
    dx = cells_xy_m[:, :1] - stations.xy_m[:, 0]
    dy = cells_xy_m[:, 1:] - stations.xy_m[:, 1]
    ground = np.hypot(dx, dy)
    distance = np.hypot(ground, link.altitude_m - stations.height_m)
    theta = np.degrees(np.arccos((link.altitude_m - stations.height_m) / distance))
    return ground, distance, theta, np.degrees(np.arctan2(dy, dx))


def sectors_over_facing(stations: Stations, cells_xy_m: Array, link: Downlink) -> Array:
    """Return the power of a station's three sectors over that of the facing one, (cells, B)."""
    _, _, theta, azimuth = _directions(stations, cells_xy_m, link)
    phi = facing_sector_deg(azimuth, stations.boresight_deg)
    gains = [10 ** (array_gain_dbi(link.panel, theta, phi + turn) / 10) for turn in (0, 120, -120)]
    return np.asarray(sum(gains) / gains[0])


def sinr_db(received: Array, link: Downlink, sectors: Array | None = None) -> Array:
    """Return the SINR of every station in every cell, equation (1), shape as `received`.

    Parameters
    ----------
    sectors
        What each station sends towards the cell over what it sends from the facing sector; by
        default 1.
    """
    power = 10 ** (received / 10)
    sent = power if sectors is None else power * sectors
    interference = link.load * (sent.sum(axis=1, keepdims=True) - power)
    return np.asarray(10 * np.log10(power / (interference + link.noise_mw)))


def coverage(
    stations: Stations,
    cells_xy_m: Array,
    link: Downlink,
    beta_db: float,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None = None,
) -> Coverage:
    """Map all cells in blocks; O(cells * stations) time, memory for one block a core.

    Parameters
    ----------
    beta_db
        SINR threshold.
    progress
        Called with the share done, 0..1.
    """
    size = max(_BLOCK // max(len(stations.xy_m), 1), 1)
    blocks = [cells_xy_m[i : i + size] for i in range(0, len(cells_xy_m), size)]
    parts: list[tuple[IntArray, Array, IntArray, IntArray]] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(
            lambda block, child: _reach(stations, block, link, beta_db, child),
            blocks,
            rng.spawn(len(blocks)),
        )
        for part in jobs:
            parts.append(part)
            if progress is not None:
                progress(len(parts) / len(blocks))
    strongest, best, counts, ids = map(np.concatenate, zip(*parts, strict=True))
    return Coverage(strongest, best, np.concatenate([[0], np.cumsum(counts)]), ids)


def _reach(
    stations: Stations, block: Array, link: Downlink, beta_db: float, rng: np.random.Generator
) -> tuple[IntArray, Array, IntArray, IntArray]:
    """Return strongest station, its SINR, number of stations above beta, and those, by cell."""
    sectors = None if link.interference == "facing" else sectors_over_facing(stations, block, link)
    sinr = sinr_db(received_dbm(stations, block, link, rng), link, sectors)
    above = sinr >= beta_db
    return sinr.argmax(axis=1), sinr.max(axis=1), above.sum(axis=1), np.nonzero(above)[1]
