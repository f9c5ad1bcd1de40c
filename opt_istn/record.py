"""The record of a run: one JSON line, appended with fsync, never rewritten.

A later line with the same key replaces an earlier one, which is how a run that is refuted
afterwards becomes `failed` without touching what was written.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from opt_istn import files
from opt_istn.files import InputError
from opt_istn.solver import Status

FORMAT = "opt-istn/run"
VERSION = 1

_Seconds = Annotated[float, msgspec.Meta(ge=0)]


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
    error
        Why the run failed.
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
    error: str = ""

    @property
    def key(self) -> str:
        """Identity of the run: the same key is not run again."""
        return run_key(self.sha256, self.solver, self.parameters, self.seed, self.limits)


def run_key(
    sha256: str, solver: str, parameters: dict[str, Any], seed: int, limits: Limits
) -> str:
    """Return the identity of a run as canonical JSON text."""
    parts = (sha256, solver, parameters, seed, limits)
    return msgspec.json.encode(parts, order="sorted").decode()


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
    except OSError as error:
        raise InputError("", f"cannot be written ({error.strerror or error})", str(path)) from None


def read(path: str | Path) -> list[Record]:
    """Return the records of a file, the last one of each key, in order of first appearance.

    Lines that are not complete JSON are left by a crash in the middle of an append and are
    skipped; any other fault raises `InputError` naming file, line and field.
    """
    latest: dict[str, Record] = {}
    for number, line in enumerate(files.read_bytes(path).split(b"\n"), start=1):
        if line.strip() and not _torn(line):
            source = f"{path}:{number}"
            record = files.decode_document(line, Record, FORMAT, VERSION, source)
            latest[record.key] = record
    return list(latest.values())


def read_all(paths: Iterable[str | Path]) -> list[Record]:
    """Return the records of several files, the last one of each key."""
    latest = {record.key: record for path in paths for record in read(path)}
    return list(latest.values())


def _torn(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except msgspec.DecodeError:
        return line.startswith(b'{"format":"opt-istn/run"') or b'{"format"'.startswith(line[:9])
    return False
