"""Maps of JUTAP instances with plans on them, in the manner of Fig. 3 of arXiv:2603.22127."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from opt_istn.jutap.evaluate import Evaluation, evaluate
from opt_istn.jutap.instance import GEO, HOLE, MBS, Instance
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.world.parameters import Scenario
from opt_istn.pictures.canvas import COLUMN_IN, NORMAL, PAGE_IN, SMALL, label
from opt_istn.pictures.jutap import raster

Named = tuple[str, Plan]
EVENTS = {
    "MBS to MBS": "handover MBS\N{RIGHTWARDS ARROW}MBS",
    "to or from GEO": "handover to/from GEO",
    "in a hole": "flown in a hole",
}
LEFT_IN, BETWEEN_IN, BAR_IN, EDGE_IN = 0.48, 0.2, 0.6, 0.12  # margins: axis labels, colour bar
QUICK = 4_000_000  # cells times MBSs that are generated again just for a picture: seconds
NUMBERED = 60  # MBSs up to this many carry their numbers


@dataclass(frozen=True)
class _Pen:
    """Sizes in points, fitted to the size of a cell on paper."""

    line: float
    marker: float

    @classmethod
    def of(cls, instance: Instance, panel_in: float) -> "_Pen":
        cell = 72 * panel_in / instance.grid
        return cls(float(np.clip(0.18 * cell, 0.9, 1.6)), float(np.clip(0.55 * cell, 2.0, 5.0)))


def quick(scenario: Scenario) -> bool:
    """Return whether an instance of `scenario` is generated and drawn in seconds."""
    return scenario.grid**2 * scenario.num_mbs <= QUICK


def figure(instance: Instance, plans: Sequence[Named]) -> Figure:
    """Return the map of `instance`, once per plan (once bare if there is none), shared legend.

    Raises
    ------
    InputError
        If a plan was made for another instance.
    """
    judged = [(name, plan, evaluate(instance, plan)) for name, plan in plans]
    panels = max(len(judged), 1)
    across = min(panels, 2 if panels == 4 else 3)
    bar = instance.num_mbs <= len(raster.PALETTE)
    width = COLUMN_IN if panels == 1 else PAGE_IN
    margin = BAR_IN if bar else EDGE_IN
    side = (width - LEFT_IN - margin - BETWEEN_IN * (across - 1)) / across
    colours, pen = raster.mbs_colours(instance), _Pen.of(instance, side)
    titles = [_title(name, judgement, narrow=across == 3) for name, _, judgement in judged]
    titles = titles or [[label(instance.name, 44)]]
    handles = _handles(instance, [plan for _, plan, _ in judged], pen, colours)
    sheet = _Sheet(panels, across, width, side, max(map(len, titles)), len(handles))
    figure = Figure(figsize=(width, sheet.height))
    axes = [figure.add_axes(sheet.place(panel)) for panel in range(panels)]
    image = raster.paint(instance, colours)
    for axis, lines in zip(axes, titles, strict=True):
        _draw_map(axis, instance, image, pen)
        axis.set_title("\n".join(lines), fontsize=SMALL, pad=3)
    for axis, (_, plan, judgement) in zip(axes, judged, strict=False):
        _draw_plan(axis, instance, plan, pen)
        axis.title.set_color("#aa0000" if judgement.violations else "black")
    _label_axes(axes, across, instance)
    if bar:
        _colour_bar(figure, axes[across - 1], instance, colours)
    _draw_legend(figure, handles, sheet)
    return figure


@dataclass(frozen=True)
class _Sheet:
    """Where everything is, in inches; `lines` of title, `entries` in the legend."""

    panels: int
    across: int
    width: float
    side: float
    lines: int
    entries: int

    @property
    def columns(self) -> int:
        """Columns of the legend, with rows as even as can be."""
        rows = math.ceil(self.entries / (3 if self.panels == 1 else 6))
        return math.ceil(self.entries / max(rows, 1))

    @property
    def foot(self) -> float:
        """Height below the lowest maps: axis labels and legend."""
        return 0.4 + 0.165 * math.ceil(self.entries / max(self.columns, 1))

    @property
    def pitch(self) -> float:
        """Height of a row of maps with their titles."""
        return self.side + 0.07 + 0.125 * self.lines

    @property
    def height(self) -> float:
        """Height of the sheet."""
        return self.foot + self.pitch * math.ceil(self.panels / self.across) + 0.03

    def place(self, panel: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width, height of a map in shares of the sheet."""
        row, column = divmod(panel, self.across)
        left = LEFT_IN + column * (self.side + BETWEEN_IN)
        bottom = self.height - 0.03 - (row + 1) * self.pitch
        wide, high = self.side / self.width, self.side / self.height
        return left / self.width, bottom / self.height, wide, high


