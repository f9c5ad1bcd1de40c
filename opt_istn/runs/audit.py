"""What several runs on one instance say together: contradictions, best known values, certificates.

An evaluated plan is a fact; a bound, `infeasible` and `unbounded` are claims. So where a plan and a
claim contradict each other the claim's run is refuted. Where two claims contradict each other and
no plan decides, neither is believed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from opt_istn.runs.ledger import Failure, Record
from opt_istn.solver import Status


@dataclass(frozen=True)
class InstanceSummary:
    """What is known about one instance.

    Parameters
    ----------
    problem, instance, sha256
        The instance: problem name, printable name, hash.
    status
        What the runs establish together: ``optimal`` once the best bound meets the best cost.
    best_cost
        Lowest evaluated cost of a feasible plan, in the problem's integer unit.
    best_bound
        Highest lower bound claimed by a run that is not refuted.
    certified
        Whether at least two proofs of different name establish `status`.
    proofs
        Names of these proofs, in alphabetical order.
    """

    problem: str
    instance: str
    sha256: str
    status: Status
    best_cost: int | None
    best_bound: int | None
    certified: bool
    proofs: tuple[str, ...]


def gap(cost: int | None, bound: int | None) -> float | None:
    """Return (cost - bound) / max(abs(bound), 1), None if one of them is not known."""
    return None if cost is None or bound is None else (cost - bound) / max(abs(bound), 1)


def refute(record: Record, reason: str) -> Record:
    """Return `record` as `failed`: its evaluated plan stays, its bound no longer counts."""
    return msgspec.structs.replace(
        record, status=Status.FAILED, failure=Failure.REFUTED, bound=None, error=reason
    )


def audit(records: Iterable[Record]) -> list[Record]:
    """Return the records that other records of the same instance refute, as failed ones.

    Appended to the same file they supersede the originals, because their keys are equal.
    """
    refuted = []
    for runs in _by_instance(records).values():
        facts = [run for run in runs if run.cost is not None]
        best = min(facts, key=_cost, default=None)
        for run in runs:
            if run.status != Status.FAILED:
                reason = _against_fact(run, best) or _against_claims(run, runs)
                if reason:
                    refuted.append(refute(run, reason))
    return refuted


def audited(records: Iterable[Record]) -> list[Record]:
    """Return `records`, in order, with the refuted ones replaced; for tables and reports."""
    given = list(records)
    refuted = {run.key: run for run in audit(given)}
    return [refuted.get(run.key, run) for run in given]


def summarise(records: Iterable[Record]) -> list[InstanceSummary]:
    """Return what is known about each instance, in order of first appearance.

    Contradictions are settled first, so the result does not depend on `audit` having been applied.
    """
    return [_summary(runs) for runs in _by_instance(audited(records)).values()]


def _summary(runs: Sequence[Record]) -> InstanceSummary:
    believed = [run for run in runs if run.status != Status.FAILED]
    cost = min((run.cost for run in runs if run.cost is not None), default=None)
    bound = max((run.bound for run in believed if run.bound is not None), default=None)
    status = _status(believed, cost, bound)
    proofs = {run.proof for run in believed if run.proof and _proves(run, status, cost)}
    first = runs[0]
    return InstanceSummary(
        problem=first.problem,
        instance=first.instance,
        sha256=first.sha256,
        status=status,
        best_cost=cost,
        best_bound=bound,
        certified=len(proofs) >= 2,
        proofs=tuple(sorted(proofs)),
    )


def _status(believed: Sequence[Record], cost: int | None, bound: int | None) -> Status:
    claimed = {run.status for run in believed}
    for status in (Status.INFEASIBLE, Status.UNBOUNDED):
        if status in claimed:
            return status
    if cost is not None:
        return Status.OPTIMAL if cost == bound else Status.FEASIBLE
    return Status.NO_PLAN if bound is None else Status.BOUND_ONLY


def _proves(run: Record, status: Status, cost: int | None) -> bool:
    if status == Status.OPTIMAL:
        return run.bound == cost
    return status in (Status.INFEASIBLE, Status.UNBOUNDED) and run.status == status


def _against_fact(run: Record, best: Record | None) -> str:
    if best is None:
        return ""
    plan = f"the evaluated plan of {_who(best)} costs {best.cost}"
    if run.status == Status.INFEASIBLE:
        return f"claimed infeasible, but {plan}"
    if run.bound is not None and run.bound > _cost(best):
        return f"claimed the bound {run.bound}, but {plan}"
    return ""


def _against_claims(run: Record, runs: Sequence[Record]) -> str:
    for other in runs:
        if other.status != Status.FAILED and _contradict(run, other):
            claims = f"claimed {_claim(run)}, but {_who(other)} claimed {_claim(other)}"
            return f"{claims}; no plan decides, so neither is believed"
    return ""


def _contradict(one: Record, other: Record) -> bool:
    """Return whether one claims `unbounded` and the other a bound or `infeasible`."""
    for a, b in ((one, other), (other, one)):
        if a.status == Status.UNBOUNDED and (b.status == Status.INFEASIBLE or b.bound is not None):
            return True
    return False


def _claim(run: Record) -> str:
    return run.status if run.bound is None else f"the bound {run.bound}"


def _who(run: Record) -> str:
    return f"{run.solver} (seed {run.seed})"


def _cost(run: Record) -> int:
    if run.cost is None:
        raise ValueError("only evaluated runs are compared by cost")
    return run.cost


def _by_instance(records: Iterable[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for run in records:
        groups[run.sha256].append(run)
    return groups
