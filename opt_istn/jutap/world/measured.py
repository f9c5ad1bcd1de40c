"""Stations and radio maps from files, in place of those that are drawn and computed.

Stations: columns ``x_m`` and ``y_m`` (metres from the south-west corner), perhaps ``name``,
``site`` (rural or urban) and ``azimuth_deg`` (of the first sector, counter-clockwise from east).
Radio maps: columns ``row``, ``column``, ``station`` and ``sinr_db``, one line for each cell and
station that was measured; row 0 is the southern one. What is not listed does not reach the cell.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError, hashing, sheets
from opt_istn.physics.radio import Array, Coverage

_FAR_M = 1e6  # stations farther away are a mistake in the unit
_LIMIT_DB = 300.0
MAX_STATIONS = 10_000
FILES = ("stations", "radio_map")  # the parameters of a scenario that name such files


@dataclass(frozen=True, eq=False)
class Sites:
    """Stations of a file.

    Parameters
    ----------
    names
        Their names, or their numbers where the file gives none.
    xy_m
        Positions, shape (B, 2).
    rural
        1 for rural, 0 for urban, not a number where the file does not say, shape (B,).
    boresight_deg
        Azimuths, not a number where the file does not say, shape (B,).
    """

    names: tuple[str, ...]
    xy_m: Array
    rural: Array
    boresight_deg: Array


@dataclass(frozen=True, eq=False)
class Measured:
    """A radio map.

    Parameters
    ----------
    names
        Stations, by number.
    cell, station, sinr_db
        What was measured, by cell and station, shape (n,).
    """

    names: tuple[str, ...]
    cell: NDArray[np.int64]
    station: NDArray[np.int64]
    sinr_db: Array

    def coverage(self, num_cells: int, beta_db: float) -> Coverage:
        """Return which stations reach which cells."""
        best = np.full(num_cells, -math.inf)
        np.maximum.at(best, self.cell, self.sinr_db)
        strongest = np.zeros(num_cells, dtype=np.int64)
        top = np.flatnonzero(self.sinr_db == best[self.cell])[::-1]  # of equals the first one
        strongest[self.cell[top]] = self.station[top]
        above = self.sinr_db >= beta_db
        count = np.bincount(self.cell[above], minlength=num_cells)
        ptr = np.concatenate([[0], np.cumsum(count)])
        return Coverage(strongest, best, ptr, self.station[above])


def stations(path: str) -> Sites:
    """Read stations.

    Raises
    ------
    InputError
        If a line is wrong; names it.
    """
    seen: dict[str, int] = {}
    rows: list[tuple[float, float, float, float]] = []
    for row in sheets.read(path, ("x_m", "y_m"), ("name", "site", "azimuth_deg")):
        name = row.text("name") if "name" in row.cells else str(len(rows))
        if name in seen:
            raise row.refused("name", f"each name once (it is in line {seen[name]}, too)")
        seen[name] = row.line
        x, y = (row.number(axis, -_FAR_M, _FAR_M) for axis in ("x_m", "y_m"))
        site, turn = math.nan, math.nan
        if "site" in row:
            site = float(row.word("site", ("rural", "urban")) == "rural")
        if "azimuth_deg" in row:
            turn = row.number("azimuth_deg", -360.0, 360.0)
        rows.append((x, y, site, turn))
    if len(rows) > MAX_STATIONS:
        raise InputError("", f"expected at most {MAX_STATIONS} stations, found {len(rows)}", path)
    table = np.array(rows)
    return Sites(tuple(seen), table[:, :2], table[:, 2], table[:, 3])


def radio_map(path: str, grid: int, known: tuple[str, ...] = ()) -> Measured:
    """Read a radio map.

    Parameters
    ----------
    grid
        Cells along a side.
    known
        Names of the stations; by default they are numbered as they come.

    Raises
    ------
    InputError
        If a line is wrong; names it.
    """
    number = {name: b for b, name in enumerate(known)}
    found: dict[tuple[int, int], tuple[float, int]] = {}
    for row in sheets.read(path, ("row", "column", "station", "sinr_db")):
        at = row.whole("row", 0, grid - 1) * grid + row.whole("column", 0, grid - 1)
        name = row.text("station")
        if known and name not in number:
            raise row.refused("station", "a station of the file of stations")
        if len(number) > MAX_STATIONS:
            raise row.refused("station", f"at most {MAX_STATIONS} stations")
        key = (at, number.setdefault(name, len(number)))
        if key in found:
            raise row.refused("station", f"one value a cell and station (line {found[key][1]})")
        found[key] = (row.number("sinr_db", -_LIMIT_DB, _LIMIT_DB), row.line)
    keys = np.array(sorted(found), dtype=np.int64)
    values = np.array([found[cell, station][0] for cell, station in keys.tolist()])
    return Measured(tuple(number), keys[:, 0], keys[:, 1], values)


def number_of_stations(stations_file: str, map_file: str, grid: int) -> int:
    """Return how many stations the files of a scenario name."""
    known = stations(stations_file).names if stations_file else ()
    return len(radio_map(map_file, grid, known).names) if map_file else len(known)


def digests(named: dict[str, str]) -> dict[str, str]:
    """Return the SHA-256 of files by parameter, under the names of `hashing`."""
    return hashing.digests({name: Path(path) for name, path in named.items()})
