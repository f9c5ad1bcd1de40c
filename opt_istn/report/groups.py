"""Records in the series that tables and figures show: a solver's runs on a group of instances."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from opt_istn.audit import InstanceSummary, audited, gap, summarise
from opt_istn.files import InputError
from opt_istn.record import Record
from opt_istn.report.statistics import mean
from opt_istn.solver import Status

By = Literal["group", "instance"]
MAX_COST = 10**18  # beyond it a cost is nonsense


@dataclass(frozen=True)
class Incident:
    """Runs of one solver in one group that went wrong for one reason.

    Parameters
    ----------
    group, solver
        Where it happened.
    kind
        How the runs failed (crashed, refuted, time ...), or their status.
    reason
        In words.
    instances
        Names of the instances.
    """

    group: str
    solver: str
    kind: str
    reason: str
    instances: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """The runs of one solver, with one set of parameters, on one group of instances.

    Parameters
    ----------
    group
        Preset with its changed parameters, or the instance's name.
    label
        Solver id with its parameters.
    runs
        The runs, contradictions settled.
    known
        What all runs together say of each instance, by hash.
    """

    group: str
    label: str
    runs: tuple[Record, ...]
    known: dict[str, InstanceSummary]

    @property
    def failed(self) -> list[Record]:
        """Runs that crashed, were killed, or claimed what is refuted."""
        return [run for run in self.runs if run.status == Status.FAILED]

    @property
    def planned(self) -> list[Record]:
        """Runs with a feasible plan."""
        return [run for run in self.runs if run.cost is not None and run.status != Status.FAILED]

    @property
    def proved(self) -> list[Record]:
        """Runs that prove their answer themselves."""
        decided = (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED)
        return [run for run in self.runs if run.status in decided]

    @property
    def solved(self) -> list[Record]:
        """Runs whose plan is optimal, whoever proved it, or who prove that there is none."""
        return [run for run in self.runs if self._settled(run)]

    @property
    def certified(self) -> list[Record]:
        """Solved runs on instances whose answer has two independent proofs."""
        return [run for run in self.solved if self.known[run.sha256].certified]

    @property
    def exact(self) -> bool:
        """Whether the solver proved something in this group."""
        return bool(self.proved)

    @property
    def seconds(self) -> list[float]:
        """Wall-clock seconds of the runs that were measured."""
        return [run.wall_s for run in self.runs if run.wall_s is not None]

    @cached_property
    def gaps(self) -> dict[str, list[float]]:
        """Gaps of the plans to the best proven bound, by instance."""
        found: dict[str, list[float]] = defaultdict(list)
        for run in self.planned:
            value = gap(run.cost, self.known[run.sha256].best_bound)
            if value is not None:
                found[run.sha256].append(value)
        return dict(found)

    @property
    def units(self) -> list[float]:
        """Mean gap of each instance, in the order of first runs: what intervals resample."""
        return [sum(values) / len(values) for values in self.gaps.values()]

    @property
    def mean_gap(self) -> float | None:
        """Mean over the instances."""
        return mean(self.units)

    def _settled(self, run: Record) -> bool:
        if run.status == Status.FAILED:
            return False
        known = self.known[run.sha256]
        if known.status == Status.OPTIMAL:
            return run.cost == known.best_cost
        return run.status == known.status and run in self.proved


def label(run: Record) -> str:
    """Return the solver's id with its parameters."""
    settings = ",".join(f"{key}={value}" for key, value in sorted(run.parameters.items()))
    return f"{run.solver}({settings})" if settings else run.solver


def every_series(records: Iterable[Record], by: By = "group") -> list[Series]:
    """Return the series of records, by group in order of appearance; exact solvers first.

    Raises
    ------
    InputError
        If a record holds a cost that cannot be one.
    """
    runs = audited(records)
    for run in runs:
        for name, value in (("cost", run.cost), ("bound", run.bound)):
            if value is not None and abs(value) > MAX_COST:
                raise InputError(name, f"expected an integer within +-{MAX_COST}, found {value}")
    known = {item.sha256: item for item in summarise(runs)}
    found: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        found[_group(run) if by == "group" else run.instance][label(run)].append(run)
    return [
        series
        for group, solvers in found.items()
        for series in sorted(
            (Series(group, name, tuple(mine), known) for name, mine in solvers.items()), key=_rank
        )
    ]


def headline(every: Sequence[Series]) -> str:
    """Return in one line how many instances are settled and how."""
    runs = [run for series in every for run in series.runs]
    known = {run.sha256: series.known[run.sha256] for series in every for run in series.runs}
    decided = (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED)
    certified = sum(item.certified for item in known.values())
    alone = sum(item.status in decided and not item.certified for item in known.values())
    failed = sum(run.status == Status.FAILED for run in runs)
    return (
        f"{len(known)} instances: {certified} certified (two independent proofs), "
        f"{alone} optimal by one proof, {len(known) - certified - alone} open; "
        f"{len(runs)} runs, {failed} failed"
    )


def failures(every: Iterable[Series]) -> tuple[Incident, ...]:
    """Return the failed runs, those with the same reason together."""
    return _incidents((series, run) for series in every for run in series.failed)


def without_plan(every: Iterable[Series]) -> tuple[Incident, ...]:
    """Return the runs that came back without a plan or a proof that there is none."""
    empty = (Status.NO_PLAN, Status.BOUND_ONLY)
    return _incidents(
        (series, run) for series in every for run in series.runs if run.status in empty
    )


def _incidents(runs: Iterable[tuple[Series, Record]]) -> tuple[Incident, ...]:
    found: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for series, run in runs:
        reason = run.error or "; ".join(run.violations) or run.status
        kind = str(run.failure or run.status)
        found[series.group, series.label, kind, reason].append(run.instance)
    return tuple(Incident(*key, tuple(names)) for key, names in found.items())


def _group(run: Record) -> str:
    if run.source.preset is None:
        return run.instance
    changed = ",".join(f"{key}={value}" for key, value in sorted(run.source.overrides.items()))
    return f"{run.source.preset}({changed})" if changed else run.source.preset


def _rank(series: Series) -> tuple[bool, float, str]:
    gap_or_worst = float("inf") if series.mean_gap is None else series.mean_gap
    return not series.exact, gap_or_worst, series.label
