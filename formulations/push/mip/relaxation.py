"""A user's linear relaxation in HiGHS, on the rows and columns of `opt_istn.verifier`.

The questions of a proof's tree are rows too, free until their answers are fixed: bounds of rows
change from node to node, so that the dual simplex goes on from the last basis. Rows that a solution
violates are added below them: first those of the formulation, then questions, then these.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from formulations.push.mip.cuts import Point, violated
from opt_istn.verifier import ONE, User

Name = tuple[Any, ...]
Sum = Mapping[Any, int]
IntArray = NDArray[np.int64]
_BINDING = 1e-6  # least dual value of a row that counts

_STATUS = {
    highspy.HighsModelStatus.kOptimal: "optimal",
    highspy.HighsModelStatus.kInfeasible: "infeasible",
    highspy.HighsModelStatus.kIterationLimit: "open",
}


class Relaxation:
    """A user's linear relaxation, with the questions of the tree as rows that can be fixed."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.columns: dict[Any, int] = {}
        self.rows: list[Name] = []
        for p in user.positions:
            for claim in user.claims(p, p[0]):
                self.columns[claim] = len(self.columns)
        self.claims = list(self.columns)
        self.questions = list(_questions(user))
        self.engine = self._load()
        self.added: list[Name] = []
        self.solved = 0
        self.fixed: dict[int, int] = {}

    def _load(self) -> highspy.Highs:
        rows: list[Sum] = []
        uppers: list[float] = []
        for name, row, upper in _named_rows(self.user):
            self.rows.append(name)
            rows.append(row)
            uppers.append(upper)
        rows += [self.user.question(list(name)) for name in self.questions]
        uppers += [highspy.kHighsInf] * len(self.questions)
        for row in rows:
            for variable in row:
                self.columns.setdefault(variable, len(self.columns))
        for variable in _told(self.user):  # those of no row too: separated rows may have them
            self.columns.setdefault(variable, len(self.columns))
        table = _matrix(rows, self.columns)
        lower = np.full(len(rows), -highspy.kHighsInf)
        cost = np.zeros(len(self.columns))
        cost[: len(self.claims)] = [-self.user.gain(*claim[1:]) for claim in self.claims]
        engine = highspy.Highs()
        engine.silent()
        options: dict[str, Any] = {"threads": 1, "solver": "simplex", "presolve": "off"}
        for option, value in options.items():
            engine.setOptionValue(option, value)
        engine.passModel(
            len(cost), len(rows), table.nnz, 1, 1, 0.0, cost, np.zeros(len(cost)),
            np.ones(len(cost)), lower, np.array(uppers, dtype=float),
            table.indptr[:-1].astype(np.int32), table.indices.astype(np.int32), table.data,
            np.zeros(len(cost), dtype=np.int32),
        )  # fmt: skip
        return engine

    def fix(self, answers: Sequence[tuple[int, int]]) -> None:
        """Fix the answers of some questions and free all others."""
        before, fixed, free = self.fixed, dict(answers), highspy.kHighsInf
        for number in before.keys() - fixed.keys():
            self.engine.changeRowBounds(len(self.rows) + number, -free, free)
        for number, answer in fixed.items() - before.items():
            # one side only: the other one is implied, and a leaf has no multiplier for it
            low, high = (1, free) if answer else (-free, 0)
            self.engine.changeRowBounds(len(self.rows) + number, low, high)
        self.fixed = fixed

    def solve(self, pivots: int | None = None) -> str:
        """Solve to the end, or for some pivots; return ``optimal``, ``infeasible`` or ``open``."""
        limit = highspy.kHighsIInf if pivots is None else pivots
        self.engine.setOptionValue("simplex_iteration_limit", limit)
        self.engine.run()
        self.solved += 1
        status = self.engine.getModelStatus()
        if status not in _STATUS and pivots is None:  # lost in its numbers: once more from scratch
            self.engine.clearSolver()
            self.engine.run()
            status = self.engine.getModelStatus()
            if status not in _STATUS:
                name = self.engine.modelStatusToString(status)
                raise RuntimeError(f"HiGHS ended with {name}")
        return _STATUS.get(status, "open")

    def value(self) -> float:
        """Return the relaxation's objective; while it is open, of a dual feasible basis."""
        return float(self.engine.getInfo().objective_function_value)

    def duals(self, infeasible: bool) -> NDArray[np.float64]:
        """Return the rows' multipliers: dual values, or a ray that shows infeasibility."""
        if not infeasible:
            return -np.array(self.engine.getSolution().row_dual)
        _, found, ray = self.engine.getDualRay()
        if not found:
            raise RuntimeError("HiGHS has no dual ray")
        return np.array(ray)

    def answers(self) -> NDArray[np.float64]:
        """Return how much each question is answered with yes."""
        first = len(self.rows)
        return np.array(self.engine.getSolution().row_value)[first : first + len(self.questions)]

    def names(self) -> list[Name | None]:
        """Return the name of every row; None for questions."""
        return [*self.rows, *[None] * len(self.questions), *self.added]

    @cached_property
    def _layout(self) -> "_Layout":
        return _layout(self.user, self.columns)

    def separate(self) -> int:
        """Add rows that the solution violates; return how many."""
        layout, values = self._layout, np.array(self.engine.getSolution().col_value)
        names = violated(layout.point(values), self.user.size)
        rows, upper = [], []
        for name in names:
            row = self.user.row(list(name))
            upper.append(float(-row.pop(ONE, 0)))
            rows.append(row)
        if names:
            table = _matrix(rows, self.columns).tocsr()
            lower = np.full(len(names), -highspy.kHighsInf)
            entries = table.indptr[:-1].astype(np.int32), table.indices.astype(np.int32), table.data
            self.engine.addRows(len(names), lower, np.array(upper), table.nnz, *entries)
            self.added += names
        return len(names)

    def drop_slack(self) -> None:
        """Take the added rows out that the solution does not lean on."""
        first = len(self.rows) + len(self.questions)
        duals = np.abs(np.array(self.engine.getSolution().row_dual)[first:])
        slack = np.flatnonzero(duals < _BINDING)
        if len(slack):
            self.engine.deleteRows(len(slack), (first + slack).astype(np.int32))
            binding = set(np.flatnonzero(duals >= _BINDING).tolist())
            self.added = [name for i, name in enumerate(self.added) if i in binding]


