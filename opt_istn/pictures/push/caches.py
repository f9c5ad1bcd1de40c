"""A user's cache over the slots, a panel per plan: what sits where, and what it serves."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from opt_istn.pictures.canvas import COLUMN_IN, NORMAL, PAGE_IN, SMALL, label
from opt_istn.pictures.push.replay import DEAD, HIT, WAITING, Replay, Stay, follow
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan

Named = tuple[str, Plan]
SHADES = {HIT: "#58a5dc", WAITING: "#cfe4f4", DEAD: "#e4e4e4"}  # black numbers on all of them
STATES = {HIT: "hit", WAITING: "will be hit later", DEAD: "no further hit"}
MISSES = {  # by mode, from the least to the greatest delay
    "miss: access satellite": "#fbd37a",
    "miss: collaborative": "#ec8f3c",
    "miss: ground station": "#9c3324",
}
PUSHED, BORN, DOWN = "#222222", "#b7d5ae", "#b8b8b8"
LONG = 40  # slots from which on panels are a page wide, one below the other
LEFT_IN, BETWEEN_IN, EDGE_IN, GAP_IN = 0.46, 0.42, 0.1, 0.1
REQUESTS_IN, FLOW_IN = 0.75, 0.5  # heights of the strips above and below a cache
CACHE_IN, ROW_IN = (0.32, 4.2), 0.15  # height of a cache, and usual one of a place in it
LINE_IN = 0.125  # a line of a title
WIDE = 0.64  # width of a digit in font sizes
FONTS = (4.2, 6.0)  # sizes of the numbers of contents, in points


def caches_figure(instance: Instance, plans: Sequence[Named], user: int) -> Figure:
    """Return the cache of `user` over the slots under each of the plans, at least one.

    Raises
    ------
    InputError
        If a plan was made for another instance.
    """
    titles = [_title(instance, named, user) for named in plans]
    replays = [follow(instance, plan, user) for _, plan in plans]
    handles = _handles(replays)
    sheet = _sheet(instance.num_slots, replays, max(len(lines) for lines, _ in titles), handles)
    figure = Figure(figsize=(sheet.width, sheet.height))
    busiest = max(int(x.served.sum(axis=1).max()) for x in replays)
    most = max(int(max(x.born.max(), x.pushed.max())) for x in replays)
    for panel, (found, (lines, feasible)) in enumerate(zip(replays, titles, strict=True)):
        requests, cache, flow = (figure.add_axes(place) for place in sheet.places(panel))
        requests.set_title("\n".join(lines), fontsize=SMALL, pad=3)
        requests.title.set_color("black" if feasible else "#aa0000")
        _draw_requests(requests, found, max(busiest, 1))
        _draw_cache(cache, found, sheet)
        _draw_flow(flow, found, max(most, 1))
        _label(requests, cache, flow, sheet, first=panel % sheet.across == 0)
        flow.set_xlabel(f"slot of {instance.slot_s:g} s", fontsize=NORMAL, labelpad=1)
    _draw_legend(figure, handles, sheet)
    return figure


@dataclass(frozen=True)
class _Sheet:
    """Where everything is, in inches; `lines` of title, `rows` of legend in `columns`."""

    slots: int
    panels: int
    across: int
    width: float
    places_shown: int
    lines: int
    columns: int
    rows: int

    @property
    def panel(self) -> float:
        """Width of a panel."""
        between = BETWEEN_IN * (self.across - 1)
        return (self.width - LEFT_IN - EDGE_IN - between) / self.across

    @property
    def row(self) -> float:
        """Height of a place in the cache."""
        height = float(np.clip(ROW_IN * self.places_shown, *CACHE_IN))
        return height / self.places_shown

    @property
    def cell_pt(self) -> float:
        """Width of a slot in points."""
        return 72 * self.panel / self.slots

    @property
    def mark_pt(self) -> float:
        """Width of the mark of a push."""
        return float(np.clip(0.16 * self.cell_pt, 0.6, 1.5))

    @property
    def inset_pt(self) -> float:
        """What the mark and a space beside it take of a slot."""
        return self.mark_pt + 1.0

    @property
    def font(self) -> float:
        """Size of the contents' numbers: three digits in a slot if that can be read."""
        return float(
            np.clip(min(72 * self.row * 0.75, (self.cell_pt - self.inset_pt) / (3 * WIDE)), *FONTS)
        )

    @property
    def heights(self) -> tuple[float, float, float]:
        """Heights of requests, cache and flow of contents."""
        return REQUESTS_IN, self.row * self.places_shown, FLOW_IN

    @property
    def pitch(self) -> float:
        """Height of a panel with its title and its labels."""
        return sum(self.heights) + 2 * GAP_IN + LINE_IN * self.lines + 0.06 + 0.33

    @property
    def height(self) -> float:
        """Height of the sheet."""
        below = 0.155 * self.rows + 0.04
        return self.pitch * math.ceil(self.panels / self.across) + below

    def places(self, panel: int) -> list[tuple[float, float, float, float]]:
        """Return left, bottom, width, height of a panel's three axes in shares of the sheet."""
        row, column = divmod(panel, self.across)
        left = LEFT_IN + column * (self.panel + BETWEEN_IN)
        top = self.height - row * self.pitch - LINE_IN * self.lines - 0.06
        found = []
        for height in self.heights:
            bottom = (top - height) / self.height
            found.append((left / self.width, bottom, self.panel / self.width, height / self.height))
            top -= height + GAP_IN
        return found


