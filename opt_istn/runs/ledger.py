"""The record of a run: one JSON line, appended with fsync, never rewritten.

A later line with the same key replaces an earlier one, which is how a run that is refuted
afterwards becomes `failed` without touching what was written.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec

from opt_istn import files
from opt_istn.files import InputError
from opt_istn.solver import Status

FORMAT = "opt-istn/run"
VERSION = 1
_START = b'{"format":"opt-istn/run",'

_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Failure(StrEnum):
    """Why a run is `failed`."""

    REFUTED = "refuted"  # it claimed what the evaluator or another run contradicts
    INPUT = "input"  # it refused an input of its own, such as an agent file
    CRASHED = "crashed"  # it ended, or answered, in a way no solver may
    TIME = "time"  # killed well past its time limit
    MEMORY = "memory"  # killed at its memory limit


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Work that was allowed, as in `opt_istn.solver.Budget`."""

    time_s: _Seconds | None = None
    work: int | None = None
    memory_mb: int | None = None
    threads: int = 1


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the solver said of its run."""

    status: Status
    cost: int | None = None
    bound: int | None = None
    proof: str = ""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the instance came from: a preset and its seed, or a file."""

    preset: str | None = None
    seed: int | None = None
    overrides: dict[str, str] = {}
    file: str | None = None


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One judged run.

    Parameters
    ----------
    problem, instance, sha256, source
        The instance: problem name, printable name, hash, origin.
    solver, parameters, seed, limits
        What was run; together with `sha256` the key of the run.
    status
        Outcome after judging: the claimed one, or `failed`.
    cost, bound
        Evaluated cost of the plan if it is feasible, and the proven lower bound; integer unit of
        the problem.
    violations, terms
        The evaluator's findings and the problem's own terms.
    claim, trace, detail
        The solver's own words.
    plan
        The plan as its file's document.
    wall_s, cpu_s, startup_s, peak_memory_mb
        Measured on the child process; start-up (imports, compiling, reading) is not in `wall_s`.
    packages, cpu, threads, commit, dirty, time
        Environment: versions, CPU model, threads allowed, git state, UTC start time (ISO 8601).
    failure, error
        Why the run failed, as a kind and as text; for `no_plan` the text may say why.
    """

    format: str = FORMAT
    version: int = VERSION
    problem: str
    instance: str
    sha256: str
    source: Source
    solver: str
    parameters: dict[str, Any]
    seed: int
    limits: Limits
    status: Status
    cost: int | None = None
    bound: int | None = None
    violations: tuple[str, ...] = ()
    terms: dict[str, Any] = {}
    claim: Claim | None = None
    trace: tuple[tuple[float, int | None, int | None], ...] = ()
    detail: dict[str, Any] = {}
    plan: dict[str, Any] | None = None
    wall_s: _Seconds | None = None
    cpu_s: _Seconds | None = None
    startup_s: _Seconds | None = None
    peak_memory_mb: _Seconds | None = None
    packages: dict[str, str] = {}
    cpu: str = ""
    commit: str = ""
    dirty: bool | None = None
    time: str = ""
    failure: Failure | None = None
    error: str = ""

    @property
    def proof(self) -> str:
        """Name of the proof behind `bound` or behind the status; empty if none is claimed."""
        return self.claim.proof if self.claim else ""

    @property
    def key(self) -> str:
        """Identity of the run: the same key is not run again."""
        return run_key(self.sha256, self.solver, self.parameters, self.seed, self.limits)


def run_key(sha256: str, solver: str, parameters: dict[str, Any], seed: int, limits: Limits) -> str:
    """Return the identity of a run as canonical JSON text."""
    parts = (sha256, solver, parameters, seed, limits)
    return msgspec.json.encode(parts, order="sorted").decode()


@contextmanager
def lock(path: str | Path) -> Iterator[None]:
    """Keep others from appending to the file at `path`, which is created if need be.

    Raises
    ------
    InputError
        If another process holds the lock, or the file cannot be written.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except (OSError, ValueError) as error:
        raise files.unusable("cannot be written", error, path) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InputError("", "another process is appending to it", str(path)) from None
    finally:
        os.close(handle)


def append(path: str | Path, record: Record) -> None:
    """Append one record and wait until it is on disk.

    A torn last line (left by a crash) is closed first, so that the new record stands alone.
    """
    line = msgspec.json.encode(record) + b"\n"
    try:
        with open(path, "ab+") as stream:
            if stream.seek(0, os.SEEK_END) > 0:
                stream.seek(-1, os.SEEK_END)
                line = line if stream.read(1) == b"\n" else b"\n" + line
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
    except (OSError, ValueError) as error:
        raise files.unusable("cannot be written", error, path) from None


def read(path: str | Path) -> list[Record]:
    """Return the records of a file, the last one of each key, in order of first appearance.

    Beginnings of a record, and blocks of zeros, are what a crash in the middle of an append leaves:
    they are skipped. Any other fault raises `InputError` naming file, line and field.
    """
    latest: dict[str, Record] = {}
    for number, line in enumerate(files.read_bytes(path).split(b"\n"), start=1):
        if not _torn(line):
            source = f"{path}:{number}"
            record = files.decode_document(line, Record, FORMAT, VERSION, source)
            latest[record.key] = record
    return list(latest.values())


def read_all(paths: Iterable[str | Path]) -> list[Record]:
    """Return the records of several files, the last one of each key."""
    latest = {record.key: record for path in paths for record in read(path)}
    return list(latest.values())


def _torn(line: bytes) -> bool:
    """Return whether `line` is the beginning of a record, or empty but for zeros or white space."""
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return line.startswith(_START) or _START.startswith(line.rstrip(b"\0 \t\r"))
    return False
