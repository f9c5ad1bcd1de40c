"""`push.labels`: exact PUSH by labels on FIFO profiles, compiled, users in parallel.

For each user:

1. An incumbent by simulated annealing.
2. The FIFO-profile relaxation (see `profile`) unfolded into a diagram of what can still beat the
   incumbent, push-once priced by a subgradient method on the diagram (see `diagram`).
3. While bound and incumbent differ: ask whether any plan is worth more than a threshold between
   the two. The diagram is pruned to such plans, priced again, and split on the contents that the
   best paths push twice, until it is empty (the threshold is a bound) or a better plan shows up.

Prices are integers, so all bounds are. Stopped by a limit, a user keeps its best bound. Users
with many profiles (large caches) start from the prices and the bound of the linear relaxation
(see `lp`), and end there, with a longer annealing, if the profiles are too many for the memory.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from formulations.push import diagram as dd
from formulations.push import lp
from formulations.push.anneal import anneal, cumulative, saving
from formulations.push.diagram import Diagram
from formulations.push.profile import backward, num_profiles, relaxation
from formulations.push.users import Task, UserResult, relaxed_bound, solve
from opt_istn.push.instance import Instance, IntArray, UserProblem
from opt_istn.push.testing import random_push
from opt_istn.solver import Budget, Claims

PROOF = "labels"
FEW_PROFILES = 50_000  # up to here the diagram needs no prices to start from
MAX_PROFILES = 20_000_000  # dense tables beyond this many profiles are not built
MAX_DELAY_US = 1 << 30  # of a user: the dense tables hold 32-bit savings
MAX_NODES = 1 << 24  # nodes of a diagram
_FIRST_STEPS = 120  # prices tried on the whole diagram
_STEPS = 60  # prices tried between two rounds of splits
_SPLITS = 8  # contents split in a round
_EXTRA_ROUNDS, _EXTRA_STEPS = 10, 300_000  # annealing of users too large to search
_PATIENCE = 8  # prices without progress before the step shrinks


@dataclass(frozen=True)
class Labels:
    """Label setting on FIFO profiles. The seed decides the annealing, not what is proven."""

    stochastic = True

    def supports(self, instance: Any) -> str | None:
        """Every PUSH instance is supported; large caches may end with a gap."""
        return None if isinstance(instance, Instance) else "expected a PUSH instance"

    def prepare(self) -> None:
        """Compile the kernels, or load them from numba's cache."""
        self.solve(random_push(np.random.default_rng(7), num_requests=40), Budget(), 0)

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Solve every user; the bound is the sum of the users' bounds."""
        return solve(instance, _solve_task, budget, seed, PROOF, side_by_side=True)


def _solve_task(task: Task) -> UserResult:
    deadline = None if task.time_s is None else time.perf_counter() + task.time_s
    rng = np.random.default_rng([task.seed, task.user])
    search = UserSearch(task.problem, rng, lambda: _late(deadline, search, task.work), deadline)
    saved = solve_user(search)
    slots = task.problem.weight.shape[1]
    pushed = np.flatnonzero(search.plan < slots).tolist()
    return UserResult(
        pushes=tuple((f, int(search.plan[f])) for f in pushed),
        bound_us=max(task.problem.base_us - saved, relaxed_bound(task.problem)),
        work=search.work["sweeps"],
        counts={name: search.work[name] for name in ("splits", "nodes")},
    )


def _late(deadline: float | None, search: "UserSearch", work: int | None) -> bool:
    if work is not None and search.work["sweeps"] >= work:
        return True
    return deadline is not None and time.perf_counter() >= deadline