def _sheet(slots: int, replays: Sequence[Replay], lines: int, handles: dict[str, Any]) -> _Sheet:
    across = 1 if slots > LONG else min(len(replays), 3)
    width = COLUMN_IN if slots <= LONG and across == 1 else PAGE_IN
    most = 2 if width == COLUMN_IN else 4
    rows = math.ceil(len(handles) / most)
    columns = math.ceil(len(handles) / rows)
    places = max(found.places for found in replays)
    return _Sheet(slots, len(replays), across, width, places, lines, columns, rows)


def _title(instance: Instance, named: Named, user: int) -> tuple[list[str], bool]:
    """Return the title's lines, and whether the plan is feasible."""
    name, plan = named
    judged, found = evaluate(instance, plan), follow(instance, plan, user)
    hits, requests = int(found.served[:, 0].sum()), int(found.served.sum())
    head = label(f"{name or instance.name}, user {user}", 44)
    saved = 1 - found.delay_us / found.no_push_us if found.no_push_us else 0.0
    lines = [
        head,
        f"delay {found.delay_us / 1e6:.2f} s, {100 * saved:.0f} % below no push",
        f"{hits} of {requests} requests hit, {int(found.pushed.sum())} pushes",
    ]
    if judged.violations:
        lines.append(label(f"infeasible: {judged.violations[0]}", 40))
    return lines, not judged.violations


def _draw_requests(axis: Axes, found: Replay, top: int) -> None:
    slots, base = np.arange(len(found.served)) + 0.5, np.zeros(len(found.served))
    for count, shade in zip(found.served.T, (SHADES[HIT], *MISSES.values()), strict=True):
        axis.bar(slots, count, width=0.84, bottom=base, color=shade, lw=0)
        base = base + count
    axis.set_ylim(0, 1.06 * top)


def _draw_cache(axis: Axes, found: Replay, sheet: _Sheet) -> None:
    _draw_down(axis, found)
    phases = [(stay.place, *phase) for stay in found.stays for phase in stay.phases()]
    for state, shade in SHADES.items():
        boxes = [_box(place, a, b) for place, kind, a, b in phases if kind == state]
        axis.add_collection(PolyCollection(boxes, fc=shade, ec=shade, lw=0.2, zorder=2))
    starts = [(x.first, x.place) for x in found.stays if x.first < x.end]
    thick, shift = sheet.mark_pt, sheet.mark_pt / 2 / sheet.cell_pt
    edges = [[(slot + shift, place), (slot + shift, place + 1)] for slot, place in starts]
    axis.add_collection(LineCollection(edges, color=PUSHED, lw=thick, zorder=2.5, capstyle="butt"))
    rows = np.arange(1, sheet.places_shown)
    axis.hlines(rows, 0, sheet.slots, color="white", lw=0.7, zorder=3)
    if 72 * sheet.row * 0.75 >= FONTS[0]:
        _write_numbers(axis, found.stays, sheet)
    axis.set_ylim(sheet.places_shown, 0)


