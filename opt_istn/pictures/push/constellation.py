"""The constellation over a PUSH instance in one slot: the whole Earth, and its region.

Plate carrée: degrees of longitude and latitude are equally long. Links between satellites are drawn
in the region alone: over the whole Earth they would hide everything else.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from opt_istn.physics.frames import Array
from opt_istn.pictures.canvas import PAGE_IN, SMALL, label
from opt_istn.pictures.push.world import Lines, Snapshot, outlines, rectangles, redrawn, world_of
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan

COMM, REMOTE, ACCESS = "#2b6cb0", "#d9660a", "#c2185b"
Style = dict[str, Any]
LINKS: dict[str, tuple[str, Style]] = {  # sort: name in the legend, and how it is drawn
    "comm": ("link within communication shell", {"color": "#bcd3ea", "lw": 0.35}),
    "remote": ("link within remote-sensing shell", {"color": "#f5d3b5", "lw": 0.35}),
    "cross": ("cross-link", {"color": "#6a51a3", "lw": 0.6}),
}
COAST: Style = {"color": "#8c8c8c", "lw": 0.5, "zorder": 1.2}
TRACK: Style = {"color": REMOTE, "lw": 0.7}
SIGHT: Style = {"color": ACCESS, "lw": 0.55}
BOX: Style = {"ec": "#2f855a", "lw": 0.8}
REGION: Style = {"ec": "black", "lw": 1.6}
CONTENTS: dict[str, Style] = {  # in which order they are drawn
    "content to come": {"fc": "#f4f4f4", "ec": "#9a9a9a"},
    "content": {"fc": "#ffd54a", "ec": "#8a6d00"},
    "content, pushed by now": {"fc": "#222222", "ec": "black"},
}
LEFT_IN, EDGE_IN, TOP_IN, BETWEEN_IN, FOOT_IN = 0.42, 0.2, 0.22, 0.3, 0.22
LINE_IN = 0.125  # a second line of the title
LEGEND_IN = 2.05  # width of the legend beside the region
MARGIN_DEG = 10.0  # around the region
SHAPES = 1.0, 2.4  # ratios of width to height that the region's map may have


@dataclass(frozen=True)
class _Frame:
    """What a map shows: longitudes from `west`, which may exceed 180, and latitudes."""

    west: float
    east: float
    south: float
    north: float

    @property
    def shape(self) -> float:
        """Width over height."""
        return (self.east - self.west) / (self.north - self.south)


def map_figure(
    instance: Instance, plans: Sequence[tuple[str, Plan]], user: int | None, slot: int
) -> Figure:
    """Return the map of a slot, of one user or of all.

    Parameters
    ----------
    plans
        Contents that any of these has pushed by the slot are marked; the title names them.

    Raises
    ------
    InputError
        If the instance does not come from a scenario.
    """
    users = np.arange(instance.num_users) if user is None else np.array([user])
    world = world_of(redrawn(instance), slot, users)
    sorts = _contents(instance, plans, users, slot)
    near = _around(world.region)
    width = PAGE_IN - LEFT_IN - EDGE_IN
    tall, low = width / 2, (width - LEGEND_IN) / near.shape
    names = [name for name, _ in plans if name]
    top = TOP_IN + (LINE_IN if names else 0.0)
    height = top + tall + BETWEEN_IN + low + FOOT_IN
    figure = Figure(figsize=(PAGE_IN, height))
    left, bottom = LEFT_IN / PAGE_IN, FOOT_IN / height
    whole = (left, bottom + (low + BETWEEN_IN) / height, width / PAGE_IN, tall / height)
    earth = figure.add_axes(whole)
    region = figure.add_axes((left, bottom, (width - LEGEND_IN) / PAGE_IN, low / height))
    linked = {sort: _seen(lines, near) for sort, lines in world.links.items()}
    _draw_map(earth, _Frame(-180, 180, -90, 90), replace(world, links={}), sorts, 1.0)
    _draw_map(region, near, replace(world, links=linked), sorts, 2.2)
    earth.set_title(_title(instance, world, user, slot, names), fontsize=SMALL, pad=3)
    region.set_title("the region, with the links between satellites", fontsize=SMALL, pad=3)
    _draw_legend(region, replace(world, links=linked), sorts, users)
    return figure


def _title(
    instance: Instance, world: Snapshot, user: int | None, slot: int, names: Sequence[str]
) -> str:
    """Return what is shown: instance, user, slot, and whose pushes."""
    who = "" if user is None else f", user {user}"
    moment = world.moment.replace("T", " ")[:19]
    pushed = f"\npushes of {label(' and '.join(names), 80)}" if names else ""
    return f"{label(instance.name, 44)}{who}, slot {slot}: {moment} UTC{pushed}"


def _contents(
    instance: Instance, plans: Sequence[tuple[str, Plan]], users: NDArray[np.int64], slot: int
) -> dict[str, NDArray[np.bool]]:
    """Return which contents are to come, there, and pushed, shape (F,) each."""
    there = instance.release <= slot
    pushed = np.zeros(instance.num_contents, dtype=bool)
    shown = set(users.tolist())
    triples = [triple for _, plan in plans for triple in plan.push]
    found = [f for u, f, t in triples if u in shown and t <= slot and 0 <= f < len(pushed)]
    pushed[found] = True
    return dict(zip(CONTENTS, (~there, there & ~pushed, there & pushed), strict=True))


def _around(region: Array) -> _Frame:
    """Return a frame around the region whose shape is fit for print."""
    south, north, west, east = region.tolist()
    wide = min(east - west + 2 * MARGIN_DEG, 360.0)
    high = min(north - south + 2 * MARGIN_DEG, 180.0)
    wide = max(wide, high * SHAPES[0])
    high = max(high, wide / SHAPES[1])
    middle = float(np.clip((south + north) / 2, high / 2 - 90, 90 - high / 2))
    left = (west + east - wide) / 2
    return _Frame(left, left + wide, middle - high / 2, middle + high / 2)


def _seen(lines: Lines, frame: _Frame) -> Lines:
    """Return the lines that can be seen in a frame, which may lie across the date line."""
    shifts = (-360.0, 0.0, 360.0)
    return [
        line
        for line in lines
        if line[:, 1].max() > frame.south
        and line[:, 1].min() < frame.north
        and any(
            line[:, 0].max() + x > frame.west and line[:, 0].min() + x < frame.east for x in shifts
        )
    ]


@cache
def _coastlines() -> Lines:
    """Return the outlines of land, degrees as (longitude, latitude); the file names its source."""
    text = files("opt_istn.pictures.push").joinpath("coastlines.json").read_text(encoding="utf-8")
    return [np.array(line) for line in json.loads(text)["lines"]]


def _draw_map(
    axis: Axes, frame: _Frame, world: Snapshot, sorts: dict[str, NDArray[np.bool]], size: float
) -> None:
    """Draw the world; `size` enlarges markers and lines."""
    for offset in (-360.0, 0.0, 360.0):  # a frame may lie across the date line
        if offset - 180 < frame.east and frame.west < offset + 180:
            axis.add_collection(LineCollection(_moved(_coastlines(), offset), **COAST))
            _draw_areas(axis, world, sorts, offset, size)
            _draw_links(axis, world, offset, size)
            _draw_points(axis, world, offset, size)
    axis.set_xlim(frame.west, frame.east)
    axis.set_ylim(frame.south, frame.north)
    _draw_graticule(axis, frame)


def _draw_areas(
    axis: Axes, world: Snapshot, sorts: dict[str, NDArray[np.bool]], offset: float, size: float
) -> None:
    for rank, (name, style) in enumerate(CONTENTS.items()):
        shapes = _moved(rectangles(world.footprints[sorts[name]]), offset)
        width = 0.25 * size
        axis.add_collection(PolyCollection(shapes, **style, lw=width, zorder=2.2 + rank / 10))
    for boxes, style, order in ((world.region[None], REGION, 2.5), (world.boxes, BOX, 2.6)):
        edges = _moved(outlines(boxes), offset)
        axis.add_collection(LineCollection(edges, zorder=order, capstyle="projecting", **style))


def _draw_links(axis: Axes, world: Snapshot, offset: float, size: float) -> None:
    thick = size**0.5
    drawn: list[tuple[Lines, Style]] = [
        (world.links.get(sort, []), style) for sort, (_, style) in LINKS.items()
    ]
    drawn += [(world.tracks, TRACK)]
    for rank, (lines, style) in enumerate(drawn):
        scaled = style | {"lw": style["lw"] * thick, "zorder": 1.5 + rank / 10}
        axis.add_collection(LineCollection(_moved(lines, offset), **scaled))
    sight = SIGHT | {"lw": SIGHT["lw"] * thick, "zorder": 2.8}
    axis.add_collection(LineCollection(_moved(world.access, offset), **sight))


def _draw_points(axis: Axes, world: Snapshot, offset: float, size: float) -> None:
    shift = np.array([offset, 0.0])
    for points, style in ((world.comm, _dot(COMM, size)), (world.remote, _dot(REMOTE, size))):
        axis.plot(*(points + shift).T, **style, zorder=3)
    axis.plot(*(world.users + shift).T, **_user(size), zorder=4)


def _dot(colour: str, size: float) -> Style:
    return {"ls": "none", "marker": "o", "ms": 1.3 * size**0.6, "mew": 0, "color": colour}


def _user(size: float) -> Style:
    style = {"ls": "none", "marker": "^", "color": "white", "mec": "#1c5137"}
    return {**style, "ms": 2.6 * size**0.7, "mew": 0.8}


def _moved(shapes: Lines, offset: float) -> Lines:
    return [shape + np.array([offset, 0.0]) for shape in shapes]


def _draw_graticule(axis: Axes, frame: _Frame) -> None:
    step = next((x for x in (1, 2, 5, 10, 30) if frame.east - frame.west <= 12 * x), 30)
    across = np.arange(np.ceil(frame.west / step), np.floor(frame.east / step) + 1) * step
    up = np.arange(np.ceil(frame.south / step), np.floor(frame.north / step) + 1) * step
    axis.set_xticks(across, [_degrees((x + 180) % 360 - 180, "EW") for x in across.tolist()])
    axis.set_yticks(up, [_degrees(y, "NS") for y in up.tolist()])
    axis.grid(color="#dddddd", lw=0.4)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=SMALL - 0.5, length=2, pad=1.5)


def _degrees(value: float, letters: str) -> str:
    side = "" if value in (0, -180) else letters[value < 0]
    return f"{abs(value):g}°{side}"


def _draw_legend(
    axis: Axes, world: Snapshot, sorts: dict[str, NDArray[np.bool]], users: NDArray[np.int64]
) -> None:
    """Explain beside the region what occurs in the maps."""
    entries: dict[str, Any] = {
        "remote-sensing satellite": Line2D([], [], **_dot(REMOTE, 4)),
        "communication satellite": Line2D([], [], **_dot(COMM, 4)),
    }
    for sort, (name, style) in LINKS.items():
        if world.links.get(sort):
            entries[name] = Line2D([], [], **style | {"lw": 1.2})
    entries["ground track, all slots, of a\nsatellite that makes content"] = Line2D([], [], **TRACK)
    if world.access:
        entries["access link"] = Line2D([], [], **SIGHT | {"lw": 1.0})
    entries["user" if len(users) == 1 else "users"] = Line2D([], [], **_user(3))
    entries["coast"] = Line2D([], [], **COAST)
    entries["region of interest"] = Patch(fc="none", **BOX)
    entries["region of the scenario"] = Patch(fc="none", **REGION)
    for name, style in CONTENTS.items():
        if sorts[name].any():
            entries[name] = Patch(**style, lw=0.5)
    axis.legend(
        list(entries.values()),
        list(entries),
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        borderaxespad=0,
        fontsize=SMALL,
        frameon=False,
        handlelength=1.4,
        labelspacing=0.7,
    )
