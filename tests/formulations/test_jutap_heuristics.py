"""The JUTAP heuristics: what they promise, and no more."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from formulations.jutap.heuristics import Blind, Greedy, RandomWalk, Straight
from formulations.jutap.labels import Labels
from formulations.jutap.routes import Routes, best_links
from formulations.jutap.terrestrial import Terrestrial
from opt_istn import Budget, Claims, Solver, Status
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.instance import Cost, Instance
from opt_istn.jutap.plan import Plan
from opt_istn.testing import random_jutap
from opt_istn.testing.jutap import draw
from tests.oracles import brute_force

HEURISTICS: tuple[Solver, ...] = (Straight(), Blind(), Greedy(), RandomWalk())


def run(solver: Solver, instance: Instance, seed: int = 0) -> Claims:
    return solver.solve(instance, Budget(), seed)


def open_field(n: int = 7, end: tuple[int, int] = (6, 6), **changes: Any) -> Instance:
    """Return an n x n field, one MBS everywhere, from the south-west corner to `end`."""
    instance = Instance(
        name="field",
        grid=n,
        num_mbs=1,
        start=0,
        end=end[0] * n + end[1],
        start_link=0,
        link_ptr=np.arange(n * n + 1),
        link_ids=np.zeros(n * n, dtype=np.int64),
        strongest=np.zeros(n * n, dtype=np.int64),
        cost=Cost((7, 10), 20, 20, 100, 10, -10, -10, 40),
        energy_mj=(10, 14),
        energy_budget_mj=None,
        cell_m=120.0,
    )
    return dataclasses.replace(instance, **changes)


def closed(instance: Instance, *cells: int) -> Instance:
    """Return the field with cells that cannot be flown."""
    keep = ~np.isin(np.arange(instance.num_cells), cells)
    strongest = np.where(keep, 0, 1)
    ptr = np.concatenate([[0], np.cumsum(keep)])
    ids = np.zeros(int(keep.sum()), dtype=np.int64)
    return dataclasses.replace(instance, link_ptr=ptr, link_ids=ids, strongest=strongest)


@pytest.mark.parametrize("solver", [*HEURISTICS, Terrestrial()], ids=lambda s: type(s).__name__)
def test_never_below_the_optimum(solver: Solver) -> None:
    """A claimed plan is feasible, costs what is claimed, and not less than the optimum."""
    for index in range(200):
        instance = draw(23, index)
        status, optimum = brute_force(instance.document())
        claims = run(solver, instance, index)
        if claims.status == Status.FEASIBLE:
            judged = evaluate(instance, claims.plan)
            assert judged.feasible, index
            assert claims.cost == judged.cost
            assert status == "unbounded" or (optimum is not None and judged.cost >= optimum)


@pytest.mark.parametrize("solver", HEURISTICS, ids=lambda s: type(s).__name__)
def test_a_plan_whenever_the_budget_allows_one(solver: Solver) -> None:
    """There is a plan exactly where there is a feasible one; else what breaks is attached."""
    for index in range(200):
        instance = draw(29, index)
        feasible = brute_force(instance.document())[0] != "infeasible"
        claims = run(solver, instance, index)
        assert (claims.status == Status.FEASIBLE) == feasible, index
        if claims.status == Status.NO_PLAN and claims.plan is not None:
            assert evaluate(instance, claims.plan).violations, index


@pytest.mark.parametrize("solver", HEURISTICS, ids=lambda s: type(s).__name__)
def test_obstacles_are_flown_around(solver: Solver) -> None:
    """A wall with one gap is passed through the gap, with a budget of just that route."""
    wall = [3 * 7 + column for column in range(6)]
    instance = closed(open_field(), *wall)
    needed = int(Routes(instance).to_end[instance.start])
    instance = dataclasses.replace(instance, energy_budget_mj=needed)
    claims = run(solver, instance)
    assert claims.status == Status.FEASIBLE
    assert 3 * 7 + 6 in claims.plan.cells


def test_straight_is_the_straight_line() -> None:
    """On an open field the line is of least energy and spreads its diagonals evenly."""
    instance = open_field(7, (3, 6))
    claims = run(Straight(), instance)
    assert claims.plan.cells == (0, 8, 9, 17, 18, 26, 27)
    for end in np.ndindex(7, 7):
        field = open_field(7, end)
        energy = evaluate(field, run(Straight(), field).plan).energy_mj
        assert energy == Routes(field).to_end[0]


def test_straight_holds_the_strongest_link() -> None:
    """Straight holds the strongest MBS, HOLE where there is none, and never GEO."""
    for index in range(100):
        instance = draw(31, index)
        claims = run(Straight(), instance)
        if claims.plan is not None:
            cells = claims.plan.cells[1:]
            assert list(claims.plan.links[1:]) == instance.strongest[list(cells)].tolist()


def test_blind_has_the_best_links_of_its_route() -> None:
    """The links along a route are those of the optimum confined to that route."""
    for seed in range(60):
        rng = np.random.default_rng([37, seed])
        instance = random_jutap(rng, grid=4, budget="none", costs="negative", start_is_end=False)
        if instance.start == instance.end:
            continue
        cells = Routes(instance).straight()
        plan = Plan(instance.sha256, tuple(cells), tuple(best_links(instance, cells)))
        least = min(cost_of_links(instance, cells, 1, instance.start_link))
        assert evaluate(instance, plan).cost == least


def cost_of_links(instance: Instance, cells: list[int], at: int, held: int) -> list[int]:
    """Return the cost of every choice of links along a route."""
    if at == len(cells):
        return [0]
    found = []
    for link in instance.links(cells[at]).tolist():
        pair = Plan(instance.sha256, (cells[at - 1], cells[at]), (held, link))
        moved = dataclasses.replace(instance, start=cells[at - 1], start_link=held)
        step = evaluate(moved, dataclasses.replace(pair, instance=moved.sha256)).cost
        assert step is not None
        found += [step + rest for rest in cost_of_links(instance, cells, at + 1, link)]
    return found


def test_greedy_keeps_its_mbs() -> None:
    """On a field with a second MBS everywhere, greedy never changes the one it holds."""
    ids = np.tile([0, 1], 49)
    field = open_field(num_mbs=2, link_ptr=np.arange(0, 99, 2), link_ids=ids, start_link=1)
    assert set(run(Greedy(), field).plan.links) == {1}


def test_random_follows_its_seed() -> None:
    """Random depends on the seed, and on nothing else."""
    plans = [run(RandomWalk(), open_field(), seed).plan for seed in (1, 1, 2, 3, 4)]
    assert plans[0] == plans[1]
    assert len(set(plans)) > 1


def test_terrestrial_is_the_optimum_without_geo() -> None:
    """Its plan is the optimum of the instance without GEO, and is judged on the instance."""
    for index in range(100):
        instance = draw(41, index)
        status, cost = brute_force(instance.without_geo().document())
        claims = run(Terrestrial(), instance)
        if status == "optimal":
            assert (claims.status, claims.cost) == (Status.FEASIBLE, cost), index
        else:
            assert claims.status == (Status.UNBOUNDED if status == "unbounded" else Status.NO_PLAN)
        assert claims.bound is None
    assert run(Labels(), open_field()).cost == run(Terrestrial(), open_field()).cost
