"""What is said before any numbers: runs that failed or came back empty-handed, and the headline."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opt_istn.report.numbers.aggregates import SETTLED, Series
from opt_istn.runs.audit import Standing
from opt_istn.runs.ledger import Record
from opt_istn.solver import Status


@dataclass(frozen=True)
class Incident:
    """Runs of one solver in one group that ended alike, without the result one wants.

    Parameters
    ----------
    group, solver
        Where.
    kind
        Kind of failure, or status.
    reason
        First line of the text that tells why.
    instances
        Names of the instances with the seeds, one per run.
    """

    group: str
    solver: str
    kind: str
    reason: str
    instances: tuple[str, ...]


def failures(every: Iterable[Series]) -> tuple[Incident, ...]:
    """Return the failed runs, like ones together."""
    return _incidents([(s, run, run.failure or run.status) for s in every for run in s.failed])


def without_plan(every: Iterable[Series]) -> tuple[Incident, ...]:
    """Return the runs that neither failed nor have a plan, though none is proven not to exist."""
    runs = [(series, run) for series in every for run in series.runs]
    return _incidents([(own, run, run.status) for own, run in runs if _has_none(run)])


def _has_none(run: Record) -> bool:
    """Return whether a run that did not fail has neither a plan nor a proof that there is none."""
    return run.cost is None and run.status not in (Status.FAILED, *SETTLED)


def reason_of(run: Record) -> str:
    """Return in one line why a run failed or has no plan."""
    text = run.error or "; ".join(run.violations)
    return next((line for line in text.splitlines() if line.strip()), "no reason given")


def _incidents(found: Sequence[tuple[Series, Record, str]]) -> tuple[Incident, ...]:
    alike: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    first = {run.key: series for series, run, _ in reversed(found)}
    for series, run, kind in found:
        if first[run.key] is not series:  # told where its instance came up first
            continue
        key = (series.group, series.label, str(kind), reason_of(run))
        alike[key].append(f"{run.instance} seed {run.seed}")
    return tuple(Incident(*key, tuple(runs)) for key, runs in alike.items())


def disputes(every: Iterable[Series]) -> tuple[str, ...]:
    """Return a line about every claim that another contradicts where no plan decides."""
    known = {key: series.known[key].summary for series in every for key in series.instances}
    return tuple(line for summary in known.values() for line in summary.disputes)


def headline(every: Sequence[Series]) -> str:
    """Return one line: what the instances' outcomes rest on; runs and failures."""
    runs = {id(run): run for series in every for run in series.runs}  # one may be in two groups
    known = {key: series.known[key].summary for series in every for key in series.instances}
    failed = sum(run.status == Status.FAILED for run in runs.values())
    without = sum(map(_has_none, runs.values()))
    count = Counter(summary.standing for summary in known.values())
    plural = "" if len(known) == 1 else "s"
    disputed = count[Standing.DISPUTED]
    return (
        f"{len(known)} instance{plural}: {count[Standing.CERTIFIED]} certified, "
        f"{count[Standing.AGREED]} agreed (two different cores), "
        f"{count[Standing.CLAIMED]} claimed (one core, or another's solver), "
        f"{count[Standing.BOUNDED] + count[Standing.OPEN]} bounded or open"
        + (f", {disputed} disputed" if disputed else "")
        + f"; {len(runs)} runs, {failed} failed"
        + (f", {without} without a plan" if without else "")
    )
