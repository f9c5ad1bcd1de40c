"""Checking a file of records: sources, plans, claims, contradictions.

Instances are made and plans are evaluated again. A bound is compared with the plan of its run and
with the other runs on the instance. Where a folder of certificates is given, each certificate that
a record names is read and checked again by `opt_istn.verifier`. Other bounds are not computed anew,
and one that nothing contradicts stays a claim, unless a list of `proofs` is given: then it counts
what `opt_istn.evidence.reprove` makes of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec

from opt_istn.evidence import certificates
from opt_istn.evidence.reprove import Proof
from opt_istn.evidence.sources import Loader, WrongInstanceError
from opt_istn.files import InputError
from opt_istn.problems import Instance
from opt_istn.runs import audit
from opt_istn.runs.judge import examine
from opt_istn.runs.ledger import Failure, Record
from opt_istn.runs.nursery.child import RawClaims
from opt_istn.solver import Status


class Finding(StrEnum):
    """What became of a record."""

    OK = "ok"
    REFUTED = "refuted"  # it says something that is not so
    DISPUTED = "disputed"  # another run says the opposite, and no plan decides
    FAILED = "failed"  # the run crashed or was killed, so there is nothing to check
    UNAVAILABLE = "unavailable"  # its instance cannot be had any more


@dataclass(frozen=True)
class Check:
    """The verdict on one record.

    Parameters
    ----------
    record
        The record.
    finding, reason
        What became of it, and why.
    proven
        Whether an accepted certificate proves its bound, or its status.
    again
        What became of its bound or status when an engine was asked again, such as
        ``proven again by push.labels``; empty if none was.
    """

    record: Record
    finding: Finding
    reason: str = ""
    proven: bool = False
    again: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """What of a record in order was checked, and what was not."""
        run, found = self.record, []
        if self.finding != Finding.OK:
            return ()
        if run.plan is not None:
            feasible = run.cost is not None
            found.append("plan recomputed" if feasible else "plan recomputed, infeasible")
        if run.bound is not None or run.status in (Status.INFEASIBLE, Status.UNBOUNDED):
            what = "status" if run.bound is None else "bound"
            done = "proven by certificate" if self.proven else self.again or "not recomputed"
            found.append(f"{what} {done}")
        return tuple(found)


def _loaded(load: Loader, run: Record) -> Instance | Check:
    """Return the instance of a record, or the verdict if it cannot be had."""
    try:
        return load(run)
    except WrongInstanceError as error:
        return Check(run, Finding.REFUTED, str(error))
    except InputError as error:
        return Check(run, Finding.UNAVAILABLE, str(error))


def verify_records(
    records: Sequence[Record],
    folder: str | Path | None = None,
    beside: Sequence[str | Path] = (),
    proofs: Mapping[str, Proof] | None = None,
) -> Iterator[Check]:
    """Regenerate every instance, evaluate every plan, hold claims against plans and each other.

    Parameters
    ----------
    folder
        Where the certificates lie that records name. Without it, no certificate counts.
    beside
        The files of the records, which instance files may lie beside.
    proofs
        What engines prove of the instances when asked again, by hash.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    checked = folder is not None
    if folder is not None:
        certificates.check_folder(folder)
    load_instance = Loader(*beside)
    unproven = {} if folder is None else dict(_unproven(records, Path(folder), load_instance))
    read = audit.audited(
        _beside_others(run, unproven.get(place, ""), checked=checked)
        for place, run in enumerate(records)
    )
    for place, run in enumerate(records):
        found = _loaded(load_instance, run)
        if isinstance(found, Check):
            yield found
            continue
        check = _check(run, found)
        if check.finding == Finding.OK and place in unproven:
            check = Check(run, Finding.REFUTED, unproven[place])
        proven = checked and run.certificate is not None and place not in unproven
        check = replace(_together(check, read[place]), proven=proven)
        yield check if proven else _again(check, (proofs or {}).get(run.sha256))


