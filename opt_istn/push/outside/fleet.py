"""A shell of satellites from files: element sets, Hypatia folders or tables of positions.

Which it is the content says, not the name: a folder with ``tles.txt`` is Hypatia's, any other
folder holds ephemerides (``*.e`` and ``*.oem``, perhaps with ``.gz``), one satellite after the
other in order of the files' names; a file is an STK ephemeris, an OEM, or element sets.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from sgp4.api import Satrec

from opt_istn import files
from opt_istn.files import InputError, placing
from opt_istn.files.sheets import lines_of
from opt_istn.physics.frames import Array, teme_to_ecef
from opt_istn.physics.orbits import propagate_m
from opt_istn.physics.space_links import Edges
from opt_istn.push.outside import oem, stk
from opt_istn.push.outside.tracks import Track, Tracks
from opt_istn.push.world import hypatia

_ENDINGS = (".e", ".oem", ".e.gz", ".oem.gz")


class Orbits(Protocol):
    """Where satellites are."""

    def __len__(self) -> int:
        """Return the number of satellites."""
        ...

    @property
    def span_jd(self) -> tuple[float, float]:
        """First and last moment at which all are known, Julian days (UTC)."""
        ...

    def earth_fixed_m(self, epoch_jd: float, time_s: Array) -> Array:
        """Return positions at moments after a Julian day, shape (times, satellites, 3)."""
        ...


@dataclass(frozen=True)
class Elements:
    """Satellites by their element sets."""

    records: tuple[Satrec, ...]

    def __len__(self) -> int:
        """Return the number of satellites."""
        return len(self.records)

    @property
    def span_jd(self) -> tuple[float, float]:
        """Element sets can be asked for any moment."""
        return -math.inf, math.inf

    def earth_fixed_m(self, epoch_jd: float, time_s: Array) -> Array:
        """Return positions at moments after a Julian day, shape (times, satellites, 3)."""
        inertial = propagate_m(self.records, epoch_jd, time_s)
        days = epoch_jd + time_s / 86_400
        return np.stack([teme_to_ecef(x, day) for x, day in zip(inertial, days, strict=True)])


@dataclass(frozen=True)
class Fleet:
    """A shell.

    Parameters
    ----------
    orbits
        Where its satellites are.
    links
        Permanent links (a, b), a < b, shape (links, 2).
    fixed
        Whether these are all; if not, each satellite is linked to its nearest neighbours.
    epoch_jd
        Julian day (UTC) from which it counts.
    planes, per_plane
        As declared; 0 if they are not.
    """

    orbits: Orbits
    links: Edges
    fixed: bool
    epoch_jd: float
    planes: int = 0
    per_plane: int = 0


def read(path: str) -> Fleet:
    """Read a shell.

    Raises
    ------
    InputError
        If a file is missing or wrong; names the file, the line and what was expected there.
    """
    if not placing.is_folder(path):
        tracks = _ephemeris(Path(path))
        return _tracked(tracks) if tracks else _elements(path)
    if placing.is_there(Path(path) / "tles.txt"):
        return _elements(path)
    try:
        found = sorted(one for one in Path(path).iterdir() if one.name.lower().endswith(_ENDINGS))
    except OSError as error:
        raise files.unusable("cannot be read", error, path) from None
    if not found:
        raise InputError("", "expected tles.txt, or ephemerides .e or .oem, in the folder", path)
    together: list[Track] = []
    for one in found:
        tracks = _ephemeris(one)
        if not tracks:
            raise InputError("line 1", "expected an STK ephemeris or an OEM", str(one))
        together += tracks
    return _tracked(together)


def _elements(path: str) -> Fleet:
    own = hypatia.read(path)
    orbits = Elements(tuple(own.records))
    return Fleet(orbits, own.links, len(own.links) > 0, own.epoch_jd, own.planes, own.per_plane)


def _tracked(tracks: list[Track]) -> Fleet:
    orbits = Tracks(tuple(tracks))
    seen: dict[str, str] = {}
    for track in tracks:
        if seen.setdefault(track.name, track.source) != track.source:
            rule = f"expected each satellite once, found {track.name} in {seen[track.name]} as well"
            raise InputError("", rule, track.source)
    none = np.zeros((0, 2), dtype=np.int64)
    return Fleet(orbits, none, False, orbits.span_jd[0])


def _ephemeris(path: Path) -> list[Track]:
    """Return the satellites of a file, none if it is no ephemeris."""
    lines = lines_of(path)
    first = lines[0][1] if lines else ""
    if first.startswith(stk.MARK):
        return [stk.read(lines, str(path))]
    if first.startswith(oem.MARK):
        return oem.read(lines, str(path))
    if first.startswith("<"):
        rule = "expected an OEM in keyword-value notation, found XML"
        raise InputError("line 1", rule, str(path))
    return []
