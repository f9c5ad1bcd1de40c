"""Figures of what there is to choose from: fronts, tables over all STARTs, maps of weights."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Polygon
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.frontier import NO_FLIGHT, Front, Region, StartTable, WeightMap, Weights
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.pictures.canvas import COLUMN_IN, NORMAL, SMALL, label
from opt_istn.pictures.jutap import raster

UNIT = 1e6  # costs are drawn in units of the objective, energies in kJ
NAMED = 12  # regions of weights that get a number and a line of the legend
LISTED = 8  # points of a front that get a number and a line below it
LINE_IN, PANEL_IN = 0.125, 1.62  # height of a line of text, and of a map with its title
PAPER_WEIGHTS = {"Fig. 3": (0.4, 0.2, 0.4), "4a": (0.2, 0.6, 0.2), "4b": (0.6, 0.2, 0.2)}
GREY, LINE = "#bbbbbb", "#446688"


def front_figure(front: Front) -> Figure:
    """Return the front as a staircase: what the cheapest plan costs under each energy budget."""
    points = front.points
    listed = points[:LISTED]
    foot = 0.1 + LINE_IN * (len(listed) + (len(points) > LISTED))
    height = 2.5 + foot
    figure = Figure(figsize=(COLUMN_IN, height))
    axis = figure.add_axes((0.155, (0.42 + foot) / height, 0.815, 1.8 / height))
    axis.set_xlabel("energy budget (kJ)", fontsize=NORMAL)
    axis.set_ylabel("cost of the optimum", fontsize=NORMAL)
    axis.tick_params(labelsize=SMALL)
    axis.set_title(label(front.instance.name, 50), fontsize=NORMAL, pad=4)
    if not points:
        axis.text(0.5, 0.5, "no plan keeps the budget", transform=axis.transAxes, ha="center")
        return figure
    energy = np.array([point.energy_mj for point in points]) / UNIT
    cost = np.array([point.cost for point in points]) / UNIT
    margin = 0.12 * max(float(energy[-1] - energy[0]), 0.02 * float(energy[0]), 1e-6)
    stairs = [*energy, energy[-1] + margin], [*cost, cost[-1]]
    axis.plot(*stairs, drawstyle="steps-post", color=LINE, lw=1.2)
    axis.plot(energy, cost, "o", color=LINE, ms=3.5)
    axis.axvspan(energy[0] - margin, energy[0], color=GREY, alpha=0.5, lw=0)
    axis.set_xlim(energy[0] - margin, energy[-1] + margin)
    axis.margins(y=0.12)
    for i, (x, y) in enumerate(zip(energy, cost, strict=True)):
        if i < LISTED:
            axis.annotate(
                str(i + 1), (x, y), xytext=(4, 3), textcoords="offset points", fontsize=SMALL
            )
    lines = [f"{i + 1}: {_flown(front.instance, point.plan)}" for i, point in enumerate(listed)]
    if len(points) > LISTED:
        lines.append(f"and {len(points) - LISTED} more")
    figure.text(0.03, 0.06 / height, "\n".join(lines), fontsize=SMALL, va="bottom")
    return figure


def starts_figure(found: StartTable, names: Sequence[str]) -> Figure:
    """Return maps of all STARTs: the cost under the last budget, and what the others cost more.

    Parameters
    ----------
    names
        The values of kappa, one a budget.
    """
    height = 0.3 + PANEL_IN * math.ceil(len(names) / 2)
    figure = Figure(figsize=(COLUMN_IN, height))
    cost = np.where(found.cost == NO_FLIGHT, np.nan, found.cost / UNIT)
    last = len(names) - 1
    images = {}
    for k, name in enumerate(names):
        row, column = divmod(k, 2)
        top = height - PANEL_IN * row - 0.2
        place = (0.03 + 0.41 * column, (top - 1.37) / height, 1.37 / COLUMN_IN, 1.37 / height)
        axis = figure.add_axes(place)
        values = cost[:, k] if k == last else cost[:, k] - cost[:, last]
        others = cost[:, :last] - cost[:, last:]
        shades = ("viridis", cost[:, last]) if k == last else ("YlOrBr", others)
        images[k == last] = _start_map(axis, found, values, *shades)
        budget = "no budget" if name == "none" else f"\N{GREEK SMALL LETTER KAPPA} = {name}"
        lost = int(np.isnan(cost[found.cells, k]).sum())
        what = f"{budget}: cost" if k == last else f"{budget}: more"
        axis.set_title(what + (f", {lost} lost" if lost else ""), fontsize=SMALL, pad=3)
    for i, (of_cost, image) in enumerate(sorted(images.items())):
        tall = (height - 0.6) / (2 * height)
        bar = figure.add_axes((0.855, 0.3 / height + (1 - i) * (tall + 0.02), 0.03, tall - 0.04))
        figure.colorbar(image, cax=bar)
        bar.tick_params(labelsize=SMALL, length=2, pad=1)
        bar.set_title("cost" if of_cost else "more", fontsize=SMALL, pad=3)
    note = "every cell as START, the square is END; grey: no plan"
    figure.text(0.03, 0.07 / height, note, fontsize=SMALL)
    return figure


def _start_map(
    axis: Axes,
    found: StartTable,
    values: NDArray[np.float64],
    shades: str,
    scale: NDArray[np.float64],
) -> AxesImage:
    known = scale[np.isfinite(scale)]
    high = float(known.max()) if len(known) else 1.0
    colours = colormaps[shades].with_extremes(bad=GREY)
    size = found.instance.grid
    drawn = axis.imshow(
        values.reshape(size, size), origin="lower", cmap=colours,
        vmin=min(0.0, float(known.min(initial=0.0))), vmax=high if high > 0 else 1.0,
    )  # fmt: skip
    axis.set_xticks([])
    axis.set_yticks([])
    up, right = divmod(found.instance.end, size)
    axis.plot(right, up, "s", color="white", mec="black", ms=4, clip_on=False)
    return drawn


def weights_figure(found: WeightMap) -> Figure:
    """Return the triangle of weights, a polygon for each plan that is optimal somewhere in it."""
    named = found.regions[:NAMED]
    height = 3.05 + 0.145 * (len(named) + (len(found.regions) > NAMED))
    figure = Figure(figsize=(COLUMN_IN, height))
    axis = figure.add_axes((0.02, 1 - 2.98 / height, 0.96, 2.95 / height))
    axis.set_aspect("equal")
    axis.axis("off")
    axis.set_xlim(-0.12, 1.12)
    axis.set_ylim(-0.1, 0.95)
    for i, region in enumerate(found.regions):
        corners = np.array([_place(corner) for corner in region.corners])
        colour = raster.PALETTE[i % len(raster.PALETTE)] if i < NAMED else GREY
        axis.add_patch(Polygon(corners, closed=True, fc=colour, ec="black", lw=0.4))
        if i < NAMED and region.share > 0.005:
            _write(axis, str(i + 1), corners.mean(axis=0))
    for name, weights in PAPER_WEIGHTS.items():
        at = _place(weights)
        axis.plot(*at, "+", color="black", ms=5, mew=1.0)
        _write(axis, name, (at[0] + 0.015, at[1] + 0.03), ha="left", size=5.5)
    for text, at, ha in (
        ("$w_1 = 1$: energy", (0.0, -0.06), "left"),
        ("$w_2 = 1$: handovers", (1.0, -0.06), "right"),
        ("$w_3 = 1$: holes", (0.5, 0.89), "center"),
    ):
        axis.text(*at, text, ha=ha, fontsize=NORMAL)
    handles = [
        Patch(fc=raster.PALETTE[i], ec="black", lw=0.4, label=_described(found, region, i))
        for i, region in enumerate(named)
    ]
    if len(found.regions) > NAMED:
        rest = sum(float(region.share) for region in found.regions[NAMED:])
        more = f"{len(found.regions) - NAMED} more plans, {100 * rest:.1f} %"
        handles.append(Patch(fc=GREY, ec="black", lw=0.4, label=more))
    figure.legend(handles=handles, loc="lower left", fontsize=SMALL, frameon=False,
                  borderaxespad=0.2, labelspacing=0.25)  # fmt: skip
    return figure


def _place(weights: Weights | tuple[float, float, float]) -> tuple[float, float]:
    """Return where weights lie in the triangle with w1 left, w2 right and w3 on top."""
    _, w2, w3 = map(float, weights)
    return w2 + w3 / 2, w3 * math.sqrt(3) / 2


def _write(
    axis: Axes,
    text: str,
    at: "NDArray[np.float64] | tuple[float, float]",
    ha: str = "center",
    size: float = SMALL,
) -> None:
    shown = axis.text(float(at[0]), float(at[1]), text, fontsize=size, ha=ha, va="center")
    shown.set_path_effects([Stroke(linewidth=1.5, foreground="white"), Normal()])


def _described(found: WeightMap, region: Region, number: int) -> str:
    flown = _flown(found.instance, region.plan)
    return f"{number + 1}: {flown}, {100 * float(region.share):.1f} %"


def _flown(instance: Instance, plan: Plan) -> str:
    judged = evaluate(instance, plan)
    holes = f"{judged.holes} hole{'' if judged.holes == 1 else 's'}"
    eta = "" if judged.handover is None else f", handover {judged.handover:g}"
    return f"{judged.length_m:.0f} m{eta}, {holes}"
