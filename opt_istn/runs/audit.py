"""What several runs on one instance say together: contradictions, best known values, standing.

An evaluated plan is a fact; a bound, `infeasible` and `unbounded` are claims. So where a plan and a
claim contradict each other the claim's run is refuted. Where claims contradict each other and no
plan decides, a claim with a certificate refutes those without; else they are disputed: neither is
believed, nobody is blamed, and there is no vote. A certificate counts because the judge accepted it
when it was recorded; `opt_istn.evidence.verify` checks its file again.
Nothing of this is stored. It is derived from the records at hand, so it is settled anew whenever
one is added or removed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from opt_istn.runs.cores import core_of
from opt_istn.runs.ledger import Failure, Record
from opt_istn.solver import Status

_SETTLED = (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED)
_MAX_DISPUTES = 20  # lines about one instance


class Standing(StrEnum):
    """What the outcome of an instance rests on."""

    CERTIFIED = "certified"  # an accepted certificate equals the best plan's cost
    AGREED = "agreed"  # engines of two different cores proved the same
    CLAIMED = "claimed"  # one core proved it, or only solvers without one
    BOUNDED = "bounded"  # the best plan and the best bound differ
    OPEN = "open"  # no plan, or no bound
    DISPUTED = "disputed"  # claims contradict each other and no plan decides


@dataclass(frozen=True)
class Partial:
    """A certificate that proves less than is claimed of its instance.

    Parameters
    ----------
    certificate
        SHA-256 of its file.
    bound
        What it proves: no plan costs less, in the problem's integer unit.
    """

    certificate: str
    bound: int


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
        Highest lower bound claimed by a run that is neither refuted nor in dispute.
    standing
        What `status` rests on.
    cores
        Engine cores (`opt_istn.runs.cores`) that proved `status`, in alphabetical order.
    proofs
        Names of these proofs as their solvers call them, in alphabetical order.
    disputes
        A line about every claim in dispute.
    certificate
        SHA-256 of the certificate behind `status`, or behind `best_bound`; None if there is none.
    solvers
        Ids of the solvers behind `status`, or behind `best_bound`, in alphabetical order.
    partial
        Where `certificate` is None: the best of those that prove less; None if there is none.
    """

    problem: str
    instance: str
    sha256: str
    status: Status
    best_cost: int | None
    best_bound: int | None
    standing: Standing
    cores: tuple[str, ...]
    proofs: tuple[str, ...]
    disputes: tuple[str, ...]
    certificate: str | None = None
    solvers: tuple[str, ...] = ()
    partial: Partial | None = None

    @property
    def certified(self) -> bool:
        """Whether a certificate was accepted."""
        return self.standing == Standing.CERTIFIED

    @property
    def agreed(self) -> bool:
        """Whether two different cores, or a certificate, stand behind the status."""
        return self.standing in (Standing.CERTIFIED, Standing.AGREED)

    @property
    def settled(self) -> bool:
        """Whether somebody proved the status and nobody contradicts."""
        return self.agreed or self.standing == Standing.CLAIMED


@dataclass(frozen=True)
class _Against:
    """Why a run's claim is not believed: refuted by a plan, or disputed."""

    reason: str
    refuted: bool


def gap(cost: int | None, bound: int | None) -> float | None:
    """Return (cost - bound) / max(abs(bound), 1), None if one of them is not known."""
    return None if cost is None or bound is None else (cost - bound) / max(abs(bound), 1)


def audited(records: Iterable[Record]) -> list[Record]:
    """Return `records`, in order, as they are to be read together.

    A refuted run is `failed`. A run in dispute keeps its plan and loses its claim. `error` says
    why.
    """
    return together(records)[0]


def summarise(records: Iterable[Record]) -> list[InstanceSummary]:
    """Return what is known about each instance, in order of first appearance.

    It does not matter whether refuted runs are marked; of disputes it knows only what `records`
    still claim.
    """
    return together(records)[1]


def together(records: Iterable[Record]) -> tuple[list[Record], list[InstanceSummary]]:
    """Return both what `audited` and what `summarise` return."""
    given = list(records)
    summaries = []
    for places in _by_instance(given).values():
        runs = [given[place] for place in places]
        against = _settle(runs)
        summaries.append(_summary(runs, against))
        for number, found in against.items():
            given[places[number]] = _without_claim(runs[number], found)
    return given, summaries


def _summary(runs: Sequence[Record], against: Mapping[int, _Against]) -> InstanceSummary:
    believed = [
        run for i, run in enumerate(runs) if run.status != Status.FAILED and i not in against
    ]
    cost = min((run.cost for run in runs if run.cost is not None), default=None)
    bound = max((run.bound for run in believed if run.bound is not None), default=None)
    status = _status(believed, cost, bound)
    proving = [run for run in believed if _proves(run, status, cost)]
    behind = proving or [run for run in believed if bound is not None and run.bound == bound]
    certificate = min((run.certificate for run in behind if run.certificate), default=None)
    cores = {_core(run) for run in proving} - {""}
    disputes = [(runs[i], found.reason) for i, found in against.items() if not found.refuted]
    disputed, first = bool(disputes), runs[0]
    return InstanceSummary(
        problem=first.problem,
        instance=first.instance,
        sha256=first.sha256,
        status=status,
        best_cost=cost,
        best_bound=bound,
        standing=_standing(status, proving, bounded=None not in (cost, bound), disputed=disputed),
        cores=tuple(sorted(cores)),
        proofs=tuple(sorted({run.proof for run in proving if run.proof})),
        disputes=tuple(f"{_who(run)} {reason}" for run, reason in disputes[:_MAX_DISPUTES]),
        certificate=certificate,  # the first by hash where there are several
        solvers=tuple(sorted({run.solver for run in behind})),
        partial=None if certificate else _partial(believed),
    )


