"""How a comparison stands, for whoever looks from another shell or another machine.

A comparison writes a board beside its file, at most once a second, and takes it away at its end.
Looking reads the file of records and the board. It takes no lock and writes nothing, so it can be
done at any time and on any file system.
"""

import os
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec
import psutil

from opt_istn import files
from opt_istn.files import InputError, placing
from opt_istn.runs import audit, folders, ledger
from opt_istn.runs.fleet.local import Sent
from opt_istn.runs.ledger import Record
from opt_istn.solver import Status

BOARD = ".status"  # ending of the board's file
FORMAT = "opt-istn/status"
SHOWN = 100  # runs that are named on a board
_EVERY_S = 1.0  # between two writings


class Running(msgspec.Struct, frozen=True):
    """A run that was handed out: what, and since when (seconds since 1970)."""

    instance: str
    solver: str
    seed: int
    since: float


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What is on a board.

    Parameters
    ----------
    host, pid
        The comparison's process.
    began, seen
        When it began, and when this was written; seconds since 1970.
    total
        Runs that were asked for; of a shard, about its part of them.
    reused, done
        Runs that were in the file before, and since.
    out
        Runs handed out and not back; at an executor, some of them may wait.
    running
        The first `SHOWN` of them.
    """

    format: str = FORMAT
    version: int = 1
    host: str
    pid: int
    began: float
    seen: float
    total: int
    reused: int
    done: int
    out: int
    running: tuple[Running, ...]

    @property
    def alive(self) -> bool | None:
        """Whether the process runs; None if it is on another host."""
        return psutil.pid_exists(self.pid) if self.host == socket.gethostname() else None

    @property
    def left_s(self) -> float | None:
        """Seconds left at the pace so far; None where nothing was done yet."""
        if not self.done:
            return None
        left = max(0, self.total - self.reused - self.done)
        return left * (self.seen - self.began) / self.done


class Board:
    """Writes how a comparison stands.

    Parameters
    ----------
    path
        The file of records.
    total
        Runs that were asked for.
    """

    def __init__(self, path: str | Path, total: int) -> None:
        self._path, self._total = Path(f"{path}{BOARD}"), total
        self._began, self._written = time.time(), 0.0
        self._reused = self._done = 0

    def __enter__(self) -> Self:
        self.note([], [])
        return self

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)

    def reused(self) -> None:
        """Count a run that was in the file already."""
        self._reused += 1

    def note(self, done: Sequence[Record], out: Iterable[Sent]) -> None:
        """Count runs that are done, and write if it is time."""
        self._done += len(done)
        now = time.time()
        if now - self._written < _EVERY_S:
            return
        self._written, sent = now, list(out)
        notice = Notice(
            host=socket.gethostname(),
            pid=os.getpid(),
            began=self._began,
            seen=now,
            total=self._total,
            reused=self._reused,
            done=self._done,
            out=len(sent),
            running=tuple(map(_running, sent[:SHOWN])),
        )
        with suppress(InputError):  # the records are what matters, not who looks on
            files.write_bytes(self._path, msgspec.json.encode(notice))


class View(msgspec.Struct, frozen=True):
    """How one file stands: its records without plans, and the board if a comparison goes on."""

    path: str
    records: list[Record]
    notice: Notice | None

    @property
    def failed(self) -> int:
        """Runs that failed."""
        return sum(run.status == Status.FAILED for run in self.records)


def look(paths: Iterable[str | Path]) -> list[View]:
    """Return how files stand; a file that is not there yet has no records.

    Raises
    ------
    InputError
        If one holds something else.
    """
    found = []
    for path in folders.files_of(paths):
        notice = _read(Path(f"{path}{BOARD}"))
        records = ledger.read(path, plans=False) if placing.is_there(path) else []
        found.append(View(str(path), records, notice))
    return found


def of_all(views: Iterable[View]) -> list[Record]:
    """Return the records of all files, one of each key."""
    return ledger.together(view.records for view in views)


def gaps(records: Sequence[Record]) -> list[tuple[float, str]]:
    """Return the gap of each instance with a plan and a bound, largest first, and its name."""
    known = (
        (audit.gap(summary.best_cost, summary.best_bound), summary.instance)
        for summary in audit.summarise(records)
    )
    return sorted(((value, name) for value, name in known if value is not None), reverse=True)


def _running(sent: Sent) -> Running:
    task = sent.task
    return Running(sent.instance.name, task.solver.solver, task.seed, round(sent.began_s, 3))


def _read(path: Path) -> Notice | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Notice)
    except (OSError, msgspec.DecodeError):  # none, or it ended just now
        return None
