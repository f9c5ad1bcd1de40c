"""Figures: files that are what their names say, with everything where it is."""

import io
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from opt_istn import InputError
from opt_istn.jutap.instance import Cost, Instance
from opt_istn.jutap.plan import Plan
from opt_istn.pictures import canvas, draw
from opt_istn.pictures.jutap import maps, raster
from opt_istn.report import charts, groups
from tests.report.synthetic import comparison, crash, run

HOLES = (1, 7, 8)
SIGNATURES = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


def _made(num_mbs: int = 2, **changes: Any) -> Instance:
    """Return a 4 x 4 grid; MBS q % B in cell q, HOLEs and GEO in three, cell 15 has GEO too."""
    strongest = np.arange(16) % num_mbs
    strongest[list(HOLES)] = num_mbs
    rows = [[s, num_mbs + 1] if q in (*HOLES, 15) else [s] for q, s in enumerate(strongest)]
    fields: dict[str, Any] = {
        "name": "made",
        "grid": 4,
        "num_mbs": num_mbs,
        "start": 0,
        "end": 15,
        "start_link": 0,
        "link_ptr": np.cumsum([0, *map(len, rows)]),
        "link_ids": np.concatenate(rows),
        "strongest": strongest,
        "cost": Cost((282_843, 400_000), 200_000, 200_000, 10**6, 100_000, -(10**5), -(10**5), 1),
        "energy_mj": (1000, 1414),
        "energy_budget_mj": None,
        "cell_m": 120.0,
        "scenario": {"mbs_xy_m": [[60.0, 60.0 + 10 * i] for i in range(num_mbs)]},
    }
    return Instance(**(fields | changes))


def _walk(instance: Instance) -> Plan:
    """Return 0 -> 1 (HOLE) -> 6 (MBS 0) -> 11 (MBS 1) -> 15 (GEO)."""
    return Plan(instance.sha256, (0, 1, 6, 11, 15), (0, 2, 0, 1, 3))


@pytest.mark.parametrize("ending", SIGNATURES)
def test_files_are_what_their_names_say(tmp_path: Path, ending: str) -> None:
    """A map has its format's signature, some content, and is equal byte by byte when redrawn."""
    instance = _made()
    paths = [tmp_path / f"{name}{ending}" for name in "ab"]
    for path in paths:
        draw.draw(instance, [("one", _walk(instance)), ("two", _walk(instance))], path)
    data = [path.read_bytes() for path in paths]
    assert data[0].startswith(SIGNATURES[ending])
    assert len(data[0]) > 5000
    assert data[0] == data[1]


