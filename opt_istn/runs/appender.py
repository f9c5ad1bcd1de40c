"""One file of records while runs are added to it: locked, watched, indexed, never lost.

Of the records that are there only their places are kept in memory. If the file is deleted,
replaced or cut off while it is held, the next append notices, writes what is still known to a file
beside it and names both.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from opt_istn import files
from opt_istn.files import InputError, placing
from opt_istn.runs import ledger
from opt_istn.runs.folders import RESCUED
from opt_istn.runs.ledger import Record
from opt_istn.runs.locks import locked

BAD = ".bad"  # ending of the file that takes the lines which `repair` moves aside
_CHUNK = 1 << 20


@contextmanager
def appending(path: str | Path) -> Iterator["Appender"]:
    """Keep others from appending to the file at `path`, which is created if need be.

    Raises
    ------
    InputError
        If another process holds the lock, the file cannot be written, or it holds something else.
    """
    with locked(path) as handle:
        yield Appender(path, handle)


def append(path: str | Path, run: Record) -> None:
    """Append one record and wait until it is on disk."""
    with appending(path) as file:
        file.append(run)


class Appender:
    """The records of an open, locked file; use `appending`.

    Parameters
    ----------
    path, handle
        The file and its descriptor, open for reading and appending.
    """

    def __init__(self, path: str | Path, handle: int) -> None:
        self._path, self._handle = Path(path), handle
        self._places: dict[bytes, tuple[int, int]] = {}
        with open(handle, "rb", closefd=False) as stream:
            for line in ledger.lines(path, stream):
                self._places[ledger.digest(line.record.key)] = line.start, line.size
        self._size = self._close_last_line()

    def find(self, key: str) -> Record | None:
        """Return the latest record of a key, if there is one."""
        place = self._places.get(ledger.digest(key))
        if place is None:
            return None
        start, size = place
        line = os.pread(self._handle, size, start)
        return ledger.decode(line, str(self._path), checked=True)

    def append(self, *runs: Record) -> None:
        """Append records and wait until they are on disk.

        Raises
        ------
        InputError
            If the file is not what it was, or cannot be written; names where the record is kept.
        """
        lines = [ledger.encode(run) + b"\n" for run in runs]
        reason = self._changed()
        if not reason:
            try:
                _write(self._handle, b"".join(lines))
                os.fsync(self._handle)
            except OSError as error:
                reason = f"cannot be written ({error.strerror})"
                with suppress(OSError):  # half a line would hide the next one
                    os.ftruncate(self._handle, self._size)
        if reason:
            kept = self._rescue(lines)
            expected = f"{reason}; the records so far are in {kept}"
            raise InputError("", expected, str(self._path))
        for run, line in zip(runs, lines, strict=True):
            self._places[ledger.digest(run.key)] = self._size, len(line) - 1
            self._size += len(line)

    def _changed(self) -> str:
        """Return what happened to the file since the last append, empty if nothing did."""
        ours = os.fstat(self._handle)
        try:
            there = self._path.stat()
        except OSError:
            return "it was deleted while runs were added to it"
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            return "it was replaced while runs were added to it"
        if ours.st_size != self._size:
            return "it was changed while runs were added to it"
        return ""

    def _rescue(self, lines: list[bytes]) -> Path:
        """Write what the held file still has, and `lines`, beside it or where one can write."""
        for folder in (self._path.parent, Path(tempfile.gettempdir())):
            with suppress(OSError):
                handle, name = tempfile.mkstemp(RESCUED, f"{self._path.name}.", folder)
                with open(handle, "wb") as stream:
                    end = min(self._size, os.fstat(self._handle).st_size)
                    for start in range(0, end, _CHUNK):
                        part = os.pread(self._handle, min(_CHUNK, end - start), start)
                        stream.write(part)
                    stream.writelines(lines)
                    stream.flush()
                    os.fsync(stream.fileno())
                return Path(name)
        raise InputError("", "it was lost, and no folder can be written to", str(self._path))

    def _close_last_line(self) -> int:
        """End the last line, moving a torn one aside, and return the size of the file."""
        size = os.fstat(self._handle).st_size
        start = _last_line(self._handle, size)
        if start == size:
            return size
        line = os.pread(self._handle, size - start, start)
        try:
            if ledger.is_torn(line):
                _keep_aside(self._path, [line])
                os.ftruncate(self._handle, start)
                return start
            _write(self._handle, b"\n")
        except OSError as error:
            raise files.unusable("cannot be written", error, self._path) from None
        return size + 1


def repair(path: str | Path) -> list[InputError]:
    """Move every line that is no record into the file beside it that ends in `BAD`.

    Returns
    -------
    list[InputError]
        What was wrong with each line that was moved.

    Raises
    ------
    InputError
        If the file cannot be read or written, or is being appended to.
    """
    if not placing.is_file(path):
        raise InputError("", "expected a file of records", str(path))
    with locked(path):
        good, bad, errors = [], [], []
        for number, line in enumerate(files.read_bytes(path).split(b"\n"), start=1):
            try:
                if line.strip():
                    ledger.decode(line, f"{path}:{number}")
                    good.append(line + b"\n")
            except InputError as error:
                bad.append(line)
                errors.append(error)
        if bad and not good:
            raise InputError("", "expected a file of records: no line of it is one", str(path))
        if bad:
            _keep_aside(Path(path), bad)
            files.write_bytes(path, b"".join(good))
    return errors


def _keep_aside(path: Path, lines: list[bytes]) -> None:
    """Append lines to the file of bad ones and wait until they are on disk."""
    try:
        with open(f"{path}{BAD}", "ab") as stream:
            stream.writelines(line + b"\n" for line in lines)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise files.unusable("cannot be written", error, f"{path}{BAD}") from None


def _last_line(handle: int, size: int) -> int:
    """Return where the last line begins; the size of the file if that line has an end."""
    end = size
    while end > 0:
        start = max(0, end - _CHUNK)
        found = os.pread(handle, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
