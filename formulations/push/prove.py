"""Certificates of PUSH bounds: a branch-and-bound of our own on HiGHS's linear relaxations.

Rows and columns are those that `opt_istn.verifier` builds from the instance; a solved relaxation's
dual values, rounded to integers, are a leaf of the tree that it checks. Nodes ask whether a request
is served from the cache: that says more than a single claim does. What remains fractional when all
requests are settled is asked by pushes. Users are proven one by one; their bounds add up.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from opt_istn.verifier import ONE, Refused, User, leaf_bound, user_bound

Name = tuple[Any, ...]
Tree = list[Any]
Sum = Mapping[Any, int]

DENOMINATORS = (1, 64, 4096, 2**20)  # multipliers are rounded to one of these
_FRACTION = 1e-6
_CANDIDATES = 8  # questions that are tried before one is asked
_TRIAL_PIVOTS = 300


@dataclass
class Node:
    """A node of the tree.

    Parameters
    ----------
    answers
        (question number, answer) from the root down.
    value
        Of the relaxation, infinite if that is infeasible.
    duals
        Its multipliers, or a ray that shows infeasibility; None while it is not solved to the end.
    shares
        How far each question is answered with yes.
    split
        Question that was asked, node if not, node if so; None for a leaf.
    """

    answers: tuple[tuple[int, int], ...] = ()
    value: float = -math.inf
    duals: NDArray[np.float64] | None = None
    shares: NDArray[np.float64] | None = None
    split: "tuple[int, Node, Node] | None" = None


@dataclass(frozen=True)
class Proof:
    """What is proven of a user.

    Parameters
    ----------
    bound_us
        By the tree, exactly.
    denominator, tree
        As in the certificate.
    nodes
        Relaxations solved.
    pushes
        (slot, content) of a plan better than the one that was known; None if none was found.
    """

    bound_us: int
    denominator: int
    tree: Tree
    nodes: int
    pushes: tuple[tuple[int, int], ...] | None


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
        for name, value in {"threads": 1, "solver": "simplex", "presolve": "off"}.items():
            engine.setOptionValue(name, value)
        engine.passModel(
            len(cost), len(rows), table.nnz, 1, 1, 0.0, cost, np.zeros(len(cost)),
            np.ones(len(cost)), lower, np.array(uppers, dtype=float),
            table.indptr[:-1].astype(np.int32), table.indices.astype(np.int32), table.data,
            np.zeros(len(cost), dtype=np.int32),
        )  # fmt: skip
        return engine

    def fix(self, answers: Sequence[tuple[int, int]]) -> None:
        """Fix the answers of some questions and free all others."""
        before, fixed = self.fixed, dict(answers)
        for number in before.keys() - fixed.keys():
            free = highspy.kHighsInf
            self.engine.changeRowBounds(len(self.rows) + number, -free, free)
        for number, answer in fixed.items() - before.items():
            self.engine.changeRowBounds(len(self.rows) + number, answer, answer)
        self.fixed = fixed

    def solve(self, pivots: int | None = None) -> str:
        """Solve to the end, or for some pivots; return ``optimal``, ``infeasible`` or ``open``."""
        limit = highspy.kHighsIInf if pivots is None else pivots
        self.engine.setOptionValue("simplex_iteration_limit", limit)
        self.engine.run()
        self.solved += 1
        status = self.engine.getModelStatus()
        known = {
            highspy.HighsModelStatus.kOptimal: "optimal",
            highspy.HighsModelStatus.kInfeasible: "infeasible",
            highspy.HighsModelStatus.kIterationLimit: "open",
        }
        if status not in known:
            raise RuntimeError(f"HiGHS ended with {self.engine.modelStatusToString(status)}")
        return known[status]

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


def prove_user(user: User, known_us: int, expired: Callable[[], bool]) -> Proof:
    """Prove that no plan of a user costs less than one that is known, or find a better one.

    Parameters
    ----------
    known_us
        Cost of the known plan.
    expired
        Asked before a node is split whether to stop; the tree so far then proves less.
    """
    if not user.positions:
        return Proof(user.base, 1, ["least"], 0, None)
    relaxation, root, better = Relaxation(user), Node(), None
    _solve(relaxation, root)
    ticket = count()
    queue = [(root.value, next(ticket), root)]
    while queue and not expired():
        node = heapq.heappop(queue)[2]
        if _closed(relaxation, node, known_us):
            continue
        number = _question(relaxation, node)
        if number is None:
            better, known_us = _plan(relaxation, node), user.base + round(node.value)
            continue
        children = [Node((*node.answers, (number, answer))) for answer in (0, 1)]
        for child in children:
            _solve(relaxation, child)
            heapq.heappush(queue, (child.value, next(ticket), child))
        node.split = (number, *children)
    return _proof(relaxation, root, known_us, better)


def _solve(relaxation: Relaxation, node: Node) -> None:
    relaxation.fix(node.answers)
    infeasible = relaxation.solve() == "infeasible"
    node.value = math.inf if infeasible else relaxation.value()
    node.duals = relaxation.duals(infeasible)
    node.shares = None if infeasible else relaxation.answers()


def _closed(relaxation: Relaxation, node: Node, known_us: int) -> bool:
    """Return whether the node proves, in integers, that no plan in it is better."""
    if relaxation.user.base + node.value <= known_us - 1 + _FRACTION:
        return False
    bound = _leaf_bound(relaxation, node, DENOMINATORS[-1])
    return bound is None or bound >= known_us


def _leaf_bound(relaxation: Relaxation, node: Node, scale: int) -> int | None:
    """Return the cost that a leaf proves; None if it is shown to be empty."""
    user = relaxation.user
    questions = [
        (answer, user.question(list(relaxation.questions[i]))) for i, answer in node.answers
    ]
    return leaf_bound(user, _leaf(relaxation, node, scale), questions, scale)


def _leaf(relaxation: Relaxation, node: Node, scale: int) -> Tree:
    """Return a leaf as the certificate has it, multipliers rounded."""
    if node.duals is None:
        raise ValueError("_leaf: expected a node that is solved")
    empty = math.isinf(node.value)
    factor = scale / max(np.abs(node.duals).max(), 1e-300) if empty else scale
    y = np.rint(node.duals * factor).astype(np.int64)
    own = y[: len(relaxation.rows)]
    pairs = [[list(relaxation.rows[i]), int(own[i])] for i in np.flatnonzero(own > 0)]
    for place, (number, answer) in enumerate(node.answers):
        multiplier = int(y[len(relaxation.rows) + number]) * (1 - 2 * answer)
        if multiplier > 0:
            pairs.append([["yes" if answer else "no", place], multiplier])
    return ["empty" if empty else "least", *pairs]


def _question(relaxation: Relaxation, node: Node) -> int | None:
    """Return the question whose answers raise the bound most; None if none is open."""
    if node.shares is None:
        raise ValueError("_question: expected a feasible node")
    open_by = np.minimum(node.shares, 1 - node.shares)
    served = np.array([name[0] == "served" for name in relaxation.questions])
    for group in (served, ~served):
        some = np.flatnonzero(group & (open_by > _FRACTION))
        if len(some):
            best = some[np.argsort(-open_by[some], kind="stable")[:_CANDIDATES]]
            return _strongest(relaxation, node, best.tolist())
    return None


def _strongest(relaxation: Relaxation, node: Node, candidates: list[int]) -> int:
    """Try candidates for a few pivots each: strong branching."""
    if len(candidates) == 1:
        return candidates[0]
    relaxation.fix(node.answers)
    relaxation.solve()
    basis = relaxation.engine.getBasis()
    scores = []
    for number in candidates:
        gains = []
        for answer in (0, 1):
            relaxation.engine.setBasis(basis)
            relaxation.fix((*node.answers, (number, answer)))
            infeasible = relaxation.solve(_TRIAL_PIVOTS) == "infeasible"
            gain = math.inf if infeasible else relaxation.value() - node.value
            gains.append(max(gain, _FRACTION))
        scores.append(min(gains) * min(max(gains), 1e12))
    relaxation.engine.setBasis(basis)
    return candidates[int(np.argmax(scores))]


def _plan(relaxation: Relaxation, node: Node) -> tuple[tuple[int, int], ...]:
    if node.shares is None:
        raise ValueError("_plan: expected a feasible node")
    chosen = zip(relaxation.questions, node.shares, strict=True)
    return tuple(name[1:] for name, share in chosen if name[0] == "pushed" and share > 0.5)


def _proof(
    relaxation: Relaxation,
    root: Node,
    known_us: int,
    better: tuple[tuple[int, int], ...] | None,
) -> Proof:
    """Write the tree with the smallest denominator that proves as much as the largest."""
    user = relaxation.user
    leaves = list(_leaves(root))
    target = min(_proven(relaxation, leaves, DENOMINATORS[-1]), known_us)
    for scale in DENOMINATORS:
        bound = min(_proven(relaxation, leaves, scale), known_us)
        if bound >= target:
            break
    tree = _tree(relaxation, root, scale)
    return Proof(user_bound(user, tree, scale), scale, tree, relaxation.solved, better)


def _proven(relaxation: Relaxation, leaves: list[Node], scale: int) -> int:
    least = relaxation.user.base
    for leaf in leaves:
        try:
            bound = _leaf_bound(relaxation, leaf, scale)
        except Refused:  # too coarse to show that it is empty
            return -1
        least = least if bound is None else min(least, bound)
    return least


def _leaves(node: Node) -> Iterator[Node]:
    todo = [node]
    while todo:
        node = todo.pop()
        if node.split:
            todo += node.split[1:]
        else:
            yield node


def _tree(relaxation: Relaxation, node: Node, scale: int) -> Tree:
    if node.split is None:
        return _leaf(relaxation, node, scale)
    number, no, yes = node.split
    name = list(relaxation.questions[number])
    return ["ask", name, _tree(relaxation, no, scale), _tree(relaxation, yes, scale)]
