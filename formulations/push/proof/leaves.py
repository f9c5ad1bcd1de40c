"""Leaves of a proof's tree in integers: what multipliers of rows prove, exactly and at once.

`opt_istn.verifier` has the theorem, and the last word. Here the same sums are products with one
sparse matrix of integers, so that every node can be judged by what it proves and not by a float.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from opt_istn.verifier import ONE, SAFE, Refused, User, leaf_bound

Name = tuple[Any, ...]
Sum = Mapping[Any, int]
Tree = list[Any]
IntArray = NDArray[np.int64]
Answers = tuple[tuple[int, int], ...]  # (question number, answer) from the root down

SCALE = 2**20  # a leaf's multipliers while the tree grows
_RAY = 2**40  # a ray's largest multiplier: its length is free, its precision is not


@dataclass(frozen=True)
class Leaf:
    """Multipliers that prove something about a node.

    Parameters
    ----------
    empty
        Whether they show that no plan has the node's answers.
    rows, y
        Numbers of rows in `Rows`, and their multipliers, above 0.
    answered
        Multiplier of each answer on the way to the node.
    """

    empty: bool
    rows: IntArray
    y: IntArray
    answered: tuple[int, ...]

    def scaled(self, scale: int) -> "Leaf":
        """Return the leaf for another denominator; a ray has none."""
        if self.empty or scale == SCALE:
            return self
        y = np.rint(self.y * (scale / SCALE)).astype(np.int64)
        some = np.flatnonzero(y)
        answered = np.rint(np.array(self.answered) * (scale / SCALE)).astype(np.int64).tolist()
        return Leaf(False, self.rows[some], y[some], tuple(answered))


def rounded(duals: NDArray[np.float64], ray: bool) -> IntArray:
    """Return multipliers as integers, those below 0 as 0."""
    factor = _RAY / max(np.abs(duals).max(initial=0), 1e-300) if ray else SCALE
    return np.maximum(np.rint(duals * factor), 0).astype(np.int64)


class Rows:
    """The questions and rows of a user's program in integers, numbered as they come.

    Questions come first, so that their numbers are those of their rows.

    Parameters
    ----------
    user
        Whose program it is.
    columns
        Number of each variable.
    gains
        What the first columns, the claims, save in microseconds.
    """

    def __init__(self, user: User, columns: Mapping[Any, int], gains: Sequence[int]) -> None:
        self.user, self.columns = user, columns
        self.names: list[Name] = []
        self.number: dict[Name, int] = {}
        self.gains = np.array(gains, dtype=np.int64)
        self._parts: list[tuple[sparse.csr_matrix, IntArray]] = []
        self._whole: tuple[sparse.csr_matrix, IntArray, IntArray] | None = None

    def append(self, names: Sequence[Name], sums: Sequence[Sum]) -> sparse.csr_matrix:
        """Add rows, and return their matrix without the constants."""
        constant = np.array([row.get(ONE, 0) for row in sums], dtype=np.int64)
        triples = [
            (i, self.columns[variable], value)
            for i, row in enumerate(sums)
            for variable, value in row.items()
            if variable != ONE
        ]
        where, which, what = np.array(triples, dtype=np.int64).reshape(-1, 3).T
        shape = (len(sums), len(self.columns))
        part = sparse.csr_matrix((what, (where, which)), shape)
        self.number |= {name: len(self.names) + i for i, name in enumerate(names)}
        self.names += names
        self._parts.append((part, constant))
        self._whole = None
        return part

    def table(self) -> tuple[sparse.csr_matrix, IntArray, IntArray]:
        """Return matrix, constants, and each row's sum of absolute factors."""
        if self._whole is None:
            table = sparse.csr_matrix(sparse.vstack([part for part, _ in self._parts]))
            constant = np.concatenate([constant for _, constant in self._parts])
            weight = np.asarray(abs(table).sum(axis=1)).ravel() + np.abs(constant)
            self._parts = [(table, constant)]
            self._whole = table, constant, weight
        return self._whole

    def bound(self, leaf: Leaf, answers: Answers, scale: int = SCALE) -> int | None:
        """Return the cost that a leaf proves; None if it shows that no plan has the answers.

        Parameters
        ----------
        scale
            Denominator of the leaf's multipliers.

        Raises
        ------
        Refused
            If the leaf is to be empty, and that is not shown.
        """
        table, constant, weight = self.table()
        asked = np.array([number for number, _ in answers], dtype=np.int64)
        sign = np.array([1 - 2 * answer for _, answer in answers], dtype=np.int64)
        answered = np.array(leaf.answered, dtype=np.int64)
        rows, y = np.append(leaf.rows, asked), np.append(leaf.y, answered * sign)
        largest = np.abs(y).astype(float) @ (weight[rows] + 1)
        largest += scale * self.gains.astype(float).sum()
        if largest >= SAFE:  # beyond 64 bits: by the verifier's own integers
            user, tree = self.user, self.tree(leaf, answers)
            path = [(a, user.question(list(self.names[i]))) for i, a in answers]
            return leaf_bound(user, tree, path, scale)
        reduced = table[rows].T @ y
        if not leaf.empty:
            reduced[: len(self.gains)] -= scale * self.gains
        value = int(y @ constant[rows]) + int(answered[sign < 0].sum())
        value += int(np.minimum(reduced, 0).sum())
        if not leaf.empty:
            return int(self.user.base - (-value // scale))
        if value <= 0:
            raise Refused("leaf: it does not show that it is empty")
        return None

    def tree(self, leaf: Leaf, answers: Answers) -> Tree:
        """Return a leaf as the certificate has it."""
        pairs = [
            [list(self.names[i]), y]
            for i, y in zip(leaf.rows.tolist(), leaf.y.tolist(), strict=True)
        ]
        for place, ((_, answer), y) in enumerate(zip(answers, leaf.answered, strict=True)):
            pairs += [[["yes" if answer else "no", place], y]] if y else []
        return ["empty" if leaf.empty else "least", *pairs]
