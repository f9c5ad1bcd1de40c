"""Places from files: users with their regions of interest, and ground stations.

A CSV file has the columns ``lat_deg`` and ``lon_deg`` and perhaps ``name``; users may have a region
of interest in ``south_deg``, ``north_deg``, ``west_deg``, ``east_deg``. Of a GeoJSON file each
feature is a place: a ``Point``, a ``Polygon`` (a region, with the place in its middle), or a
``GeometryCollection`` of both. Regions are rectangles along meridians and parallels.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from opt_istn import files
from opt_istn.files import InputError, hashing, sheets
from opt_istn.physics.frames import Array

_BOX = ("south_deg", "north_deg", "west_deg", "east_deg")
_NO_BOX = (math.nan,) * 4
_CORNERS = 5  # of a rectangle's ring, which ends where it begins

Box = tuple[float, float, float, float]
Place = tuple[str, float, float, Box]


@dataclass(frozen=True, eq=False)
class Places:
    """Places in arrays.

    Parameters
    ----------
    names
        Names, or the places' numbers where the file gives none.
    lat_deg, lon_deg
        Shape (n,).
    box_deg
        South, north, west, east of each region, shape (n, 4); not a number where there is none.
    """

    names: tuple[str, ...]
    lat_deg: Array
    lon_deg: Array
    box_deg: Array

    def __len__(self) -> int:
        """Return the number of places."""
        return len(self.names)


def users(path: str) -> Places:
    """Read users.

    Raises
    ------
    InputError
        If something is wrong; names the line, or the feature.
    """
    return _read(path, _BOX, hashing.stamps({"": Path(path)}))


def stations(path: str) -> Places:
    """Read ground stations; as `users`, without regions."""
    return _read(path, (), hashing.stamps({"": Path(path)}))


@lru_cache(maxsize=8)
def _read(path: str, box: tuple[str, ...], _stamps: tuple[tuple[str, int, int], ...]) -> Places:
    data = files.text_of(files.read_bytes(path), path).lstrip()
    reading = _of_geojson(data, path) if data.startswith(b"{") else _of_csv(path, box)
    found: list[Place] = []
    lines: dict[str, str] = {}
    for where, place in reading:
        name = place[0] or str(len(found))
        if name in lines:
            rule = f"expected each name once, found {name!r} of {lines[name]} again"
            raise InputError(where, rule, path)
        if not box and not math.isnan(place[3][0]):
            raise InputError(where, "expected a Point", path)
        lines[name] = where
        found.append((name, *place[1:]))
    if not found:
        raise InputError("features", "expected at least one", path)
    names, lat, lon, boxes = zip(*found, strict=True)
    return Places(names, np.array(lat), np.array(lon), np.array(boxes, dtype=float))


def _of_csv(path: str, box: tuple[str, ...]) -> Iterator[tuple[str, Place]]:
    for row in sheets.read(path, ("lat_deg", "lon_deg"), ("name", *box)):
        lat, lon = row.number("lat_deg", -90.0, 90.0), row.number("lon_deg", -180.0, 360.0)
        name = row.text("name") if "name" in row.cells else ""
        yield f"line {row.line}", (name, lat, lon, _box_of(row) if box else _NO_BOX)


def _box_of(row: sheets.Row) -> Box:
    given = [name for name in _BOX if name in row]
    if not given:
        return _NO_BOX
    if len(given) < len(_BOX):
        missing = next(name for name in _BOX if name not in given)
        rule = f"expected a region with all of {', '.join(_BOX)} or none of them"
        raise InputError(f"line {row.line}", f"{rule}, found no {missing}", row.source)
    south = row.number("south_deg", -90.0, 90.0)
    north = row.number("north_deg", south, 90.0)
    west = row.number("west_deg", -180.0, 360.0)
    east = row.number("east_deg", west, west + 360.0)
    return south, north, west, east


class _Feature(msgspec.Struct):
    type: Literal["Feature"]
    geometry: dict[str, Any]
    properties: dict[str, Any] | None = None


class _Collection(msgspec.Struct):
    type: Literal["FeatureCollection"]
    features: list[_Feature]


def _of_geojson(data: bytes, path: str) -> Iterator[tuple[str, Place]]:
    for i, feature in enumerate(files.decode(data, _Collection, path).features):
        where = f"features[{i}]"
        name = (feature.properties or {}).get("name", "")
        if not isinstance(name, str):
            raise InputError(f"{where}.properties.name", "expected a text", path)
        yield where, (name, *_geometry(feature.geometry, f"{where}.geometry", path))


def _geometry(geometry: dict[str, Any], where: str, path: str) -> tuple[float, float, Box]:
    """Return latitude, longitude and region of a geometry."""
    parts = geometry.get("geometries") if geometry.get("type") == "GeometryCollection" else None
    if parts is None:
        parts = [geometry]
    kinds = [part.get("type") if isinstance(part, dict) else None for part in parts]
    if sorted(map(str, kinds)) not in (["Point"], ["Polygon"], ["Point", "Polygon"]):
        rule = "expected a Point, a Polygon, or a GeometryCollection of one of each"
        raise InputError(f"{where}.type", f"{rule}, found {geometry.get('type')!r}", path)
    of = dict(zip(kinds, parts, strict=True))
    box, middle = _NO_BOX, (0.0, 0.0)
    if "Polygon" in of:
        box = _rectangle(of["Polygon"].get("coordinates"), where, path)
        middle = (box[0] + box[1]) / 2, (box[2] + box[3]) / 2
    if "Point" in of:
        lon, lat = _position(of["Point"].get("coordinates"), where, path)
        return lat, lon, box
    return *middle, box


def _rectangle(rings: Any, where: str, path: str) -> Box:
    ring = rings[0] if isinstance(rings, list) and len(rings) == 1 else None
    corners = [_position(x, where, path) for x in ring] if isinstance(ring, list) else []
    lon, lat = (sorted({corner[k] for corner in corners}) for k in (0, 1))
    sides = all((a[0] == b[0]) != (a[1] == b[1]) for a, b in pairwise(corners))
    closed = len(corners) == _CORNERS and corners[0] == corners[-1] and sides
    if not closed or (len(lon), len(lat), len(set(corners))) != (2, 2, 4):
        rule = "expected one ring: a rectangle along meridians and parallels, its first corner last"
        raise InputError(f"{where}.coordinates", rule, path)
    return lat[0], lat[1], lon[0], lon[1]


def _position(value: Any, where: str, path: str) -> tuple[float, float]:
    """Return longitude and latitude."""
    ok = isinstance(value, list) and len(value) in (2, 3)
    ok = ok and all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
    if not (ok and -180 <= value[0] <= 180 and -90 <= value[1] <= 90):
        rule = "expected positions [longitude -180..180, latitude -90..90]"
        raise InputError(f"{where}.coordinates", f"{rule}, found {value!r}", path)
    return float(value[0]), float(value[1])
