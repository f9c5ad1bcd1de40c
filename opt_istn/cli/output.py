"""What the commands share: printing results, progress bars, reading ``key=value``."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from opt_istn.files import InputError

Advance = Callable[[float], None]


def as_json(value: Any) -> None:
    """Print one JSON value on a line of stdout."""
    print(msgspec.json.encode(value, enc_hook=str).decode())


def as_table(rows: Sequence[Sequence[Any]], header: Sequence[str] = ()) -> None:
    """Print rows aligned in columns; None is printed as a dash."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, show_header=bool(header), box=SIMPLE if header else None)
    for row in rows:
        table.add_row(*(Text("-" if cell is None else str(cell)) for cell in row))
    Console(file=sys.stdout, soft_wrap=True).print(table)


def complain(text: str) -> None:
    """Print one line on stderr."""
    print("opt-istn:", " ".join(text.split()), file=sys.stderr)


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
        pairs[key] = value
    return pairs


def pairs(mapping: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the rows of a two-column table, numbers shortened for reading."""
    return [(key, f"{v:.6g}" if isinstance(v, float) else v) for key, v in mapping.items()]
