"""The JUTAP instance: a grid of cells, the links of each cell, integer costs, an energy budget.

JUTAP is joint UAV trajectory and association planning (arXiv:2603.22127). Cells of an N x N grid
are numbered row * N + column, row 0 in the south. Links are the MBSs 0..B-1, HOLE = B (no MBS
reaches the SINR threshold) and GEO = B + 1. A cell without links cannot be flown.
Costs are integer millionths of the objective, energies integer millijoules.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from opt_istn import files
from opt_istn.files import InputError

FORMAT = "opt-istn/jutap"
VERSION = 1
MAX_GRID = 4096
MAX_COST = 10**9  # per move: 1000 objective units; keeps every path sum far inside int64
MAX_ENERGY_MJ = 10**9  # per move: a megajoule
MBS, HOLE, GEO = 0, 1, 2  # kinds of link, the axes of `Instance.transition`

Association = Literal["full", "strongest"]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Cost:
    """Integer cost numbers, already weighted: one move costs the sum of what applies to it.

    Parameters
    ----------
    move
        Energy term of a straight and of a diagonal move (w1 * xi of the paper's problem (4)).
    mbs_to_mbs, geo_to_mbs, mbs_to_geo, geo_stay, hole_to_mbs, hole_to_geo
        Handover term (w2 * eta, equation (8)) of a change of link, or of staying with GEO.
    hole
        Disconnectivity term (w3 * delta, equation (9)): charged when the new cell is flown in HOLE.
    enter
        Extra cost of each cell when a move ends in it, shape (N*N,); None if there is none.
    """

    move: tuple[int, int]
    mbs_to_mbs: int
    geo_to_mbs: int
    mbs_to_geo: int
    geo_stay: int
    hole_to_mbs: int
    hole_to_geo: int
    hole: int
    enter: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Instance:
    """A JUTAP problem. Immutable; make a changed copy with `dataclasses.replace`.

    Parameters
    ----------
    name
        Free text for tables; not part of the hash.
    grid, num_mbs
        N and B.
    start, end, start_link
        First cell, last cell, and the link held at the first cell.
    link_ptr, link_ids
        Links of each cell in compressed rows: cell q has ``link_ids[link_ptr[q]:link_ptr[q+1]]``,
        ascending. Shapes (N*N + 1,) and (number of cell-link pairs,).
    strongest
        The MBS with the highest SINR in each cell, B where none reaches the threshold; (N*N,).
    cost
        Integer cost numbers.
    energy_mj
        Energy of a straight and of a diagonal move.
    energy_budget_mj
        Total energy allowed (constraint (5a)); None is no limit.
    cell_m
        Side of a cell in metres.
    association
        ``full``: every listed link may be used; ``strongest``: of the MBSs only the strongest.
    scenario
        Physical parameters and seed the instance came from; not part of the hash.

    Raises
    ------
    InputError
        If a field contradicts the format; names the field and what was expected.
    """

    problem: ClassVar[str] = "jutap"

    name: str
    grid: int
    num_mbs: int
    start: int
    end: int
    start_link: int
    link_ptr: IntArray
    link_ids: IntArray
    strongest: IntArray
    cost: Cost
    energy_mj: tuple[int, int]
    energy_budget_mj: int | None
    cell_m: float
    association: Association = "full"
    scenario: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("link_ptr", "link_ids", "strongest"):
            array = np.ascontiguousarray(getattr(self, name), dtype=np.int64)
            if array is getattr(self, name) and array.flags.writeable:
                array = array.copy()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        _check(self)

    @property
    def num_cells(self) -> int:
        """Number of cells, N * N."""
        return self.grid * self.grid

    @property
    def hole(self) -> int:
        """Link number of HOLE."""
        return self.num_mbs

    @property
    def geo(self) -> int:
        """Link number of GEO."""
        return self.num_mbs + 1

    @cached_property
    def usable(self) -> tuple[IntArray, IntArray]:
        """Links usable under the association model, as (ptr, ids) like the listed ones.

        The pair (cell, link) at position s of ``ids`` is *state* s of the problem.
        """
        if self.association == "full":
            return self.link_ptr, self.link_ids
        cells = np.repeat(np.arange(self.num_cells), np.diff(self.link_ptr))
        keep = (self.link_ids >= self.num_mbs) | (self.link_ids == self.strongest[cells])
        ptr = np.zeros(self.num_cells + 1, dtype=np.int64)
        np.cumsum(np.bincount(cells[keep], minlength=self.num_cells), out=ptr[1:])
        return _frozen(ptr), _frozen(self.link_ids[keep])

    @cached_property
    def transition(self) -> IntArray:
        """Link cost of a move by kind of link, shape (3, 3), [from, to] over (MBS, HOLE, GEO).

        Staying with the *same* MBS costs 0 instead of ``[MBS, MBS]``. The HOLE charge is in the
        HOLE column.
        """
        c = self.cost
        rows = [
            [c.mbs_to_mbs, c.hole, c.mbs_to_geo],
            [c.hole_to_mbs, c.hole, c.hole_to_geo],
            [c.geo_to_mbs, c.hole, c.geo_stay],
        ]
        return _frozen(np.array(rows, dtype=np.int64))

    @cached_property
    def enter(self) -> IntArray:
        """Cost of entering each cell, zeros if there is none, shape (N*N,)."""
        if self.cost.enter is None:
            return _frozen(np.zeros(self.num_cells, dtype=np.int64))
        return _frozen(np.array(self.cost.enter, dtype=np.int64))

    @cached_property
    def sha256(self) -> str:
        """Hash of the problem: canonical JSON of `document` without name and scenario."""
        document = self.document()
        del document["name"], document["scenario"]
        return files.canonical_sha256(document)

    def links(self, cell: int) -> IntArray:
        """Return the usable links of `cell`, ascending."""
        ptr, ids = self.usable
        return ids[ptr[cell] : ptr[cell + 1]]

    def kind(self, link: int) -> int:
        """Return MBS, HOLE or GEO for a link number."""
        return max(link - self.num_mbs + 1, MBS)

    def document(self) -> dict[str, Any]:
        """Return the instance as the JSON document of its file format."""
        cost: dict[str, Any] = dict(vars(self.cost))
        if cost["enter"] is None:
            del cost["enter"]
        rows = np.split(self.link_ids, self.link_ptr[1:-1])
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "grid": self.grid,
            "num_mbs": self.num_mbs,
            "start": self.start,
            "end": self.end,
            "start_link": self.start_link,
            "links": [row.tolist() for row in rows],
            "strongest": self.strongest.tolist(),
            "cost": cost,
            "energy_mj": list(self.energy_mj),
            "energy_budget_mj": self.energy_budget_mj,
            "cell_m": float(self.cell_m),
            "association": self.association,
            "scenario": self.scenario,
        }

    def write(self, path: str | Path) -> None:
        """Write the instance to a ``.json`` or ``.json.gz`` file, atomically."""
        files.write_document(path, self.document())

    def without_geo(self) -> "Instance":
        """Return the terrestrial-only problem: no cell offers GEO (START keeps the link it has)."""
        cells = np.repeat(np.arange(self.num_cells), np.diff(self.link_ptr))
        held = (cells == self.start) & (self.link_ids == self.start_link)
        keep = (self.link_ids != self.geo) | held
        ptr = np.zeros(self.num_cells + 1, dtype=np.int64)
        np.cumsum(np.bincount(cells[keep], minlength=self.num_cells), out=ptr[1:])
        return replace(self, link_ptr=ptr, link_ids=self.link_ids[keep])


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
_CostNumber = Annotated[int, msgspec.Meta(ge=-MAX_COST, le=MAX_COST)]
_Energy = Annotated[int, msgspec.Meta(ge=1, le=MAX_ENERGY_MJ)]


class _CostFile(msgspec.Struct, forbid_unknown_fields=True):
    move: tuple[_CostNumber, _CostNumber]
    mbs_to_mbs: _CostNumber
    geo_to_mbs: _CostNumber
    mbs_to_geo: _CostNumber
    geo_stay: _CostNumber
    hole_to_mbs: _CostNumber
    hole_to_geo: _CostNumber
    hole: _CostNumber
    enter: tuple[_CostNumber, ...] | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    name: str
    grid: Annotated[int, msgspec.Meta(ge=1, le=MAX_GRID)]
    num_mbs: Annotated[int, msgspec.Meta(ge=0, le=10**6)]
    start: _Count
    end: _Count
    start_link: _Count
    links: list[list[_Count]]
    strongest: list[_Count]
    cost: _CostFile
    energy_mj: tuple[_Energy, _Energy]
    energy_budget_mj: Annotated[int, msgspec.Meta(ge=0, le=2**62)] | None
    cell_m: Annotated[float, msgspec.Meta(gt=0)]
    association: Association
    scenario: dict[str, Any]


def from_bytes(data: bytes, source: str = "") -> Instance:
    """Build an instance from the JSON text of its file.

    Raises
    ------
    InputError
        Names `source`, the field and the expectation.
    """
    raw = files.decode_document(data, _File, FORMAT, VERSION, source)
    lengths = np.fromiter(map(len, raw.links), dtype=np.int64, count=len(raw.links))
    ids = np.fromiter((x for row in raw.links for x in row), np.int64, int(lengths.sum()))
    try:
        return Instance(
            name=raw.name,
            grid=raw.grid,
            num_mbs=raw.num_mbs,
            start=raw.start,
            end=raw.end,
            start_link=raw.start_link,
            link_ptr=np.concatenate([[0], np.cumsum(lengths)]),
            link_ids=ids,
            strongest=np.array(raw.strongest, dtype=np.int64),
            cost=Cost(**msgspec.structs.asdict(raw.cost)),
            energy_mj=raw.energy_mj,
            energy_budget_mj=raw.energy_budget_mj,
            cell_m=raw.cell_m,
            association=raw.association,
            scenario=raw.scenario,
        )
    except InputError as error:
        raise InputError(error.field, error.expected, source) from None


def read(path: str | Path) -> Instance:
    """Read and validate an instance file (``.json`` or gzip)."""
    return from_bytes(files.read_bytes(path), str(path))


def _check(x: Instance) -> None:
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


def _check_cost(x: Instance) -> None:
    c = x.cost
    numbers = {f"move[{i}]": value for i, value in enumerate(c.move)}
    numbers |= {name: value for name, value in vars(c).items() if name not in ("move", "enter")}
    for name, value in numbers.items():
        ok = isinstance(value, int) and abs(value) <= MAX_COST
        _expect(ok, f"cost.{name}", f"expected an integer within +-{MAX_COST}, found {value}")
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


def _check_links(x: Instance) -> None:
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


def _frozen(array: IntArray) -> IntArray:
    array.flags.writeable = False
    return array


def _expect(ok: bool | np.bool, name: str, expected: str) -> None:
    if not ok:
        raise InputError(name, expected)


def _expect_all(ok: NDArray[np.bool], cells: IntArray, name: str, expected: str) -> None:
    if not ok.all():
        raise InputError(name.format(cells[np.argmin(ok)]), expected)
