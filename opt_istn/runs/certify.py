"""Certificates for the instances of a file of records, kept in a folder beside it.

A certificate is proven, or read if it is there, checked by `opt_istn.verifier` in this process,
and only then told of in a record of the solver ``<problem>.certificate``. What is there and
accepted is not proven again, so that an interrupted run goes on where it was.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from opt_istn import files, placing, problems, registry, verifier
from opt_istn.files import InputError
from opt_istn.problems import Document, Instance
from opt_istn.runs import appender, certificates, environment, ledger
from opt_istn.runs.certificates import Proven
from opt_istn.runs.child import RawClaims
from opt_istn.runs.compare import judged, load
from opt_istn.runs.ledger import Limits, Record, Source
from opt_istn.runs.worker import Outcome
from opt_istn.solver import Budget, Status


@dataclass(frozen=True)
class Certified:
    """What became of one instance.

    Parameters
    ----------
    instance, sha256
        Printable name and hash.
    record
        The record of its certificate; None without one.
    reason
        Why there is none.
    """

    instance: str
    sha256: str
    record: Record | None = None
    reason: str = ""


@dataclass(frozen=True)
class Kept:
    """An accepted certificate on disk, and the best plan that is known beside it."""

    proven: Proven
    sha256: str
    plan: Document | None
    cost: int | None


def certify(path: str | Path, folder: str | Path, budget: Budget) -> Iterator[Certified]:
    """Certify every instance of a file of records, appending a record for each.

    Parameters
    ----------
    path
        File of records.
    folder
        Where certificates lie; made if need be.
    budget
        Limits the search for each certificate that is not there yet.

    Raises
    ------
    InputError
        If the file or the folder cannot be used.
    """
    if not placing.is_file(path):
        raise InputError("", "expected a file of records", str(path))
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.unusable("cannot be written", error, folder) from None
    with appender.appending(path) as file:
        groups: dict[str, list[Record]] = {}
        for known_run in ledger.read(path):
            groups.setdefault(known_run.sha256, []).append(known_run)
        for runs in groups.values():
            found = _certify(runs, folder, budget)
            run = found.record
            known = None if run is None else file.find(run.key)
            if run is not None and known is not None and _same(known, run):
                found = replace(found, record=known)
            elif run is not None:
                file.append(run)
            yield found


def _same(known: Record, new: Record) -> bool:
    """Return whether a record says all that a new one does, apart from when and where."""
    names = ("status", "cost", "bound", "plan", "certificate", "failure")
    return all(getattr(known, name) == getattr(new, name) for name in names)


def _certify(runs: Sequence[Record], folder: str | Path, budget: Budget) -> Certified:
    name, sha256 = runs[0].instance, runs[0].sha256
    began, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    try:
        instance, source = _loaded(runs)
        kept = keep(instance, folder, budget, _plans(instance, runs))
    except (InputError, verifier.Refused) as error:
        return Certified(name, sha256, reason=str(error))
    except RuntimeError as error:  # an engine gave up; other instances do not suffer
        return Certified(name, sha256, reason=f"the prover failed: {error}")
    if kept is None:
        return Certified(name, sha256, reason="no bound was found in time")
    blank = Record(
        problem=instance.problem,
        instance=instance.name,
        sha256=sha256,
        source=source,
        solver=f"{instance.problem}.certificate",
        parameters={},
        kind="exact",
        seed=0,
        limits=Limits(),  # a better certificate replaces a worse one, whatever it took
        status=Status.FAILED,
        certificate=kept.sha256,
        wall_s=time.monotonic() - clock,
        time=began,
        extra={"load": environment.load()},
        **environment.capture(),
    )
    return Certified(name, sha256, judged(blank, instance, Outcome(_claims(kept))))


def _loaded(runs: Sequence[Record]) -> tuple[Instance, Source]:
    """Return the instance of some records, and a source that it can be had from."""
    reason: InputError | None = None
    for run in runs:
        try:
            instance = load(run.source)
        except InputError as error:
            reason = reason or error
            continue
        if instance.sha256 == run.sha256:
            return instance, run.source
    raise reason or InputError("source", "it gives another instance", runs[0].instance)


def _plans(instance: Instance, runs: Sequence[Record]) -> Iterator[Document]:
    """Yield the plans in some records; a record whose plan is none is for `verify` to refute."""
    for run in runs:
        if run.plan is not None and run.plan.get("instance") == instance.sha256:
            with suppress(InputError):
                yield problems.get(instance.problem).plan(msgspec.json.encode(run.plan))


def _claims(kept: Kept) -> RawClaims:
    proven, cost = kept.proven, kept.cost
    plan = None if kept.plan is None else kept.plan.document()
    return RawClaims(
        proven.outcome(cost),
        msgspec.Raw(msgspec.json.encode(plan)),
        cost,
        proven.bound,
        f"certificate ({proven.kind})",
        (),
        {},
    )


def keep(
    instance: Instance, folder: str | Path, budget: Budget, plans: Iterable[Document] = ()
) -> Kept | None:
    """Return the certificate of an instance in a folder, proven now if there is none.

    Parameters
    ----------
    plans
        Plans that are known; infeasible ones do not matter.

    Raises
    ------
    opt_istn.verifier.Refused
        If what was proven now is not accepted: a defect of the prover.
    InputError
        If the folder cannot be used, or a plan is of another instance.
    """
    path = certificates.path_of(folder, instance.sha256)
    beside = certificates.plan_path_of(folder, instance.sha256)
    known = list(plans)
    if placing.is_there(beside):
        known.append(problems.read_plan(beside, instance.problem))
    best, cost = _best(instance, known)
    proven = _accepted(instance, path)
    if proven is None:
        certificate, found = registry.prover(instance.problem)(instance, budget, best)
        if certificate is None:
            return None
        proven = certificates.check(instance, certificate)
        files.write_document(path, certificate)
        best, cost = _best(instance, [plan for plan in (best, found) if plan is not None])
        if best is not None:
            best.write(beside)
    if best is not None and certificates.cost_of(instance, best) != cost:
        raise verifier.Refused("plan: the verifier and the evaluator differ")
    return Kept(proven, certificates.file_sha256(path), best, cost)


def _accepted(instance: Instance, path: Path) -> Proven | None:
    """Return what the file at `path` proves; None if it is not there or not accepted."""
    if not placing.is_there(path):
        return None
    try:
        return certificates.check(instance, certificates.read(path))
    except (InputError, verifier.Refused):
        return None


def _best(instance: Instance, plans: Sequence[Document]) -> tuple[Document | None, int | None]:
    """Return the cheapest feasible plan and its evaluated cost."""
    feasible: list[tuple[int, Document]] = []
    for plan in plans:
        judged = problems.get(instance.problem).evaluate(instance, plan)
        if not judged.violations and judged.cost is not None:
            feasible.append((judged.cost, plan))
    if not feasible:
        return None, None
    cost, best = min(feasible, key=lambda pair: pair[0])
    return best, cost
