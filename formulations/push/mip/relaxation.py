"""A user's linear relaxation in HiGHS, on the rows and columns of `opt_istn.verifier`.

The questions of a proof's tree are rows too, free until their answers are fixed: bounds of rows
change from node to node, so that the dual simplex goes on from the last basis.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from opt_istn.verifier import ONE, User

Name = tuple[Any, ...]
Sum = Mapping[Any, int]


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
        self.solved = 0
        self.fixed: dict[int, int] = {}

    def _load(self) -> highspy.Highs:
        rows, uppers = [], []
        for name, row, upper in _named_rows(self.user):
            self.rows.append(name)
            rows.append(row)
            uppers.append(upper)
        rows += [self.user.question(list(name)) for name in self.questions]
        uppers += [highspy.kHighsInf] * len(self.questions)
        for row in rows:
            for variable in row:
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
        return np.array(self.engine.getSolution().row_value)[len(self.rows) :]


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
