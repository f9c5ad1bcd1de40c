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
from opt_istn.jutap.checks import MAX_ENERGY_MJ, MAX_GRID, MAX_MOVE_COST, check
from opt_istn.origin import Origin

FORMAT = "opt-istn/jutap"
VERSION = 2
MBS, HOLE, GEO = 0, 1, 2  # kinds of link, the axes of `Instance.transition`
KINDS = 3
NO_ARC = 2**61  # entry of `Instance.state_transition` where there is no such move

Association = Literal["full", "strongest"]
HoleBonus = Literal["printed", "once"]
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
    hole_bonus
        How often a negative ``hole_to_mbs`` or ``hole_to_geo`` is paid: each time that HOLE is left
        (``printed``), or only the first time of a flight, later 0 (``once``).
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
    hole_bonus: HoleBonus = "printed"


class Battery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """E_C, E_S and 2 E(v, h) of E_A = E_C - E_S - 2 E(v, h), and the energy model behind E."""

    model: str
    capacity_mj: Annotated[int, msgspec.Meta(ge=0)]
    reserve_mj: Annotated[int, msgspec.Meta(ge=0)]
    vertical_mj: Annotated[int, msgspec.Meta(ge=0)]


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
    origin
        What generated it, None if nothing did; not part of the hash.
    battery
        Where the energy budget comes from, None if not from a battery; not part of the hash.
    extra
        Whatever others keep with an instance; not part of the hash.

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
    origin: Origin | None = None
    battery: Battery | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("link_ptr", "link_ids", "strongest"):
            array = np.ascontiguousarray(getattr(self, name), dtype=np.int64)
            if array is getattr(self, name) and array.flags.writeable:
                array = array.copy()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        check(self)

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
        """Links usable under the association model, as (ptr, ids) like the listed ones."""
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

    @property
    def layered(self) -> bool:
        """Whether a flight has to remember that its bonus for leaving HOLE is spent."""
        c = self.cost
        return c.hole_bonus == "once" and min(c.hole_to_mbs, c.hole_to_geo) < 0

    @cached_property
    def states(self) -> tuple[IntArray, IntArray, NDArray[np.bool]]:
        """The states of the problem, as (ptr, ids, spent): state s is position s of ``ids``.

        One for each usable pair of cell and link. Where the instance is `layered` there are two,
        all of a cell's with the bonus unspent before all with it spent.
        """
        ptr, ids = self.usable
        if not self.layered:
            return ptr, ids, np.zeros(len(ids), dtype=bool)
        cells = np.repeat(np.arange(self.num_cells), np.diff(ptr))
        order = np.argsort(np.tile(cells, 2), kind="stable")
        spent = np.repeat([False, True], len(ids))[order]
        return _frozen(2 * ptr), _frozen(np.tile(ids, 2)[order]), spent

    @cached_property
    def state_kinds(self) -> IntArray:
        """Kind of each state, an axis of `state_transition`: of its link, + 3 if spent."""
        _, ids, spent = self.states
        return _frozen(np.maximum(ids - self.num_mbs + 1, MBS) + KINDS * spent)

    @cached_property
    def state_transition(self) -> IntArray:
        """`transition` between kinds of states; `NO_ARC` where the layers allow no such move.

        A bonus leads from the unspent to the spent layer, all else stays in its layer.
        """
        if not self.layered:
            return self.transition
        never = np.full((KINDS, KINDS), NO_ARC)
        first, spend, later = self.transition.copy(), never.copy(), self.transition.copy()
        for link in (MBS, GEO):
            if first[HOLE, link] < 0:
                spend[HOLE, link] = first[HOLE, link]
                first[HOLE, link], later[HOLE, link] = NO_ARC, 0
        return _frozen(np.block([[first, spend], [never, later]]))

    @cached_property
    def enter(self) -> IntArray:
        """Cost of entering each cell, zeros if there is none, shape (N*N,)."""
        if self.cost.enter is None:
            return _frozen(np.zeros(self.num_cells, dtype=np.int64))
        return _frozen(np.array(self.cost.enter, dtype=np.int64))

    @cached_property
    def sha256(self) -> str:
        """Hash of the problem: canonical JSON of `document` without what is no part of it.

        It does not depend on the version of the format: a problem that version 1 can state keeps
        the hash that it had there.
        """
        document = self.document() | {"version": 1}
        for name in ("name", "scenario", "origin", "battery", "extra"):
            del document[name]
        if self.cost.hole_bonus == "printed":
            del document["cost"]["hole_bonus"]
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
            "origin": msgspec.to_builtins(self.origin),
            "battery": msgspec.to_builtins(self.battery),
            "extra": self.extra,
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
_CostNumber = Annotated[int, msgspec.Meta(ge=-MAX_MOVE_COST, le=MAX_MOVE_COST)]
_Energy = Annotated[int, msgspec.Meta(ge=1, le=MAX_ENERGY_MJ)]


class _CostFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    move: tuple[_CostNumber, _CostNumber]
    mbs_to_mbs: _CostNumber
    geo_to_mbs: _CostNumber
    mbs_to_geo: _CostNumber
    geo_stay: _CostNumber
    hole_to_mbs: _CostNumber
    hole_to_geo: _CostNumber
    hole: _CostNumber
    enter: tuple[_CostNumber, ...] | None = None


class _BonusCostFile(_CostFile, forbid_unknown_fields=True, kw_only=True):
    hole_bonus: HoleBonus = "printed"


class _File(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
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


class _File2(_File, forbid_unknown_fields=True, kw_only=True):
    cost: _BonusCostFile
    origin: Origin | None = None
    battery: Battery | None = None
    extra: dict[str, Any] = {}  # msgspec copies it


_LATER = ("origin", "battery", "extra")  # fields that version 1 does not know
_VERSIONS: dict[int, type[_File]] = {1: _File, VERSION: _File2}


def from_bytes(data: bytes, source: str = "") -> Instance:
    """Build an instance from the JSON text of its file.

    Raises
    ------
    InputError
        Names `source`, the field and the expectation.
    """
    return files.build(data, _VERSIONS, FORMAT, source, _made)


def _made(raw: _File) -> Instance:
    later = {name: getattr(raw, name) for name in _LATER} if isinstance(raw, _File2) else {}
    lengths = np.fromiter(map(len, raw.links), dtype=np.int64, count=len(raw.links))
    ids = np.fromiter((x for row in raw.links for x in row), np.int64, int(lengths.sum()))
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
        **later,
    )


def read(path: str | Path) -> Instance:
    """Read and validate an instance file (``.json`` or gzip)."""
    return from_bytes(files.read_bytes(path), str(path))


def _frozen(array: IntArray) -> IntArray:
    array.flags.writeable = False
    return array
