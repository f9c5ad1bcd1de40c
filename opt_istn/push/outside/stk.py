"""STK ephemeris files (``.e``), the part of the format that says all it means.

Read are ``EphemerisTimePos``, ``EphemerisTimePosVel`` and ``EphemerisTimePosVelAcc`` about the
Earth, in the frames `FRAMES`, times in seconds after ``ScenarioEpoch`` (UTC). A keyword that is
not known here may change what the numbers mean, so it is refused.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from sgp4.api import jday

from opt_istn.files import InputError
from opt_istn.files.sheets import Lines
from opt_istn.push.outside.tracks import DEFAULT, MAX_POINTS, Frame, Method, Track, piece

MARK = "stk.v."  # how the first line begins
FRAMES: dict[str, Frame] = {
    "fixed": "fixed",
    "j2000": "j2000",
    "icrf": "j2000",
    "temeofdate": "teme",
}
_UNITS = {"meters": 1.0, "kilometers": 1000.0}
_TABLES = {"ephemeristimepos": 4, "ephemeristimeposvel": 7, "ephemeristimeposvelacc": 10}
_IGNORED = ("messagelevel", "blockingfactor", "writtenby")
_ONCE = (
    *("numberofephemerispoints", "scenarioepoch", "interpolationmethod", "interpolationorder"),
    *("interpolationsamplesm1", "centralbody", "coordinatesystem", "distanceunit"),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH = re.compile(r"(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d(?:\.\d*)?)")

T = TypeVar("T")
Words = dict[str, tuple[int, str]]  # keyword in small letters: line, and what stands behind it


def read(lines: Lines, source: str) -> Track:
    """Read a file.

    Parameters
    ----------
    lines
        Its lines and their numbers, without blank ones and comments.

    Raises
    ------
    InputError
        If something is wrong or not understood; names the line.
    """
    reading = iter(lines)
    _, first = next(reading)
    if not re.fullmatch(r"stk\.v\.\d+\.\d+", first):
        raise InputError("line 1", f"expected stk.v. and a version, found {first!r}", source)
    words, at, columns = _head(reading, source)
    unit = _one_of(words, "distanceunit", _UNITS, "meters", source)
    _one_of(words, "centralbody", {"earth": 3}, "earth", source)
    frame = _one_of(words, "coordinatesystem", FRAMES, "", source)
    rows = _rows(reading, columns, unit, source)
    if "numberofephemerispoints" in words:
        line, text = words["numberofephemerispoints"]
        if text != str(len(rows)):
            rule = f"expected the number of rows, {len(rows)}, found {text!r}"
            raise InputError(f"line {line}", rule, source)
    epoch = _epoch_jd(words, source)
    interpolation = _interpolation(words, columns, source)
    whole = piece(epoch, rows, frame, interpolation, source, at)
    return Track(Path(source).name.partition(".")[0], source, (whole,))


def _head(reading: Iterator[tuple[int, str]], source: str) -> tuple[Words, int, int]:
    """Return the keywords before the table, its line and how many columns it has."""
    words: Words = {}
    for number, line in reading:
        name, _, rest = line.strip().replace("\t", " ").partition(" ")
        key = name.lower()
        if key in _TABLES:
            return words, number, _TABLES[key]
        if key == "begin" and rest.strip().lower() == "ephemeris":
            continue
        if key in words or key not in (*_ONCE, *_IGNORED):
            rule = "expected a keyword that is understood, once"
            raise InputError(f"line {number}", f"{rule}, found {line.strip()!r}", source)
        words[key] = (number, rest.strip().strip('"'))
    known = "EphemerisTimePos, EphemerisTimePosVel or EphemerisTimePosVelAcc"
    raise InputError("", f"expected a table {known}, found none", source)


def _rows(
    reading: Iterator[tuple[int, str]], columns: int, unit: float, source: str
) -> list[list[float]]:
    """Return the rows of the table, in seconds and metres, up to ``END Ephemeris``."""
    rows: list[list[float]] = []
    for number, line in reading:
        if line.split()[0].lower() == "end":
            return rows
        values = numbers(line.split(), columns, number, source)
        if rows and values[0] <= rows[-1][0]:
            rule = f"expected a time after {rows[-1][0]:.12g}, found {values[0]:.12g}"
            raise InputError(f"line {number}", rule, source)
        rows.append([values[0], *(unit * x for x in values[1:])])
    raise InputError("", "expected END Ephemeris after the table, found the end", source)


def numbers(parts: list[str], count: int, number: int, source: str) -> list[float]:
    """Return `count` finite numbers of a line.

    Raises
    ------
    InputError
        If they are not; names the line.
    """
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        text = " ".join(parts)
        raise InputError(f"line {number}", f"expected {count} numbers, found {text!r}", source)
    return values


def _one_of(words: Words, key: str, known: dict[str, T], default: str, source: str) -> T:
    line, text = words.get(key, (0, default))
    if text.lower() in known:
        return known[text.lower()]
    where = f"line {line}, {key}" if line else key
    raise InputError(where, f"expected {' or '.join(known)}, found {text or 'nothing'}", source)


def _epoch_jd(words: Words, source: str) -> float:
    line, text = words.get("scenarioepoch", (0, ""))
    found = _EPOCH.fullmatch(" ".join(text.split()))
    month = found[2].lower() if found else ""
    if not found or month not in _MONTHS:
        where = f"line {line}, scenarioepoch" if line else "scenarioepoch"
        rule = f"expected a moment such as 20 Mar 2025 00:00:00.000, found {text or 'nothing'}"
        raise InputError(where, rule, source)
    date = (int(found[3]), _MONTHS.index(month) + 1, int(found[1]))
    day, fraction = jday(*date, int(found[4]), int(found[5]), float(found[6]))
    return float(day + fraction)


def _interpolation(words: Words, columns: int, source: str) -> tuple[Method, int]:
    """Return the method, and how many rows it takes: of a degree d, d + 1 or with slopes half."""
    methods: dict[str, Method] = {"lagrange": "lagrange", "hermite": "hermite"}
    method = _one_of(words, "interpolationmethod", methods, "lagrange", source)
    if method == "hermite" and columns < 7:
        line = words["interpolationmethod"][0]
        raise InputError(f"line {line}", "expected velocities for Hermite interpolation", source)
    points = DEFAULT[1] if method == "lagrange" else DEFAULT[1] // 2
    for key, each in (("interpolationorder", method), ("interpolationsamplesm1", "lagrange")):
        if key in words:
            line, text = words[key]
            count = (int(text) + 1) // (2 if each == "hermite" else 1) if text.isdigit() else 0
            if not 2 <= count <= MAX_POINTS:
                rule = f"expected a number that takes 2..{MAX_POINTS} rows, found {text!r}"
                raise InputError(f"line {line}, {key}", rule, source)
            points = count
    return method, points
