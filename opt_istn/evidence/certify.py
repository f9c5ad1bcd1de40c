"""Certificates for the instances of a file of records, kept in a folder beside it.

A certificate is proven, or read if it is there, checked by `opt_istn.verifier` in this process,
and only then told of in a record of the solver ``<problem>.certificate``, whose seconds are those
of the search. What is there and accepted is not proven again, so that an interrupted run goes on
where it was, unless it leaves the optimum open and there is far more time now than it took. How it
was made lies beside it, and the search while it is open.
"""

import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from opt_istn import files, problems, verifier
from opt_istn.evidence import certificates, search
from opt_istn.evidence.certificates import Made, Proven
from opt_istn.evidence.search import Found, Giver, nobody
from opt_istn.evidence.sources import Loader, WrongInstanceError
from opt_istn.files import InputError, placing
from opt_istn.problems import Document, Instance
from opt_istn.runs import appender, environment, ledger
from opt_istn.runs.compare import judged
from opt_istn.runs.ledger import Limits, Record, Source
from opt_istn.runs.nursery.child import RawClaims
from opt_istn.runs.nursery.worker import Outcome
from opt_istn.solver import Budget, Status

_OPEN = (Status.FEASIBLE, Status.BOUND_ONLY)
_MORE = 1.5  # times as long as a search took, and it is worth to go on


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
    whence
        Who kept the certificate, where it was neither proven now nor in the folder.
    """

    instance: str
    sha256: str
    record: Record | None = None
    reason: str = ""
    whence: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a bound is certified that no known plan meets."""
        return self.record is not None and self.record.status in _OPEN


@dataclass(frozen=True)
class Kept:
    """An accepted certificate on disk, and the best plan that is known beside it.

    Parameters
    ----------
    proven, sha256
        What the certificate proves, and the hash of its file.
    plan, cost
        The best plan that is known, and what it costs.
    made
        How the certificate was proven; None if nobody says so.
    check_s
        Seconds that the verifier took.
    whence
        Who kept it before; empty if it was proven here.
    """

    proven: Proven
    sha256: str
    plan: Document | None
    cost: int | None
    made: Made | None
    check_s: float = field(compare=False)
    whence: str = field(default="", compare=False)


def certify_records(
    path: str | Path,
    folder: str | Path,
    budget: Budget,
    only: Container[str] | None = None,
    give: Giver = nobody,
) -> Iterator[Certified]:
    """Certify every instance of a file of records, appending a record for each.

    Parameters
    ----------
    path
        File of records.
    folder
        Where certificates lie; made if need be.
    budget
        Limits the search for each certificate that is not there yet.
    only
        Hashes of the instances that are meant; None is all.
    give
        Asked for a certificate before any is proven; taken is what proves more.

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
            if only is None or known_run.sha256 in only:
                groups.setdefault(known_run.sha256, []).append(known_run)
        for runs in groups.values():
            found = _certify(runs, folder, budget, Loader(path), give)
            run = found.record
            known = None if run is None else file.find(run.key)
            if run is not None and known is not None and _same(known, run):
                found = replace(found, record=known)
            elif run is not None:
                file.append(run)
            yield found


def _same(known: Record, new: Record) -> bool:
    """Return whether a record says all that a new one does, apart from when and where."""
    names = ("status", "cost", "bound", "plan", "certificate", "failure", "wall_s")
    return all(getattr(known, name) == getattr(new, name) for name in names)


def _certify(
    runs: Sequence[Record], folder: str | Path, budget: Budget, load: Loader, give: Giver
) -> Certified:
    """Return what becomes of the instance of some records."""

    def kept() -> tuple[Instance, Source, Kept | None]:
        instance, source = _loaded(runs, load)
        return instance, source, keep(instance, folder, budget, _plans(instance, runs), give)

    return _told(runs[0], kept)


def certify_run(
    run: Record, instance: Instance, path: str | Path, budget: Budget, give: Giver = nobody
) -> Certified:
    """Prove a certificate of a run's instance and write it to a file of its own.

    Parameters
    ----------
    run
        The run, whose plan the search begins with.
    path
        Where the certificate is written.
    budget
        Limits the search; none of it is the run's time.
    give
        Asked for a certificate before one is proven.
    """

    def kept() -> tuple[Instance, Source, Kept | None]:
        best, _ = search.best(instance, list(_plans(instance, [run])))
        return instance, run.source, _prove(instance, Path(path), budget, best, give)

    return _told(run, kept)


def _told(run: Record, kept: Callable[[], tuple[Instance, Source, Kept | None]]) -> Certified:
    """Return the record of a certificate that is kept, or why there is none."""
    name, sha256 = run.instance, run.sha256
    try:
        instance, source, found = kept()
    except (InputError, verifier.Refused) as error:
        return Certified(name, sha256, reason=str(error))
    except RuntimeError as error:  # an engine gave up; other instances do not suffer
        return Certified(name, sha256, reason=f"the prover failed: {error}")
    if found is None:
        return Certified(name, sha256, reason="no bound was found in time")
    return Certified(name, sha256, _record(instance, source, found), whence=found.whence)


def _record(instance: Instance, source: Source, kept: Kept) -> Record:
    """Return the record of a certificate: its time and place are those of the search."""
    made = kept.made
    where = environment.capture()
    if made is not None:
        names = ("packages", "cpu", "commit", "dirty")
        where |= {name: getattr(made, name) for name in names}
    blank = Record(
        problem=instance.problem,
        instance=instance.name,
        sha256=instance.sha256,
        source=source,
        solver=f"{instance.problem}.certificate",
        parameters={},
        kind="exact",
        seed=0,
        limits=Limits(),  # a better certificate replaces a worse one, whatever it took
        status=Status.FAILED,
        certificate=kept.sha256,
        wall_s=None if made is None else made.wall_s,
        time=_now() if made is None else made.time,
        extra={"check_s": round(kept.check_s, 4), "threads": made and made.threads}
        | ({"from": kept.whence} if kept.whence else {}),
        **where,
    )
    return judged(blank, instance, Outcome(_claims(kept)))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _loaded(runs: Sequence[Record], load: Loader) -> tuple[Instance, Source]:
    """Return the instance of some records, and a source that it can be had from."""
    reason: Exception | None = None
    for run in runs:
        try:
            return load(run), run.source
        except (InputError, WrongInstanceError) as error:
            reason = reason or error
    raise InputError("source", str(reason), runs[0].instance)


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
    instance: Instance,
    folder: str | Path,
    budget: Budget,
    plans: Iterable[Document] = (),
    give: Giver = nobody,
) -> Kept | None:
    """Return the certificate of an instance in a folder, proven now if there is none.

    Parameters
    ----------
    plans
        Plans that are known; infeasible ones do not matter.
    give
        Asked for a certificate where there is none that settles the instance.

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
    best, cost = search.best(instance, known)
    found = _accepted(instance, path, certificates.made_path_of(folder, instance.sha256))
    if found is not None:
        found = _priced(instance, replace(found, plan=best, cost=cost))
        found = _exchanged(instance, path, found, give) or found
        if _goes_on(found, budget):
            found = _prove(instance, path, budget, best, give, found)
    else:
        found = _prove(instance, path, budget, best, give)
    if found is None:
        return None
    if found.plan is not None:
        found.plan.write(beside)
    if found.made is not None:
        made = msgspec.to_builtins(found.made)
        files.write_document(certificates.made_path_of(folder, instance.sha256), made)
    return found


