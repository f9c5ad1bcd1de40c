"""What the commands share: printing results, progress bars, reading ``key=value``."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from opt_istn import files
from opt_istn.files import InputError

if TYPE_CHECKING:
    from opt_istn.runs.audit import InstanceSummary

_ANY = 10**6  # columns of a screen that cuts nothing

_COSTS = ("cost", "bound", "reference")  # in the problem's integer unit

_SECONDS = ("seconds", "startup_s")

Advance = Callable[[float], None]


def as_json(value: Any) -> None:
    """Print one JSON value on a line of stdout."""
    print(msgspec.json.encode(value, enc_hook=str).decode())


def made_folder(path: str) -> Path:
    """Make a folder, and those above it, unless it is there.

    Raises
    ------
    InputError
        If it cannot be made, or something else is in its place.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise files.unusable("cannot be used as a folder", error, path) from None
    return Path(path)


def as_table(rows: Sequence[Sequence[Any]], header: Sequence[str] = ()) -> None:
    """Print rows aligned in columns, or one cell below the other where the screen is too narrow.

    None is printed as a dash. Nothing is cut, whatever the width.
    """
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [["-" if cell is None else printable(str(cell)) for cell in row] for row in rows]
    table = Table(*header, show_header=bool(header), box=SIMPLE if header else None)
    for row in cells:
        table.add_row(*map(Text, row))
    console = Console(file=sys.stdout)
    width = console.measure(table, options=console.options.update(max_width=_ANY)).maximum
    if width > console.width and (console.is_terminal or "COLUMNS" in os.environ):
        print("\n".join(line for row in cells for line in _stacked(row, header)))
    else:
        Console(file=sys.stdout, width=max(width, 1), soft_wrap=True).print(table)


def _stacked(row: Sequence[str], header: Sequence[str]) -> list[str]:
    """Return the lines of a row without columns: by their heads, or indented below the first."""
    if header:
        return [*(f"{name}: {cell}" for name, cell in zip(header, row, strict=True)), ""]
    return [row[0], *(f"  {cell}" for cell in row[1:])]


def printable(text: str) -> str:
    """Return `text` on one line, with what could steer a terminal escaped."""
    flat = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in flat)


def complain(text: str) -> None:
    """Print one line on stderr."""
    with suppress(OSError):  # nobody can be told
        print("opt-istn:", printable(text), file=sys.stderr)


def advise(known: Iterable["InstanceSummary"], files: Sequence[str]) -> None:
    """Say on stderr which commands would make what is known of instances rest on more.

    It comes after all of stdout: what could not be printed needs no advice.

    Parameters
    ----------
    files
        Those of the records; a single one is named in the commands.
    """
    from opt_istn.report import remedies

    sys.stdout.flush()
    for text in remedies.lacking(known):
        complain(text.replace("RUNS.jsonl", files[0]) if len(files) == 1 else text)


def with_units(values: Mapping[str, Any], problem: str) -> dict[str, Any]:
    """Return values for reading: costs with their unit beside them, seconds and shares named."""
    from opt_istn import problems

    unit, each = problems.cost_unit(problem)
    shown: dict[str, Any] = {}
    for name, value in values.items():
        if name in _COSTS and isinstance(value, int) and not isinstance(value, bool):
            shown[name] = (
                f"{value}  ({value * each:.6f}{f' {unit}' if unit else ' of the objective'})"
            )
        elif name == "gap" and value is not None:
            shown[name] = f"{100 * value:.4g} % of the bound"
        elif name in _SECONDS and value is not None:
            shown[name] = f"{value:.4g} s"
        else:
            shown[name] = value
    return shown


def counted(number: int, noun: str) -> str:
    """Return how many there are, in words that agree."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def wrote(*paths: str) -> None:
    """Name files that were written, on stderr."""
    for path in paths:
        complain(f"wrote {path}")


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Advance]:
    """Show a progress bar on stderr if that is a terminal; yields ``advance(share done)``."""
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.TaskProgressColumn(),
        bars.TimeElapsedColumn(),
    )
    hidden = quiet or not console.is_terminal
    with bars.Progress(*columns, console=console, disable=hidden, transient=True) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda share: shown.update(task, completed=share)


def settings(items: Sequence[str]) -> dict[str, str]:
    """Read ``key=value`` items."""
    pairs = {}
    for item in items:
        key, sign, value = item.partition("=")
        if not sign or not key:
            raise InputError("--set", f"expected key=value, found {item!r}")
        if key in pairs:
            raise InputError("--set", f"{key} is given twice")
        files.check_text("--set", item)
        pairs[key] = value
    return pairs


def pairs(mapping: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the rows of a two-column table, numbers shortened for reading."""
    return [(key, f"{v:.6g}" if isinstance(v, float) else v) for key, v in mapping.items()]
