"""Charts of comparisons: mean gaps with intervals, and performance profiles."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from opt_istn.pictures import canvas
from opt_istn.pictures.canvas import NORMAL, PAGE_IN, SMALL, label
from opt_istn.report import statistics
from opt_istn.report.groups import Series, charged_s, every_series, is_solved
from opt_istn.runs.ledger import Record

EXACT, HEURISTIC = "#0072b2", "#e69f00"  # Okabe and Ito's blue and orange; far apart in grey too
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
PANELS = 12  # groups drawn; more would be a poster
WIDE = 30.0  # largest mean gap over smallest, from where the axis is logarithmic beyond its start


def gap_chart(every: Sequence[Series], seed: int = 0) -> Figure:
    """Return bars of the mean gap per solver with 95 % bootstrap intervals, a panel per group."""
    groups: dict[str, list[Series]] = {}
    for series in every:
        groups.setdefault(series.group, []).append(series)
    left_out = len(groups) - PANELS
    groups = dict(list(groups.items())[:PANELS])
    heights = [len(own) + 1.2 for own in groups.values()] or [1.0]
    figure = Figure(figsize=(PAGE_IN, 0.17 * sum(heights) + 0.45), layout="constrained")
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    for axis, (group, own) in zip(panels, groups.items(), strict=False):
        _gap_panel(axis, own, seed)
        axis.set_title(label(group), fontsize=NORMAL, loc="left", pad=3)
    more = f" ({left_out} more groups are not shown)" if left_out > 0 else ""
    words = f"mean gap to the best proven bound (%), 95 % interval{more}"
    panels[-1].set_xlabel(words, fontsize=NORMAL)
    return figure


def _gap_panel(axis: Axes, own: Sequence[Series], seed: int) -> None:
    means = [None if s.mean_gap is None else 100 * s.mean_gap for s in own]
    edges = [_interval(series, seed) for series in own]
    top = max((high for _, high in filter(None, edges)), default=0.0)
    top = max([top, *(mean for mean in means if mean is not None)])
    _scale(axis, [mean for mean in means if mean], top)
    for place, (series, mean, edge) in enumerate(zip(own, means, edges, strict=True)):
        colour = EXACT if series.exact else HEURISTIC
        if mean is not None:
            axis.barh(place, mean, height=0.62, color=colour)
        if edge:
            axis.plot(edge, [place, place], color="black", lw=1.0, solid_capstyle="butt")
        text, at = _said(series, mean), max(mean or 0.0, edge[1] if edge else 0.0)
        axis.annotate(
            text, (at, place), (4, 0), textcoords="offset points", va="center", fontsize=SMALL
        )
    names = [series.label.removeprefix(f"{series.runs[0].problem}.") for series in own]
    axis.set_yticks(range(len(own)), [label(name, 40) for name in names], fontsize=SMALL)
    axis.tick_params(axis="x", labelsize=SMALL, length=2)
    axis.tick_params(axis="y", length=0)
    axis.invert_yaxis()
    axis.spines[["top", "right"]].set_visible(False)


def _scale(axis: Axes, means: Sequence[float], top: float) -> None:
    """Leave room for the numbers; go logarithmic if one bar would dwarf the others."""
    if means and max(means) > WIDE * min(means):
        axis.set_xscale("symlog", linthresh=1.0, linscale=0.6)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_xlim(0, top * 10 ** (0.15 * (math.log10(top) + 0.6)))
    else:
        axis.set_xlim(0, top * 1.25 or 1.0)


def _interval(series: Series, seed: int) -> tuple[float, float] | None:
    found = statistics.bootstrap_interval(series.units, seed)
    return (100 * found.low, 100 * found.high) if found else None


def _said(series: Series, mean: float | None) -> str:
    """Return the number at a bar, and how many runs it leaves out."""
    counted = sum(map(len, series.gaps.values()))
    missing = len(series.runs) - counted
    without = f" ({missing} of {len(series.runs)} runs without)" if missing else ""
    return ("no gap" if mean is None else f"{mean:.2f}") + without


def profile_chart(every: Sequence[Series]) -> Figure:
    """Return two panels: the profile of solving times, and the share of runs within each gap."""
    figure = Figure(figsize=(PAGE_IN, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    labels = list(dict.fromkeys(series.label for series in every))
    styles = {name: _style(place) for place, name in enumerate(labels)}
    _times(left, every, styles)
    _gaps(right, every, styles)
    for axis in (left, right):
        axis.set_ylim(-0.02, 1.04)
        axis.tick_params(labelsize=SMALL, length=2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, lw=0.5)
    told = {s.label: s.label.removeprefix(f"{s.runs[0].problem}.") for s in every}
    if len({series.runs[0].problem for series in every}) > 1:
        told = {name: name for name in labels}
    handles = [right.plot([], [], label=label(told[x], 40), **styles[x])[0] for x in labels]
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=4, fontsize=SMALL, frameon=False
        )
    return figure


def _style(place: int) -> dict[str, Any]:
    dash = DASHES[(place + place // len(LINES)) % len(DASHES)]
    return {"color": LINES[place % len(LINES)], "ls": dash, "lw": 1.3}


def solving_times(every: Sequence[Series]) -> dict[str, list[float]]:
    """Return per solver its seconds on each instance; infinite where its outcome is not proven.

    Several runs on one instance count with their median, in which unsolved ones are infinite.
    """
    instances = sorted({run.sha256 for series in every for run in series.runs})
    seconds: dict[str, dict[str, list[float]]] = {}
    for series in every:
        own = seconds.setdefault(series.label, {})
        for run in series.runs:
            solved = is_solved(run, series.known[run.sha256])
            value = charged_s(run) if solved else None
            own.setdefault(run.sha256, []).append(math.inf if value is None else value)
    return {
        name: [
            sorted(own[key])[len(own[key]) // 2] if key in own else math.inf for key in instances
        ]
        for name, own in seconds.items()
    }


def _times(axis: Axes, every: Sequence[Series], styles: Mapping[str, dict[str, Any]]) -> None:
    profiles = statistics.performance_profile(solving_times(every))
    largest = max((tau[-1] for tau, _ in profiles.values() if len(tau)), default=1.0)
    end = max(2.0, 1.5 * float(largest))
    for name, (tau, rho) in profiles.items():
        steps = np.concatenate([[1.0], tau, [end]]), np.concatenate([[0.0], rho, [0.0]])
        steps[1][-1] = steps[1][-2]
        axis.plot(*steps, drawstyle="steps-post", **styles[name])
    axis.set_xscale("log")
    axis.set_xlim(1.0, end)
    axis.set_xlabel("time to the proven outcome / fastest", fontsize=NORMAL)
    axis.set_ylabel("share of instances / runs", fontsize=NORMAL)


def _gaps(axis: Axes, every: Sequence[Series], styles: Mapping[str, dict[str, Any]]) -> None:
    found: dict[str, list[float]] = {}
    runs: dict[str, int] = {}
    for series in every:
        found.setdefault(series.label, []).extend(x for own in series.gaps.values() for x in own)
        runs[series.label] = runs.get(series.label, 0) + len(series.runs)
    largest = max((100 * max(own) for own in found.values() if own), default=1.0)
    for name, own in found.items():
        x, counts = np.unique(100 * np.array(own), return_counts=True)
        share = np.cumsum(counts) / runs[name]
        x, share = np.concatenate([[0.0], x]), np.concatenate([[0.0], share])
        x, share = np.append(x, 2 * largest + 1), np.append(share, share[-1])
        axis.plot(x, share, drawstyle="steps-post", **styles[name])
    axis.set_xscale("symlog", linthresh=1.0, linscale=0.6)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_xlim(0, 1.3 * largest + 1)
    axis.set_xlabel("gap at most (%)", fontsize=NORMAL)


def gap_bars(records: Iterable[Record], path: str | Path, seed: int = 0) -> None:
    """Draw each solver's mean gap with its 95 % bootstrap interval, a panel per group."""
    canvas.suffix(path)
    canvas.save(gap_chart(every_series(records), seed), path)


def performance_profile_figure(records: Iterable[Record], path: str | Path) -> None:
    """Draw Dolan and More's profile of solving times, and the share of runs within each gap."""
    canvas.suffix(path)
    canvas.save(profile_chart(every_series(records)), path)