def test_other_endings_are_refused(tmp_path: Path) -> None:
    """A name with another ending, or none, is refused before anything is drawn."""
    for name in ("map.bmp", "map"):
        with pytest.raises(InputError, match=r"ending in \.png, \.svg, \.pdf"):
            draw.draw(_made(), [], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_other_problems_are_refused(tmp_path: Path) -> None:
    """An instance of a problem that is not installed is refused by the problem's name."""

    class Other:
        problem = "other"

    with pytest.raises(InputError, match="unknown problem 'other'"):
        draw.draw(Other(), [], tmp_path / "map.png")


def test_plans_of_other_instances_are_refused(tmp_path: Path) -> None:
    """A plan made for another instance is refused."""
    plan = _walk(_made(cell_m=50.0))
    with pytest.raises(InputError, match="expected a plan for"):
        draw.draw(_made(), [plan], tmp_path / "map.png")


@pytest.mark.parametrize(("panels", "inches"), [(0, 3.5), (1, 3.5), (2, 7.16), (4, 7.16)])
def test_sizes_are_those_of_columns(tmp_path: Path, panels: int, inches: float) -> None:
    """One map is a column wide, several are a page wide, at 300 dpi; cells are square."""
    instance = _made()
    path = tmp_path / "map.png"
    draw.draw(instance, [_walk(instance)] * panels, path)
    assert imread(path).shape[1] == round(inches * 300)
    for axis in maps.figure(instance, [("", _walk(instance))] * panels).axes:
        width, height = axis.bbox.width, axis.bbox.height
        assert width == pytest.approx(height)


def _cells(image: NDArray[Any], grid: int) -> NDArray[Any]:
    """Return the pixels of every cell of a raster, shape (N*N, pixels, 3)."""
    scale = len(image) // grid
    split = image.reshape(grid, scale, grid, scale, 3).swapaxes(1, 2)
    return split.reshape(grid * grid, scale * scale, 3)


def test_holes_are_red_and_hatched_where_they_are() -> None:
    """In the raster exactly the hole cells are red with pale stripes; MBS cells have one colour."""
    instance = _made()
    image = raster.paint(instance, raster.mbs_colours(instance))
    for cell, pixels in enumerate(_cells(image, 4)):
        colours = {tuple(pixel) for pixel in pixels.tolist()}
        if cell in HOLES:
            assert colours == {raster.rgb(raster.HOLE_COLOUR), raster.rgb(raster.STRIPE)}
        else:
            own = raster.mbs_colours(instance)[instance.strongest[cell]]
            assert colours == {raster.rgb(own)}


def test_holes_are_red_in_the_file(tmp_path: Path) -> None:
    """In the written PNG hole cells are mostly red, others not at all, row 0 at the bottom."""
    instance = _made()
    path = tmp_path / "map.png"
    draw.draw(instance, [], path)
    image = (imread(path)[:, :, :3] * 255).round().astype(int)
    box = maps.figure(instance, []).axes[0].get_position()
    high, wide = image.shape[:2]
    red = (image == raster.rgb(raster.HOLE_COLOUR)).all(axis=2)
    for cell in range(16):
        row, column = divmod(cell, 4)
        left, bottom = box.x0 + box.width * column / 4, box.y0 + box.height * row / 4
        down = slice(
            round(high * (1 - bottom - box.height / 4)) + 5, round(high * (1 - bottom)) - 5
        )
        across = slice(round(wide * left) + 5, round(wide * (left + box.width / 4)) - 5)
        share = red[down, across].mean()
        assert share > 0.5 if cell in HOLES else share == 0


def test_unflyable_cells_are_dark() -> None:
    """A cell without any link is neither a hole nor an MBS's: it is drawn dark, and explained."""
    instance = _made()
    ptr = instance.link_ptr.copy()
    ptr[9:] -= 2
    ids = np.delete(instance.link_ids, slice(instance.link_ptr[8], instance.link_ptr[9]))
    closed = _made(link_ptr=ptr, link_ids=ids)
    image = raster.paint(closed, raster.mbs_colours(closed))
    assert {tuple(p) for p in _cells(image, 4)[8].tolist()} == {raster.rgb(raster.CLOSED)}
    assert "no link at all" in _legend(closed, [])


def _legend(instance: Instance, plans: list[maps.Named]) -> list[str]:
    legends = maps.figure(instance, plans).legends
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def test_legend_names_what_occurs() -> None:
    """The legend explains the links, handovers and holes of the plans, and nothing else."""
    instance = _made()
    assert _legend(instance, []) == ["MBS"]
    assert _legend(instance, [("", _walk(instance))]) == [
        "served by MBS",
        "served by GEO",
        "handover MBS→MBS",
        "handover to/from GEO",
        "flown in a hole",
        "MBS",
    ]


def test_events_are_at_their_steps() -> None:
    """Handovers and hole steps are marked at the cell in which the new link is held."""
    instance = _made()
    walk = _walk(instance)
    kinds = np.array([instance.kind(link) for link in walk.links])
    found = {kind: places.tolist() for kind, places in maps._events(walk, kinds).items()}
    assert found == {"MBS to MBS": [3], "to or from GEO": [4], "in a hole": [1]}


def test_titles_tell_cost_and_faults() -> None:
    """The title tells name, cost, length, handover and holes; a fault is told in red."""
    instance = _made()
    good = _walk(instance)
    short = Plan(instance.sha256, good.cells[:3], good.links[:3])
    jump = Plan(instance.sha256, (0, 15), (0, 1))
    plans = [
        ("a $x$", good),
        ("b", short),
        ("c", jump),
        ("d", Plan(instance.sha256, (0, 99), (0, 0))),
    ]
    titles = [axis.title for axis in maps.figure(instance, plans).axes if axis.get_title()]
    texts = [title.get_text() for title in titles]
    assert texts[0] == "a \\$x\\$\ncost 2.466, 579 m, handover 5.5, 1 hole"
    assert "infeasible: the walk ends in cell 6" in texts[1]
    assert "is not a move" in texts[2]
    assert "outside the grid" in texts[3]
    assert [title.get_color() for title in titles] == ["black", *["#aa0000"] * 3]


def _lightness(colour: str) -> float:
    """Return L* of a colour, in CIELAB."""
    parts = np.array(raster.rgb(colour)) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16)


