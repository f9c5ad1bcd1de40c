"""The gap of a policy from every START, as a map."""

import statistics
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from opt_istn.jutap.instance import Instance
from opt_istn.jutap.starts import FULL, Judged


def starts_figure(
    instance: Instance, flown: Sequence[Judged], reference: str = FULL, solver: str = ""
) -> Figure:
    """Draw the gap from every START as a map, the mean over seeds; a miss of END is a cross.

    Parameters
    ----------
    flown
        The flights of each seed, from the same STARTs, with the costs that gaps are against.
    reference
        What those costs are, in words.
    solver
        Whose flights they are, for the title.
    """
    n, cell = instance.grid, flown[0].cell
    reached = np.array([judged.reached for judged in flown])  # (seeds, starts)
    gaps = np.ma.masked_array([judged.gap for judged in flown], ~reached)
    gap = np.full(n * n, np.nan)
    gap[cell] = 100 * gaps.mean(axis=0).filled(np.nan)
    figure = Figure(figsize=(5.0, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("0.9")
    top = max(float(np.nanmax(gap, initial=0.0)), 0.1)
    image = axes.imshow(gap.reshape(n, n), origin="lower", cmap="magma_r", vmin=0, vmax=top)
    _marks(axes, instance, cell[~reached.all(axis=0)], len(flown))
    figure.colorbar(image, label=f"gap from this START in %\nof {reference}")
    axes.set_title(_title(flown, solver), fontsize=10, wrap=True, parse_math=False)
    axes.set_xlabel("column")
    axes.set_ylabel("row")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def _marks(axes: Axes, instance: Instance, lost: np.ndarray, seeds: int) -> None:
    n = instance.grid
    if lost.size:
        misses = "END is missed" + (" by a seed" if seeds > 1 else "")
        axes.scatter(lost % n, lost // n, marker="x", color="C3", s=14, lw=1, label=misses)
    end = instance.end
    axes.scatter(end % n, end // n, marker="*", color="C2", s=110, zorder=3, label="END")


def _title(flown: Sequence[Judged], solver: str) -> str:
    seeds = f"mean of {len(flown)} seeds" if len(flown) > 1 else ""
    share = statistics.fmean(judged.success for judged in flown)
    found = f"{share:.1%} of {len(flown[0].cell)} STARTs reach END"
    if all(judged.reached.any() for judged in flown):
        mean = statistics.fmean(judged.reached_gap for judged in flown)
        found += f", their mean gap {mean:.2%}"
    return "\n".join(filter(None, (", ".join(filter(None, (solver, seeds))), found)))