def _unit(instance: Instance) -> tuple[str, float]:
    side = instance.grid * instance.cell_m
    return ("km", 1e-3) if side >= 2000 else ("m", 1.0)


def _draw_map(axis: Axes, instance: Instance, image: raster.Image, pen: _Pen) -> None:
    side = instance.grid * instance.cell_m * _unit(instance)[1]
    axis.imshow(
        image,
        origin="lower",
        extent=(0, side, 0, side),
        # Nearest keeps colours pure; where pixels are fewer than cells they have to be averaged.
        interpolation="nearest" if instance.grid <= raster.PIXELS // 2 else "antialiased",
        rasterized=True,
    )
    axis.tick_params(labelsize=SMALL, length=2)
    stations = _stations(instance) * _unit(instance)[1]
    size = 4.0 if instance.num_mbs <= NUMBERED else 2.0
    axis.plot(*stations.T, **_station(size), zorder=3)
    if instance.num_mbs <= NUMBERED:
        for number, (x, y) in enumerate(stations.tolist()):
            above = y < 0.93 * side
            towards = "left" if x < 0.03 * side else "right" if x > 0.97 * side else "center"
            text = axis.annotate(
                str(number),
                (x, y),
                xytext=(0, 2.2 if above else -2.2),
                textcoords="offset points",
                fontsize=5.5,
                ha=towards,
                va="bottom" if above else "top",
                zorder=3,
                clip_on=True,
            )
            text.set_path_effects([Stroke(linewidth=1.4, foreground="white"), Normal()])
    for name, cell in (("START", instance.start), ("END", instance.end)):
        _mark_end(axis, name, _centres(instance, [cell])[0], side, pen)


def _mark_end(axis: Axes, name: str, at: NDArray[np.float64], side: float, pen: _Pen) -> None:
    """Mark START or END, its name on the side towards the middle."""
    size = max(pen.marker, 4.0)
    axis.plot(*at, "s", color="white", mec="black", mew=1.0, ms=size, zorder=7, clip_on=False)
    right, up = (at < side / 2).tolist()
    text = axis.annotate(
        name,
        (float(at[0]), float(at[1])),
        xytext=(10 if right else -10, -1 if up else 1),
        textcoords="offset points",
        fontsize=SMALL,
        fontweight="bold",
        ha="left" if right else "right",
        va="bottom" if up else "top",
        zorder=8,
    )
    text.set_path_effects([Stroke(linewidth=2.0, foreground="white"), Normal()])


def _stations(instance: Instance) -> NDArray[np.float64]:
    """Return the MBSs' positions in metres, shape (B, 2); none if the scenario tells none."""
    told = instance.scenario.get("mbs_xy_m")
    try:
        places = np.array(told, dtype=np.float64)
    except (TypeError, ValueError):  # a scenario is free text as far as the format goes
        places = np.empty(0)
    if places.shape != (instance.num_mbs, 2) or not np.isfinite(places).all():
        return np.empty((0, 2))
    return places


