"""What the runs of one solver in one group of instances amount to."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from opt_istn import problems
from opt_istn.report.numbers import intervals, statistics
from opt_istn.report.numbers.intervals import Interval
from opt_istn.runs.audit import InstanceSummary
from opt_istn.runs.ledger import Record
from opt_istn.solver import Status

SETTLED = (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED)
Measure = Callable[[int, "Known"], float | None]  # of a cost, in what is known of its instance


@dataclass(frozen=True)
class Known:
    """What all records say together of an instance.

    Parameters
    ----------
    summary
        Best cost and bound, and what they establish.
    reference
        Cost that savings are counted from, in the problem's integer unit; None if no record has it.
    """

    summary: InstanceSummary
    reference: int | None


def relative(cost: int, known: Known) -> float | None:
    """Return the relative gap of a cost to the best proven bound of its instance."""
    bound = known.summary.best_bound
    return None if bound is None else statistics.relative_gap(cost, bound, known.reference)


def left(cost: int, known: Known) -> float | None:
    """Return the most of the saving that a cost can leave: that to the best proven bound."""
    bound, reference = known.summary.best_bound, known.reference
    if bound is None or reference is None:
        return None
    return statistics.saving_left(cost, bound, reference)


def left_at_least(cost: int, known: Known) -> float | None:
    """Return the least of the saving that a cost leaves: that to the best plan known."""
    best, reference = known.summary.best_cost, known.reference
    if best is None or reference is None or left(cost, known) is None:
        return None
    return statistics.saving_left(cost, best, reference) or 0.0


@dataclass(frozen=True)
class Sample:
    """A measure of one solver's runs, by instance and seed.

    Parameters
    ----------
    values
        By instance hash and solver seed.
    """

    values: Mapping[str, Mapping[int, float]]

    @property
    def means(self) -> list[float]:
        """Means over seeds, by instance."""
        return [math.fsum(own.values()) / len(own) for own in self.values.values()]

    @property
    def mean(self) -> float | None:
        """Mean over instances of the mean over seeds."""
        return statistics.mean(self.means)

    @property
    def interquartile_mean(self) -> float | None:
        """Mean over instances of the interquartile mean over seeds; None with three or fewer."""
        every = [statistics.interquartile_mean(list(own.values())) for own in self.values.values()]
        found = [value for value in every if value is not None]
        return statistics.mean(found) if len(found) == len(every) else None

    @cached_property
    def table(self) -> NDArray[np.float64] | None:
        """Values by instance and seed; None if the instances were run with different seeds.

        One run on each instance makes one column, whatever the seeds are.
        """
        rows = [dict(sorted(own.items())) for own in self.values.values()]
        same = all(len(own) == 1 for own in rows) or len({tuple(own) for own in rows}) == 1
        return np.array([list(own.values()) for own in rows]) if rows and same else None

    @property
    def units(self) -> list[float]:
        """What the interval is over: means of instances, or of seeds where they are fewer."""
        return self.means if self.table is None else intervals.units(self.table).tolist()

    def interval(
        self, seed: int, least: float = -math.inf, most: float = math.inf
    ) -> Interval | None:
        """Return the interval of `mean`; the range of the instances' means if there is no table.

        Parameters
        ----------
        seed
            Of the bootstrap.
        least, most
            What values can be: a mean is not beyond, whatever the bootstrap of a few uneven values
            says.
        """
        if self.table is not None:
            found = intervals.two_way(self.table, seed)
            largest = float(self.table.max(initial=most))  # other than `most` in a false record
            return found.within(least, largest) if found else None
        means = self.means
        if len(means) < 2:
            return None
        return Interval(min(means), max(means), intervals.Method.RANGE, len(means))

    def minus(self, other: "Sample") -> "Sample":
        """Return the differences run by run, on instances that both have.

        Runs are paired by seed as far as both have the same ones, else in the order of their seeds:
        independent seeds may be paired in any way, and what is left over has no pair. Where one of
        the two ran once, all runs of the other are told from that one.
        """
        found: dict[str, dict[int, float]] = {}
        for sha256, own in self.values.items():
            theirs = other.values.get(sha256)
            if theirs:
                found[sha256] = {key: one - two for key, one, two in _pairs(own, theirs)}
        return Sample(found)

    def on(self, instances: Sequence[str]) -> "Sample":
        """Return the part on some instances."""
        wanted = frozenset(instances)
        return Sample({key: own for key, own in self.values.items() if key in wanted})


def _pairs(
    own: Mapping[int, float], other: Mapping[int, float]
) -> Iterator[tuple[int, float, float]]:
    """Yield a seed, a value and the other's value for each pair of runs on an instance."""
    if len(own) == 1 or len(other) == 1:
        (first, *_), (second, *_) = own.values(), other.values()
        for seed in other if len(own) == 1 < len(other) else own:
            yield seed, own.get(seed, first), other.get(seed, second)
        return
    shared = sorted(own.keys() & other.keys())
    ours, theirs = (shared, shared) if len(shared) > 1 else (sorted(own), sorted(other))
    for one, two in zip(ours, theirs, strict=False):  # what is left over has no pair
        yield one, own[one], other[two]


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
    instances
        Hashes of all instances of the group.
    whole
        Name of the group that this one is a part of, and how many instances that has; None if this
        one is whole.
    """

    group: str
    label: str
    runs: tuple[Record, ...]
    known: Mapping[str, Known]
    instances: tuple[str, ...]
    whole: tuple[str, int] | None = None

    @cached_property
    def covered(self) -> frozenset[str]:
        """Instances on which there is a run."""
        return frozenset(run.sha256 for run in self.runs)

    @cached_property
    def missing(self) -> list[str]:
        """Instances of the group without a run."""
        return [key for key in self.instances if key not in self.covered]

    @property
    def exact(self) -> bool:
        """Whether the solver declares itself to be an exact method."""
        return self.kind == "exact"

    @property
    def kind(self) -> str:
        """What the solver declares itself to be, empty if it does not."""
        return next((run.kind for run in self.runs if run.kind), "")

    @property
    def knows(self) -> str:
        """What the solver declares to know when it decides."""
        return next((run.knows for run in self.runs if run.knows), "")

    @property
    def certifies(self) -> bool:
        """Whether these are records of certificates rather than runs of a solver."""
        return all(run.certificate for run in self.runs)

    @cached_property
    def failed(self) -> list[Record]:
        """Runs that crashed, were killed or are refuted."""
        return [run for run in self.runs if run.status == Status.FAILED]

    @cached_property
    def planned(self) -> list[Record]:
        """Runs with a feasible plan that did not fail."""
        return [run for run in self.runs if has_plan(run)]

    @cached_property
    def proved(self) -> list[Record]:
        """Runs that proved their outcome themselves."""
        return [run for run in self.runs if run.status in SETTLED]

    @cached_property
    def solved(self) -> list[Record]:
        """Runs whose outcome is the instance's proven one, whoever proved it."""
        return [run for run in self.runs if is_solved(run, self.known[run.sha256].summary)]

    @cached_property
    def empty(self) -> list[Record]:
        """Runs without a plan, on instances that are not proven to have none."""
        known = self.known
        return [
            run
            for run in self.runs
            if not has_plan(run) and not is_solved(run, known[run.sha256].summary)
        ]

    @property
    def answered(self) -> float:
        """Share of runs that have a plan, or whose proven outcome is that there is none to have."""
        return (len(self.runs) - len(self.empty)) / len(self.runs)

    @property
    def charged(self) -> int:
        """Number of runs without a plan that are charged the reference."""
        return sum(not has_plan(run) for run, _, _ in self._charged)

    @cached_property
    def agreed(self) -> list[Record]:
        """Solved runs whose outcome two different engine cores, or a certificate, stand behind."""
        return [run for run in self.solved if self.known[run.sha256].summary.agreed]

    @property
    def gaps(self) -> Sample:
        """Relative gaps to the best proven bound, failures charged the reference cost."""
        return self._sample(relative)

    @cached_property
    def left(self) -> Sample:
        """Parts of the saving left at most, failures charged the reference cost."""
        return self._sample(left)

    @property
    def most_left(self) -> float:
        """The largest part that can be left: all of it where no plan costs more than that."""
        return 1.0 if problems.reference_is_worst(self.runs[0].problem) else math.inf

    @property
    def left_at_least(self) -> Sample:
        """Parts of the saving left at least: with the best plan known for the optimum."""
        return self._sample(left_at_least)

    @cached_property
    def chief(self) -> Sample:
        """What solvers are ranked by: `left` if the group's instances have it, else `gaps`."""
        return self.left if self.saves else self.gaps

    @property
    def most(self) -> float:
        """The largest value that `chief` can have."""
        return self.most_left if self.saves else math.inf

    @cached_property
    def saves(self) -> bool:
        """Whether there is anything to save on an instance of the group, as far as is known."""
        return any(_has_saving(self.known[key]) for key in self.instances)

    @cached_property
    def left_out(self) -> dict[str, float]:
        """Differences of the mean cost to the bound, on instances where it makes no gap."""
        found: dict[str, list[int]] = {}
        for run, cost, known in self._charged:
            bound = known.summary.best_bound
            if bound is not None and relative(cost, known) is None:
                found.setdefault(run.sha256, []).append(cost - bound)
        return {key: math.fsum(own) / len(own) for key, own in found.items()}

    @property
    def mean_cost(self) -> float | None:
        """Mean over all runs, failures charged the reference cost; None if that is not known."""
        costs = [cost for _, cost, _ in self._charged]
        return math.fsum(costs) / len(costs) if len(costs) == len(self.runs) else None

    @property
    def bound_gaps(self) -> list[float]:
        """Gaps of the best cost known to the bounds that the runs themselves proved."""
        found = []
        for run in self.runs:
            known = self.known[run.sha256]
            if run.bound is not None and known.summary.best_cost is not None:
                best, reference = known.summary.best_cost, known.reference
                found.append(statistics.relative_gap(best, run.bound, reference))
        return [value for value in found if value is not None]

    @property
    def seconds(self) -> list[float]:
        """Time of every run; infinite for one that failed."""
        return [value for value in map(charged_s, self.runs) if value is not None]

    @cached_property
    def _charged(self) -> list[tuple[Record, int, Known]]:
        """The runs with their costs; without a plan it is the reference, if that is known."""
        found = []
        for run in self.runs:
            known = self.known[run.sha256]
            if run.cost is not None and run.status != Status.FAILED:
                found.append((run, run.cost, known))
            elif known.reference is not None and known.summary.status != Status.INFEASIBLE:
                found.append((run, known.reference, known))
        return found

    def _sample(self, measure: Measure) -> Sample:
        found: dict[str, dict[int, float]] = {}
        for run, cost, known in self._charged:
            value = measure(cost, known)
            if value is not None:
                found.setdefault(run.sha256, {})[run.seed] = value
        return Sample(dict(sorted(found.items())))  # one order for all, so that resamples pair up


def has_plan(run: Record) -> bool:
    """Return whether a run ended with a feasible plan and did not fail."""
    return run.cost is not None and run.status != Status.FAILED


def is_solved(run: Record, known: InstanceSummary) -> bool:
    """Return whether a run's outcome is the proven one of its instance."""
    if run.status == Status.FAILED:
        return False
    if known.status == Status.OPTIMAL:
        return run.cost == known.best_cost
    return known.status in SETTLED and run.status == known.status


def charged_s(run: Record) -> float | None:
    """Return the seconds a run counts for: infinite if it failed, None if not measured."""
    return math.inf if run.status == Status.FAILED else run.seconds


def _has_saving(known: Known) -> bool:
    bound = known.summary.best_bound
    return known.reference is not None and bound is not None and known.reference > bound
