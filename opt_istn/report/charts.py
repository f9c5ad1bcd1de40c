"""Charts of comparisons: what is left with intervals, and profiles on common instances."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from opt_istn.pictures.canvas import NORMAL, PAGE_IN, SMALL, label
from opt_istn.report.numbers import profiles, statistics
from opt_istn.report.numbers.aggregates import Series, relative
from opt_istn.report.numbers.intervals import Method
from opt_istn.report.numbers.profiles import Field

FloatArray = NDArray[np.float64]

COLOURS = {  # Okabe and Ito's; blue and orange are far apart in grey, too
    "exact": "#0072b2",
    "heuristic": "#e69f00",
    "policy": "#56b4e9",
    "agent": "#d55e00",
    "": "#999999",
}
KINDS = {  # what a solver declares: the colour's name, and what it stands for
    "exact": ("Blue", "exact"),
    "heuristic": ("orange", "heuristic"),
    "policy": ("light blue", "policy"),
    "agent": ("red", "agent"),
    "": ("grey", "not declared"),
}
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
OTHERS: dict[str, Any] = {"color": "#cccccc", "ls": "-", "lw": 0.6}
STANDING_OUT = 8  # curves that can be told apart
PANELS = 12  # groups drawn; more would be a poster
SAVING = "saving left (%; 0: best proven bound, 100: reference)"
RELATIVE = "gap to the best proven bound (% of the bound)"
LOG = "axis linear up to 1, logarithmic beyond"
WIDE = 30.0  # largest mean gap over smallest, from where the axis is logarithmic beyond its start


def gap_chart(every: Sequence[Series], seed: int = 0) -> Figure:
    """Return bars of what is left of the saving (else of the gap), a panel per group.

    With 95 % intervals, thin where they are only the range of the units.
    """
    groups: dict[str, list[Series]] = {}
    for series in every:
        groups.setdefault(series.group, []).append(series)
    left_out = len(groups) - PANELS
    groups = dict(list(groups.items())[:PANELS])
    heights = [len(own) + 1.6 for own in groups.values()] or [1.0]
    figure = Figure(figsize=(PAGE_IN, 0.19 * sum(heights) + 0.3), layout="constrained")
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    for axis, (group, own) in zip(panels, groups.items(), strict=False):
        scale = _gap_panel(axis, own, seed)
        measure = SAVING if own[0].chief is own[0].left else RELATIVE
        axis.set_title(label(group), fontsize=NORMAL, loc="left", pad=3)
        axis.set_xlabel(f"{measure} \N{EN DASH} {scale}", fontsize=SMALL, labelpad=1)
    if left_out > 0:
        figure.supxlabel(f"{left_out} more groups are not shown", fontsize=SMALL)
    return figure


def _gap_panel(axis: Axes, own: Sequence[Series], seed: int) -> str:
    """Draw a group's bars and return what scale they have."""
    means = [None if s.missing or s.chief.mean is None else 100 * s.chief.mean for s in own]
    edges = [None if s.missing else s.chief.interval(seed, 0.0, s.most) for s in own]
    top = max((100 * edge.high for edge in edges if edge), default=0.0)
    top = max([top, *(mean for mean in means if mean is not None)])
    scale = _scale(axis, [mean for mean in means if mean and mean > 0], top)
    for place, (series, mean, edge) in enumerate(zip(own, means, edges, strict=True)):
        if mean is not None:
            axis.barh(place, mean, height=0.62, color=COLOURS[series.kind])
        if edge:
            thick = 0.5 if edge.method == Method.RANGE else 1.2
            ends = [100 * edge.low, 100 * edge.high]
            axis.plot(ends, [place, place], color="black", lw=thick, solid_capstyle="butt")
        text, at = _said(series, mean), max(mean or 0.0, 100 * edge.high if edge else 0.0)
        axis.annotate(
            text, (at, place), (4, 0), textcoords="offset points", va="center", fontsize=SMALL
        )
    names = [series.label.removeprefix(f"{series.runs[0].problem}.") for series in own]
    axis.set_yticks(range(len(own)), [label(name, 40) for name in names], fontsize=SMALL)
    axis.tick_params(axis="x", labelsize=SMALL, length=2)
    axis.tick_params(axis="y", length=0)
    axis.invert_yaxis()
    axis.spines[["top", "right"]].set_visible(False)
    return scale


def _scale(axis: Axes, means: Sequence[float], top: float) -> str:
    """Leave room for the numbers; go logarithmic if one bar would dwarf the others."""
    if means and max(means) > WIDE * min(means):
        axis.set_xscale("symlog", linthresh=1.0, linscale=0.6)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_xlim(0, top * 10 ** (0.15 * (math.log10(top) + 0.6)))
        return LOG
    axis.set_xlim(0, top * 1.25 or 1.0)
    return "linear axis"


def _said(series: Series, mean: float | None) -> str:
    """Return the number at a bar, and what it does not tell of."""
    if series.missing:
        return f"misses {len(series.missing)} of {len(series.instances)} instances"
    without = len(series.runs) - len(series.planned)
    told = f" ({without} of {len(series.runs)} runs without a plan)" if without else ""
    return ("no gap" if mean is None else f"{mean:.2f}") + told