def _partial(runs: Sequence[Record]) -> Partial | None:
    """Return the certificate of some runs that proves the most, the first by hash of equals."""
    found = [
        Partial(run.certificate, run.bound)
        for run in runs
        if run.certificate and run.bound is not None
    ]
    return min(found, key=lambda one: (-one.bound, one.certificate), default=None)


def _standing(
    status: Status, proving: Sequence[Record], *, bounded: bool, disputed: bool
) -> Standing:
    if disputed:
        return Standing.DISPUTED
    if status in _SETTLED:
        if any(run.certificate for run in proving):
            return Standing.CERTIFIED
        cores = {_core(run) for run in proving} - {""}
        return Standing.AGREED if len(cores) >= 2 else Standing.CLAIMED
    return Standing.BOUNDED if bounded else Standing.OPEN


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


def _core(run: Record) -> str:
    """Return the core behind a run; a record alone cannot give itself one."""
    return run.core if run.core == core_of(run.solver) else ""


def _settle(runs: Sequence[Record]) -> dict[int, _Against]:
    """Return which runs of one instance are not believed, by their place; takes linear time."""
    best = min((run for run in runs if run.cost is not None), key=_rank, default=None)
    against = {}
    lower: dict[int, Record] = {}  # who says that costs end somewhere, or that there are no plans
    endless: dict[int, Record] = {}
    for place, run in enumerate(runs):
        if run.status == Status.FAILED:
            continue
        if reason := _against_fact(run, best):
            against[place] = _Against(reason, refuted=True)
        elif _claimed(run) == Status.UNBOUNDED:
            endless[place] = run
        elif _claimed(run) == Status.INFEASIBLE or _claimed_bound(run) is not None:
            lower[place] = run
    if lower and endless:
        for these, those in ((lower, endless), (endless, lower)):
            against |= _contradicted(these, list(those.values()))
    return dict(sorted(against.items()))


def _contradicted(runs: dict[int, Record], others: Sequence[Record]) -> dict[int, _Against]:
    """Return what `others`, which say the opposite, mean for `runs`: a certificate decides."""
    ours = any(run.certificate for run in runs.values())
    theirs = [run for run in others if run.certificate]
    if ours and not theirs:
        return {}
    other = min(theirs or others, key=_name)
    refuted = bool(theirs) and not ours
    text = f"but {_who(other)} claimed {_claim(other)}"
    text += " with a certificate" if refuted else "; no plan decides"
    return {
        place: _Against(f"claimed {_claim(run)}, {text}", refuted) for place, run in runs.items()
    }


def _without_claim(run: Record, found: _Against) -> Record:
    change = msgspec.structs.replace
    if found.refuted:
        failed = {"status": Status.FAILED, "failure": Failure.REFUTED}
        return change(run, **failed, bound=None, error=found.reason)
    status = Status.NO_PLAN if run.cost is None else Status.FEASIBLE
    return change(run, status=status, bound=None, error=f"disputed: {found.reason}")


def _against_fact(run: Record, best: Record | None) -> str:
    if best is None or best.cost is None:
        return ""
    plan = f"the evaluated plan of {_who(best)} costs {best.cost}"
    if Status.INFEASIBLE in (run.status, _claimed(run)):
        return f"claimed infeasible, but {plan}"
    for bound in (run.bound, _claimed_bound(run)):  # a record may say more than its run claimed
        if bound is not None and bound > best.cost:
            return f"claimed the bound {bound}, but {plan}"
    return ""


def _claimed(run: Record) -> Status:
    """Return the claimed status, which the record of a run in dispute no longer has."""
    return run.status if run.claim is None else run.claim.status


def _claimed_bound(run: Record) -> int | None:
    return run.bound if run.claim is None else run.claim.bound


def _claim(run: Record) -> str:
    bound = _claimed_bound(run)
    return _claimed(run) if bound is None else f"the bound {bound}"


def _who(run: Record) -> str:
    return f"{run.solver} (seed {run.seed})"


def _name(run: Record) -> tuple[str, int, str]:
    return run.solver, run.seed, run.key


def _rank(run: Record) -> tuple[int, str, int]:
    return run.cost or 0, run.solver, run.seed


def _by_instance(records: Sequence[Record]) -> dict[str, list[int]]:
    """Return the places of each instance's records."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, run in enumerate(records):
        groups[run.sha256].append(place)
    return groups
