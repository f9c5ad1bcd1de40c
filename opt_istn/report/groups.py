"""Records sorted into what is compared: groups of like instances, and each solver's runs there."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import msgspec

from opt_istn.files import InputError
from opt_istn.report import statistics
from opt_istn.runs import audit
from opt_istn.runs.audit import InstanceSummary
from opt_istn.runs.ledger import Record
from opt_istn.solver import Status

By = Literal["group", "instance"]
MAX_COST = 2**63  # costs and bounds beyond are no problem's; floats are safe below
SETTLED = (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED)


@dataclass(frozen=True)
class Series:
    """All runs of one solver in one group.

    Parameters
    ----------
    group, label
        Names of the group, and of the solver with whatever sets it apart from its other variants.
    runs
        Audited records, in their order.
    known
        What is known of each instance, by hash.
    """

    group: str
    label: str
    runs: tuple[Record, ...]
    known: Mapping[str, InstanceSummary]

    @cached_property
    def failed(self) -> list[Record]:
        """Runs that crashed, were killed or are refuted."""
        return [run for run in self.runs if run.status == Status.FAILED]

    @cached_property
    def planned(self) -> list[Record]:
        """Runs with a feasible plan that did not fail."""
        return [run for run in self.runs if run.cost is not None and run.status != Status.FAILED]

    @cached_property
    def proved(self) -> list[Record]:
        """Runs that proved their outcome themselves."""
        return [run for run in self.runs if run.status in SETTLED]

    @cached_property
    def solved(self) -> list[Record]:
        """Runs whose outcome is the instance's proven one, whoever proved it."""
        return [run for run in self.runs if is_solved(run, self.known[run.sha256])]

    @cached_property
    def certified(self) -> list[Record]:
        """Solved runs whose outcome has two independent proofs."""
        return [run for run in self.solved if self.known[run.sha256].certified]

    @cached_property
    def gaps(self) -> dict[str, list[float]]:
        """Gaps to the best proven bound, of runs with a plan where there is one, by instance."""
        found: dict[str, list[float]] = defaultdict(list)
        for run in self.planned:
            value = audit.gap(run.cost, self.known[run.sha256].best_bound)
            if value is not None:
                found[run.sha256].append(value)
        return dict(sorted(found.items()))  # one order for all solvers, so that resamples pair up

    @cached_property
    def units(self) -> list[float]:
        """Gaps of what intervals resample: mean by instance, or runs if there is one instance."""
        if len(self.gaps) == 1:
            return next(iter(self.gaps.values()))
        return [sum(values) / len(values) for values in self.gaps.values()]

    @property
    def bound_gaps(self) -> list[float]:
        """Gaps of the best cost known to the bounds that the runs themselves proved."""
        found = (audit.gap(self.known[run.sha256].best_cost, run.bound) for run in self.runs)
        return [value for value in found if value is not None]

    @property
    def savings(self) -> list[float]:
        """(no push - cost) / (no push - best bound) of PUSH plans: 1 is optimal, 0 is no push."""
        found = []
        for run in self.planned:
            base, bound = run.terms.get("no_push_us"), self.known[run.sha256].best_bound
            if isinstance(base, int) and bound is not None and base > bound:
                found.append((base - (run.cost or 0)) / (base - bound))
        return found

    @property
    def mean_gap(self) -> float | None:
        """Mean of `units`."""
        return statistics.mean(self.units)

    @property
    def seconds(self) -> list[float]:
        """Time of every run; one that failed is charged its time limit if it had one."""
        return [value for value in map(charged_s, self.runs) if value is not None]

    @property
    def exact(self) -> bool:
        """Whether most runs that did not fail proved their outcome."""
        return 2 * len(self.proved) > len(self.runs) - len(self.failed)


def is_solved(run: Record, known: InstanceSummary) -> bool:
    """Return whether a run's outcome is the proven one of its instance."""
    if run.status == Status.FAILED:
        return False
    if known.status == Status.OPTIMAL:
        return run.cost == known.best_cost
    return known.status in SETTLED and run.status == known.status


