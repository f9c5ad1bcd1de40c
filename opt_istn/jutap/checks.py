"""What a JUTAP instance has to satisfy, whoever built it."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError

if TYPE_CHECKING:
    from opt_istn.jutap.instance import Instance

MAX_GRID = 4096
MAX_COST = 10**9  # per move: 1000 objective units; keeps every path sum far inside int64
MAX_ENERGY_MJ = 10**9  # per move: a megajoule


def check(x: "Instance") -> None:
    """Raise `InputError` for the first field that contradicts the format."""
    n = x.num_cells
    _expect(1 <= x.grid <= MAX_GRID, "grid", f"expected 1..{MAX_GRID}, found {x.grid}")
    _expect(x.num_mbs >= 0, "num_mbs", f"expected at least 0, found {x.num_mbs}")
    _expect(x.link_ptr.shape == (n + 1,), "links", f"expected {n} cells, one list of links each")
    _expect(x.strongest.shape == (n,), "strongest", f"expected {n} cells, one MBS each")
    _expect(np.isfinite(x.cell_m) and x.cell_m > 0, "cell_m", "expected a positive length")
    _expect(
        x.association in ("full", "strongest"),
        "association",
        f"expected 'full' or 'strongest', found {x.association!r}",
    )
    _check_cost(x)
    _check_links(x)
    for name, cell in (("start", x.start), ("end", x.end)):
        _expect(0 <= cell < n, name, f"expected a cell 0..{n - 1}, found {cell}")
    held = x.links(x.start).tolist()
    _expect(x.start_link in held, "start_link", f"expected a usable link of cell {x.start}: {held}")


def _check_cost(x: "Instance") -> None:
    c = x.cost
    numbers = {f"move[{i}]": value for i, value in enumerate(c.move)}
    numbers |= {
        name: value
        for name, value in vars(c).items()
        if name not in ("move", "enter", "hole_bonus")
    }
    for name, value in numbers.items():
        ok = isinstance(value, int) and abs(value) <= MAX_COST
        _expect(ok, f"cost.{name}", f"expected an integer within +-{MAX_COST}, found {value}")
    _expect(
        c.hole_bonus in ("printed", "once"),
        "cost.hole_bonus",
        f"expected 'printed' or 'once', found {c.hole_bonus!r}",
    )
    if c.enter is not None:
        _expect(len(c.enter) == x.num_cells, "cost.enter", f"expected {x.num_cells} numbers")
        bad = next((i for i, value in enumerate(c.enter) if abs(value) > MAX_COST), None)
        _expect(bad is None, f"cost.enter[{bad}]", f"expected an integer within +-{MAX_COST}")
    for i, energy in enumerate(x.energy_mj):
        ok = isinstance(energy, int) and 1 <= energy <= MAX_ENERGY_MJ
        _expect(ok, f"energy_mj[{i}]", f"expected 1..{MAX_ENERGY_MJ} mJ, found {energy}")
    budget = x.energy_budget_mj
    ok = budget is None or (isinstance(budget, int) and budget >= 0)
    _expect(ok, "energy_budget_mj", f"expected null or at least 0 mJ, found {budget}")


def _check_links(x: "Instance") -> None:
    cells = np.repeat(np.arange(x.num_cells), np.diff(x.link_ptr))
    ids, b = x.link_ids, x.num_mbs
    ordered = (np.diff(ids) > 0) | (np.diff(cells) > 0)
    _expect_all(ordered, cells[1:], "links[{}]", "expected distinct links in ascending order")
    in_range = (ids >= 0) & (ids <= b + 1)
    _expect_all(in_range, cells, "links[{}]", f"expected link numbers 0..{b + 1}")
    every = np.arange(x.num_cells)
    has_mbs = np.isin(every, cells[ids < b])
    has_hole = np.isin(every, cells[ids == b])
    empty = np.diff(x.link_ptr) == 0
    rule = f"expected HOLE ({b}) exactly where no MBS is listed (or no link at all: not flyable)"
    _expect_all((has_hole != has_mbs) | empty, every, "links[{}]", rule)
    listed = np.zeros(x.num_cells, dtype=bool)
    listed[cells[ids == x.strongest[cells]]] = True
    _expect_all(
        np.where(has_mbs, listed & (x.strongest < b), x.strongest == b),
        every,
        "strongest[{}]",
        f"expected an MBS listed in this cell's links, {b} where there is none",
    )


def _expect(ok: bool | np.bool, name: str, expected: str) -> None:
    if not ok:
        raise InputError(name, expected)


def _expect_all(ok: NDArray[np.bool], cells: NDArray[np.int64], name: str, expected: str) -> None:
    if not ok.all():
        raise InputError(name.format(cells[np.argmin(ok)]), expected)
