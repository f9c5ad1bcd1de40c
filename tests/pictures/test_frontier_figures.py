"""Figures of fronts, tables over STARTs and maps of weights: all there, within the sheet."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from formulations.jutap.frontier import pareto, starts
from formulations.jutap.weights import weights
from opt_istn.jutap.frontier import Front
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.pictures.jutap import frontier


def is_whole(figure: Figure) -> bool:
    """Return whether all that is drawn lies on the sheet."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box, (width, height) = figure.get_tightbbox(canvas.get_renderer()), figure.get_size_inches()
    edge = 0.01
    return bool(
        box.x0 >= -edge and box.y0 >= -edge and box.x1 <= width + edge and box.y1 <= height + edge
    )


@pytest.mark.parametrize("preset", ["jutap-paper", "jutap-paper-v2", "jutap-tiny-k1.02"])
def test_nothing_of_a_front_is_cut_off(preset: str) -> None:
    """Each point has its number and its line; more than a few are counted."""
    parameters = {"w1": 0.01, "w2": 0.98, "w3": 0.01} if preset == "jutap-paper-v2" else {}
    front = pareto(generate(replace(PRESETS[preset], **parameters), 0))
    figure = frontier.front_figure(front)
    assert is_whole(figure)
    lines = figure.texts[0].get_text().split("\n")
    assert len(lines) == min(len(front.points), frontier.LISTED + 1)


def test_a_front_without_points_says_so() -> None:
    """An instance without a plan has a figure that tells it."""
    figure = frontier.front_figure(Front(generate(PRESETS["jutap-tiny"], 0), ()))
    assert is_whole(figure)
    assert "no plan" in figure.axes[0].texts[0].get_text()


@pytest.mark.parametrize("kappas", [[None], [0.5], [1.02, None], [1.02, 1.05, 1.1, 1.25, None]])
def test_nothing_of_a_table_is_cut_off(kappas: list[float | None]) -> None:
    """One map a budget; the last holds costs, the others what is above them, none below 0."""
    found = starts(generate(PRESETS["jutap-paper"], 0), kappas)
    figure = frontier.starts_figure(found, [str(k or "none") for k in kappas])
    assert is_whole(figure)
    images = [axis.images[0] for axis in figure.axes if axis.images]
    assert len(images) == len(kappas)
    for image in images[:-1]:
        assert np.nanmin(image.get_array().filled(np.nan)) >= 0


def test_nothing_of_a_map_of_weights_is_cut_off() -> None:
    """A polygon for each plan, a line for each of the largest, and the paper's weights."""
    found = weights(generate(replace(PRESETS["jutap-paper-v2"], hole_bonus="once"), 0))
    figure = frontier.weights_figure(found)
    assert is_whole(figure)
    assert len(figure.axes[0].patches) == len(found.regions)
    shown = {text.get_text() for text in figure.axes[0].texts}
    assert set(frontier.PAPER_WEIGHTS) <= shown
