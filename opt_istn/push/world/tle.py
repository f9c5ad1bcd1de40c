"""Two-line element sets, checked column by column.

SGP4 libraries read whatever digits they find; a shifted column gives another orbit, not an error.
The columns are those of the format's definition (Hoots and Roehrich, Spacetrack Report No. 3).
"""

import re
from collections.abc import Sequence

from sgp4.api import WGS72, Satrec

from opt_istn.files import InputError

_ANGLE = r"[ \d]{2}\d\.\d{4}"
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
    return Satrec.twoline2rv(first, second, WGS72)


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


def records(lines: Sequence[tuple[int, str]], source: str) -> list[Satrec]:
    """Return the element sets of a plain file: two lines each, or three with a name line first.

    Parameters
    ----------
    lines
        Line numbers, and the lines that are not blank.
    """
    found, i = [], 0
    while i < len(lines):
        number, text = lines[i]
        if text[:2] != "1 ":
            i += 1
            if i == len(lines) or lines[i][1][:2] != "1 ":
                rule = "expected line 1 of an element set, or a name before one"
                raise InputError(f"line {number}", f"{rule}, found {text[:24]!r}", source)
            number, text = lines[i]
        second = lines[i + 1][1] if i + 1 < len(lines) else ""
        found.append(record(text, second, number, source))
        i += 2
    return found