def _goes_on(kept: Kept, budget: Budget) -> bool:
    """Return whether an accepted certificate leaves something open and there is time for it."""
    if kept.made is None or kept.proven.outcome(kept.cost) not in _OPEN:
        return False
    return budget.time_s is None or budget.time_s >= _MORE * kept.made.wall_s + 1


def _exchanged(instance: Instance, path: Path, kept: Kept, give: Giver) -> Kept | None:
    """Write a given certificate in the place of one that proves less; None if there is none."""
    settled = kept.proven.outcome(kept.cost) in search.SETTLED
    given = None if settled else give(instance)
    found = None if given is None else search.taken(instance, given, kept.plan)
    if found is None or not search.more(found.proven, kept.proven):
        return None
    return _written(instance, path, found, 0, "")


def _prove(
    instance: Instance,
    path: Path,
    budget: Budget,
    best: Document | None,
    give: Giver,
    before: Kept | None = None,
) -> Kept | None:
    """Write the best certificate that is given or found in time; None without one.

    What is there `before` stays, and is returned, if it proves more.
    """
    began, keep = _now(), certificates.search_of(path)
    found = search.best_proof(instance, budget, best, give, keep)
    if found is None:
        return before
    if found.settles:
        certificates.forget(keep)
    if before is not None and search.more(before.proven, found.proven):
        return before
    return _written(instance, path, found, budget.threads, began)


def _written(instance: Instance, path: Path, found: Found, threads: int, began: str) -> Kept:
    """Write an accepted certificate; how it was made is known if that was now."""
    files.write_document(path, found.certificate)
    sha256, made = certificates.file_sha256(path), None
    if found.wall_s is not None:
        where = environment.capture()
        names = ("packages", "cpu", "commit", "dirty")
        made = Made(
            certificate=sha256,
            wall_s=found.wall_s,
            threads=threads,
            time=began,
            **{name: where[name] for name in names},
        )
    values = (found.proven, sha256, found.plan, found.cost, made, found.check_s, found.whence)
    return _priced(instance, Kept(*values))


def _priced(instance: Instance, kept: Kept) -> Kept:
    """Return what is kept, if the verifier's replay of its plan finds the same cost."""
    if kept.plan is not None and certificates.cost_of(instance, kept.plan) != kept.cost:
        raise verifier.Refused("plan: the verifier and the evaluator differ")
    return kept


def _accepted(instance: Instance, path: Path, made: Path) -> Kept | None:
    """Return what the file at `path` proves; None if it is not there or not accepted."""
    if not placing.is_there(path):
        return None
    clock = time.monotonic()
    try:
        proven = certificates.check(instance, certificates.read(path))
    except (InputError, verifier.Refused):
        return None
    check_s, sha256 = time.monotonic() - clock, certificates.file_sha256(path)
    return Kept(proven, sha256, None, None, certificates.read_made(made, sha256), check_s)