@dataclass
class UserSearch:
    """The incumbent of one user and what improving it needs.

    Parameters
    ----------
    problem
        The user's problem.
    rng
        Source of the annealing's randomness.
    expired
        Tells whether the time is up.
    deadline
        When it is, on the performance counter; None for never.
    """

    problem: UserProblem
    rng: np.random.Generator
    expired: Callable[[], bool]
    deadline: float | None = None
    plan: IntArray = field(init=False)
    saved_us: int = field(init=False, default=0)
    saved: IntArray = field(init=False)
    heat: float = field(init=False)
    work: dict[str, int] = field(default_factory=lambda: {"sweeps": 0, "splits": 0, "nodes": 0})

    def __post_init__(self) -> None:
        weight = self.problem.weight
        self.saved = cumulative(self.problem)
        self.heat = 0.5 * float(weight[weight > 0].mean()) if weight.any() else 1.0
        never = np.full(len(weight), weight.shape[1])
        steps = min(400 * len(weight), 200_000)
        self.plan, self.saved_us = anneal(self.problem, never, steps, self.heat, self.rng)

    def time_left(self) -> float | None:
        """Return the seconds left, None for no limit."""
        return None if self.deadline is None else max(self.deadline - time.perf_counter(), 0.01)

    def anneal_on(self, bound: int) -> None:
        """Spend more annealing where no search will improve the incumbent."""
        for _ in range(_EXTRA_ROUNDS):
            if self.expired() or self.saved_us >= bound:
                return
            heat = 0.3 * self.heat
            plan, value = anneal(self.problem, self.plan, _EXTRA_STEPS, heat, self.rng)
            if value > self.saved_us:
                self.plan, self.saved_us = plan, value

    def try_path(self, diagram: Diagram, pushes: IntArray, steps: int) -> None:
        """Turn a path into a plan (of repeated pushes the most valuable), anneal it, keep it."""
        plan = np.full_like(self.plan, self.problem.weight.shape[1])
        for layer, _ in pushes[np.argsort(pushes[:, 1], kind="stable")]:
            plan[diagram.content[layer]] = diagram.slot[layer]
        value = int(saving(self.saved, self.problem.cache_size, plan))
        if steps and value > 0.97 * self.saved_us:
            plan, value = anneal(self.problem, plan, steps, 0.1 * self.heat, self.rng)
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
    bound, prices = problem.base_us, np.zeros(len(problem.content), dtype=np.int64)
    profiles = num_profiles(problem)
    if profiles > FEW_PROFILES and bound > search.saved_us:
        start = lp.relax(problem, search.time_left())
        bound, prices = start.saved_us, start.prices
    if profiles > MAX_PROFILES or problem.base_us > MAX_DELAY_US:
        search.anneal_on(bound)
        return max(bound, search.saved_us)
    relaxed, root = relaxation(problem), None
    for steps in (_FIRST_STEPS, _STEPS):
        if bound <= search.saved_us or search.expired():
            return max(bound, search.saved_us)
        values, offsets = backward(relaxed.layers, relaxed.profiles, prices)
        bound = min(bound, int(values[0] + prices.sum()))
        root = dd.build(relaxed, values, offsets, prices, search.saved_us, MAX_NODES)
        if root is None:
            search.anneal_on(bound)
            return max(bound, search.saved_us)
        priced = price(search, root, prices, steps, search.saved_us)
        bound, prices = min(bound, priced.bound), priced.prices
    bound = max(bound, search.saved_us)
    return bound if root is None else _close(search, root, prices, bound)


def _close(search: UserSearch, root: Diagram, prices: IntArray, bound: int) -> int:
    """Refute thresholds from above until bound and incumbent meet."""
    step = 0.3 * (bound - search.saved_us)
    while bound > search.saved_us and not search.expired():
        threshold = max(search.saved_us, bound - int(step) - 1)
        proven = _refute(search, dd.split(root, NOTHING, prices, threshold), prices, threshold)
        stuck = proven >= bound
        bound = max(min(bound, proven), search.saved_us)
        if stuck:
            break
        step *= 2
    return bound


NOTHING = -1  # splitting on no content only prunes


def _refute(search: UserSearch, diagram: Diagram, prices: IntArray, threshold: int) -> int:
    """Return an upper bound on all plans, aiming at `threshold` or the incumbent above it.

    `diagram` holds every plan worth more than `threshold`.
    """
    done: set[int] = set()
    while True:
        priced = price(search, diagram, prices, _STEPS, threshold)
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
    search: UserSearch, diagram: Diagram, prices: IntArray, steps: int, threshold: int
) -> Priced:
    """Lower the diagram's bound by subgradient steps towards `threshold` (or the incumbent).

    A step is Polyak's with a mixed direction; after `_PATIENCE` steps without progress it shrinks
    and restarts from the best prices. Paths met on the way are tried as plans.
    """
    contents = len(prices)
    best = Priced(np.iinfo(np.int64).max, prices, np.zeros(contents))
    current, mixed = prices.astype(float), np.zeros(contents)
    repeats, ratio, idle = np.zeros(contents), 1.0, 0
    dearest = search.problem.weight.sum(axis=1)  # a higher price changes nothing
    if len(diagram.skip) == 0:
        return Priced(threshold, prices, repeats)
    for step in range(steps):
        trial = np.rint(current).astype(np.int64)
        value, choice = dd.sweep(diagram, trial)
        search.work["sweeps"] += 1
        bound = int(value[0] + trial.sum())
        pushes, times = dd.best_path(diagram, choice, contents)
        repeats = 0.8 * repeats + (times > 1)
        if bound < best.bound:
            best, idle = Priced(bound, trial, repeats), 0
        else:
            idle += 1
        if (step % 5 == 0 and idle == 0) or step + 1 == steps:
            search.try_path(diagram, pushes, 3000 * (step % 10 == 0 or step + 1 == steps))
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
