"""Tables of outside origin: CSV files with a header, read line by line.

UTF-8, plain or gzip, with or without a byte order mark, lines ending as they like. Blank lines and
lines that begin with ``#`` are skipped. The first line that is left names the columns, in any
order. Whatever is wrong is an `InputError` that names file, line, column and expectation.
"""

import csv
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from opt_istn import files
from opt_istn.files import InputError

Lines = list[tuple[int, str]]


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Parameters
    ----------
    source, line
        File, and the line's number in it, counted from 1.
    cells
        Texts by column, without the spaces around them.
    """

    source: str
    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """Return a text that is not empty."""
        if not self.cells[column]:
            raise self.refused(column, "a text")
        return self.cells[column]

    def number(self, column: str, low: float = -math.inf, high: float = math.inf) -> float:
        """Return a finite number of a range, both ends in it."""
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and low <= value <= high):
            raise self.refused(column, f"a number{_range(low, high)}")
        return value

    def whole(self, column: str, low: int, high: int) -> int:
        """Return a whole number of a range, both ends in it."""
        text = self.cells[column]
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else low - 1
        if not low <= value <= high:
            raise self.refused(column, f"a whole number{_range(low, high)}")
        return value

    def word(self, column: str, words: Sequence[str]) -> str:
        """Return one of a few words."""
        if self.cells[column] not in words:
            raise self.refused(column, " or ".join(words))
        return self.cells[column]

    def refused(self, column: str, expected: str) -> InputError:
        """Return the error for a cell."""
        rule = f"expected {expected}, found {self.cells[column]!r}"
        return InputError(f"line {self.line}, {column}", rule, self.source)

    def __contains__(self, column: str) -> bool:
        """Whether the table has a column and this line something in it."""
        return bool(self.cells.get(column))


def read(
    path: str | Path, needed: Collection[str], optional: Collection[str] | None = ()
) -> list[Row]:
    """Read a table.

    Parameters
    ----------
    needed, optional
        Columns that must and may be there; others are refused, unless `optional` is None.

    Raises
    ------
    InputError
        If the file is no such table, or has no line below its header.
    """
    rows = list(iterate(path, needed, optional))
    if not rows:
        raise InputError("", "expected at least one line below the header", str(path))
    return rows


def iterate(
    path: str | Path,
    needed: Collection[str],
    optional: Collection[str] | None = (),
    headless: Sequence[str] = (),
) -> Iterator[Row]:
    """Yield the lines of a table; as `read`, but none is an empty table.

    Parameters
    ----------
    headless
        The columns, as many as there are, of a table whose first line begins with a number: it
        has no header. By default it must have one.
    """
    lines = lines_of(path)
    bare = _cells(lines[0][1], lines[0][0], str(path)) if headless and lines else []
    if bare and _is_number(bare[0]):
        lines.insert(0, (lines[0][0], ",".join(headless[: max(len(bare), len(needed))])))
    numbered = iter(lines)
    source = str(path)
    try:
        at, first = next(numbered)
    except StopIteration:
        what = f"the columns {', '.join(needed)}" if needed else "names of columns"
        rule = f"expected a header with {what}, found nothing"
        raise InputError("line 1", rule, source) from None
    header = _cells(first, at, source)
    _check_header(header, needed, None if optional is None else [*needed, *optional], at, source)
    for number, line in numbered:
        cells = _cells(line, number, source)
        if len(cells) != len(header):
            rule = f"expected {len(header)} columns ({', '.join(header)}), found {len(cells)}"
            raise InputError(f"line {number}", rule, source)
        yield Row(source, number, dict(zip(header, cells, strict=True)))


def lines_of(path: str | Path) -> Lines:
    """Return the lines that are neither blank nor comments (``#``), with their numbers."""
    try:
        text = files.text_of(files.read_bytes(path), str(path)).decode()
    except UnicodeDecodeError as error:
        raise InputError("", f"expected text in UTF-8 ({error.reason})", str(path)) from None
    numbered = ((i, line.rstrip()) for i, line in enumerate(text.splitlines(), 1))
    return [(i, line) for i, line in numbered if line and not line.lstrip().startswith("#")]


def _check_header(
    header: list[str], needed: Collection[str], known: list[str] | None, at: int, source: str
) -> None:
    for name in needed:
        if name not in header:
            rule = f"expected a header with the column {name}"
            raise InputError(f"line {at}", f"{rule}, found {', '.join(header)}", source)
    for i, name in enumerate(header):
        if not name or name in header[:i] or (known is not None and name not in known):
            rule = f"expected columns{' of ' + ', '.join(known) if known else ''}, each once"
            raise InputError(f"line {at}", f"{rule}, found {name!r}", source)


def _cells(line: str, number: int, source: str) -> list[str]:
    """Return the cells of a line; quotes are as in RFC 4180, but end on their line."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], strict=True))]
    except csv.Error as error:
        raise InputError(f"line {number}", f"expected a line of CSV ({error})", source) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _range(low: float, high: float) -> str:
    if math.isfinite(low) and math.isfinite(high):
        return f" {low:g}..{high:g}" if isinstance(low, float) else f" {low}..{high}"
    if math.isfinite(low):
        return f" >= {low:g}"
    return f" <= {high:g}" if math.isfinite(high) else ""
