"""What training brought an agent, from records: its runs against those of its untrained network.

An agent's runs tell how long it was trained and whether its curve came to a plateau (`Steps`). The
same agent played with ``weights=untrained`` is its *twin*. The status is derived:

``undertrained``
    a seed's training had not come to a plateau;
``plateau``
    all had, and the twin is not among the records;
``no gain``
    all had, and the interval of what is gained over the twin is not above 0: with a few seeds, of
    which tables show the range, that of Student's t;
``trained``
    all had, and it is;
``untrained``
    of the twin itself.
"""

from collections.abc import Sequence
from typing import Any

from opt_istn.report.numbers import intervals
from opt_istn.report.numbers.aggregates import Sample, Series
from opt_istn.report.numbers.intervals import Interval, Method

PLATEAU = "plateau"  # status of `Steps` of a training that came to its plateau
UNTRAINED = "untrained"
GAIN = 0.01  # of the saving; a single number that has no interval has to be that much above 0
_WEIGHTS = "weights"
_BLANK = ("training", "training_seeds", "plateaus", "rollouts", "gradient_steps")


def row_of(
    series: Series, twin: Series | None, gained: Sample | None, interval: Interval | None
) -> Any:
    """Return status, seeds, plateaus, and the fewest rollouts and steps of any seed.

    Parameters
    ----------
    twin, gained
        The untrained network's runs, and what is gained over it run by run.
    interval
        Of the gain's mean, None if it has none.
    """
    row: dict[str, Any] = dict.fromkeys(_BLANK)
    told = {run.seed: run.steps for run in series.runs if run.steps is not None}
    if series.kind != "agent" or not told:
        return row
    reached = sum(steps.status == PLATEAU for steps in told.values())
    row["training_seeds"] = len(told)  # an agent without a file a seed runs with one seed only
    for name in ("rollouts", "gradient_steps"):
        counts = [getattr(steps, name) for steps in told.values()]
        row[name] = None if None in counts else min(counts)
    if untrained(series):
        return row | {"training": UNTRAINED}
    row["plateaus"] = reached
    return row | {"training": _status(reached == len(told), twin, gained, interval)}


def untrained(series: Series) -> bool:
    """Return whether these are the runs of an untrained network."""
    return series.runs[0].parameters.get(_WEIGHTS) == UNTRAINED


def twin_of(series: Series, every: Sequence[Series]) -> Series | None:
    """Return the runs of the same agent untrained, on the same instances."""
    if series.kind != "agent" or untrained(series):
        return None
    for other in every:
        same = (other.group, _identity(other)) == (series.group, _identity(series))
        if same and untrained(other) and not (other.missing or series.missing):
            return other
    return None


def _identity(series: Series) -> tuple[str, dict[str, Any]]:
    run = series.runs[0]
    return run.solver, {k: v for k, v in run.parameters.items() if k != _WEIGHTS}


def _status(
    plateau: bool, twin: Series | None, gained: Sample | None, interval: Interval | None
) -> str:
    if not plateau:
        return "undertrained"
    if twin is None or gained is None or gained.mean is None:
        return PLATEAU
    if interval is None:
        return "trained" if gained.mean >= GAIN else "no gain"
    ranged = interval.method == Method.RANGE
    low = intervals.student(gained.units)[1] if ranged else interval.low
    return "trained" if low > 0 else "no gain"
