"""What a comparison says while it runs: a line for each run, or a bar on a terminal."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from opt_istn.cli.terminal import output
from opt_istn.files import placing
from opt_istn.report.incidents import reason_of
from opt_istn.runs.audit import gap
from opt_istn.runs.ledger import Record
from opt_istn.runs.names import called
from opt_istn.solver import Status

Draw = Callable[[int, str, str], None]


class Speaker:
    """Tells of finished runs on stderr.

    Parameters
    ----------
    path
        The file of records.
    total
        Number of runs.
    draw
        Draws a bar of how many runs are done, the best gap and what runs; None has a line printed
        for each finished run instead.
    quiet
        Whether nothing is said.
    roughly
        Whether there may be a few runs more or less, as in a shard.
    """

    def __init__(
        self, path: str, total: int, draw: Draw | None, *, quiet: bool, roughly: bool = False
    ) -> None:
        self._roughly = roughly
        self._path, self._total, self._draw, self._quiet = path, total, draw, quiet
        self._began = datetime.now(UTC).isoformat(timespec="seconds")
        self._bounds: dict[str, int] = {}
        self._smallest: float | None = None
        self.kept = self.reused = 0
        self._running: dict[str, str] = {}
        self._text = "-"

    def __call__(self, run: Record) -> None:
        """Hear of a run that is kept."""
        self.kept += 1
        self._note(run)
        old = run.time < self._began
        self.reused += old
        if not old:
            self._text = self._line(run)
            if self._draw is None and not self._quiet:
                output.complain(f"{self._text}  ({self.kept} of {self._of})")
        self._running.pop(run.key, None)
        if not old or self.kept % 100 == 0:  # what was there goes by fast
            self._show()

    def begun(self, key: str, what: str) -> None:
        """Hear of a run that is under way."""
        self._running[key] = what
        self._show()

    def _show(self) -> None:
        """Draw the bar: what runs, or where nothing does, what ran last."""
        if self._draw is None:
            return
        best = "" if self._smallest is None else f"best gap {100 * self._smallest:.3g} %"
        first, more = next(iter(self._running.values()), ""), len(self._running) - 1
        others = f" and {more} more" if more > 0 else ""
        text = f"running: {first}{others}" if first else f"last: {self._text}"
        self._draw(self.kept, best, output.printable(text))

    def interrupted(self) -> None:
        """Say what is kept."""
        kept = f"{self.kept} of {self._of} runs are kept in {self._path}"
        output.complain(f"{kept}; the same command goes on with the others")

    @property
    def _of(self) -> str:
        """How many runs there are; a shard only knows that about."""
        return f"about {max(self._total, self.kept)}" if self._roughly else str(self._total)

    def _note(self, run: Record) -> None:
        if run.bound is not None and run.status != Status.FAILED:
            known = self._bounds.get(run.sha256, run.bound)
            self._bounds[run.sha256] = max(known, run.bound)
        found = gap(run.cost, self._bounds.get(run.sha256))
        if found is not None and (self._smallest is None or found < self._smallest):
            self._smallest = found

    def _line(self, run: Record) -> str:
        """Return a run in a line: solver, instance, status, gap to the best bound so far, time.

        Of a run that failed it is why, rather than a gap.
        """
        found = gap(run.cost, self._bounds.get(run.sha256))
        shown = "no gap yet" if found is None else f"gap {100 * found:.4g} %"
        seconds = "-" if run.seconds is None else f"{run.seconds:.3g}"
        shown = reason_of(run) if run.failure else shown
        name = f"{called(run.solver, run.parameters)} seed {run.seed} on {run.instance}"
        return f"{name}: {run.failure or run.status}, {shown}, {seconds} s"


@contextmanager
def comparison(path: str, total: int, *, quiet: bool, roughly: bool = False) -> Iterator[Speaker]:
    """Yield who is told of every run; an interrupt ends with what is kept."""
    from rich import progress as bars
    from rich.console import Console

    console = Console(stderr=True)
    drawn = console.is_terminal and not quiet
    columns = (
        bars.TextColumn("{task.completed:.0f} of {task.total:.0f} runs"),
        bars.BarColumn(),
        bars.TextColumn("{task.fields[best]}"),
        bars.TextColumn("left"),
        bars.TimeRemainingColumn(),
        bars.TextColumn("{task.fields[text]}"),
    )
    if not drawn and not quiet and _is_new(path):
        much = output.counted(total, "run")
        output.complain(f"{much} into {path}; a solver's first may compile for half a minute")
    with bars.Progress(*columns, console=console, disable=not drawn, transient=True) as shown:
        row = shown.add_task("", total=total, best="", text="")

        def draw(done: int, best: str, text: str) -> None:
            shown.update(row, completed=done, total=max(total, done), best=best, text=text)

        speaker = Speaker(path, total, draw if drawn else None, quiet=quiet, roughly=roughly)
        try:
            yield speaker
        except KeyboardInterrupt:
            speaker.interrupted()
            raise


def _is_new(path: str) -> bool:
    """Return whether a file can be made there; where not, the refusal is to be the only line."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return placing.is_folder(Path(path).parent)
    except (OSError, ValueError):
        return False
    return False
