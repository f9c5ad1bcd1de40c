"""`push.labels`: exact PUSH by labels on profiles or content tuples, compiled.

For each user:

1. An incumbent by simulated annealing.
2. A dense relaxation that forgets some pushes already made: by FIFO profiles or by content
   tuples, see `dense`. It is unfolded into a diagram of what can still beat the incumbent, and a
   subgradient method prices pushing a content twice (see `diagram`).
3. While bound and incumbent differ: ask whether any plan is worth more than a threshold between
   the two. The diagram is pruned to such plans, priced again, and split on the contents that the
   best paths push twice, until it is empty (the threshold is a bound) or a better plan shows up.

Prices are integers, so all bounds are. Stopped by a limit, a user keeps its best bound. Users
with large tables start from the bound of a linear relaxation (see `lp`) and, by tuples, from the
prices found for a cache with a place less; their first thresholds are close to the bound. If no
table fits the memory they end with that bound and a longer annealing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from formulations.push.anneal import anneal_plan, cumulative, first_plan, heat_of, restarts, saving
from formulations.push.labels import diagram as dd
from formulations.push.labels.dense import (
    MAX_NODES,
    MAX_US,
    ByTuples,
    Dense,
    by_profiles,
    by_tuples,
    choose,
)
from formulations.push.labels.diagram import Diagram, Path
from formulations.push.labels.profile import make_layers
from formulations.push.mip import lp
from formulations.push.moves import anneal_on, touch
from formulations.push.users import Pushes, UserResult, UserTask, relaxed_bound, solve
from opt_istn.push.instance import Instance, IntArray, UserProblem
from opt_istn.push.random import random_push
from opt_istn.solver import Budget, Claims

PROOF = "labels"
_FIRST_STEPS = 120  # prices tried on the whole diagram
_STEPS = 60  # prices tried between two rounds of splits
_SPLITS = 8  # contents split in a round
_EXTRA_ROUNDS, _EXTRA_SHARE = 60, 0.2  # of annealing large users, and their part of the time
_REACH = 0.3  # first threshold of large tables, from the bound (0) to the incumbent (1)
_LEAST_S = 1e-9  # a share of time is positive
_LEAST_REACH, _LEAST_STEP = 0.01, 1e-5  # give up below
_PATIENCE = 8  # prices without progress before the step shrinks


@dataclass(frozen=True)
class Labels:
    """Label setting on FIFO profiles. The seed decides the annealing, not what is proven."""

    stochastic = True
    kind = "exact"
    knows = "requests"

    def supports(self, instance: Any) -> str | None:
        """Refuse delays beyond 64 bits; large caches may end with a gap."""
        if not isinstance(instance, Instance):
            return "expected a PUSH instance"
        if instance.base_us < MAX_US:
            return None
        return f"expected delays that add up to less than {MAX_US} us"

    def prepare(self) -> None:
        """Compile all kernels for tables of 32 and 64 bits, or load them from numba's cache."""
        for delays_us in ((1, 20), (10**9, 10**9)):
            rng = np.random.default_rng(7)
            drawn = random_push(rng, num_users=1, num_requests=40, delays_us=delays_us)
            self.solve(drawn, Budget(), 0)
            _touch(UserSearch(drawn.user(0), rng, Budget().start()))

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Solve every user; the bound is the sum of the users' bounds."""
        return solve(instance, _solve_task, budget, seed, PROOF, side_by_side=True)


def _touch(search: "UserSearch") -> None:
    """Call every kernel once with both relaxations of a small problem."""
    problem, prices = search.problem, np.zeros(len(search.problem.content), dtype=np.int64)
    for dense in (by_tuples(problem), by_profiles(problem, make_layers(problem))):
        if isinstance(dense, ByTuples):
            price(search, dense.best, prices, 1, 0)
        root = None if dense is None else dense.unfold(prices, 0)[1]
        if root is not None:
            dd.best(dd.split(root, 0, prices, 0), prices)
    restarts(problem, search.plan, 0, search.rng, 1, lambda _: False)
    touch()


def _solve_task(task: UserTask) -> UserResult:
    rng = np.random.default_rng([task.seed, task.user])
    search = UserSearch(task.problem, rng, task.budget)
    saved = solve_user(search)
    return UserResult(
        pushes=search.pushes,
        bound_us=max(task.problem.base_us - saved, relaxed_bound(task.problem)),
        work=search.work["sweeps"],
        counts={name: search.work[name] for name in ("splits", "nodes")},
    )