def _again(check: Check, proof: Proof | None) -> Check:
    """Add to the verdict what an engine proves when it is asked again."""
    run = check.record
    claims = run.bound is not None or run.status in (Status.INFEASIBLE, Status.UNBOUNDED)
    if proof is None or check.finding != Finding.OK or not claims:
        return check
    if reason := proof.against(run.status, run.bound):
        return Check(run, Finding.REFUTED, reason)
    return replace(check, again=proof.words(run.status, run.bound))


def outcomes(checks: Sequence[Check]) -> list[audit.InstanceSummary]:
    """Return what is known of each instance from the records that are in order.

    Only certificates that were checked count.
    """
    change = msgspec.structs.replace
    good = [check for check in checks if check.finding in (Finding.OK, Finding.DISPUTED)]
    return audit.summarise(
        check.record if check.proven else change(check.record, certificate=None) for check in good
    )


def _beside_others(run: Record, refuted: str, *, checked: bool) -> Record:
    """Return a record as it counts beside others: a certificate counts only if it was checked."""
    change = msgspec.structs.replace
    if run.certificate is None:
        return run
    if refuted:
        failed = {"status": Status.FAILED, "failure": Failure.REFUTED, "error": refuted}
        return change(run, **failed, bound=None, certificate=None)
    return run if checked else change(run, certificate=None)


def _unproven(
    records: Sequence[Record], folder: Path, load_instance: Loader
) -> Iterator[tuple[int, str]]:
    """Yield the places of records that their certificates do not prove, and why."""
    for place, run in enumerate(records):
        if run.certificate is None:
            continue
        instance = _loaded(load_instance, run)
        if isinstance(instance, Check):
            yield place, instance.reason
            continue
        path = certificates.path_of(folder, run.sha256)
        claims = [(run.status, run.bound)]  # others are held against both
        claims += [] if run.claim is None else [(run.claim.status, run.claim.bound)]
        for status, bound in claims:
            reason = certificates.refuted(instance, path, run.certificate, status, bound)
            if reason:
                yield place, reason
                break


def _together(check: Check, read: Record) -> Check:
    """Add what other runs say to the verdict on a record that is in order by itself."""
    if check.finding != Finding.OK or read.error == check.record.error:
        return check
    if read.failure == Failure.REFUTED:
        return Check(check.record, Finding.REFUTED, read.error)
    return Check(check.record, Finding.DISPUTED, read.error.removeprefix("disputed: "))


def _check(run: Record, instance: Instance) -> Check:
    failed = run.status == Status.FAILED and run.failure != Failure.REFUTED
    if failed and run.plan is None:
        return Check(run, Finding.FAILED, run.error.partition("\n")[0])
    if run.claim is None:
        silent = run.status == Status.NO_PLAN and run.cost is None and run.bound is None
        return Check(run, Finding.OK) if silent else Check(run, Finding.REFUTED, "it has no claim")
    plan = msgspec.Raw(msgspec.json.encode(run.plan))
    claim = run.claim
    claims = RawClaims(claim.status, plan, claim.cost, claim.bound, claim.proof, (), {})
    verdict = examine(run, instance, claims)
    for name in ("cost", "violations", "terms"):
        recorded, evaluated = getattr(run, name), getattr(verdict, name)
        if name == "terms" and run.terms:  # older records have fewer, but what they say is so
            evaluated = {key: value for key, value in evaluated.items() if key in run.terms}
        if name == "violations" and recorded and evaluated:  # other versions use other words
            continue
        if _plain(recorded) != _plain(evaluated):
            reason = f"{name}: recorded {recorded}, evaluated {evaluated}"
            return Check(run, Finding.REFUTED, reason)
    if failed:
        return Check(run, Finding.FAILED, run.error.partition("\n")[0])
    if run.status == Status.FAILED:
        return Check(run, Finding.REFUTED, run.error.partition("\n")[0])
    if verdict.failure == Failure.REFUTED:
        return Check(run, Finding.REFUTED, verdict.error)
    if (run.status, run.bound) != (verdict.status, verdict.bound):
        recorded = f"recorded {run.status} with the bound {run.bound}"
        claimed = f"claimed {claim.status} with the bound {claim.bound}"
        return Check(run, Finding.REFUTED, f"{recorded}, {claimed}")
    return Check(run, Finding.OK)


def _plain(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))
