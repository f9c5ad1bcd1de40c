"""Certificates of PUSH bounds: a branch-and-bound of our own on HiGHS's linear relaxations.

Rows and columns are those that `opt_istn.verifier` builds from the instance; a solved relaxation's
dual values, rounded to integers, are a leaf of the tree that it checks. Nodes ask whether a request
is served from the cache: that says more than a single claim does. What remains fractional when all
requests are settled is asked by pushes. Users are proven one by one; their bounds add up.
"""

import heapq
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations.push.mip.relaxation import Relaxation
from formulations.push.moves import incumbent
from opt_istn.push.evaluate import lifetimes
from opt_istn.push.instance import Instance, UserProblem
from opt_istn.push.plan import Plan
from opt_istn.solver import Budget
from opt_istn.verifier import Refused, User, leaf_bound, requests_by_user, user_bound

Tree = list[Any]
Pushes = tuple[tuple[int, int], ...]  # (slot, content)

DENOMINATORS = (1, 64, 4096, 2**20)  # multipliers are rounded to one of these
_FRACTION = 1e-6
_RAY = 2**40  # a ray's largest multiplier: its length is free, its precision is not
_CANDIDATES = 8  # questions that are tried before one is asked
_TRIAL_PIVOTS = 300
_SEED, _ROUNDS = 0, 20  # of annealing
_ROOT_ROUNDS, _SLOW = 40, 0.01  # a round that closes less of what is open is the last one


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
    pushes: Pushes | None


@dataclass(frozen=True)
class _Task:
    """One user to prove: what `User` reads of an instance, what is known, and how long.

    Of the time to the deadline it may use one of `waiting` equal parts.
    """

    fields: dict[str, Any]
    requests: list[list[Any]]
    known_us: int
    deadline: float | None
    waiting: int = 1


def prove(
    instance: Instance, budget: Budget, plan: Plan | None = None
) -> tuple[dict[str, Any], Plan]:
    """Return a certificate and the best plan known in the end, whose cost its bound may meet.

    Users are proven side by side on `Budget.threads` processes. What the time limit leaves open
    makes the certificate's bound weaker.

    Parameters
    ----------
    plan
        A feasible plan to begin with; None anneals one. It need not be good: nodes are split in
        the order of their bounds, so that those above the optimum are never looked into.
    """
    deadline = None if budget.time_s is None else time.monotonic() + budget.time_s
    problems = [instance.user(u) for u in range(instance.num_users)]
    known = [_known(instance, problems[u], plan, u) for u in range(instance.num_users)]
    document = instance.document()
    rows = requests_by_user(document)
    tasks = []
    for u, problem in enumerate(problems):
        fields = {"release": document["release"]}
        fields |= {key: [document[key][u]] for key in ("cache_size", "roi", "link_up")}
        cost = problem.base_us - _saved(problem, known[u])
        waiting = math.ceil((len(problems) - u) / budget.threads)
        tasks.append(_Task(fields, rows[u], cost, deadline, waiting))
    with ProcessPoolExecutor(budget.threads, get_context("spawn")) as pool:
        proofs = list(pool.map(_prove_task, tasks))
    found = [known[u] if x.pushes is None else x.pushes for u, x in enumerate(proofs)]
    push = [(u, f, slot) for u, pushes in enumerate(found) for slot, f in pushes]
    certificate = {
        "format": "opt-istn/certificate",
        "version": 1,
        "instance": instance.sha256,
        "kind": "dual-tree",
        "claim": {"bound": sum(x.bound_us for x in proofs)},
        "users": [{"denominator": x.denominator, "tree": x.tree} for x in proofs],
    }
    return certificate, Plan(instance.sha256, tuple(sorted(push)))


def _prove_task(task: _Task) -> Proof:
    user = User(task.fields, 0, task.requests)
    now, end = time.monotonic(), task.deadline
    if end is not None:
        end = now + max(end - now, 0) / task.waiting
    return prove_user(user, task.known_us, lambda: end is not None and time.monotonic() >= end)