def _centres(instance: Instance, cells: Sequence[int]) -> NDArray[np.float64]:
    """Return the centres of cells in the axes' unit as (x, y), shape (len(cells), 2)."""
    rows, columns = np.divmod(np.asarray(cells, dtype=np.int64), instance.grid)
    return (np.stack([columns, rows], axis=1) + 0.5) * instance.cell_m * _unit(instance)[1]


def _kinds(instance: Instance, plan: Plan) -> NDArray[np.int64]:
    return np.array([instance.kind(link) for link in plan.links], dtype=np.int64)


def _draw_plan(axis: Axes, instance: Instance, plan: Plan, pen: _Pen) -> None:
    if len(plan.cells) != len(plan.links) or not all(
        0 <= cell < instance.num_cells for cell in plan.cells
    ):
        return  # not a walk on this map; the title tells what is wrong with it
    at, kinds = _centres(instance, plan.cells), _kinds(instance, plan)
    axis.plot(*at.T, color="white", lw=pen.line + 1.6, zorder=4, solid_joinstyle="round")
    axis.plot(*at.T, color="black", lw=pen.line, zorder=4.1, solid_joinstyle="round")
    for first, last in _runs(kinds[1:] == GEO):  # move i ends in cell i + 1
        axis.plot(*at[first : last + 1].T, **_geo_line(pen))
        axis.plot(*at[first : last + 1].T, **_geo_dash(pen))
    for kind, places in _events(plan, kinds).items():
        axis.plot(*at[places].T, **_marker(kind, pen))


def _runs(flags: NDArray[np.bool]) -> list[tuple[int, int]]:
    """Return [first, last) of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _events(plan: Plan, kinds: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return the positions of handovers between MBSs, to or from GEO, and of steps in HOLE."""
    links = np.asarray(plan.links)
    changed = np.concatenate([[False], links[1:] != links[:-1]])
    before = np.concatenate([kinds[:1], kinds[:-1]])
    served = (kinds != HOLE) & (before != HOLE)
    satellite = (kinds == GEO) | (before == GEO)
    hole = kinds == HOLE
    hole[:1] = False  # START is not flown to
    found = {
        "MBS to MBS": changed & (kinds == MBS) & (before == MBS),
        "to or from GEO": changed & served & satellite,
        "in a hole": hole,
    }
    return {name: np.flatnonzero(flags) for name, flags in found.items() if flags.any()}


def _geo_line(pen: _Pen) -> dict[str, Any]:
    return {"color": "black", "lw": pen.line + 1.4, "zorder": 4.2, "solid_capstyle": "butt"}


def _geo_dash(pen: _Pen) -> dict[str, Any]:
    return {"color": "white", "lw": pen.line, "zorder": 4.3, "ls": (0, (2.5, 1.5))}


def _marker(kind: str, pen: _Pen) -> dict[str, Any]:
    shape = {"MBS to MBS": "o", "to or from GEO": "D", "in a hole": "X"}[kind]
    black = kind == "in a hole"
    return {
        "ls": "none",
        "marker": shape,
        "ms": pen.marker * {"o": 1.0, "D": 0.85, "X": 1.25}[shape],
        "color": "black" if black else "white",
        "mec": "white" if black else "black",
        "mew": 0.5 if black else 0.8,
        "zorder": 6 if black else 5,
    }


def _title(name: str, judged: Evaluation, *, narrow: bool) -> list[str]:
    lines = [label(name, 44)] if name else []
    if judged.cost is not None and judged.length_m is not None:
        flown = f"cost {judged.cost / 1e6:.3f}, {judged.length_m:.0f} m"
        holes = f"{judged.holes} hole{'' if judged.holes == 1 else 's'}"
        if judged.handover is not None:
            holes = f"handover {judged.handover:g}, {holes}"
        lines += [flown, holes] if narrow else [f"{flown}, {holes}"]
    if judged.violations:
        lines.append(label(f"infeasible: {judged.violations[0]}", 34 if narrow else 58))
    return lines


