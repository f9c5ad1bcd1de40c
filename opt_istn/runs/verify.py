"""Checking a file of records: sources, plans, claims, contradictions.

Instances are made and plans are evaluated again. A bound is compared with the plan of its run and
with the other runs on the instance; it is not computed anew, so one that nothing contradicts stays
a claim.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from opt_istn.files import InputError
from opt_istn.problems import Instance
from opt_istn.runs import audit
from opt_istn.runs.child import RawClaims
from opt_istn.runs.compare import load
from opt_istn.runs.judge import judge
from opt_istn.runs.ledger import Failure, Record
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
    """

    record: Record
    finding: Finding
    reason: str = ""


def verify(records: Sequence[Record]) -> Iterator[Check]:
    """Regenerate every instance, evaluate every plan, hold claims against plans and each other.

    No bound is recomputed.
    """
    loaded: dict[str, Instance | str] = {}
    for run, read in zip(records, audit.audited(records), strict=True):
        key = msgspec.json.encode(run.source, order="sorted").decode()
        if key not in loaded:
            loaded.clear()  # records come instance by instance: one in memory is enough
            loaded[key] = _load(run)
        instance = loaded[key]
        if isinstance(instance, str):
            yield Check(run, Finding.UNAVAILABLE, instance)
        elif instance.sha256 != run.sha256:
            found = f"its source gives another instance ({instance.sha256[:12]})"
            yield Check(run, Finding.REFUTED, found)
        else:
            yield _together(_check(run, instance), read)


def _load(run: Record) -> Instance | str:
    try:
        return load(run.source)
    except InputError as error:
        return str(error)


def _together(check: Check, read: Record) -> Check:
    """Add what other runs say to the verdict on a record that is in order by itself."""
    if check.finding != Finding.OK or read.error == check.record.error:
        return check
    if read.failure == Failure.REFUTED:
        return Check(check.record, Finding.REFUTED, read.error)
    return Check(check.record, Finding.DISPUTED, read.error.removeprefix("disputed: "))


def _check(run: Record, instance: Instance) -> Check:
    if run.status == Status.FAILED and run.failure != Failure.REFUTED:
        return Check(run, Finding.FAILED, run.error.partition("\n")[0])
    if run.claim is None:
        silent = run.status == Status.NO_PLAN and run.cost is None and run.bound is None
        return Check(run, Finding.OK) if silent else Check(run, Finding.REFUTED, "it has no claim")
    plan = msgspec.Raw(msgspec.json.encode(run.plan))
    claim = run.claim
    verdict = judge(
        instance, RawClaims(claim.status, plan, claim.cost, claim.bound, claim.proof, (), {})
    )
    for name in ("cost", "violations", "terms"):
        recorded, evaluated = getattr(run, name), getattr(verdict, name)
        if name == "terms" and run.terms:  # older records have fewer, but what they say is so
            evaluated = {key: value for key, value in evaluated.items() if key in run.terms}
        if _plain(recorded) != _plain(evaluated):
            reason = f"{name}: recorded {recorded}, evaluated {evaluated}"
            return Check(run, Finding.REFUTED, reason)
    if run.status == Status.FAILED:
        return Check(run, Finding.REFUTED, run.error.partition("\n")[0])
    if verdict.refuted:
        return Check(run, Finding.REFUTED, verdict.refuted)
    if (run.status, run.bound) != (verdict.status, verdict.bound):
        recorded = f"recorded {run.status} with the bound {run.bound}"
        claimed = f"claimed {claim.status} with the bound {claim.bound}"
        return Check(run, Finding.REFUTED, f"{recorded}, {claimed}")
    return Check(run, Finding.OK)


def _plain(value: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(value))
