"""What profiles are drawn from: each solver's times on the instances that all of them ran on."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from opt_istn.report.numbers import statistics
from opt_istn.report.numbers.aggregates import (
    SETTLED,
    Known,
    Series,
    charged_s,
    has_plan,
    is_solved,
    left,
)
from opt_istn.report.numbers.aggregates import relative as relative_gap
from opt_istn.runs.ledger import Record


@dataclass(frozen=True)
class Field:
    """The solvers of a problem that can be compared, on the instances that they share.

    Parameters
    ----------
    problem
        Its name.
    runs
        By label of the solver and hash of the instance; all solvers have the same instances.
    left_out
        Labels of the solvers that ran on fewer than half of the problem's instances.
    known
        What is known of each instance, by hash.
    """

    problem: str
    runs: Mapping[str, Mapping[str, Sequence[Record]]]
    left_out: tuple[str, ...]
    known: Mapping[str, Known]

    @property
    def instances(self) -> list[str]:
        """Hashes of the instances that all solvers share."""
        return list(next(iter(self.runs.values()), {}))

    def times(self) -> dict[str, list[float]]:
        """Return the seconds of each solver on each instance, infinite where it got nowhere.

        An exact method gets there by a proof of its own, any other by a plan whose cost is the
        proven optimum. Several runs on an instance count with their median.
        """
        return {label: self._times(own) for label, own in self.runs.items()}

    def proof_times(self) -> dict[str, list[float]]:
        """Return `times` of the exact methods alone."""
        exact = {x: own for x, own in self.runs.items() if _is_exact(next(iter(own.values())))}
        return {label: self._times(own) for label, own in exact.items()}

    def shares(self) -> dict[str, tuple[list[float], int]]:
        """Return what plans leave of the saving (else their gaps) in percent, and all runs' number.

        Runs without a plan, or on an instance where it means nothing, have no value.
        """
        measure = self.measure
        return {
            label: (
                [
                    100 * value
                    for sha256, runs in own.items()
                    for run in runs
                    if has_plan(run) and run.cost is not None
                    if (value := measure(run.cost, self.known[sha256])) is not None
                ],
                sum(map(len, own.values())),
            )
            for label, own in self.runs.items()
        }

    @property
    def measure(self) -> Callable[[int, Known], float | None]:
        """What plans are measured by: the saving left, if all instances have a reference."""
        told = all(self.known[key].reference is not None for key in self.instances)
        return left if told else relative_gap

    def _times(self, own: Mapping[str, Sequence[Record]]) -> list[float]:
        middle = (statistics.median([self._time(run) for run in runs]) for runs in own.values())
        return [math.inf if value is None else value for value in middle]

    def _time(self, run: Record) -> float:
        proved = run.status in SETTLED
        there = proved if _is_exact([run]) else is_solved(run, self.known[run.sha256].summary)
        seconds = charged_s(run) if there else None
        return math.inf if seconds is None else seconds


def fields(every: Sequence[Series]) -> list[Field]:
    """Return the solvers and instances to compare, problem by problem.

    Solvers that ran on fewer than half of a problem's instances are left out; the instances are
    those on which all others ran.
    """
    runs: dict[str, dict[str, dict[str, dict[str, Record]]]]
    runs = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for series in every:
        for run in series.runs:  # a run can be in several groups
            runs[run.problem][series.label][run.sha256][run.key] = run
    known = {key: one for series in every for key, one in series.known.items()}
    found = []
    for problem, solvers in runs.items():
        total = len({key for own in solvers.values() for key in own})
        kept = {label: own for label, own in solvers.items() if 2 * len(own) >= total}
        common = sorted(set.intersection(*(set(own) for own in kept.values())) if kept else ())
        shared = {
            label: {key: list(own[key].values()) for key in common} for label, own in kept.items()
        }
        out = tuple(label for label in solvers if label not in kept)
        found.append(Field(problem, shared if common else {}, out, known))
    return found


def _is_exact(runs: Sequence[Record]) -> bool:
    return any(run.kind == "exact" for run in runs)
