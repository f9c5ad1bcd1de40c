"""The gap of a policy from every START, as a map."""

import numpy as np
from matplotlib.figure import Figure

from opt_istn.jutap.instance import Instance
from opt_istn.jutap.starts import FULL, Judged


def starts_figure(instance: Instance, judged: Judged, reference: str = FULL) -> Figure:
    """Draw the gap from every START as a map; flights that miss END are crosses.

    Parameters
    ----------
    judged
        The flights, with the costs that their gaps are against.
    reference
        What those costs are, in words.
    """
    n = instance.grid
    gap = np.full(n * n, np.nan)
    gap[judged.cell] = 100 * np.where(judged.reached, judged.gap, np.nan)
    figure = Figure(figsize=(5.0, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("0.9")
    top = max(float(np.nanmax(gap, initial=0.0)), 0.1)
    image = axes.imshow(gap.reshape(n, n), origin="lower", cmap="magma_r", vmin=0, vmax=top)
    lost = judged.cell[~judged.reached]
    axes.scatter(lost % n, lost // n, marker="x", color="C3", s=14, lw=1)
    axes.scatter(instance.end % n, instance.end // n, marker="*", color="C2", s=110, zorder=3)
    figure.colorbar(image, label=f"gap from this START in %\nof {reference}")
    share = f"{judged.success:.1%} of {len(judged.cell)} STARTs reach END"
    mean = f", their mean gap {judged.reached_gap:.2%}" if judged.reached.any() else ""
    axes.set_title(share + mean, fontsize=10)
    axes.set_xlabel("column")
    axes.set_ylabel("row")
    return figure
