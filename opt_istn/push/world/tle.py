"""Two-line element sets, checked column by column.

SGP4 libraries read whatever digits they find; a shifted column gives another orbit, not an error.
The columns are those of the format's definition (Hoots and Roehrich, Spacetrack Report No. 3).
"""

import re
from calendar import isleap
from collections.abc import Sequence
from dataclasses import dataclass

from sgp4.api import SGP4_ERRORS, WGS72, Satrec

from opt_istn.files import InputError

_ANGLE = r" *\d{1,3}\.\d{4,5}"  # some writers fill the column with a fifth decimal
_SMALL = r"[ +-]\d{5}[+-]\d"
_COLUMNS = {  # line: (field, first column from 0, end, pattern)
    "1": (
        ("catalogue number", 2, 7, r"[\dA-Z ]{4}\d"),
        ("classification", 7, 8, r"[UCS ]"),
        ("epoch", 18, 32, r"\d{2}[ \d]{2}\d\.\d{8}"),
        ("first derivative of mean motion", 33, 43, r"[ +-]\.\d{8}"),
        ("second derivative of mean motion", 44, 52, _SMALL),
        ("drag term", 53, 61, _SMALL),
    ),
    "2": (
        ("catalogue number", 2, 7, r"[\dA-Z ]{4}\d"),
        ("inclination", 8, 16, _ANGLE),
        ("right ascension", 17, 25, _ANGLE),
        ("eccentricity", 26, 33, r"\d{7}"),
        ("argument of perigee", 34, 42, _ANGLE),
        ("mean anomaly", 43, 51, _ANGLE),
        ("mean motion", 52, 63, r"[ \d]\d\.\d{8}"),
    ),
}
_BLANKS = {"1": (1, 8, 17, 32, 43, 52, 61, 63), "2": (1, 7, 16, 25, 33, 42, 51)}
LENGTH = 69
MAX_SPREAD_DAYS = 28.0  # SGP4 is kilometres wrong after weeks


@dataclass(frozen=True)
class Element:
    """An element set: its SGP4 record, and the number of its first line in the file."""

    record: Satrec
    line: int

    @property
    def epoch_jd(self) -> float:
        """Julian day (UTC) of the epoch."""
        return float(self.record.jdsatepoch + self.record.jdsatepochF)


def record(first: str, second: str, number: int, source: str) -> Satrec:
    """Return the SGP4 record of an element set.

    Parameters
    ----------
    number
        Line number of `first` in the file, counted from 1.
    source
        Name of the file.

    Raises
    ------
    InputError
        If a column is not what the format says; names the line and the field.
    """
    check_line(first, "1", number, source)
    check_line(second, "2", number + 1, source)
    if first[2:7] != second[2:7]:
        rule = f"expected catalogue number {first[2:7]!r} as in line {number}"
        raise InputError(f"line {number + 1}", f"{rule}, found {second[2:7]!r}", source)
    _check_values(first, second, number, source)
    found = Satrec.twoline2rv(first, second, WGS72)
    if error := found.sgp4_tsince(0.0)[0]:
        where = _place(number, first)
        rule = f"expected an orbit that SGP4 can follow ({SGP4_ERRORS[error]})"
        raise InputError(where, rule, source)
    return found


def _place(number: int, text: str) -> str:
    return f"line {number}, catalogue number {text[2:7].strip()}"


def _check_values(first: str, second: str, number: int, source: str) -> None:
    """Raise `InputError` for numbers that no orbit has."""
    year = int(first[18:20]) + (1900 if int(first[18:20]) >= 57 else 2000)
    days = 366 if isleap(year) else 365
    limits = {  # field: value, lowest, highest
        "day of the epoch": (number, float(first[20:32]), 1.0, days + 1.0 - 1e-8),
        "inclination": (number + 1, float(second[8:16]), 0.0, 180.0),
        "right ascension": (number + 1, float(second[17:25]), 0.0, 360.0),
        "argument of perigee": (number + 1, float(second[34:42]), 0.0, 360.0),
        "mean anomaly": (number + 1, float(second[43:51]), 0.0, 360.0),
        "mean motion": (number + 1, float(second[52:63]), 1e-8, 20.0),
    }
    for field, (line, value, lowest, highest) in limits.items():
        if not lowest <= value <= highest:
            rule = f"expected {field} {lowest:.11g} to {highest:.11g}, found {value:.11g}"
            raise InputError(_place(line, first), rule, source)


def check_line(text: str, kind: str, number: int, source: str) -> None:
    """Raise `InputError` if `text` is not line `kind` (1 or 2) of an element set."""
    where = f"line {number}"
    if len(text) != LENGTH or text[0] != kind:
        rule = f"expected line {kind} of an element set, {LENGTH} characters"
        raise InputError(where, f"{rule}, found {len(text)}: {text[:24]!r}", source)
    if not (text.isascii() and text.isprintable()):
        raise InputError(where, f"expected printable ASCII characters, found {text!r}", source)
    for field, start, end, pattern in _COLUMNS[kind]:
        if not re.fullmatch(pattern, text[start:end], re.ASCII):
            rule = f"expected {field} in columns {start + 1}-{end}"
            raise InputError(where, f"{rule}, found {text[start:end]!r}", source)
    for column in _BLANKS[kind]:
        if text[column] != " ":
            rule = f"expected a blank in column {column + 1}"
            raise InputError(where, f"{rule}, found {text[column]!r}", source)
    if text[-1] != str(checksum(text)):
        rule = f"expected checksum {checksum(text)}"
        raise InputError(where, f"{rule}, found {text[-1]!r}", source)


def checksum(text: str) -> int:
    """Return the sum of a line's first 68 digits modulo 10, a minus sign counting 1."""
    body = text[: LENGTH - 1]
    return (sum(map(int, re.findall(r"[0-9]", body))) + body.count("-")) % 10


def records(lines: Sequence[tuple[int, str]], source: str) -> list[Element]:
    """Return the element sets of a plain file: two lines each, or three with a name line first.

    Parameters
    ----------
    lines
        Line numbers, and the lines that are neither blank nor comments.

    Raises
    ------
    InputError
        If a set is wrong, or the sets do not fit together; names line and catalogue number.
    """
    found, i = list[Element](), 0
    while i < len(lines):
        number, text = lines[i]
        if text[:2] != "1 ":
            i += 1
            if i == len(lines) or lines[i][1][:2] != "1 ":
                rule = "expected line 1 of an element set, or a name before one"
                raise InputError(f"line {number}", f"{rule}, found {text[:24]!r}", source)
            number, text = lines[i]
        second = lines[i + 1][1] if i + 1 < len(lines) else ""
        found.append(Element(record(text, second, number, source), number))
        i += 2
    check_together(found, source)
    return found


def check_together(elements: Sequence[Element], source: str) -> None:
    """Raise `InputError` if two sets are of one satellite, or of epochs that are weeks apart."""
    seen: dict[str, int] = {}
    for one in elements:
        name = one.record.satnum_str.strip()
        where = f"line {one.line}, catalogue number {name}"
        if name in seen:
            rule = f"expected each satellite once, found the one of line {seen[name]} again"
            raise InputError(where, rule, source)
        seen[name] = one.line
        apart = abs(one.epoch_jd - elements[0].epoch_jd)
        if apart > MAX_SPREAD_DAYS:
            rule = f"expected an epoch within {MAX_SPREAD_DAYS:g} days of line {elements[0].line}'s"
            raise InputError(where, f"{rule}, found one {apart:.1f} days apart", source)
