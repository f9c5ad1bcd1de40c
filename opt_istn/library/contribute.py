"""Adding to a library: what judge and verifier accept goes in, and the ledger remembers all."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from opt_istn import files, problems, verifier
from opt_istn.evidence import certificates
from opt_istn.evidence.certificates import Proven
from opt_istn.files import InputError
from opt_istn.library import shelf
from opt_istn.library.shelf import Entry, Library
from opt_istn.problems import Document, Instance
from opt_istn.solver import Status

ACCEPTED, NO_BETTER, REFUSED = "accepted", "no better", "refused"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A line of the ledger: who gave what when, and what became of it.

    Parameters
    ----------
    what
        ``plan`` or ``certificate``.
    value
        Cost or bound; None for a certificate without one, and for what is refused.
    file
        SHA-256 of the file that was given.
    verdict, reason
        ``accepted``, ``no better`` or ``refused``, and why.
    """

    time: str
    by: str
    name: str
    sha256: str
    what: str
    value: int | None = None
    file: str
    verdict: str
    reason: str = ""


def add(
    library: Library,
    instance: Instance,
    by: str,
    plan: str | Path | None = None,
    certificate: str | Path | None = None,
    name: str = "",
    note: str = "",
) -> list[Line]:
    """Check a plan, a certificate or both, and keep what is better than what is there.

    Parameters
    ----------
    by
        Who gives it.
    plan, certificate
        Their files.
    name
        Of a new entry, by default the instance's.

    Returns
    -------
    list[Line]
        What the ledger says of it.

    Raises
    ------
    InputError
        If the name is taken or cannot be one, or a file is no plan or certificate.
    """
    if plan is None and certificate is None:
        raise InputError("", "expected a plan, a certificate, or both")
    entries = {entry.sha256: entry for entry in library.entries()}
    known = entries.get(instance.sha256)
    name = known.name if known else _new_name(name or instance.name, entries)
    head = {"by": by, "name": name, "sha256": instance.sha256}
    lines, keep = [], {}
    if plan is not None:
        found = problems.read_plan(plan, instance.problem)
        lines.append(_judge_plan(instance, known, found, head | {"file": _hash(plan)}))
        keep[library.plan_path(name)] = found.document()
    if certificate is not None:
        proof = certificates.read(certificate)
        costs = [line.value for line in lines if line.verdict != REFUSED]
        costs += [known.cost] if known else []
        cost = min((c for c in costs if c is not None), default=None)
        line = _judge_proof(instance, known, proof, cost, head | {"file": _hash(certificate)})
        lines.append(line)
        keep[library.certificate_path(name)] = proof
    accepted = {
        path: document
        for line, (path, document) in zip(lines, keep.items(), strict=True)
        if line.verdict == ACCEPTED
    }
    if accepted:
        if known is None:
            accepted[library.instance_path(name)] = instance.document()
        _store(accepted)
        entry = shelf.derive(library, name, note or (known.note if known else ""))
        library.write([*(e for e in entries.values() if e.name != name), entry])
    _remember(library, lines)
    return lines


def _new_name(name: str, entries: Mapping[str, Entry]) -> str:
    if not _NAME.fullmatch(name):
        raise InputError("--name", f"expected small letters, digits, dots, hyphens, found {name!r}")
    if name in {entry.name for entry in entries.values()}:
        raise InputError("--name", f"{name!r} is another instance's")
    return name


def _judge_plan(
    instance: Instance, known: Entry | None, plan: Document, head: dict[str, Any]
) -> Line:
    try:
        cost = shelf.price(instance, plan)
        if known and known.certificate:
            shelf.outcome(Proven(known.kind, known.bound, _closed(known.status)), cost)
    except (verifier.Refused, InputError) as refused:
        return _line(head, "plan", REFUSED, reason=str(refused))
    if known and known.cost is not None and cost >= known.cost:
        return _line(head, "plan", NO_BETTER, cost, f"{known.cost} is known")
    return _line(head, "plan", ACCEPTED, cost)


def _closed(status: Status) -> Status | None:
    return status if status in (Status.INFEASIBLE, Status.UNBOUNDED) else None


def _judge_proof(
    instance: Instance,
    known: Entry | None,
    proof: dict[str, Any],
    cost: int | None,
    head: dict[str, Any],
) -> Line:
    try:
        proven = certificates.check(instance, proof)
        shelf.outcome(proven, cost)
    except verifier.Refused as refused:
        return _line(head, "certificate", REFUSED, reason=str(refused))
    if known and known.certificate:
        settled = known.bound is None or proven.bound is None or proven.bound <= known.bound
        if settled:
            said = known.status if known.bound is None else known.bound
            return _line(head, "certificate", NO_BETTER, proven.bound, f"{said} is proven")
    return _line(head, "certificate", ACCEPTED, proven.bound)


def _line(
    head: dict[str, Any], what: str, verdict: str, value: int | None = None, reason: str = ""
) -> Line:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Line(**head, time=now, what=what, verdict=verdict, value=value, reason=reason)


def _store(documents: Mapping[Path, dict[str, Any]]) -> None:
    for path, document in documents.items():
        with suppress(OSError):  # if it is not there, the file cannot be written, which is said
            path.parent.mkdir(parents=True)
        files.write_document(path, document)


def _remember(library: Library, lines: list[Line]) -> None:
    """Append to the ledger, which is replaced as a whole so that no line is ever torn."""
    path = library.folder / "ledger.jsonl"
    before = files.read_bytes(path) if path.exists() else b""
    files.write_bytes(path, before + b"".join(msgspec.json.encode(line) + b"\n" for line in lines))


def ledger(library: Library) -> list[Line]:
    """Return the lines of the ledger."""
    path = library.folder / "ledger.jsonl"
    if not path.exists():
        return []
    rows = files.read_bytes(path).splitlines()
    return [files.decode(row, Line, f"{path}:{i}") for i, row in enumerate(rows, start=1)]


def unbacked(library: Library, entry: Entry) -> str:
    """Return what of an entry no accepted line of the ledger says; empty if nothing."""
    said = {
        (line.sha256, line.what): line.value for line in ledger(library) if line.verdict == ACCEPTED
    }
    for what, value in (("plan", entry.cost), ("certificate", entry.bound)):
        there = library.paths(entry.name)
        if what in there and said.get((entry.sha256, what), "nothing") != value:
            return f"{what}: the ledger does not say who gave the one of {value}"
    return ""


def since(library: Library, entry: Entry) -> str:
    """Return the time of the last line that changed an entry."""
    return _accepted(library, entry)[-1].time


def keeper(library: Library, entry: Entry) -> str:
    """Return who gave what an entry says last."""
    return _accepted(library, entry)[-1].by


def _accepted(library: Library, entry: Entry) -> list[Line]:
    return [x for x in ledger(library) if (x.sha256, x.verdict) == (entry.sha256, ACCEPTED)]


def _hash(path: str | Path) -> str:
    return certificates.file_sha256(path)
