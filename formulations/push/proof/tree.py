"""A branch-and-bound of one user, which can be stopped, written down, and taken up again.

Nodes are split in the order of what they prove in integers, so that those above the optimum are
never looked into. Each asks whether a request is served from the cache: that says more than a
single claim does. What remains fractional when all requests are settled is asked by pushes. Which
question is asked is tried out (strong branching) until enough is known of what its answers do.
"""

import heapq
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations.push.proof.leaves import Answers, Leaf
from formulations.push.proof.relaxation import Relaxation
from opt_istn.verifier import User

Pushes = tuple[tuple[int, int], ...]  # (slot, content)

_FRACTION = 1e-6
_CANDIDATES = 8  # questions that are tried before one is asked
_IDLE = 4  # tries in a row that find nothing better end them
_RELIABLE = 2  # tries after which a question's gains are known well enough
_TRIAL_PIVOTS = 100
_ROOT_ROUNDS, _SLOW = 40, 0.01  # a round that closes less of what is open is the last one
_MARGIN = 0.5  # microseconds above (known cost - 1) from which a bound rounds up to the known cost


@dataclass
class Node:
    """A node of the tree.

    Parameters
    ----------
    answers
        (question number, answer) from the root down.
    leaf
        The multipliers that prove its bound.
    bound
        No plan with these answers costs less, in microseconds; infinite if there is none.
    basis
        Of the solved relaxation; None if it was not kept.
    split
        Question that was asked, node if not, node if so; None for a leaf.
    """

    answers: Answers
    leaf: Leaf
    bound: float
    basis: Any = None
    split: "tuple[int, Node, Node] | None" = None


@dataclass
class _Gains:
    """By how much either answer to a question raised the bound, per unit of share it moved."""

    total: list[float] = field(default_factory=lambda: [0.0, 0.0])
    tries: list[int] = field(default_factory=lambda: [0, 0])

    def learn(self, answer: int, gain: float, way: float) -> None:
        if math.isfinite(gain):
            self.total[answer] += gain / max(way, _FRACTION)
            self.tries[answer] += 1

    def rate(self, answer: int, otherwise: float) -> float:
        tries = self.tries[answer]
        return self.total[answer] / tries if tries else otherwise


@dataclass
class _Trial:
    """A question that was tried: its score; for each answer the node, if solved, and basis."""

    score: float
    nodes: list[Node | None]
    bases: list[Any]