def _box(place: int, first: int, end: int) -> list[tuple[float, float]]:
    return [(first, place), (end, place), (end, place + 1), (first, place + 1)]


def _write_numbers(axis: Axes, stays: Iterable[Stay], sheet: _Sheet) -> None:
    """Write the contents' numbers where they fit."""
    for stay in stays:
        text = str(stay.content)
        if (
            len(text) * WIDE * sheet.font + sheet.inset_pt
            <= (stay.end - stay.first) * sheet.cell_pt
        ):
            x, y = stay.first + sheet.inset_pt / sheet.cell_pt, stay.place + 0.53
            axis.text(x, y, text, fontsize=sheet.font, ha="left", va="center", zorder=5)


def _draw_flow(axis: Axes, found: Replay, top: int) -> None:
    _draw_down(axis, found)
    slots = np.arange(len(found.pushed) + 1)
    axis.bar(slots[:-1] + 0.5, found.pushed, width=0.6, color=PUSHED, lw=0, zorder=2)
    axis.stairs(found.born, slots, color=BORN, fill=True, lw=0, zorder=1.5)
    axis.set_ylim(0, 1.1 * top)


def _draw_down(axis: Axes, found: Replay) -> None:
    for slot in np.flatnonzero(~found.link_up).tolist():
        axis.axvspan(slot, slot + 1, fc="white", ec=DOWN, hatch="//////", lw=0, zorder=1)


def _label(requests: Axes, cache: Axes, flow: Axes, sheet: _Sheet, *, first: bool) -> None:
    slots = sheet.slots
    step = _step(slots, int(sheet.panel / (0.07 * len(str(slots)) + 0.01)))
    for axis, name in ((requests, "requests"), (cache, "cache"), (flow, "contents")):
        axis.set_xlim(0, slots)
        axis.tick_params(labelsize=SMALL, length=2, pad=1.5, labelbottom=axis is flow)
        axis.set_xticks(np.arange(0, slots, step) + 0.5, map(str, range(0, slots, step)))
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_ylabel(name if first else "", fontsize=SMALL, labelpad=2)
        axis.yaxis.set_label_coords(-0.32 / sheet.panel, 0.5)
    for axis in (requests, flow):
        axis.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    rows = range(0, sheet.places_shown, _step(sheet.places_shown, 12))
    cache.set_yticks([row + 0.5 for row in rows], [str(row) for row in rows])


def _step(count: int, most: int) -> int:
    """Return a round step such that at most about `most` of `count` things are labelled."""
    step = max(count / most, 1)
    unit = 10 ** int(math.log10(step))
    return int(next(x * unit for x in (1, 2, 5, 10) if step <= x * unit))


def _handles(replays: Sequence[Replay]) -> dict[str, Any]:
    """Return the legend's entries for what occurs in the figure."""
    states = {state for x in replays for stay in x.stays for state, *_ in stay.phases()}
    handles: dict[str, Any] = {
        text: Patch(fc=SHADES[state]) for state, text in STATES.items() if state in states
    }
    served = np.sum([x.served.sum(axis=0) for x in replays], axis=0)[1:]
    for (text, shade), count in zip(MISSES.items(), served.tolist(), strict=True):
        if count:
            handles[text] = Patch(fc=shade)
    if any(x.stays for x in replays):
        handles["pushed"] = Patch(fc=PUSHED)
    handles["new content of interest"] = Patch(fc=BORN)
    if not all(x.link_up.all() for x in replays):
        handles["link down"] = Patch(fc="white", ec=DOWN, hatch="//////", lw=0)
    return handles


def _draw_legend(figure: Figure, handles: dict[str, Any], sheet: _Sheet) -> None:
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="lower center",
        borderaxespad=0.1,
        ncols=sheet.columns,
        fontsize=SMALL,
        frameon=False,
        columnspacing=1.2,
        handlelength=1.4,
    )
