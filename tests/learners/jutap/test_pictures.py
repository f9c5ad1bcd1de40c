"""Figures of JUTAP agents: what they show is there, and bad input is one line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from learners.jutap.dqn import Dqn
from learners.jutap.pictures import main, returns_figure, split_figure
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.jutap.starts import FULL, STRONGEST, Judged, Split
from opt_istn.pictures.jutap.starts import starts_figure
from opt_istn.training import Task


def test_all_figures_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An instance and its agents give three pictures; another map's agents are refused."""
    tiny = generate(PRESETS["jutap-tiny"], 1, "tiny")
    tiny.write(tmp_path / "tiny.json")
    other = replace(tiny, cost=replace(tiny.cost, hole=7))
    other.write(tmp_path / "other.json")
    out = tmp_path / "a.pt"
    Dqn(updates=60).train(Task("jutap", "tiny", instance=tiny), 0, out, lambda *_: None)
    assert main([str(tmp_path / "tiny.json"), str(out), "-o", str(tmp_path / "new")]) == 0
    said = capsys.readouterr().out
    assert "mean gap to the optimum with every link" in said
    assert "mean gap to the optimum with the strongest association" in said
    written = {path.name for path in (tmp_path / "new").iterdir()}
    assert written == {"returns.png", "starts.png", "split.png"}
    elsewhere = [str(tmp_path / "other.json"), str(out), "-o", str(tmp_path / "new")]
    assert main(elsewhere) == 2
    assert "not on this map" in capsys.readouterr().err
    assert main([*elsewhere, "--elsewhere"]) == 0


def test_the_map_shows_gaps_where_they_are() -> None:
    """A START's pixel holds its gap in percent; one that misses END is a cross, not a colour."""
    tiny = generate(PRESETS["jutap-tiny"], 1)
    cost, optimum = np.array([110, 300]), np.array([100, 100])
    judged = Judged(np.array([2, 5]), cost, optimum, np.array([True, False]))
    axes = starts_figure(tiny, [judged]).axes[0]
    shown = np.asarray(axes.images[0].get_array()).ravel()
    assert shown[2] == pytest.approx(10)
    assert np.isnan(np.ma.filled(axes.images[0].get_array(), np.nan).ravel()[5])
    assert axes.collections[0].get_offsets().tolist() == [[1.0, 1.0]]


def test_the_map_of_several_seeds_is_their_mean() -> None:
    """A pixel and the title hold means over seeds, and say so; one seed is not called a mean."""
    tiny = generate(PRESETS["jutap-tiny"], 1)
    cell, optimum = np.array([2, 5]), np.array([100, 100])
    missed = Judged(cell, np.array([110, 300]), optimum, np.array([True, False]))
    reached = Judged(cell, np.array([130, 140]), optimum, np.array([True, True]))
    axes = starts_figure(tiny, [missed, reached], solver="mine").axes[0]
    shown = np.ma.filled(axes.images[0].get_array(), np.nan).ravel()
    assert shown[[2, 5]] == pytest.approx([20, 40])
    title = "mine, mean of 2 seeds\n75.0% of 2 STARTs reach END, their mean gap 22.50%"
    assert axes.get_title() == title  # 10 % and (30 + 40) / 2 %, as in the table of `starts`
    assert axes.collections[0].get_offsets().tolist() == [[1.0, 1.0]]
    assert "mean of" not in starts_figure(tiny, [missed], solver="mine").axes[0].get_title()


def test_a_gap_says_what_it_is_a_gap_to() -> None:
    """The map's scale and the bars' axis name their reference."""
    tiny = generate(PRESETS["jutap-tiny"], 1)
    judged = Judged(np.array([2]), np.array([110]), np.array([100]), np.array([True]))
    for reference in (FULL, STRONGEST):
        axes = starts_figure(tiny, [judged], reference).axes
        assert reference in axes[1].get_ylabel()
    bars = split_figure(["a"], [Split(optimum=50.0, association=1.0, reward=2.0, learning=3.0)])
    assert FULL in bars.axes[0].get_xlabel()


def test_bars_stack_to_the_whole_gap() -> None:
    """The three parts of a bar end at the total gap over the optimum."""
    part = Split(optimum=50.0, association=1.0, reward=2.0, learning=3.0)
    bars = split_figure(["a"], [part]).axes[0].patches
    assert max(bar.get_x() + bar.get_width() for bar in bars) == pytest.approx(12.0)


def test_the_curve_is_the_mean_over_seeds() -> None:
    """With two seeds the drawn line is their mean, as long as the shorter training."""
    figure = returns_figure([np.full(400, -2.0), np.full(500, -4.0)])
    line = figure.axes[0].lines[-1]
    assert np.allclose(line.get_ydata(), -3.0)
    assert max(line.get_xdata()) < 400


def test_one_seed_is_not_called_a_mean() -> None:
    """Of a single training the legend says so; of several, how many the mean is of."""
    told = [
        returns_figure([np.full(400, -2.0)] * seeds).axes[0].get_legend().get_texts()[0].get_text()
        for seeds in (1, 2, 4, 5)
    ]
    some = [f"mean of {seeds} seeds, least to largest" for seeds in (2, 4)]
    assert told == ["one seed", *some, "mean of 5 seeds, 95 % interval"]


def test_the_band_of_few_seeds_is_their_range() -> None:
    """Four seeds have no interval; what is shaded reaches from the least to the largest."""
    figure = returns_figure([np.full(400, -cost) for cost in (2.0, 3.0, 4.0, 9.0)])
    (band,) = figure.axes[0].collections
    ends = band.get_paths()[0].get_extents()
    assert (ends.ymin, ends.ymax) == (-9.0, -2.0)