@dataclass
class UserSearch:
    """The incumbent of one user and what improving it needs.

    Parameters
    ----------
    problem
        The user's problem.
    rng
        Source of the annealing's randomness.
    budget
        What may be spent; its clock runs, its work is counted in sweeps.
    """

    problem: UserProblem
    rng: np.random.Generator
    budget: Budget
    plan: IntArray = field(init=False)
    saved_us: int = field(init=False, default=0)
    saved: IntArray = field(init=False)
    heat: float = field(init=False)
    work: dict[str, int] = field(default_factory=lambda: {"sweeps": 0, "splits": 0, "nodes": 0})

    def __post_init__(self) -> None:
        self.saved, self.heat = cumulative(self.problem), heat_of(self.problem)
        self.plan, self.saved_us = first_plan(self.problem, self.rng, self.budget.left_s())

    @property
    def pushes(self) -> Pushes:
        """The incumbent: what is pushed, and when."""
        pushed = np.flatnonzero(self.plan < self.problem.weight.shape[1]).tolist()
        return tuple((f, int(self.plan[f])) for f in pushed)

    def report(self, bound: int) -> None:
        """Tell whoever runs this of the incumbent, and of an upper bound on the saving."""
        if self.budget.listener is not None:
            self.budget.report(self.pushes, self.problem.base_us - bound)

    def expired(self) -> bool:
        """Return whether time or work is used up."""
        return self.budget.expired(self.work["sweeps"])

    def has(self, seconds: float) -> bool:
        """Return whether so much time is left."""
        left = self.budget.left_s()
        return left is None or left >= seconds

    def anneal_on(self, bound: int) -> None:
        """Spend more annealing where a search is long: a fifth of the time at most."""
        left = self.budget.left_s()
        share = Budget(None if left is None else max(_EXTRA_SHARE * left, _LEAST_S)).start()

        def done(saved_us: int) -> bool:
            return saved_us >= bound or self.expired() or share.expired()

        best = self.plan, self.saved_us
        found = anneal_on(self.problem, best, self.rng, share, _EXTRA_ROUNDS, done)
        self.plan, self.saved_us = found

    def try_path(self, pushes: IntArray, steps: int) -> None:
        """Turn a path into a plan (of repeated pushes the most valuable), anneal it, keep it."""
        plan = np.full_like(self.plan, self.problem.weight.shape[1])
        for content, slot, _ in pushes[np.argsort(pushes[:, 2], kind="stable")]:
            plan[content] = slot
        value = int(saving(self.saved, self.problem.cache_size, plan))
        if steps and value > 0.97 * self.saved_us:
            plan, value = anneal_plan(self.problem, plan, steps, 0.1 * self.heat, self.rng)
        if value > self.saved_us:
            self.plan, self.saved_us = plan, value


@dataclass(frozen=True)
class Priced:
    """Outcome of pricing a diagram: upper bound on its plans' saving, prices, repeats seen."""

    bound: int
    prices: IntArray
    repeats: np.ndarray[tuple[int], np.dtype[np.float64]]


def solve_user(search: UserSearch) -> int:
    """Return the best upper bound on the user's saving; the incumbent is in `search`.

    The incumbent is optimal exactly if the bound equals its saving.
    """
    problem = search.problem
    prices = np.zeros(len(problem.content), dtype=np.int64)
    bound = problem.base_us - relaxed_bound(problem)
    dense = choose(problem)
    if dense is None or dense.costly:
        bound, prices = _start(search, dense)
    if dense is not None:
        bound = _search(search, dense, prices, bound)
    return max(bound, search.saved_us)