class Search:
    """The tree of one user.

    Parameters
    ----------
    user
        Whose plans are bounded; it has positions.
    known_us
        What a plan costs that is known.
    began
        Processor time at which the work of the search began; None for now.
    """

    def __init__(self, user: User, known_us: int, began: float | None = None) -> None:
        self.user, self.known_us = user, known_us
        self.better: Pushes | None = None  # a plan of this cost, if it was found here
        self.relaxation = Relaxation(user)
        self.root: Node | None = None
        self.relaxations, self.seconds = 0, 0.0  # of searches before this one
        self._began = time.process_time() if began is None else began
        self._gains: dict[int, _Gains] = {}
        names = self.relaxation.questions
        self._served = np.array([name[0] == "served" for name in names])

    def run(self, expired: Callable[[], bool], pause: Callable[[], None] = lambda: None) -> None:
        """Go on until nothing is open, or the time has expired.

        Parameters
        ----------
        expired
            Asked before a node is split.
        pause
            Called whenever the tree is whole.
        """
        self.relaxation.cut_off(self._limit)
        if self.root is None:
            self.root = self._solve_root(expired)
        else:
            self.relaxation.solve()
            self.relaxation.slim()
        ticket = count()
        queue = [(leaf.bound, next(ticket), leaf) for leaf in leaves(self.root)]
        heapq.heapify(queue)
        while queue and queue[0][0] < self.known_us and not expired():
            pause()
            node = heapq.heappop(queue)[2]
            self._split(node)
            for child in (node.split or ())[1:]:
                heapq.heappush(queue, (child.bound, next(ticket), child))
        self.relaxation.fix(())

    def spent(self) -> tuple[int, float]:
        """Return relaxations solved and seconds of the processor, of searches before it too."""
        solved = self.relaxations + self.relaxation.solved
        return solved, self.seconds + time.process_time() - self._began

    def know(self, cost_us: int, pushes: Pushes) -> None:
        """Take over a plan if it is better than the known one."""
        if cost_us < self.known_us:
            self.better, self.known_us = pushes, cost_us
            self.relaxation.cut_off(self._limit)

    @property
    def _limit(self) -> float:
        """Objective from which on a relaxation shows that no plan is better."""
        return self.known_us - self.user.base - 1 + _MARGIN

    def _solve_root(self, expired: Callable[[], bool]) -> Node:
        """Solve the root, with the rows that it violates as long as they move the bound."""
        relaxation, limit = self.relaxation, self._limit
        relaxation.solve()
        value = relaxation.value()
        for _ in range(_ROOT_ROUNDS):
            before = value
            if expired() or before >= limit or not relaxation.separate():
                break
            relaxation.solve()
            value = relaxation.value()
            if value - before < _SLOW * (limit - before):
                break
        relaxation.slim()
        return self._solved(())

    def _solved(self, answers: Answers, basis: Any = None) -> Node:
        """Return the node with some answers, its relaxation solved to the end."""
        relaxation = self.relaxation
        relaxation.fix(answers)
        if basis is not None:
            relaxation.set_basis(basis)
        node = self._node(answers, relaxation.solve() == "infeasible")
        while node.bound < self.known_us and not relaxation.stopped() and relaxation.recall():
            node = self._node(answers, relaxation.solve() == "infeasible")
        if node.bound < self.known_us and relaxation.stopped():  # cut off, so there is no point yet
            relaxation.cut_off(math.inf)
            node = self._node(answers, relaxation.solve() == "infeasible")
            relaxation.cut_off(self._limit)
        return node

    def _node(self, answers: Answers, infeasible: bool) -> Node:
        leaf, bound = self.relaxation.leaf(answers, infeasible)
        return Node(answers, leaf, bound, self.relaxation.engine.getBasis())

    def _split(self, node: Node) -> None:
        """Ask a question at a node, or take the plan that its relaxation is."""
        again = self._solved(node.answers, node.basis)
        node.basis = again.basis
        if again.bound > node.bound:
            node.leaf, node.bound = again.leaf, again.bound
        if node.bound >= self.known_us:
            return
        shares = self.relaxation.answers()
        candidates = self._open(shares)
        if not len(candidates):
            self._take(shares)
            return
        number, trial = self._choose(node, shares, candidates)
        children = []
        for answer in (0, 1):
            child = trial.nodes[answer]
            if child is None:
                child = self._solved((*node.answers, (number, answer)), trial.bases[answer])
                self._learn(node, child, shares[number])
            children.append(child)
        node.split = (number, children[0], children[1])
        node.basis = None

    def _learn(self, node: Node, child: Node, share: float) -> None:
        number, answer = child.answers[-1]
        gain, way = child.bound - node.bound, 1 - share if answer else share
        if child.bound < self.known_us:  # else it was cut off
            self._gains.setdefault(number, _Gains()).learn(answer, max(gain, 0.0), way)

    def _open(self, shares: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the questions that the relaxation leaves open, of the first kind that has some."""
        away = np.minimum(shares, 1 - shares)
        for group in (self._served, ~self._served):
            some = np.flatnonzero(group & (away > _FRACTION))
            if len(some):
                return np.asarray(some[np.argsort(-away[some], kind="stable")])
        return np.zeros(0, dtype=np.int64)

    def _take(self, shares: NDArray[np.float64]) -> None:
        """Take over the plan that an integral relaxation is, if it is better than the known one."""
        cost = self.user.base + round(self.relaxation.value())
        if cost < self.known_us:
            chosen = zip(self.relaxation.questions, shares, strict=True)
            self.know(cost, tuple(n[1:] for n, x in chosen if n[0] == "pushed" and x > 0.5))

    def _choose(
        self, node: Node, shares: NDArray[np.float64], candidates: NDArray[np.int64]
    ) -> tuple[int, _Trial]:
        """Return the question whose answers raise the bound most, as far as that was tried."""
        ranked = self._ranked(shares, candidates)
        best: tuple[int, _Trial] | None = None
        idle = 0
        for number, expected in ranked[:_CANDIDATES]:
            known = self._gains.get(number)
            if known is not None and min(known.tries) >= _RELIABLE:
                trial = _Trial(expected, [None, None], [node.basis, node.basis])
            else:
                trial = self._tried(node, number, shares[number])
            if best is None or trial.score > best[1].score:
                best, idle = (number, trial), 0
            else:
                idle += 1
            if idle >= _IDLE or math.isinf(best[1].score):
                break
        if best is None:
            raise ValueError("_choose: expected a candidate")
        return best

    def _ranked(
        self, shares: NDArray[np.float64], candidates: NDArray[np.int64]
    ) -> list[tuple[int, float]]:
        """Return questions with the score that is expected of them, the best first."""
        known = list(self._gains.values())
        mean = [
            float(np.mean([x.rate(answer, 0) for x in known if x.tries[answer]] or [1.0]))
            for answer in (0, 1)
        ]
        rows = []
        for number in candidates.tolist():
            x, share = self._gains.get(number, _Gains()), float(shares[number])
            no, yes = x.rate(0, mean[0]) * share, x.rate(1, mean[1]) * (1 - share)
            rows.append((number, _score(no, yes, math.inf)))
        return sorted(rows, key=lambda row: -row[1])

    def _tried(self, node: Node, number: int, share: float) -> _Trial:
        """Solve both answers to a question for a few pivots each."""
        relaxation, trial = self.relaxation, _Trial(0.0, [], [])
        gap, gains = self.known_us - node.bound, []
        for answer in (0, 1):
            answers = (*node.answers, (number, answer))
            relaxation.set_basis(node.basis)
            relaxation.fix(answers)
            status = relaxation.solve(_TRIAL_PIVOTS)
            child = None if status == "open" else self._node(answers, status == "infeasible")
            if child is not None:
                self._learn(node, child, share)
            bound = relaxation.value() + self.user.base if child is None else child.bound
            gains.append(bound - node.bound)
            trial.nodes.append(child)
            trial.bases.append(relaxation.engine.getBasis())
        trial.score = _score(gains[0], gains[1], gap)
        return trial


def _score(no: float, yes: float, gap: float) -> float:
    """Return how good two gains are: the lesser counts most; no more counts than what is open."""
    gains = [min(max(gain, _FRACTION), gap) for gain in (no, yes)]
    return math.inf if min(gains) >= gap else gains[0] * gains[1]


def leaves(node: Node) -> Iterator[Node]:
    """Yield the leaves under a node."""
    todo = [node]
    while todo:
        node = todo.pop()
        if node.split:
            todo += node.split[1:]
        else:
            yield node
