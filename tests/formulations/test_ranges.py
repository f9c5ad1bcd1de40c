"""Every field at the ends of its range: engines are exact there, or refuse in a sentence.

``OPT_ISTN_TORTURE=1`` draws a hundred times as many instances.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formulations.jutap.passes.multipliers import relax
from formulations.jutap.passes.potentials import compute_potentials, grid_of
from formulations.jutap.passes.ranges import LARGEST, MAX_MOVES, Reach
from opt_istn import Status, problems, registry
from opt_istn.jutap import graph
from opt_istn.jutap import instance as jutap_file
from opt_istn.push import instance as push_file
from opt_istn.push.random import random_push
from opt_istn.solver import Budget, Claims, Solver
from opt_istn.testing.jutap import draw
from tests import oracles, oracles_push

ROUNDS = 100 if os.environ.get("OPT_ISTN_TORTURE") else 1
CASES = Path(__file__).parent / "cases"
EXACT = {
    "jutap": ("jutap.labels", "jutap.cpsat", "jutap.pyomo", "jutap.scip"),
    "push": (
        *("push.labels", "push.forward", "push.highs", "push.cpsat", "push.interval"),
        "push.scip",
    ),
}
OTHERS = {
    "jutap": ("straight", "greedy", "random", "blind", "terrestrial", "lagrangian"),
    "push": ("never", "release", "random", "oracle-fifo", "anneal"),
}
COSTS = (-(10**9), 1 - 10**9, -1, 0, 1, 10**9 - 1, 10**9)
ENERGIES = (1, 2, 10**9 - 1, 10**9)
BUDGETS = (None, 0, 1, 10**9 - 1, 2 * 10**9, 2**31, 2**50, 2**62)


def ends_of_jutap(rng: np.random.Generator, index: int) -> dict[str, Any]:
    """Return a document whose costs and energies lie at the ends, links as in the kit's family."""
    document = draw(29, index).document()
    names = [name for name in document["cost"] if name not in ("move", "enter", "hole_bonus")]
    numbers = {name: int(rng.choice(COSTS)) for name in names}
    moves = [int(rng.choice(COSTS[3:] if rng.random() < 0.7 else COSTS)) for _ in range(2)]
    document["cost"] |= {**numbers, "move": moves}
    if rng.random() < 0.3:
        document["cost"]["enter"] = rng.choice(COSTS, document["grid"] ** 2).tolist()
    energies = [int(rng.choice(ENERGIES)) for _ in range(2)]
    document["energy_mj"] = energies
    budget = BUDGETS[int(rng.integers(len(BUDGETS)))]
    if rng.random() < 0.6:
        budget = int(rng.integers(12)) * energies[0] + int(rng.integers(4)) * energies[1]
    document["energy_budget_mj"] = budget
    return document


@cache
def made(name: str) -> Solver:
    """Return a solver, prepared."""
    solver = registry.make(name, name.partition(".")[0], {})
    solver.prepare()
    return solver


def check(name: str, instance: Any, truth: tuple[str, int | None]) -> bool:
    """Check a solver's claims against the truth; return whether it supports the instance."""
    solver = made(name)
    reason = solver.supports(instance)
    if reason is not None:
        assert len(reason.split()) > 3, name
        return False
    claims: Claims = solver.solve(instance, Budget(time_s=60.0), 1)
    status, optimum = truth
    assert claims.bound is None or optimum is None or claims.bound <= optimum, name
    if claims.plan is not None and claims.cost is not None:
        judged = problems.get(instance.problem).evaluate(instance, claims.plan)
        assert (judged.violations, judged.cost) == ((), claims.cost), name
        assert optimum is None or claims.cost >= optimum, name
    if name in EXACT[instance.problem]:
        assert (claims.status.value, claims.cost) == (status, optimum), name
    return True


@pytest.mark.parametrize("block", range(6))
def test_jutap_at_the_ends_of_its_ranges(block: int) -> None:
    """Costs, energies and budgets up to 10**9, 10**9 and 2**62: exact everywhere, or refused."""
    taken = 0
    for index in range(block * 20 * ROUNDS, (block + 1) * 20 * ROUNDS):
        document = ends_of_jutap(np.random.default_rng([31, index]), index)
        instance = jutap_file.from_bytes(json.dumps(document).encode())
        try:
            truth = oracles.by_energy(document, most_moves=2000)
        except ValueError:  # walks of so many moves that only a refusal is checked
            refused = registry.make("jutap.labels", "jutap", {}).supports(instance)
            too_many = instance.energy_budget_mj // min(instance.energy_mj) > MAX_MOVES
            assert (refused is not None) == too_many
            continue
        for name in (*EXACT["jutap"], *(f"jutap.{other}" for other in OTHERS["jutap"])):
            taken += check(name, instance, truth)
    assert taken


