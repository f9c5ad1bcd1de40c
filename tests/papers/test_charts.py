"""Charts of the papers' figures: nothing is cut off, and what is printed is drawn."""

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from opt_istn.papers import charts, jutap, printed


def every() -> Iterator[Figure]:
    """Yield each chart with values of the sizes that occur."""
    rng = np.random.default_rng(0)
    returns = (-300 * np.exp(-np.arange(3000) / 200) - 20 + rng.normal(size=3000)).tolist()
    yield charts.returns_figure(returns, -18.2, printed.STABLE_EPISODE)
    ours = {"never": 0.64, "greedy": 0.4, "rolling": 0.3, "optimum, proven": 0.2}
    yield charts.bars_figure(ours, printed.DELAY_S, "mean delay (s), push-paper-wide-v2")
    x = [float(100 * items) for items in range(20, 46, 5)]
    names = ("greedy", "rolling", "expected", "best plan", "proven bound")
    curves = {name: (x, [0.5 / (1 + i + k) for i in range(6)]) for k, name in enumerate(names)}
    yield charts.lines_figure(curves, "cache (MB)", "mean delay (s)", {"paper: below": 0.1})
    who = (*jutap.RULES, jutap.TRAINED, "optimum, bonus once", "optimum, bonus none")
    samples = {
        (panel.name, name, value.what): rng.normal(value.value, 3, size=100).tolist()
        for panel in jutap.FIG4
        for name in who
        for value in panel.values
    }
    yield charts.numbers_figure(samples, jutap.FIG4, jutap.NAMES)


@pytest.mark.parametrize("figure", [*every()], ids=["returns", "bars", "lines", "numbers"])
def test_nothing_is_cut_off(figure: Figure) -> None:
    """All that is drawn lies on the sheet."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box, (width, height) = figure.get_tightbbox(canvas.get_renderer()), figure.get_size_inches()
    assert min(box.x0, box.y0) >= -0.01
    assert box.x1 <= width + 0.01
    assert box.y1 <= height + 0.01


def test_a_number_that_is_printed_is_a_line() -> None:
    """Each printed number of a panel has a chart with a line at its value."""
    figure = charts.numbers_figure({}, jutap.FIG3, jutap.NAMES)
    values = [value.value for panel in jutap.FIG3 for value in panel.values]
    assert [axis.lines[0].get_xdata()[0] for axis in figure.axes] == values