def charged_s(run: Record) -> float | None:
    """Return the seconds a run counts for; None if they were not measured."""
    if run.status == Status.FAILED and run.limits.time_s is not None:
        return max(run.limits.time_s, run.wall_s or 0.0)
    return run.wall_s


def every_series(records: Iterable[Record], by: By = "group") -> list[Series]:
    """Return all series: groups in order of first appearance, exact solvers first, then by gap.

    Raises
    ------
    InputError
        If a record's cost or bound is too large to be one.
    """
    runs = audit.audited(_checked(list(records)))
    known = {summary.sha256: summary for summary in audit.summarise(runs)}
    label = _labels(runs)
    name = group_name if by == "group" else _instance_names(runs)
    groups: dict[tuple[str, str], dict[str, list[Record]]]
    groups = defaultdict(lambda: defaultdict(list))
    for run in runs:
        groups[run.problem, name(run)][label(run)].append(run)
    return [
        series
        for (_, group), solvers in groups.items()
        for series in sorted(
            (Series(group, text, tuple(own), known) for text, own in solvers.items()), key=_rank
        )
    ]


def group_name(run: Record) -> str:
    """Return the name of the instances a run's instance is grouped with.

    The preset with its overrides; for other instances the name up to a trailing ``/seed``.
    """
    source = run.source
    if source.preset is None:
        return re.sub(r"/(seed)?[-=_ ]?\d+$", "", run.instance) or run.problem
    changes = ", ".join(f"{key}={value}" for key, value in sorted(source.overrides.items()))
    return f"{source.preset} ({changes})" if changes else source.preset


def _instance_names(runs: Sequence[Record]) -> Callable[[Record], str]:
    """Return how instances are called: by their names, with the hash where names are shared."""
    hashes = defaultdict(set)
    for run in runs:
        hashes[run.instance].add(run.sha256)

    def name(run: Record) -> str:
        unique = len(hashes[run.instance]) == 1 and run.instance
        return run.instance if unique else f"{run.instance} {run.sha256[:8]}".strip()

    return name


def _labels(runs: Sequence[Record]) -> Callable[[Record], str]:
    """Return how solvers are called: by their ids, with the settings in which variants differ."""
    variants: dict[str, dict[bytes, dict[str, Any]]] = defaultdict(dict)
    for run in runs:
        settings = _settings(run)
        variants[run.solver][_encoded(settings)] = settings
    differing = {
        solver: {
            name
            for name in {name for one in settings.values() for name in one}
            if len({_encoded(one.get(name)) for one in settings.values()}) > 1
        }
        for solver, settings in variants.items()
    }

    def label(run: Record) -> str:
        own = _settings(run)
        words = [f"{name}={own[name]}" for name in own if name in differing[run.solver]]
        return f"{run.solver} ({', '.join(words)})" if words else run.solver

    return label


def _settings(run: Record) -> dict[str, Any]:
    limits = {key: value for key, value in msgspec.structs.asdict(run.limits).items() if value}
    named = {f"limit {key}" if key in run.parameters else key: x for key, x in limits.items()}
    return dict(sorted(run.parameters.items())) | named


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _rank(series: Series) -> tuple[bool, float, float, str]:
    proven = -len(series.proved) / len(series.runs) if series.exact else 0.0
    mean = series.mean_gap
    return not series.exact, proven, float("inf") if mean is None else mean, series.label


def _checked(runs: list[Record]) -> list[Record]:
    for run in runs:
        traced = (value for _, cost, bound in run.trace for value in (cost, bound))
        for value in (run.cost, run.bound, *traced):
            if value is not None and abs(value) >= MAX_COST:
                expected = f"expected cost and bound within +-2^63 ({run.solver}, seed {run.seed})"
                raise InputError("cost", expected, run.instance)
    return runs
