"""Annealing with four moves counts what the judge counts, and finds optima."""

import numpy as np
import pytest

from formulations.push import moves
from formulations.push.anneal import cumulative, first_plan, never, saving
from formulations.push.annealing import Anneal
from formulations.push.labels.solver import Labels
from formulations.push.mip.cpsat import CpSat
from formulations.push.mip.starts import annealed, better
from formulations.push.users import UserTask, delay_us
from opt_istn import Budget, evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.random import random_push


def drawn(seed: int, places: tuple[int, int] = (1, 6)) -> Instance:
    """Draw a user with some forbidden slots."""
    rng = np.random.default_rng(seed)
    sizes = {"num_contents": 20, "num_slots": 12, "num_requests": 90, "cache_sizes": places}
    return random_push(rng, num_users=1, **sizes, delays_us=(1, 1_000_000))


@pytest.mark.parametrize("seed", range(12))
def test_the_saving_that_is_kept_is_that_of_the_plan(seed: int) -> None:
    """After 100,000 moves that are taken or taken back the sum of their gains is the saving."""
    problem = drawn(seed).user(0)
    rng = np.random.default_rng(seed)
    start, _ = first_plan(problem, rng)
    for heat in (1.0, 1e5, 1e9):  # nearly none, some, and nearly all moves are taken
        state = moves._State(cumulative(problem), problem.cache_size, start)
        useful = problem.pushable & (problem.weight[:, ::-1].cumsum(axis=1)[:, ::-1] > 0)
        slots = useful.shape[1]
        options = [np.append(np.flatnonzero(row), slots) for row in useful]
        may = np.append(useful, np.ones((len(useful), 1), dtype=bool), axis=1)
        ptr, flat = np.cumsum([0, *map(len, options)]), np.concatenate(options)
        movable = np.flatnonzero(useful.any(axis=1))
        state.run(rng.random((100_000, 5)), movable, ptr, flat, may, heat, heat)
        counted = [saving(state.saved, state.places, plan) for plan in (state.plan, state.best)]
        assert counted == [state.value, state.best_value]
        assert state.used == int((state.plan < slots).sum())
        order = [(state.plan[f], f) for f in state.order[: state.used]]
        assert order == sorted(order)
        assert all(slot == slots or may[f, slot] for f, slot in enumerate(state.plan))


def test_annealing_ends_when_it_is_told_to() -> None:
    """An annealing whose cooling is over after its first look takes no further steps."""
    problem = drawn(0).user(0)
    seen: list[int] = []

    def progress(steps: int, saved_us: int) -> float:  # noqa: ARG001 - the callers' signature
        seen.append(steps)
        return len(seen) / 3

    moves.improve(problem, never(problem), 1.0, np.random.default_rng(0), progress)
    assert len(seen) == 3


def test_large_users_are_annealed_to_the_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the moves of large users most small ones end at the optimum, and none beyond it."""
    monkeypatch.setattr(moves, "LARGE", 0)
    monkeypatch.setattr(moves, "_STEPS", 300_000)
    met = 0
    for seed in range(8):
        instance = drawn(seed)
        claims, optimum = (
            Anneal().solve(instance, Budget(), 0),
            Labels().solve(instance, Budget(), 0),
        )
        assert evaluate(instance, claims.plan).cost == claims.cost
        assert claims.cost >= optimum.bound
        met += claims.cost == optimum.bound
    assert met >= 6


def test_cpsat_returns_the_hint_that_it_has() -> None:
    """Stopped before it has a plan of its own, the engine returns the annealed one, or a better."""
    for seed in range(4):
        instance = drawn(seed, places=(3, 6))
        problem = instance.user(0)
        task = UserTask(0, problem, Budget().start(), 0)
        hint_us = delay_us(problem, annealed(task))
        claims = CpSat().solve(instance, Budget(work=1), 0)
        assert claims.cost <= hint_us < problem.base_us
        soon = CpSat().solve(instance, Budget(time_s=1e-6), 0)
        assert soon.cost <= problem.base_us


def test_the_better_plan_is_kept() -> None:
    """Of two plans the one that costs less counts, whichever comes first."""
    problem = drawn(1).user(0)
    good = annealed(UserTask(0, problem, Budget().start(), 0))
    assert better(problem, good, ()) == better(problem, (), good) == good
