"""How soon runs get how near: the share of targets reached by a time, as COCO draws it.

A target is a gap to the best plan known of an instance, and a pair of a run and a target is reached
when the run's incumbent is that near (Hansen et al. 2021, COCO). When an incumbent was found is the
solver's own word, in the trace of its record, or what was reported while it ran. The plan at a
run's end is judged, and no earlier incumbent counts for more than that plan.
"""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from opt_istn.pictures.canvas import NORMAL, PAGE_IN, SMALL, label
from opt_istn.report import charts
from opt_istn.report.numbers import profiles, statistics
from opt_istn.report.numbers.aggregates import Series
from opt_istn.report.numbers.profiles import Field
from opt_istn.runs.ledger import Failure, Record

FloatArray = NDArray[np.float64]

TARGETS = (*np.logspace(0, -4, 41).tolist()[1:], 0.0)  # primal gaps; 10 for each power of ten
CAPTION = (
    "Share of targets reached by a time: for every run, 41 gaps to the best plan known of its "
    "instance, from 80 % to 0.01 % in equal steps of the logarithm, and that plan itself. Times of "
    "incumbents are the solvers' own words; runs that were killed or crashed count with what they "
    "had reported."
)


def reached(run: Record, best: int) -> list[float]:
    """Return when a run reached each of `TARGETS`, in seconds; infinite where it did not.

    Parameters
    ----------
    best
        Cost of the best plan known of its instance.
    """
    end = math.inf if run.seconds is None else run.seconds
    believed = run.failure != Failure.REFUTED
    rows = statistics.incumbents(run.trace, run.cost, end) if believed else []
    gaps = [(s, statistics.primal_gap(cost, best)) for s, cost in rows]
    return [min((s for s, gap in gaps if gap <= target), default=math.inf) for target in TARGETS]


def curves(field: Field) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return times and the share of targets that each solver has reached by then.

    Several runs on an instance count as one: the mean of their shares.
    """
    found = {}
    for name, own in field.runs.items():
        times, weights = list[float](), list[float]()
        for sha256, runs in own.items():
            best = field.known[sha256].summary.best_cost
            if best is None:
                continue
            for run in runs:
                at = reached(run, best)
                times += at
                weights += [1 / (len(runs) * len(at))] * len(at)
        total = math.fsum(weights)
        order = np.argsort(times, kind="stable")
        there = np.isfinite(np.array(times)[order])
        share = np.cumsum(np.array(weights)[order]) / (total or 1.0)
        found[name] = np.array(times)[order][there], share[there]
    return found


def anytime_chart(every: Sequence[Series]) -> Figure:
    """Return a panel a problem: the share of targets that each solver has reached by a time."""
    told = [field for field in profiles.fields(every) if field.runs]
    figure = Figure(figsize=(PAGE_IN, 2.9 * max(len(told), 1)), layout="constrained")
    for axis, field in zip(
        figure.subplots(max(len(told), 1), 1, squeeze=False).ravel(), told, strict=False
    ):
        found, styles = curves(field), charts.styles_of(field)
        finite = [s for at, _ in found.values() for s in at.tolist() if s > 0]
        begin, end = min(finite, default=1.0) / 2, max(finite, default=1.0) * 2
        for name, (at, share) in found.items():
            last = share[-1] if len(share) else 0.0
            x = np.concatenate([[begin], np.maximum(at, begin), [end]])
            y = np.concatenate([[0.0], share, [last]])
            shown = label(name.removeprefix(f"{field.problem}."), 40)
            axis.plot(x, y, drawstyle="steps-post", label=shown, **styles[name])
        charts.logarithmic(axis, begin, end)
        axis.set(ylim=(-0.02, 1.04))
        axis.set_xlabel(f"{field.problem}: seconds", fontsize=NORMAL)
        axis.set_ylabel("share of targets", fontsize=NORMAL)
        axis.tick_params(labelsize=SMALL, length=2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, lw=0.5)
        axis.legend(fontsize=SMALL, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