def test_the_palette_is_ordered_and_calmer_than_a_path() -> None:
    """Shades grow lighter in even steps, the darkest far lighter than the black of a path."""
    shades = [_lightness(colour) for colour in raster.PALETTE]
    assert min(shades) > 35
    assert np.diff(shades) == pytest.approx(np.diff(shades).mean(), rel=0.35)


def test_neighbours_are_far_apart_on_the_scale() -> None:
    """MBSs side by side in a row of stripes differ by more shades than in the palette's order."""
    strongest = np.repeat(np.arange(8), 8)
    ids = {"link_ptr": np.arange(65), "link_ids": strongest, "strongest": strongest}
    striped = _made(num_mbs=8, grid=8, end=63, scenario={}, **ids)
    shades = [raster.PALETTE.index(colour) for colour in raster.mbs_colours(striped)]
    assert len(set(shades)) == 8
    assert np.abs(np.diff(shades)).min() >= 3


def test_many_mbs_share_colours_but_not_with_neighbours() -> None:
    """With more MBSs than colours, MBSs side by side differ in colour wherever that is possible."""
    side = 40
    rng = np.random.default_rng(1)
    centres = rng.uniform(0, side, (100, 2))
    rows, columns = np.indices((side, side))
    distance = np.hypot(rows[..., None] - centres[:, 0], columns[..., None] - centres[:, 1])
    strongest = distance.argmin(axis=2)
    instance = _made(
        num_mbs=100,
        grid=side,
        end=side * side - 1,
        start_link=int(strongest[0, 0]),
        link_ptr=np.arange(side * side + 1),
        link_ids=strongest.ravel(),
        strongest=strongest.ravel(),
        scenario={},
    )
    colours = np.array(raster.mbs_colours(instance))
    assert len(set(colours)) <= len(raster.PALETTE)
    shown = colours[strongest]
    assert (shown[:, 1:] != shown[:, :-1])[strongest[:, 1:] != strongest[:, :-1]].all()
    assert "area of an MBS (colours recur)" in _legend(instance, [])


@pytest.mark.parametrize(
    "told", [None, 7, "x", [[1, 2]], [["a", "b"]] * 2, [[1, float("nan")]] * 2]
)
def test_odd_scenarios_draw_no_stations(told: object) -> None:
    """A scenario is free text: if it tells no usable positions, none are drawn."""
    assert _legend(_made(scenario={"mbs_xy_m": told}), []) == []


def test_pyplot_is_not_touched(tmp_path: Path) -> None:
    """Drawing neither imports pyplot nor leaves settings changed."""
    before = dict(matplotlib.rcParams)
    had = "matplotlib.pyplot" in sys.modules
    draw.draw(_made(), [], tmp_path / "map.pdf")
    assert dict(matplotlib.rcParams) == before
    assert ("matplotlib.pyplot" in sys.modules) == had


def test_labels_are_harmless() -> None:
    """Names become one short line without formulas or glyphs that no font has."""
    assert canvas.label("a\n $\\frac{1}$ \x1b\U0001f6f8") == "a \\$\\frac{1}\\$ ??"
    assert len(canvas.label("x" * 500)) == 60


@pytest.mark.parametrize("chart", [charts.gap_chart, charts.profile_chart])
def test_charts_of_any_records(tmp_path: Path, chart: Any) -> None:
    """Charts are drawn of failures, of names with formulas, of a single run, and of nothing."""
    odd = [crash("x"), run("$\\bad{", 100), run("labels", -5, -5)]
    for number, records in enumerate((comparison(), odd, [run("greedy", 3)], [])):
        path = tmp_path / f"{number}.png"
        canvas.save(chart(groups.every_series(records)), path)
        assert path.read_bytes().startswith(SIGNATURES[".png"])


def test_gap_bars_have_the_gaps_lengths() -> None:
    """Bars are as long as mean gaps in per cent; runs without a plan are told beside them."""
    axis = charts.gap_chart(groups.every_series(comparison())).axes[0]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx(  # type: ignore[attr-defined]
        [100 * (1 / 30) / 3, 20 / 3, 0, 200]
    )
    texts = [text.get_text() for text in axis.texts]
    assert texts == [
        "1.11",
        "6.67",
        "0.00 (1 of 3 runs without a plan)",
        "200.00 (2 of 3 runs without a plan)",
    ]


def test_data_uris_hold_the_file() -> None:
    """A data address names the type and holds the encoded figure."""
    figure = maps.figure(_made(), [])
    assert canvas.data_uri(figure, ".png", dpi=50).startswith("data:image/png;base64,iVBOR")
    image = imread(io.BytesIO(canvas.encode(figure, ".png", dpi=100)))
    assert image.shape[1] == 350
