"""The record of a run: one JSON line, appended with fsync, never rewritten.

A record keeps what is judged of its run alone; `opt_istn.runs.audit` derives the rest on reading. A
later line with the same key replaces an earlier one.
"""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple

import msgspec

from opt_istn import files
from opt_istn.files import InputError
from opt_istn.files.lines import next_line, opened
from opt_istn.runs import stamps
from opt_istn.runs.cores import core_of
from opt_istn.runs.folders import files_of
from opt_istn.runs.thinner import Thinner
from opt_istn.solver import Status

FORMAT = "opt-istn/run"
VERSION = 2
FREE_STARTUP_S = 10.0  # start-up beyond it counts: nobody solves off the clock for longer
_START = b'{"format":"opt-istn/run",'

_Seconds = Annotated[float, msgspec.Meta(ge=0)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Failure(StrEnum):
    """Why a run is `failed`."""

    REFUTED = "refuted"  # it claimed what the evaluator or another run contradicts
    INPUT = "input"  # it refused an input of its own, such as an agent file
    CRASHED = "crashed"  # it ended, or answered, in a way no solver may
    TIME = "time"  # killed well past its time limit
    MEMORY = "memory"  # killed at its memory limit


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Work that was allowed, as in `opt_istn.solver.Budget`."""

    time_s: _Seconds | None = None
    work: int | None = None
    memory_mb: int | None = None
    threads: int = 1


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """What the solver said of its run."""

    status: Status
    cost: int | None = None
    bound: int | None = None
    proof: str = ""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Where the instance came from: a preset and its seed, or a file."""

    preset: str | None = None
    seed: int | None = None
    overrides: dict[str, str] = {}
    file: str | None = None


class Steps(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """How long the agent behind a run was trained, as its file says.

    Parameters
    ----------
    rollouts, environment_steps, gradient_steps
        Counts; None where the training has no such thing.
    status
        How the training ended, such as ``plateau``; empty if the agent does not say.
    """

    rollouts: _Count | None = None
    environment_steps: _Count | None = None
    gradient_steps: _Count | None = None
    status: str = ""


class _Version1(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The fields of version 1, in its order; `commit` and `dirty` were the user's folder's."""

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


class Record(_Version1, frozen=True, forbid_unknown_fields=True, kw_only=True, gc=False):
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
        Measured from outside the child; start-up (imports, compiling, reading) is not in `wall_s`.
        Memory is the child's resident set or, if larger, the proportional set of its whole tree.
    packages, cpu, time
        Environment: versions, CPU model, UTC start time (ISO 8601).
    commit, dirty
        State of the source that this package runs from; empty and None if it is not a checkout.
    folder_commit, folder_dirty
        State of the checkout that the user was in, if any.
    failure, error
        Why the run failed, as a kind and as text; for `no_plan` the text may say why.
    core
        The engine core behind the solver's proofs (`opt_istn.runs.cores`); empty if it has none.
    kind, knows
        What the solver's class declares: ``exact``, ``heuristic``, ``policy`` or ``agent``, and
        what it is told of the instance; empty if it does not say.
    certificate
        SHA-256 of the certificate file behind `bound`, if there is one.
    steps
        Training behind an agent.
    extra
        Whatever others add; kept, never interpreted.
    """

    core: str = ""
    kind: str = ""
    knows: str = ""
    certificate: _Sha256 | None = None
    steps: Steps | None = None
    folder_commit: str = ""
    folder_dirty: bool | None = None
    extra: dict[str, Any] = {}

    @property
    def proof(self) -> str:
        """Name of the proof behind `bound` or behind the status; empty if none is claimed."""
        return self.claim.proof if self.claim else ""

    @property
    def seconds(self) -> float | None:
        """What the run counts for: wall seconds, and start-up beyond `FREE_STARTUP_S`."""
        if self.wall_s is None:
            return None
        return self.wall_s + max(0.0, (self.startup_s or 0.0) - FREE_STARTUP_S)

    @property
    def never_started(self) -> bool:
        """Whether it was killed before its clock ran: nothing is known of the solver."""
        return self.failure == Failure.TIME and self.wall_s == 0.0

    @property
    def key(self) -> str:
        """Identity of the run: the same key is not run again."""
        return run_key(self.sha256, self.solver, self.parameters, self.seed, self.limits)


def run_key(sha256: str, solver: str, parameters: dict[str, Any], seed: int, limits: Limits) -> str:
    """Return the identity of a run as canonical JSON text."""
    parts = (sha256, solver, parameters, seed, limits)
    return _SORTING.encode(parts).decode()


class Line(NamedTuple):
    """A line of a records file: its number from 1, first byte, length, and its record."""

    number: int
    start: int
    size: int
    record: Record


def digest(key: str) -> bytes:
    """Return 16 bytes that stand for a key where many are kept in memory."""
    return blake2b(key.encode(), digest_size=16).digest()


def decode(line: bytes, source: str = "", *, checked: bool = False) -> Record:
    """Return the record of a line of either version.

    Parameters
    ----------
    checked
        Whether the line is known to be a record already; saves time where there are many.

    Raises
    ------
    InputError
        If it is none; names the field.
    """
    for schema, decoder in _DECODERS:  # nearly every line was written by `encode`
        try:
            found = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        right = found.format == FORMAT and found.version == schema
        if right and (checked or _ENCODER.encode(found) == line):
            return found if isinstance(found, Record) else _upgrade(found)
    version = files.decode(line, _Header, source).version
    if version == 1:
        return _upgrade(files.decode_document(line, _Version1, FORMAT, 1, source))
    return files.decode_document(line, Record, FORMAT, VERSION, source)


def encode(record: Record) -> bytes:
    """Return the line of a record, without its end."""
    return _ENCODER.encode(record)


class _Header(msgspec.Struct):
    version: int = VERSION


_ENCODER = msgspec.json.Encoder()
_SORTING = msgspec.json.Encoder(order="sorted")
_DECODERS = (
    (VERSION, msgspec.json.Decoder(Record)),
    (1, msgspec.json.Decoder(_Version1)),
)
_DERIVED = (", but the evaluated plan of ", "; no plan decides, so neither is believed")


def _upgrade(old: _Version1) -> Record:
    """Return a record of version 1 as one of today.

    Version 1 stored what other runs said against a run: that is taken back, to be derived anew.
    """
    fields = {name: getattr(old, name) for name in old.__struct_fields__}
    fields |= {"version": VERSION, "commit": "", "dirty": None, "core": core_of(old.solver)}
    stored = old.failure == Failure.REFUTED and any(text in old.error for text in _DERIVED)
    if stored and old.claim is not None:
        own = {"status": old.claim.status, "bound": old.claim.bound}
        fields |= own | {"failure": None, "error": ""}
    return Record(**fields, folder_commit=old.commit, folder_dirty=old.dirty)


def lines(path: str | Path, stream: BinaryIO | None = None) -> Iterator[Line]:
    """Yield the records of a file line by line, without holding more than one.

    Only the last line may be torn, which is how a crash in the middle of an append leaves it: the
    beginning of a record, or zeros, without an end of line.

    Raises
    ------
    InputError
        If any other line is no record; names file, line and field.
    """
    with opened(path) if stream is None else nullcontext(stream) as data:
        number = start = found = 0
        while line := next_line(data, f"{path}:{number + 1}"):
            number += 1
            body = line.removesuffix(b"\n")
            if body.strip() and not is_torn(line):
                try:
                    record = decode(body, f"{path}:{number}")
                except InputError as error:
                    raise _with_hint(error, others=found > 0 or _holds_record(data)) from None
                found += 1
                yield Line(number, start, len(body), record)
            start += len(line)


def is_torn(line: bytes) -> bool:
    """Return whether a line without an end is the beginning of a record, or zeros."""
    if line.endswith(b"\n"):
        return False
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return line.startswith(_START) or _START.startswith(line.rstrip(b"\0 \t\r"))
    return False


def read(path: str | Path, *, plans: bool = True) -> list[Record]:
    """Return the records of a file, the last one of each key, in order of first appearance.

    Parameters
    ----------
    plans
        Whether to keep the plans; without them, 100,000 records need 200 MB.

    Raises
    ------
    InputError
        As `lines`.
    """
    return read_all([path], plans=plans)


def read_all(paths: Iterable[str | Path], *, plans: bool = True) -> list[Record]:
    """Return the records of several files or folders, one of each key; see `read`.

    Across files a run that is done counts more than a failed one, then one with a certificate, then
    a later one: the order of the files does not matter.
    """
    thin = Thinner()
    return together(_latest(path, None if plans else thin) for path in files_of(paths))


def _latest(path: str | Path, thin: Thinner | None) -> Iterable[Record]:
    """Return the last record of each key in a file, without its plan if it is to be thin."""
    own: dict[bytes, Record] = {}
    for line in lines(path):
        own[digest(line.record.key)] = thin(line.record) if thin else line.record
    return own.values()


def together(files_: Iterable[Iterable[Record]]) -> list[Record]:
    """Return the records of several files, one of each key; see `read_all`."""
    found: dict[bytes, Record] = {}
    for run in (run for records in files_ for run in records):
        key = digest(run.key)
        found[key] = _better(run, found[key]) if key in found else run
    return list(found.values())


def _better(one: Record, other: Record) -> Record:
    """Return which record of two files counts, with what both say of their comparisons."""

    def rank(run: Record) -> tuple[Any, ...]:
        return run.status != Status.FAILED, run.certificate is not None, run.time, encode(run)

    second, best = sorted((one, other), key=rank)
    extra = stamps.united(best.extra, stamps.of(second.extra))
    return msgspec.structs.replace(best, extra=extra)


def _with_hint(error: InputError, *, others: bool) -> InputError:
    """Return the refusal of a line; where others are records, it can be moved aside."""
    hint = "; `opt-istn repair` moves such lines aside" if others else ""
    return InputError(error.field, error.expected + hint, error.source)


def _holds_record(data: BinaryIO) -> bool:
    """Return whether a record is among the lines that are left."""
    with suppress(InputError):
        while line := next_line(data, ""):
            with suppress(InputError):
                decode(line)
                return True
    return False