@pytest.mark.parametrize(
    ("case", "bound"),
    [
        ("over_a", -4_294_966_991_410_066),
        ("over_b", -3_940_649_673_949_184),
        ("over_c", None),
    ],
)
def test_walks_without_end_are_refused(case: str, bound: int | None) -> None:
    """Where walks of millions of moves are optimal, `labels` says so; bounds hold.

    All three were claimed optimal at the cost of a walk of a few moves: a product left 64 bits.
    """
    instance = jutap_file.read(CASES / f"{case}.json")
    refused = registry.make("jutap.labels", "jutap", {}).supports(instance)
    assert f"({MAX_MOVES} moves)" in (refused or "")
    found = registry.make("jutap.lagrangian", "jutap", {}).solve(instance, Budget(), 0)
    assert found.status == Status.FEASIBLE
    assert found.bound is not None
    assert bound is None or found.bound <= bound


def test_the_same_walks_with_a_budget_that_can_be_flown() -> None:
    """The refused cases are solved with the largest budgets at which their walks can be written."""
    for case, moves in (("over_a", 1500), ("over_b", 1501), ("over_c", 1000)):
        document = json.loads((CASES / f"{case}.json").read_text())
        document["energy_budget_mj"] = moves * document["energy_mj"][0]
        instance = jutap_file.from_bytes(json.dumps(document).encode())
        assert check("jutap.labels", instance, oracles.by_energy(document))


def test_a_pass_that_could_leave_64_bits_is_not_run() -> None:
    """Scales are cut down until no value of a pass can leave 64 bits; larger ones are refused."""
    for cost in (1, 10**6, 3 * 10**9):
        for energy in (1, 10**6, 10**9):
            for steps in (1, 10**4, 3 * 10**8 if cost == 3 * 10**9 else 10**9):
                far = Reach(cost, energy, steps)
                for rise, run in ((0, 1), (1, 10**18), (10**18, 1), (7, 3), (10**9, 10**9)):
                    scale, weight = far.scales(rise, run)
                    assert scale >= 1
                    assert weight >= 0
                    assert (scale * cost + weight * energy) * steps < LARGEST + scale * steps
    instance = draw(29, 1)
    with pytest.raises(ValueError, match="64 bits"):
        compute_potentials(instance, 2**40, 2**50)


def test_no_room_for_a_multiplier_leaves_no_bound() -> None:
    """Where every multiplier that leaves no negative cycle is too large, nothing is claimed."""
    document = json.loads((CASES / "over_a.json").read_text())
    document |= {"energy_mj": [1, 10**9], "energy_budget_mj": 40}
    instance = jutap_file.from_bytes(json.dumps(document).encode())
    assert check("jutap.labels", instance, oracles.by_energy(document))
    grid, start = grid_of(instance), graph.start_state(instance)
    passes = (compute_potentials(instance, *scales, grid) for scales in ((1, 0), (0, 1)))
    found = relax(instance, grid, start, 40, *passes, lambda: False)
    assert found.tightest.cost_scale == 0 or found.bound <= oracles.by_energy(document)[1]


DELAYS = ((1, 1), (10**9 - 1, 10**9), (10**9, 10**9), (1, 10**9), (2**27 - 9, 2**27 + 9))


@pytest.mark.parametrize("block", range(4))
def test_push_at_the_ends_of_its_ranges(block: int) -> None:
    """Delays up to 10**9 us and caches of one place to a million: exact everywhere, or refused."""
    taken = 0
    for index in range(block * 10 * ROUNDS, (block + 1) * 10 * ROUNDS):
        rng = np.random.default_rng([37, index])
        sizes = ((1, 1), (2, 3), (10**6, 10**6))[index % 3]
        delays = DELAYS[index % len(DELAYS)]
        drawn = random_push(rng, cache_sizes=sizes, delays_us=delays, num_requests=14)
        document = drawn.document() | {"slot_s": (1e-300, 10.0, 1e300)[index % 3]}
        instance = push_file.from_bytes(json.dumps(document).encode())
        truth = "optimal", oracles_push.optimum(document)
        for name in (*EXACT["push"], *(f"push.{other}" for other in OTHERS["push"])):
            taken += check(name, instance, truth)
    assert taken


@pytest.mark.parametrize("name", [*EXACT["push"][:-1], "push.literal"])
def test_large_delays_are_certified(name: str) -> None:
    """A user's delay of 2.6e10 us is certified to the microsecond (bounds were 1 to 40 below)."""
    instance = push_file.read(CASES / "unproven_big.json")
    claims = registry.make(name, "push", {}).solve(instance, Budget(), 0)
    assert claims.status == Status.OPTIMAL
    assert claims.cost == claims.bound == 11_999_999_978


def test_delays_that_scip_cannot_tell_apart_are_refused() -> None:
    """Beyond 3e8 us its own epsilon is more than a microsecond."""
    instance = push_file.read(CASES / "unproven_big.json")
    assert "SCIP tells apart" in (made("push.scip").supports(instance) or "")
