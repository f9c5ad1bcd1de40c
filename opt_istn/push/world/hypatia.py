"""Constellations in the files of the Hypatia simulator (satgenpy), and bare TLE files.

A Hypatia folder (Kassing et al., "Exploring the 'Internet from space' with Hypatia", IMC 2020)
has ``tles.txt`` (a line "planes per_plane", then name, line 1, line 2 of each satellite, all of
one epoch), ``isls.txt`` (a line "a b" per link, a < b), ``ground_stations.txt`` (id, name,
latitude, longitude, elevation and, optionally, x, y, z), ``gsl_interfaces_info.txt`` and
``description.txt``. Only the first two are needed to read one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from sgp4 import exporter
from sgp4.api import Satrec

from opt_istn import files
from opt_istn.files import InputError, placing
from opt_istn.files.sheets import Lines, lines_of
from opt_istn.physics.frames import geodetic_to_ecef
from opt_istn.physics.orbits import WGS72_RADIUS_M
from opt_istn.physics.space_links import Edges
from opt_istn.push.world import tle

WGS72_FLATTENING = 1 / 298.26
T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Station:
    """A ground station.

    Parameters
    ----------
    name
        Any text without commas.
    lat_deg, lon_deg, height_m
        Place over the ellipsoid.
    """

    name: str
    lat_deg: float
    lon_deg: float
    height_m: float = 0.0


@dataclass(frozen=True)
class Folder:
    """A constellation from files.

    Parameters
    ----------
    records
        SGP4 records in order of their numbers.
    links
        Inter-satellite links (a, b), a < b, shape (links, 2); none for a bare TLE file.
    epoch_jd
        Julian day (UTC) of the latest element set.
    planes, per_plane
        As declared; 0 for a bare TLE file.
    stations
        Ground stations.
    """

    records: list[Satrec]
    links: Edges
    epoch_jd: float
    planes: int = 0
    per_plane: int = 0
    stations: tuple[Station, ...] = ()


def read(path: str | Path) -> Folder:
    """Read a Hypatia folder or a bare TLE file.

    Raises
    ------
    InputError
        If a file is missing or wrong; names the file, the line and what was expected there.
    """
    if not placing.is_folder(path):
        lines = lines_of(path)
        found = tle.records(lines, str(path))
        if not found:
            raise InputError("", "expected at least one element set", str(path))
        none = np.zeros((0, 2), dtype=np.int64)
        return Folder([one.record for one in found], none, max(one.epoch_jd for one in found))
    folder = Path(path)
    found, planes, per_plane = _read_tles(folder / "tles.txt")
    records = [one.record for one in found]
    links = _read_links(folder / "isls.txt", len(records))
    place = folder / "ground_stations.txt"
    stations = _read_stations(place) if place.exists() else ()
    return Folder(records, links, found[0].epoch_jd, planes, per_plane, stations)


def write(path: str | Path, folder: Folder, name: str, max_isl_m: float, max_gsl_m: float) -> None:
    """Write a Hypatia folder; it must exist.

    Parameters
    ----------
    name
        Name of the constellation, without spaces.
    max_isl_m, max_gsl_m
        Longest inter-satellite and ground-to-satellite links.
    """
    rows = [f"{folder.planes} {folder.per_plane}"]
    for i, record in enumerate(folder.records):
        rows += [f"{name} {i}", *exporter.export_tle(record)]
    stations = [_station_row(i, station) for i, station in enumerate(folder.stations)]
    nodes = len(folder.records) + len(folder.stations)
    texts = {
        "tles.txt": rows,
        "isls.txt": [f"{a} {b}" for a, b in folder.links.tolist()],
        "ground_stations.txt": stations,
        "gsl_interfaces_info.txt": [f"{node},1,1.0" for node in range(nodes)],
        "description.txt": [
            f"max_gsl_length_m={max_gsl_m:.10f}",
            f"max_isl_length_m={max_isl_m:.10f}",
        ],
    }
    for file, lines in texts.items():
        files.write_bytes(Path(path) / file, "".join(f"{line}\n" for line in lines).encode())


def _read_tles(path: Path) -> tuple[list[tle.Element], int, int]:
    lines = lines_of(path)
    number, header = lines[0] if lines else (1, "")
    planes, per_plane = _numbers(header, 2, int, "planes and satellites per plane", number, path)
    body, expected = lines[1:], planes * per_plane
    if planes < 1 or per_plane < 1 or len(body) != 3 * expected:
        rule = f"expected three lines for each of {planes} x {per_plane} satellites"
        raise InputError(f"line {number}", f"{rule}, found {len(body)} lines", str(path))
    found = [_read_satellite(i, body[3 * i : 3 * i + 3], path) for i in range(expected)]
    for one in found:
        if one.epoch_jd != found[0].epoch_jd:
            where = f"line {one.line}"
            raise InputError(where, "expected the epoch of the first satellite", str(path))
    tle.check_together(found, str(path))
    return found, planes, per_plane


def _read_satellite(i: int, lines: Lines, path: Path) -> tle.Element:
    (at, name), (number, first), (_, second) = lines
    if name.split()[1:] != [str(i)]:
        rule = f"expected a name and the number {i}"
        raise InputError(f"line {at}", f"{rule}, found {name!r}", str(path))
    return tle.Element(tle.record(first, second, number, str(path)), number)


def _read_links(path: Path, num_satellites: int) -> Edges:
    seen: set[tuple[int, int]] = set()
    for number, text in lines_of(path):
        a, b = _numbers(text, 2, int, "two satellites", number, path)
        where = f"line {number}"
        if not 0 <= a < b < num_satellites:
            rule = f"expected satellites a < b of 0..{num_satellites - 1}"
            raise InputError(where, f"{rule}, found {a} {b}", str(path))
        if (a, b) in seen:
            raise InputError(where, f"expected each link once, found {a} {b} again", str(path))
        seen.add((a, b))
    return np.array(sorted(seen), dtype=np.int64).reshape(-1, 2)


def _read_stations(path: Path) -> tuple[Station, ...]:
    stations = []
    for i, (number, text) in enumerate(lines_of(path)):
        parts = text.split(",")
        if len(parts) not in (5, 8) or parts[0] != str(i):
            rule = f"expected {i},name,latitude,longitude,elevation and perhaps x,y,z"
            raise InputError(f"line {number}", f"{rule}, found {text!r}", str(path))
        values = _numbers(" ".join(parts[2:]), len(parts) - 2, float, "numbers", number, path)
        lat, lon, height = values[:3]
        if not (-90 <= lat <= 90 and -180 <= lon <= 180 and all(map(math.isfinite, values))):
            rule = "expected a latitude -90..90 and a longitude -180..180"
            raise InputError(f"line {number}", f"{rule}, found {lat:g}, {lon:g}", str(path))
        stations.append(Station(parts[1], lat, lon, height))
    return tuple(stations)


def _station_row(number: int, station: Station) -> str:
    place = (station.lat_deg, station.lon_deg, station.height_m)
    x, y, z = geodetic_to_ecef(*place, radius_m=WGS72_RADIUS_M, flattening=WGS72_FLATTENING)
    lat, lon, height = place
    return f"{number},{station.name},{lat:f},{lon:f},{height:f},{x:f},{y:f},{z:f}"


def _numbers(
    text: str, count: int, kind: Callable[[str], T], what: str, number: int, path: Path
) -> Sequence[T]:
    try:
        values = [kind(part) for part in text.split()]
    except ValueError:
        values = []
    if len(values) != count:
        raise InputError(f"line {number}", f"expected {what}, found {text!r}", str(path))
    return values
