"""A user's linear relaxation in HiGHS, on the rows and columns of `opt_istn.verifier`.

The questions of a proof's tree are rows too, free until their answers are fixed: bounds of rows
change from node to node, so that the dual simplex goes on from the last basis. The engine holds the
questions first, then other rows of `formulations.push.proof.leaves.Rows`: in the beginning those of
the formulation, then besides them those that a solution violates, and after `slim` only what was
not slack. What is left out is watched, and comes back when a solution violates it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from formulations.push.mip.cuts import Point, violated
from formulations.push.proof.leaves import Answers, Leaf, Name, Rows, Sum, rounded
from formulations.quiet_highs import quiet_engine
from opt_istn.verifier import ONE, Refused, User

IntArray = NDArray[np.int64]
_VIOLATED = 1e-6

SEPARATED = {"LEAVE", "COVER_GIVEN"}  # families of rows that come when they are violated
_STATUS = {
    highspy.HighsModelStatus.kOptimal: "optimal",
    highspy.HighsModelStatus.kObjectiveBound: "optimal",  # dual feasible, and that is what counts
    highspy.HighsModelStatus.kInfeasible: "infeasible",
    highspy.HighsModelStatus.kIterationLimit: "open",
}


class Relaxation:
    """A user's linear relaxation, with the questions of the tree as rows that can be fixed."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.columns: dict[Any, int] = {}
        for p in user.positions:
            for claim in user.claims(p, p[0]):
                self.columns[claim] = len(self.columns)
        self.claims = list(self.columns)
        self.questions = list(_questions(user))
        self.live: list[int] = []  # numbers of the rows that the engine holds below the questions
        self.engine = self._load()
        self.solved = 0
        self.fixed: dict[int, int] = {}

    def _load(self) -> highspy.Highs:
        formulation = list(_named_rows(self.user))
        names, sums = [name for name, _ in formulation], [row for _, row in formulation]
        asked = [self.user.question(list(name)) for name in self.questions]
        for row in [*sums, *asked]:
            for variable in row:
                if variable != ONE:
                    self.columns.setdefault(variable, len(self.columns))
        for variable in _told(self.user):  # also those in no row: separated rows may have them
            self.columns.setdefault(variable, len(self.columns))
        gains = [self.user.gain(*claim[1:]) for claim in self.claims]
        self.rows = Rows(self.user, self.columns, gains)
        table = self.rows.append([*self.questions, *names], [*asked, *sums]).tocsc()
        self.live += range(len(asked), len(self.rows.names))
        width, free = len(self.columns), highspy.kHighsInf
        upper = np.array([free] * len(asked) + [-row.get(ONE, 0) for row in sums], dtype=float)
        cost = np.zeros(width)
        cost[: len(gains)] = -np.array(gains, dtype=float)
        engine = quiet_engine()
        options: dict[str, Any] = {"threads": 1, "solver": "simplex", "presolve": "off"}
        for option, value in options.items():
            engine.setOptionValue(option, value)
        engine.passModel(
            width, len(upper), table.nnz, 1, 1, 0.0, cost, np.zeros(width), np.ones(width),
            np.full(len(upper), -free), upper,
            table.indptr[:-1].astype(np.int32), table.indices.astype(np.int32),
            table.data.astype(float), np.zeros(width, dtype=np.int32),
        )  # fmt: skip
        return engine

    def fix(self, answers: Sequence[tuple[int, int]]) -> None:
        """Fix the answers of some questions and free all others."""
        before, fixed, free = self.fixed, dict(answers), highspy.kHighsInf
        for number in before.keys() - fixed.keys():
            self.engine.changeRowBounds(number, -free, free)
        for number, answer in fixed.items() - before.items():
            # one side only: the other one is implied, and a leaf has no multiplier for it
            low, high = (1, free) if answer else (-free, 0)
            self.engine.changeRowBounds(number, low, high)
        self.fixed = fixed

    def cut_off(self, value: float) -> None:
        """Let the simplex stop where it has shown that the objective is above a value."""
        self.engine.setOptionValue("objective_bound", value)

    def stopped(self) -> bool:
        """Return whether the last relaxation was cut off."""
        return bool(self.engine.getModelStatus() == highspy.HighsModelStatus.kObjectiveBound)

    def solve(self, pivots: int | None = None) -> str:
        """Solve to the end, or for some pivots; return ``optimal``, ``infeasible`` or ``open``.

        What is cut off is ``optimal`` as well.
        """
        limit = highspy.kHighsIInf if pivots is None else pivots
        self.engine.setOptionValue("simplex_iteration_limit", limit)
        self.engine.run()
        self.solved += 1
        status = self.engine.getModelStatus()
        if status not in _STATUS and pivots is None:  # numerical trouble: once more from scratch
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

    def leaf(self, answers: Answers, infeasible: bool) -> tuple[Leaf, float]:
        """Return the multipliers of the solved relaxation, and the cost that they prove.

        The cost is infinite if they show that no plan has the answers.
        """
        if not infeasible:
            leaf = self._leaf(answers, -np.array(self.engine.getSolution().row_dual), ray=False)
        else:
            _, found, ray = self.engine.getDualRay()
            if not found:
                raise RuntimeError("HiGHS has no dual ray")
            leaf = self._leaf(answers, np.array(ray), ray=True)
            try:
                self.rows.bound(leaf, answers)
            except Refused:  # either sign of a ray is one
                leaf = self._leaf(answers, -np.array(ray), ray=True)
        try:
            bound = self.rows.bound(leaf, answers)
        except Refused:
            raise RuntimeError("HiGHS has no ray that shows the node to be empty") from None
        return leaf, math.inf if bound is None else bound

    def _leaf(self, answers: Answers, duals: NDArray[np.float64], *, ray: bool) -> Leaf:
        signs = np.array([1 - 2 * answer for _, answer in answers])
        asked = np.array([number for number, _ in answers], dtype=np.int64)
        own = duals[len(self.questions) :]
        whole = rounded(np.append(own, duals[asked] * signs), ray)
        some = np.flatnonzero(whole[: len(own)])
        numbers = np.array(self.live, dtype=np.int64)[some]
        return Leaf(ray, numbers, whole[some], tuple(whole[len(own) :].tolist()))

    def answers(self) -> NDArray[np.float64]:
        """Return the share of yes in the answer to each question, 0..1."""
        return np.array(self.engine.getSolution().row_value)[: len(self.questions)]

    @cached_property
    def _layout(self) -> "_Layout":
        return _layout(self.user, self.columns)

    def separate(self) -> int:
        """Add rows of `formulations.push.mip.cuts` that the solution violates; return how many."""
        layout, values = self._layout, np.array(self.engine.getSolution().col_value)
        names = violated(layout.point(values), self.user.size)
        self.add(names)
        return len(names)

    def add(self, names: Sequence[Name]) -> None:
        """Add rows by their names."""
        if not names:
            return
        first = len(self.rows.names)
        self.rows.append(names, [self.user.row(list(name)) for name in names])
        self._hold(np.arange(first, first + len(names)))

    def _hold(self, numbers: IntArray) -> None:
        """Give rows to the engine."""
        table, constant, _ = self.rows.table()
        part = table[numbers]
        entries = part.indptr[:-1].astype(np.int32), part.indices.astype(np.int32)
        upper, lower = -constant[numbers].astype(float), np.full(len(numbers), -highspy.kHighsInf)
        self.engine.addRows(len(upper), lower, upper, part.nnz, *entries, part.data.astype(float))
        self.live += numbers.tolist()

    def recall(self) -> int:
        """Give the engine the rows back that its solution violates; return how many."""
        table, constant, _ = self.rows.table()
        values = np.array(self.engine.getSolution().col_value)
        excess = table @ values + constant
        excess[: len(self.questions)] = 0
        excess[self.live] = 0
        numbers = np.flatnonzero(excess > _VIOLATED)
        if len(numbers):
            self._hold(numbers)
        return len(numbers)

    def added(self) -> list[Name]:
        """Return the names of the rows besides those of the formulation that the engine holds."""
        return [name for i in self.live if (name := self.rows.names[i])[0] in SEPARATED]

    def slim(self) -> None:
        """Take out the rows that are slack at the solution; the basis stays valid."""
        first = len(self.questions)
        status = self.engine.getBasis().row_status[first:]
        slack = [i for i, x in enumerate(status) if x == highspy.HighsBasisStatus.kBasic]
        if slack:
            where = first + np.array(slack, dtype=np.int32)
            self.engine.deleteRows(len(where), where)
            gone = set(slack)
            self.live = [number for i, number in enumerate(self.live) if i not in gone]

    def set_basis(self, basis: highspy.HighsBasis) -> None:
        """Go on from a basis; rows that came after it are slack in it."""
        later = len(self.questions) + len(self.live) - len(basis.row_status)
        if later:
            basis.row_status = [*basis.row_status, *[highspy.HighsBasisStatus.kBasic] * later]
        self.engine.setBasis(basis)


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


def _named_rows(user: User) -> Iterator[tuple[Name, Sum]]:
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
        most = sum(value for variable, value in row.items() if value > 0 or variable == ONE)
        if most > 0:
            yield name, row