@dataclass(frozen=True)
class _Layout:
    """Which columns `hold` and `reach` are made of.

    Parameters
    ----------
    slot, item
        Of each position.
    num_slots
        Up to the last slot in which something is requested that can be pushed.
    claims, kept, reach
        Rows of position, slot and column; a claim's slot is its end.
    """

    slot: IntArray
    item: IntArray
    num_slots: int
    claims: IntArray
    kept: IntArray
    reach: IntArray

    def point(self, values: NDArray[np.float64]) -> Point:
        """Return hold and reach of a solution."""
        before = np.arange(self.num_slots) < self.slot[:, None]
        hold = np.zeros(before.shape)
        position, end, column = self.claims.T
        np.add.at(hold, (position, end), values[column])
        hold = np.cumsum(hold[:, ::-1], axis=1)[:, ::-1]
        hold[before] = 0
        position, slot, column = self.kept.T
        hold[position, slot] += values[column]
        reach = (np.arange(self.num_slots) <= self.slot[:, None]).astype(float)
        position, slot, column = self.reach.T
        reach[position, slot] = values[column]
        return Point(self.slot, self.item, hold, reach)


def _layout(user: User, columns: Mapping[Any, int]) -> _Layout:
    last = max(user.asked[f][-1] for _, f in user.positions)
    claims, kept, reach = [], [], []
    for i, p in enumerate(user.positions):
        claims += [(i, name[3], columns[name]) for name in user.claims(p, p[0])]
        for k in range(p[0] + 1, last + 1):
            kept.append((i, k, columns["kept", *p, k]))
            reach += [(i, k, columns[name]) for name in user.reach(p, k)]
    slot, item = np.array(user.positions, dtype=np.int64).T
    triples = (np.array(rows, dtype=np.int64).reshape(-1, 3) for rows in (claims, kept, reach))
    return _Layout(slot, item, last + 1, *triples)


def _told(user: User) -> Iterator[Name]:
    """Yield the variables that `_layout` reads."""
    last = max((user.asked[f][-1] for _, f in user.positions), default=-1)
    for p in user.positions:
        for k in range(p[0] + 1, last + 1):
            yield ("kept", *p, k)
            yield from user.reach(p, k)


def _questions(user: User) -> Iterator[Name]:
    for f in sorted(user.starts):
        if user.starts[f]:
            for k in user.asked[f]:
                if k >= user.starts[f][0]:
                    yield ("served", f, k)
    for p in user.positions:
        yield ("pushed", *p)


def _named_rows(user: User) -> Iterator[tuple[Name, Sum, int]]:
    """Yield every row that could be violated by some point of the box."""
    names: list[Name] = [("ONCE", f) for f, slots in user.starts.items() if slots]
    last = max((user.asked[f][-1] for _, f in user.positions), default=-1)
    names += [("COVER", k) for k in range(last + 1)]
    ahead = -1  # latest end that can be claimed before the position
    for s, f in user.positions:
        own = range(s + 1, user.asked[f][-1] + 1)
        names += [(family, s, f, k) for k in own for family in ("REACH", "CARRY")]
        names += [("FIFO", s, f, k) for k in range(s + 1, ahead + 1)]
        ahead = max(ahead, user.asked[f][-1])
    for name in names:
        row = user.row(list(name))
        upper = -row.pop(ONE, 0)
        if sum(value for value in row.values() if value > 0) > upper:
            yield name, row, upper


def _matrix(rows: Sequence[Sum], columns: Mapping[Any, int]) -> sparse.csc_matrix:
    where, which, what = [], [], []
    for i, row in enumerate(rows):
        for variable, value in row.items():
            where.append(i)
            which.append(columns[variable])
            what.append(value)
    shape = (len(rows), len(columns))
    return sparse.csc_matrix((np.array(what, dtype=float), (where, which)), shape)