def profile_chart(every: Sequence[Series]) -> Figure:
    """Return a row a problem: profile, times, share within each gap, on common instances."""
    told = [field for field in profiles.fields(every) if field.runs]
    figure = Figure(figsize=(PAGE_IN, 2.7 * max(len(told), 1)), layout="constrained")
    if told:
        parts = figure.subfigures(len(told), 1, squeeze=False).ravel()
        for part, field in zip(parts, told, strict=True):
            _profile_row(part, field)
    return figure


def _profile_row(figure: FigureBase, field: Field) -> None:
    figure.suptitle(field.problem.upper(), fontsize=NORMAL, x=0.01, ha="left")
    axes = figure.subplots(1, 3, sharey=True)
    times, shares = field.times(), field.shares()
    styles = styles_of(field)
    _profile(axes[0], field.proof_times(), styles)
    _times(axes[1], times, styles)
    _shares(axes[2], shares, styles)
    measured = "gap at most (% of the bound)"
    if field.measure is not relative:
        measured = "saving left at most (% of the reference's)"
    axes[2].set_xlabel(f"{measured}\n{LOG}", fontsize=SMALL)
    for axis in axes:
        axis.set_ylim(-0.02, 1.04)
        axis.tick_params(labelsize=SMALL, length=2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, lw=0.5)
    named = [name for name, style in styles.items() if style is not OTHERS]
    handles = [
        axes[2].plot([], [], label=label(x.removeprefix(f"{field.problem}."), 40), **styles[x])[0]
        for x in named
    ]
    if len(named) < len(styles):
        text = f"{len(styles) - len(named)} others"
        handles += axes[2].plot([], [], label=text, **OTHERS)
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=4, fontsize=SMALL, frameon=False
        )


def styles_of(field: Field) -> dict[str, dict[str, Any]]:
    """Return how curves look: the best `STANDING_OUT` stand out, all others are grey."""
    times, shares = field.times(), field.shares()

    def rank(name: str) -> tuple[float, float, float]:
        values, runs = shares[name]
        solved = sum(map(math.isfinite, times[name])) / max(len(times[name]), 1)
        return -solved, -len(values) / runs, sum(values) / len(values) if values else math.inf

    order = sorted(times, key=rank)
    return {
        name: {"color": LINES[place], "ls": DASHES[place % len(DASHES)], "lw": 1.3}
        if place < STANDING_OUT
        else OTHERS
        for place, name in enumerate(order)
    }


def _profile(
    axis: Axes, times: Mapping[str, Sequence[float]], styles: Mapping[str, dict[str, Any]]
) -> None:
    curves = statistics.performance_profile(times)
    ratios = [x for tau, _ in curves.values() for x in tau.tolist() if math.isfinite(x)]
    end = max(2.0, 1.5 * max(ratios, default=1.0))
    for name, (tau, rho) in curves.items():
        _step(axis, 1.0, tau, rho, end, styles[name])
    logarithmic(axis, 1.0, end)
    axis.set_xlabel("time to a proof / fastest exact method's\nlogarithmic axis", fontsize=SMALL)
    axis.set_ylabel("share of instances / runs", fontsize=NORMAL)


def _times(
    axis: Axes, times: Mapping[str, Sequence[float]], styles: Mapping[str, dict[str, Any]]
) -> None:
    finite = [x for own in times.values() for x in own if 0 < x < math.inf]
    begin, end = min(finite, default=1.0) / 2, max(finite, default=1.0) * 2
    for name, own in times.items():
        _step(axis, begin, *statistics.solved_within(own), end, styles[name])
    logarithmic(axis, begin, end)
    axis.set_xlabel("wall time to the optimum (s)\nlogarithmic axis", fontsize=SMALL)


def _shares(
    axis: Axes,
    shares: Mapping[str, tuple[Sequence[float], int]],
    styles: Mapping[str, dict[str, Any]],
) -> None:
    largest = max((max(own) for own, _ in shares.values() if own), default=1.0)
    end = 1.3 * max(largest, 0.0) + 1
    for name, (own, runs) in shares.items():
        x, counts = np.unique(np.array(own), return_counts=True)
        _step(axis, 0.0, x, np.cumsum(counts) / runs, end, styles[name])
    axis.set_xscale("symlog", linthresh=1.0, linscale=0.6)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlim(0, end)


def logarithmic(axis: Axes, begin: float, end: float) -> None:
    """Make x logarithmic from `begin` to `end`, with a handful of plain numbers beside it.

    Matplotlib labels every 2, 3, 4 and 6 of a short range, one over the other in a narrow panel.
    """
    decades = math.log10(end / begin)
    subs = (1.0,) if decades > 2 else (1.0, 3.0)
    near = decades < 1
    axis.set_xscale("log")
    axis.set_xlim(begin, end)
    axis.xaxis.set_major_locator(MaxNLocator(3) if near else LogLocator(subs=subs, numticks=5))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def _step(
    axis: Axes,
    begin: float,
    at: FloatArray,
    share: FloatArray,
    end: float,
    style: Mapping[str, Any],
) -> None:
    """Draw a distribution function from 0 at `begin` to its last value at `end`."""
    last = share[-1] if len(share) else 0.0
    x = np.concatenate([[begin], at, [end]])
    y = np.concatenate([[0.0], share, [last]])
    axis.plot(x, y, drawstyle="steps-post", zorder=1 if style is OTHERS else 2, **style)