def _start(search: UserSearch, dense: Dense | None) -> tuple[int, IntArray]:
    """Return a bound and prices to start from where tables are large."""
    simple = lp.relax_order(search.problem, search.budget.left_s())
    if isinstance(dense, ByTuples):
        return simple.saved_us, _climb(search, dense, simple.prices // 2)
    left = search.budget.left_s()
    linear = lp.relax(search.problem, None if left is None else left / 2)
    bound = min(simple.saved_us, linear.saved_us)
    search.anneal_on(bound)
    return bound, linear.prices


def tuple_prices(search: UserSearch) -> IntArray:
    """Return good prices for the relaxation by tuples; without tables, half the simple ones."""
    prices = lp.relax_order(search.problem, search.budget.left_s()).prices // 2
    dense = by_tuples(search.problem)
    if dense is None or not search.has(dense.seconds):
        return prices
    prices = _climb(search, dense, prices)
    return price(search, dense.best, prices, max(dense.steps, 1), search.saved_us).prices


def _climb(search: UserSearch, dense: ByTuples, prices: IntArray) -> IntArray:
    """Return good prices: those of a cache with a place less, found in the same way."""
    problem = search.problem
    if not dense.costly or problem.cache_size == 1 or search.expired():
        return prices
    smaller = UserSearch(
        replace(problem, cache_size=problem.cache_size - 1),
        search.rng,
        search.budget,
        work=search.work,
    )
    tables = choose(smaller.problem)
    if not isinstance(tables, ByTuples):
        return prices
    prices = _climb(smaller, tables, prices)
    return price(smaller, tables.best, prices, max(tables.steps, 1), smaller.saved_us).prices


def _search(search: UserSearch, dense: Dense, prices: IntArray, bound: int) -> int:
    """Return the best bound that unfolding the tables down to thresholds proves."""
    if isinstance(dense, ByTuples) and dense.steps and search.has(dense.seconds):
        priced = price(search, dense.best, prices, dense.steps, search.saved_us)
        bound, prices = min(bound, priced.bound), priced.prices
    reach, took = _REACH if dense.costly else 1.0, dense.seconds
    while bound > search.saved_us and not search.expired():
        search.report(bound)
        if reach < _LEAST_REACH or not search.has(took):
            search.anneal_on(bound)
            break
        floor = max(search.saved_us, bound - 1 - int(reach * (bound - search.saved_us)))
        begin = search.budget.used_s()
        value, root = dense.unfold(prices, floor)
        bound, took = min(bound, value), search.budget.used_s() - begin
        if root is None:
            reach *= _REACH
            continue
        priced = price(search, partial(dd.best, root), prices, _FIRST_STEPS, floor)
        bound, prices = min(bound, max(priced.bound, floor)), priced.prices
        proven = _close(search, root, prices, bound, floor)
        stuck = proven > max(floor, search.saved_us)
        bound = min(bound, proven)
        if stuck:
            break
        reach = 1.0
    return bound


def _close(search: UserSearch, root: Diagram, prices: IntArray, bound: int, floor: int) -> int:
    """Refute thresholds from above until the bound meets `floor` or the incumbent."""
    step = 0.3 * (bound - max(search.saved_us, floor))
    while bound > max(search.saved_us, floor) and not search.expired():
        threshold = max(search.saved_us, floor, bound - int(step) - 1)
        diagram = dd.split(root, NOTHING, prices, threshold)
        proven = _refute(search, diagram, prices, threshold)
        bound = max(min(bound, proven), search.saved_us)
        if proven > max(threshold, search.saved_us):
            step /= 4
            if step < _LEAST_STEP * bound:
                break
        else:
            step *= 2
    return bound


NOTHING = -1  # splitting on no content only prunes


def _refute(search: UserSearch, diagram: Diagram, prices: IntArray, threshold: int) -> int:
    """Return an upper bound on all plans, aiming at `threshold` or the incumbent above it.

    `diagram` holds every plan worth more than `threshold`.
    """
    done: set[int] = set()
    while True:
        if len(diagram.skip) == 0:
            return max(threshold, search.saved_us)
        priced = price(search, partial(dd.best, diagram), prices, _STEPS, threshold)
        threshold = max(threshold, search.saved_us)
        if priced.bound <= threshold:
            return threshold
        if search.expired() or len(diagram.skip) > MAX_NODES // 2:
            return priced.bound
        prices = priced.prices.copy()
        for content in _worst(priced, done):
            diagram = dd.split(diagram, content, prices, threshold)
            prices[content] = 0  # pushed once by construction now, so its best price is 0
            done.add(content)
            search.work["splits"] += 1
            search.work["nodes"] = max(search.work["nodes"], len(diagram.skip))
            if len(diagram.skip) > MAX_NODES // 2:
                break


def _worst(priced: Priced, done: set[int]) -> list[int]:
    """Return the contents to split on: those repeated most, else those with a price."""
    for score in (priced.repeats, priced.prices):
        order = np.argsort(-score, kind="stable").tolist()
        chosen = [f for f in order if score[f] > 0 and f not in done][:_SPLITS]
        if chosen:
            return chosen
    return []


def price(
    search: UserSearch,
    best_path: Callable[[IntArray], Path],
    prices: IntArray,
    steps: int,
    threshold: int,
) -> Priced:
    """Lower the relaxation's bound by subgradient steps towards `threshold` (or the incumbent).

    A step is Polyak's with a mixed direction; after `_PATIENCE` steps without progress it shrinks
    and restarts from the best prices. Paths met on the way are tried as plans.
    """
    contents = len(prices)
    best = Priced(np.iinfo(np.int64).max, prices, np.zeros(contents))
    current, mixed = prices.astype(float), np.zeros(contents)
    repeats, ratio, idle = np.zeros(contents), 1.0, 0
    dearest = search.problem.weight.sum(axis=1)  # a higher price changes nothing
    for step in range(steps):
        trial = np.rint(current).astype(np.int64)
        path = best_path(trial)
        search.work["sweeps"] += 1
        bound, times = int(path.value + trial.sum()), path.times
        repeats = 0.8 * repeats + (times > 1)
        if bound < best.bound:
            best, idle = Priced(bound, trial, repeats), 0
        else:
            idle += 1
        if (step % 5 == 0 and idle == 0) or step + 1 == steps:
            search.try_path(path.pushes, 3000 * (step % 10 == 0 or step + 1 == steps))
        target = max(threshold, search.saved_us)
        slope = np.where((current <= 0) & (times < 1), 0.0, times - 1.0)
        mixed = 0.7 * slope + 0.3 * mixed
        mixed[(current <= 0) & (mixed < 0)] = 0
        if best.bound <= target or not mixed.any() or search.expired():
            break
        length = ratio * (bound - target) / max(float(mixed @ mixed), 1.0)
        current = np.clip(current + length * mixed, 0, dearest)
        if idle >= _PATIENCE:
            ratio, current, idle = 0.7 * ratio, best.prices.astype(float), 0
    return Priced(best.bound, best.prices, repeats)