def _known(instance: Instance, problem: UserProblem, plan: Plan | None, user: int) -> Pushes:
    """Return (slot, content) of a user's pushes that can save something."""
    if plan is not None:
        useful = set(problem.content.tolist())
        return tuple((t, f) for u, f, t in plan.push if u == user and f in useful)
    rng = np.random.default_rng([_SEED, user])
    slots, _ = incumbent(problem, rng, Budget().start(), _ROUNDS)
    pushed = np.flatnonzero(slots < instance.num_slots)
    return tuple(zip(slots[pushed].tolist(), problem.content[pushed].tolist(), strict=True))


def _saved(problem: UserProblem, pushes: Pushes) -> int:
    number = {f: i for i, f in enumerate(problem.content.tolist())}
    lives = lifetimes(list(pushes), problem.cache_size)
    end = problem.weight.shape[1]
    rows = ((number[f], first, int(min(last, end))) for f, (first, last) in lives.items())
    return sum(int(problem.weight[i, first:last].sum()) for i, first, last in rows)


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
    _solve_root(relaxation, root, user.base - known_us, expired)
    ticket = count()
    queue = [(root.value, next(ticket), root)]
    while queue and not expired():
        node = heapq.heappop(queue)[2]
        if _closed(relaxation, node, known_us):
            continue
        number = _question(relaxation, node)
        if number is None:
            if user.base + round(node.value) < known_us:
                better, known_us = _plan(relaxation, node), user.base + round(node.value)
            continue
        no, yes = (Node((*node.answers, (number, answer))) for answer in (0, 1))
        for child in (no, yes):
            _solve(relaxation, child)
            heapq.heappush(queue, (child.value, next(ticket), child))
        node.split = (number, no, yes)
    return _proof(relaxation, root, known_us, better)


def _solve_root(
    relaxation: Relaxation, root: Node, known_us: int, expired: Callable[[], bool]
) -> None:
    """Solve the root, with the rows that it violates as long as they move the bound.

    Parameters
    ----------
    known_us
        What a plan that is known saves.
    """
    _solve(relaxation, root)
    for _ in range(_ROOT_ROUNDS):
        before = root.value
        if expired() or _open_by(before, known_us) <= 0 or not relaxation.separate():
            break
        _solve(relaxation, root)
        if root.value - before < _SLOW * _open_by(before, known_us):
            break
    relaxation.drop_slack()
    _solve(relaxation, root)


def _open_by(value: float, known_us: int) -> float:
    """Return by how much a relaxation's objective, minus a saving, is below that of a plan."""
    return -value - known_us


def _solve(relaxation: Relaxation, node: Node) -> None:
    relaxation.fix(node.answers)
    infeasible = relaxation.solve() == "infeasible"
    node.value = math.inf if infeasible else relaxation.value()
    node.shares = None if infeasible else relaxation.answers()
    node.duals = relaxation.duals(infeasible)
    if infeasible and _refused(relaxation, node):
        node.duals = -node.duals  # a ray has no sign of its own
        if _refused(relaxation, node):
            raise RuntimeError("HiGHS has no ray that shows the node to be empty")


def _refused(relaxation: Relaxation, node: Node) -> bool:
    """Return whether an infeasible node's ray fails to show, in integers, that it is empty."""
    try:
        _leaf_bound(relaxation, node, DENOMINATORS[-1])
    except Refused:
        return True
    return False


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
    factor = _RAY / max(np.abs(node.duals).max(), 1e-300) if empty else scale
    y = np.rint(node.duals * factor).astype(np.int64)
    names = relaxation.names()[: len(y)]  # rows may have been added since
    positive = [(names[i], int(y[i])) for i in np.flatnonzero(y > 0)]
    pairs = [[list(name), value] for name, value in positive if name is not None]
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


def _plan(relaxation: Relaxation, node: Node) -> Pushes:
    if node.shares is None:
        raise ValueError("_plan: expected a feasible node")
    chosen = zip(relaxation.questions, node.shares, strict=True)
    return tuple(name[1:] for name, share in chosen if name[0] == "pushed" and share > 0.5)


def _proof(
    relaxation: Relaxation,
    root: Node,
    known_us: int,
    better: Pushes | None,
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
    bounds = (_leaf_bound(relaxation, leaf, scale) for leaf in leaves)
    return min((bound for bound in bounds if bound is not None), default=relaxation.user.base)


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
