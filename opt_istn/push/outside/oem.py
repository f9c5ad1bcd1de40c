"""Orbit Ephemeris Messages (CCSDS 502.0-B) in keyword-value notation, about the Earth, in UTC.

Segments of one ``OBJECT_ID`` are one satellite; a file may hold several. Frames are `FRAMES` and
those that begin with ITRF. Covariances are skipped. A segment that declares no interpolation is
read with `tracks.DEFAULT`.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sgp4.api import jday

from opt_istn.files import InputError
from opt_istn.files.sheets import Lines
from opt_istn.push.outside.stk import numbers
from opt_istn.push.outside.tracks import DEFAULT, MAX_POINTS, Frame, Method, Piece, Track, piece

MARK = "CCSDS_OEM_VERS"  # how the first line begins
FRAMES: dict[str, Frame] = {
    "EME2000": "j2000",
    "J2000": "j2000",
    "GCRF": "j2000",
    "ICRF": "j2000",
    "TEME": "teme",
}
_HEADER = ("CCSDS_OEM_VERS", "CREATION_DATE", "ORIGINATOR", "MESSAGE_ID", "CLASSIFICATION")
_NEEDED = ("OBJECT_ID", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "START_TIME", "STOP_TIME")
_OPTIONAL = (
    *("OBJECT_NAME", "USEABLE_START_TIME", "USEABLE_STOP_TIME", "INTERPOLATION"),
    "INTERPOLATION_DEGREE",
)
_MOMENT = re.compile(r"(\d{4})-(?:(\d\d)-(\d\d)|(\d{3}))T(\d\d):(\d\d):(\d\d(?:\.\d*)?)Z?")
_DAY_S = 86_400.0

Words = dict[str, tuple[int, str]]


def read(lines: Lines, source: str) -> list[Track]:
    """Read a file.

    Parameters
    ----------
    lines
        Its lines and their numbers, without blank ones.

    Raises
    ------
    InputError
        If something is wrong or not understood; names the line.
    """
    reading = iter([(i, x.strip()) for i, x in lines if x.split()[0] != "COMMENT"])
    _header(reading, source)
    found: dict[str, list[Piece]] = {}
    more = True
    while more:
        words = _meta(reading, source)
        made, more = _segment(words, reading, source)
        found.setdefault(words["OBJECT_ID"][1], []).append(made)
    for name, pieces in found.items():
        for before, after in pairwise(pieces):
            gap_s = (after.epoch_jd - before.epoch_jd) * _DAY_S
            if gap_s + after.usable_s[0] < before.usable_s[1] - 1e-3:
                rule = f"expected segments of {name} in order of time, one after the other"
                raise InputError("", rule, source)
    return [Track(name, source, tuple(pieces)) for name, pieces in found.items()]


def _header(reading: Iterator[tuple[int, str]], source: str) -> None:
    for number, line in reading:
        if line == "META_START":
            return
        if line.partition("=")[0].strip() not in _HEADER:
            rule = "expected the header, then META_START"
            raise InputError(f"line {number}", f"{rule}, found {line!r}", source)
    raise InputError("", "expected META_START, found none", source)


def _meta(reading: Iterator[tuple[int, str]], source: str) -> Words:
    """Return the keywords of a segment, up to ``META_STOP``."""
    words: Words = {}
    for number, line in reading:
        if line == "META_STOP":
            missing = [name for name in _NEEDED if name not in words]
            if missing:
                rule = f"expected {missing[0]} before META_STOP"
                raise InputError(f"line {number}", rule, source)
            return words
        name, sign, value = (part.strip() for part in line.partition("="))
        if not sign or name in words or name not in (*_NEEDED, *_OPTIONAL):
            rule = "expected a keyword that is understood, once"
            raise InputError(f"line {number}", f"{rule}, found {line!r}", source)
        words[name] = (number, value)
    raise InputError("", "expected META_STOP, found the end", source)


def _segment(words: Words, reading: Iterator[tuple[int, str]], source: str) -> tuple[Piece, bool]:
    """Return a segment, and whether another one follows."""
    _only(words, "CENTER_NAME", ("EARTH",), source)
    _only(words, "TIME_SYSTEM", ("UTC",), source)
    frame = _frame(words, source)
    interpolation = _interpolation(words, source)
    epoch = _julian(words["START_TIME"][1], words["START_TIME"][0], source)
    rows, more = _rows(reading, epoch, source)
    line = words["START_TIME"][0]
    if not rows:
        raise InputError(f"line {line}", "expected positions after META_STOP, found none", source)
    usable = _usable(words, rows, epoch, source)
    return piece(epoch, rows, frame, interpolation, source, line, usable), more


def _usable(
    words: Words, rows: list[list[float]], epoch_jd: float, source: str
) -> tuple[float, float]:
    """Return the span that may be asked for, seconds after the epoch, inside that of the rows."""
    ends = []
    for usable, name in (
        ("USEABLE_START_TIME", "START_TIME"),
        ("USEABLE_STOP_TIME", "STOP_TIME"),
    ):
        line, text = words.get(usable, words[name])
        since = (_julian(text, line, source) - epoch_jd) * _DAY_S
        ends.append(min(max(since, rows[0][0]), rows[-1][0]))
    if ends[1] <= ends[0]:
        rule = "expected a time after the start, and positions in between"
        raise InputError(f"line {line}", f"{rule}, found {text}", source)
    return ends[0], ends[1]


def _rows(
    reading: Iterator[tuple[int, str]], epoch_jd: float, source: str
) -> tuple[list[list[float]], bool]:
    """Return rows of seconds, metres and metres a second, and whether a segment follows."""
    rows: list[list[float]] = []
    covariance = False
    for number, line in reading:
        if line == "META_START":
            return rows, True
        if line in ("COVARIANCE_START", "COVARIANCE_STOP"):
            covariance = line == "COVARIANCE_START"
            continue
        if covariance:
            continue
        moment, *parts = line.split()
        since = round((_julian(moment, number, source) - epoch_jd) * _DAY_S, 4)
        if rows and since <= rows[-1][0]:
            rule = "expected a moment after that of the row before"
            raise InputError(f"line {number}", f"{rule}, found {moment}", source)
        values = numbers(parts, 9 if len(parts) == 9 else 6, number, source)
        rows.append([since, *(1000 * x for x in values[:6])])
    return rows, False


def _only(words: Words, name: str, known: tuple[str, ...], source: str) -> None:
    line, found = words[name]
    if found.upper() not in known:
        rule = f"expected {' or '.join(known)}, found {found!r}"
        raise InputError(f"line {line}, {name}", rule, source)


def _frame(words: Words, source: str) -> Frame:
    line, found = words["REF_FRAME"]
    if found.upper().startswith("ITRF"):
        return "fixed"
    if found.upper() not in FRAMES:
        rule = f"expected ITRF, {', '.join(FRAMES)}"
        raise InputError(f"line {line}, REF_FRAME", f"{rule}, found {found!r}", source)
    return FRAMES[found.upper()]


def _interpolation(words: Words, source: str) -> tuple[Method, int]:
    """Return the method, and how many rows it takes for the degree."""
    if "INTERPOLATION" not in words:
        return DEFAULT
    methods: dict[str, Method] = {
        "LINEAR": "linear",
        "LAGRANGE": "lagrange",
        "HERMITE": "hermite",
    }
    _only(words, "INTERPOLATION", tuple(methods), source)
    method = methods[words["INTERPOLATION"][1].upper()]
    line, text = words.get("INTERPOLATION_DEGREE", (words["INTERPOLATION"][0], ""))
    if method == "linear":
        return method, 2
    degree = int(text) if text.isdigit() else 0
    points = (degree + 1) // (2 if method == "hermite" else 1)
    if not 2 <= points <= MAX_POINTS:
        rule = f"expected a degree that takes 2..{MAX_POINTS} rows, found {text or 'none'}"
        raise InputError(f"line {line}, INTERPOLATION_DEGREE", rule, source)
    return method, points


def _julian(text: str, number: int, source: str) -> float:
    """Return the Julian day of a moment by month and day, or by day of the year."""
    found = _MOMENT.fullmatch(text)
    try:
        if not found:
            raise ValueError
        year, day_of_year = int(found[1]), found[4]
        if day_of_year:
            date = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=int(day_of_year) - 1)
        else:
            date = datetime(year, int(found[2]), int(found[3]), tzinfo=UTC)
    except ValueError:
        rule = f"expected a moment such as 2025-03-20T00:00:00.000, found {text!r}"
        raise InputError(f"line {number}", rule, source) from None
    hour, minute, second = int(found[5]), int(found[6]), float(found[7])
    day, fraction = jday(date.year, date.month, date.day, hour, minute, second)
    return float(day + fraction)
