"""Charts of the papers' figures: ours, what is proven, and lines for what is printed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from opt_istn.pictures.canvas import COLUMN_IN, NORMAL, SMALL, label
from opt_istn.report.charts import LINES

if TYPE_CHECKING:
    from opt_istn.papers.jutap import Panel

WINDOW = 100  # episodes of a running mean
BAND = 0.10  # of the whole rise, within which a curve has settled
PAPER: dict[str, Any] = {"color": "#cc1111", "lw": 1.1, "ls": (0, (4, 2))}
Curve = tuple[Sequence[float], Sequence[float]]  # x and y


def settles(returns: Sequence[float]) -> int | None:
    """Return the first episode from which the running mean stays near where it ends.

    Near is within `BAND` of the whole rise, from the lowest to the last value. None if that is in
    the second half of the curve only.
    """
    if len(returns) < 2 * WINDOW:
        return None
    means = np.convolve(returns, np.full(WINDOW, 1 / WINDOW), mode="valid")
    end = float(means[-max(len(means) // 10, 1) :].mean())
    rise = end - float(means.min())
    far = np.flatnonzero(np.abs(means - end) > BAND * rise)
    first = 0 if not len(far) else int(far[-1]) + 1
    return first if first < len(means) / 2 else None


def returns_figure(returns: Sequence[float], best: float, printed: int) -> Figure:
    """Return the running mean of returns, the optimum's as a line, and where the paper's settle."""
    figure = Figure(figsize=(COLUMN_IN, 2.6))
    axis = figure.add_axes((0.19, 0.165, 0.78, 0.80))
    width = max(min(WINDOW, len(returns) // 10), 1)
    means = np.convolve(returns, np.full(width, 1 / width), mode="valid")
    episode = np.arange(len(means)) + width
    axis.plot(episode, means, color=LINES[0], lw=0.9, label=f"agent, mean of {width} episodes")
    axis.axhline(best, color="black", lw=1.0, label=f"optimum, proven: {best:.2f}")
    axis.axvline(printed, **PAPER, label=f"paper: stable from about {printed}")
    low = float(np.quantile(means, 0.02))
    axis.set_ylim(low - 0.05 * (best - low), best + 0.08 * (best - low))
    axis.set_xlabel("episode", fontsize=NORMAL)
    axis.set_ylabel("return, reward (6)-(7)", fontsize=NORMAL)
    axis.tick_params(labelsize=SMALL)
    axis.legend(fontsize=SMALL, frameon=False, loc="lower right")
    return figure


def numbers_figure(
    samples: Mapping[tuple[str, str, str], Sequence[float]],
    panels: "Sequence[Panel]",
    names: Mapping[str, str],
) -> Figure:
    """Return for each printed number the values on our maps as dots, and the paper's as a line.

    Parameters
    ----------
    samples
        Values by panel, who flies, and quantity.
    """
    asked = [(panel, value) for panel in panels for value in panel.values]
    who = list(dict.fromkeys(key[1] for key in samples))
    pitch = 0.36 + 0.15 * len(who)
    height = 0.3 + pitch * len(asked)
    figure = Figure(figsize=(COLUMN_IN, height))
    for i, (panel, value) in enumerate(asked):
        bottom = 1 - (pitch * (i + 1) - 0.2) / height
        axis = figure.add_axes((0.33, bottom, 0.64, 0.15 * len(who) / height))
        for k, name in enumerate(who):
            found = np.array(samples.get((panel.name, name, value.what), ()))
            values, counts = np.unique(np.round(found, 2), return_counts=True)
            sizes = 2 + 60 * counts / max(len(found), 1)
            axis.scatter(values, np.full(len(values), k), s=sizes, color=LINES[k % len(LINES)],
                         alpha=0.6, lw=0)  # fmt: skip
        axis.axvline(value.value, **PAPER)
        axis.set_ylim(len(who) - 0.4, -0.6)
        axis.set_yticks(range(len(who)), [label(name, 24) for name in who], fontsize=SMALL - 1)
        axis.tick_params(axis="x", labelsize=SMALL - 1, length=2, pad=1)
        axis.tick_params(axis="y", length=0)
        axis.margins(x=0.06)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=value.what == "holes"))
        told = f"{panel.name}: {names[value.what]}, paper {value.value:g}"
        axis.set_title(told, fontsize=SMALL, loc="left", pad=2)
    note = "dots: our maps, larger where more of them agree; dashed: printed"
    figure.text(0.02, 0.05 / height, note, fontsize=SMALL)
    return figure


def lines_figure(
    curves: Mapping[str, Curve],
    across: str,
    up: str,
    printed: Mapping[str, float] | None = None,
) -> Figure:
    """Return curves over x, with horizontal lines for what is printed."""
    entries = len(curves) + len(printed or {})
    foot = 0.15 * ((entries + 1) // 2) + 0.1
    height = 2.5 + foot
    figure = Figure(figsize=(COLUMN_IN, height))
    axis = figure.add_axes((0.17, (0.42 + foot) / height, 0.79, 2.0 / height))
    for i, (name, (x, y)) in enumerate(curves.items()):
        colour = LINES[i % len(LINES)]
        axis.plot(x, y, color=colour, marker="osD^v<>p"[i % 8], ms=3, lw=1, label=name)
    for name, value in (printed or {}).items():
        axis.axhline(value, **PAPER, label=name)
    axis.set_ylim(bottom=0)
    axis.set_xlabel(across, fontsize=NORMAL)
    axis.set_ylabel(up, fontsize=NORMAL)
    axis.tick_params(labelsize=SMALL)
    figure.legend(loc="lower left", ncols=2, fontsize=SMALL, frameon=False, columnspacing=1.0)
    return figure


def bars_figure(bars: Mapping[str, float], printed: Mapping[str, float], up: str) -> Figure:
    """Return bars of ours, and below them what is printed of the paper's agents."""
    names = [*bars, *(f"paper: {name}" for name in printed)]
    values = [*bars.values(), *printed.values()]
    height = 0.6 + 0.2 * len(names)
    figure = Figure(figsize=(COLUMN_IN, height))
    axis = figure.add_axes((0.46, 0.42 / height, 0.49, (height - 0.5) / height))
    colours = [LINES[0]] * len(bars) + ["#cc1111"] * len(printed)
    axis.barh(range(len(names)), values, color=colours, height=0.7)
    for place, value in enumerate(values):
        axis.annotate(f"{value:.3g}", (value, place), (3, 0), textcoords="offset points",
                      va="center", fontsize=SMALL)  # fmt: skip
    axis.set_yticks(range(len(names)), [label(name, 30) for name in names], fontsize=SMALL)
    axis.tick_params(labelsize=SMALL, length=2)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.25 * max(values, default=1.0))
    axis.set_xlabel(up, fontsize=NORMAL)
    return figure