def _label_axes(axes: list[Axes], across: int, instance: Instance) -> None:
    unit, _ = _unit(instance)
    for number, axis in enumerate(axes):
        lowest, leftmost = number + across >= len(axes), number % across == 0
        axis.set_xlabel(f"x ({unit})" if lowest else "", fontsize=NORMAL, labelpad=1)
        axis.set_ylabel(f"y ({unit})" if leftmost else "", fontsize=NORMAL, labelpad=1)
        axis.tick_params(labelbottom=lowest, labelleft=leftmost)


def _colour_bar(figure: Figure, beside: Axes, instance: Instance, colours: Sequence[str]) -> None:
    """Draw one colour per MBS and the hatched red of holes at the top, as in the paper."""
    steps = instance.num_mbs + 1
    palette = ListedColormap([*colours, raster.HOLE_COLOUR])
    norm = BoundaryNorm(np.arange(steps + 1), steps)
    place = beside.inset_axes((1.03, 0.0, 0.045, 1.0))
    bar = figure.colorbar(ScalarMappable(norm, palette), cax=place)
    bar.set_ticks(
        [step + 0.5 for step in range(steps)], labels=[*map(str, range(instance.num_mbs)), "hole"]
    )
    bar.ax.tick_params(labelsize=SMALL, length=0)
    bar.ax.minorticks_off()
    bar.set_label("MBS with the highest SINR", fontsize=SMALL, labelpad=-8)
    bar.ax.axhspan(steps - 1, steps, fc=raster.HOLE_COLOUR, ec=raster.STRIPE, hatch="///////", lw=0)


def _draw_legend(figure: Figure, handles: Mapping[str, Any], sheet: _Sheet) -> None:
    """Explain below the maps what occurs in them."""
    if handles:
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="lower center",
            borderaxespad=0.1,
            ncols=sheet.columns,
            fontsize=SMALL,
            frameon=False,
            columnspacing=1.2,
        )


def _handles(
    instance: Instance, plans: Sequence[Plan], pen: _Pen, colours: Sequence[str]
) -> dict[str, Any]:
    """Return the legend's entries; areas only where no colour bar explains them."""
    handles = _plan_handles(plans, [_kinds(instance, plan) for plan in plans], pen)
    if len(_stations(instance)):
        handles["MBS"] = Line2D([], [], **_station(4.5))
    if instance.num_mbs > len(raster.PALETTE):
        handles["area of an MBS (colours recur)"] = Patch(fc=colours[0])
        red, pale = raster.HOLE_COLOUR, raster.STRIPE
        handles["coverage hole"] = Patch(fc=red, ec=pale, hatch="///////", lw=0)
    if raster.closed_cells(instance).any():
        handles["no link at all"] = Patch(fc=raster.CLOSED)
    return handles


def _station(size: float) -> dict[str, Any]:
    style = {"ls": "none", "marker": "^", "color": "white", "mec": "black"}
    return {**style, "mew": 0.5, "ms": size}


def _plan_handles(
    plans: Sequence[Plan], kinds: Sequence[NDArray[np.int64]], pen: _Pen
) -> dict[str, Any]:
    handles: dict[str, Any] = {}
    if any((own[1:] != GEO).any() for own in kinds):
        handles["served by MBS"] = Line2D([], [], color="black", lw=pen.line)
    if any((own[1:] == GEO).any() for own in kinds):
        layers = Line2D([], [], **_geo_line(pen)), Line2D([], [], **_geo_dash(pen))
        handles["served by GEO"] = layers  # a tuple is drawn on top of each other
    found = [_events(plan, own) for plan, own in zip(plans, kinds, strict=True)]
    for kind, text in EVENTS.items():
        if any(kind in events for events in found):
            handles[text] = Line2D([], [], **_marker(kind, pen) | {"ms": 5.0})
    return handles
