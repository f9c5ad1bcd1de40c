"""All budgets, all STARTs and all weights at once, against brute force and the other engines."""

import heapq
from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from formulations.jutap import frontier as studies
from formulations.jutap.labels import Labels
from formulations.jutap.prove import certificate
from formulations.jutap.weights import weights
from opt_istn import Budget, InputError, verifier
from opt_istn.evidence.studies import prove
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.frontier import NO_FLIGHT, Front, Weights, weighted
from opt_istn.jutap.instance import Cost, Instance
from opt_istn.jutap.scenario import PRESETS, generate, unweighted
from opt_istn.testing import random_jutap
from opt_istn.testing.jutap import draw
from tests.oracles import Walks, brute_force

MANY = 270  # ten of each sort of the family
KAPPAS = (1.02, 1.05, 1.10, 1.25, None)


def pairs_by_hand(document: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the Pareto-optimal (energy, cost) of a document, label by label, forward."""
    walks, budget = Walks(document), document["energy_budget_mj"]
    waiting: list[tuple[int, int, Any]] = [(0, 0, walks.start)]
    least: dict[Any, int] = defaultdict(lambda: 2**70)
    found: list[tuple[int, int]] = []
    while waiting:
        energy, cost, state = heapq.heappop(waiting)
        if cost >= least[state]:
            continue
        least[state] = cost
        if state[0] == document["end"] and (not found or cost < found[-1][1]):
            found.append((energy, cost))
        for following, more, used in walks.moves(state):
            if energy + used <= budget:
                heapq.heappush(waiting, (energy + used, cost + more, following))
    return found


def pairs(front: Front) -> list[tuple[int, int]]:
    return [(point.energy_mj, point.cost) for point in front.points]


def small(index: int) -> Instance:
    """Return an instance of the family with a budget, none being what 12 moves need."""
    instance = draw(5, index)
    if instance.energy_budget_mj is None:
        return replace(instance, energy_budget_mj=12 * max(instance.energy_mj))
    return instance


@pytest.mark.parametrize("block", range(9))
def test_a_front_is_brute_forces(block: int) -> None:
    """The front is that of plain labels; each plan has the energy and the cost of its point."""
    for index in range(block * MANY // 9, (block + 1) * MANY // 9):
        instance = small(index)
        front = studies.pareto(instance)
        assert pairs(front) == pairs_by_hand(instance.document())
        for point in front.points:
            judged = evaluate(instance, point.plan)
            assert judged.feasible
            assert (judged.energy_mj, judged.cost) == (point.energy_mj, point.cost)


@pytest.mark.parametrize("block", range(3))
def test_a_table_is_brute_forces_from_every_start(block: int) -> None:
    """Every entry of a table is the outcome of the instance with that START and budget."""
    for index in range(block * 27, (block + 1) * 27):
        instance = small(index)
        budget = instance.energy_budget_mj
        assert budget is not None
        budgets = np.array([0, budget // 3, budget // 2, budget])
        found = studies.under(instance, np.tile(budgets, (instance.num_cells, 1)))
        for question in found.questions():
            assert brute_force(question.instance.document()) == (
                ("infeasible", None) if question.cost is None else ("optimal", question.cost)
            )


@pytest.mark.parametrize("preset", ["jutap-paper", "jutap-paper-terrestrial"])
def test_a_table_of_the_papers_size_is_labels(preset: str) -> None:
    """Costs from 625 STARTs with 5 budgets are those of `jutap.labels`, wherever it is asked."""
    found = studies.starts(generate(PRESETS[preset], 1), KAPPAS)
    for cell in np.random.default_rng(0).choice(found.cells, 25, replace=False).tolist():
        for k in range(len(KAPPAS)):
            claims = Labels().solve(found.at(cell, k), Budget())
            assert found.cost[cell, k] == (NO_FLIGHT if claims.cost is None else claims.cost)
            if claims.cost is not None:  # what it needs is within the budget, and needed
                needed = int(found.energy_mj[cell, k])
                assert needed <= found.budget_mj[cell, k]
                less = replace(found.at(cell, k), energy_budget_mj=max(needed - 1, 0))
                cheaper = Labels().solve(less, Budget()).cost
                assert cell == less.end or cheaper is None or cheaper > claims.cost


def test_a_budget_of_the_presets_is_the_same_in_a_table() -> None:
    """START's entry with kappa is the optimum of the preset with that kappa."""
    found = studies.starts(generate(PRESETS["jutap-paper"], 3), KAPPAS)
    for k, kappa in enumerate(KAPPAS[:-1]):
        preset = generate(PRESETS[f"jutap-paper-k{kappa:.2f}"], 3)
        assert found.budget_mj[preset.start, k] == preset.energy_budget_mj
        assert found.cost[preset.start, k] == Labels().solve(preset, Budget()).cost


def test_every_answer_is_proven_and_a_wrong_one_is_refused() -> None:
    """The verifier accepts a certificate for every answer, and none for an answer that is off."""
    rng = np.random.default_rng(2)
    for index in range(27):
        instance = small(index)
        front = studies.pareto(instance)
        asked = list(front.questions())
        assert sum(prove(asked, certificate).values()) == len(front.points) + bool(
            not front.points or front.points[0].energy_mj > 0
        )
        for question in [asked[int(rng.integers(len(asked)))]]:
            if question.cost is not None:
                with pytest.raises(verifier.Refused):
                    prove([replace(question, cost=question.cost + 1)], certificate)
                with pytest.raises(verifier.Refused):
                    prove([replace(question, cost=question.cost - 1)], certificate)


def test_a_point_that_is_missing_is_noticed() -> None:
    """Without one of its points, or with one too many, a front is not proven."""
    front = studies.pareto(generate(PRESETS["jutap-paper"], 0))
    assert len(front.points) == 4
    for kept in (front.points[1:], front.points[:1] + front.points[2:], front.points[:-1]):
        with pytest.raises(verifier.Refused):
            prove(replace(front, points=kept).questions(), certificate)
    twice = replace(front.points[0], energy_mj=front.points[0].energy_mj + 1)
    with pytest.raises(verifier.Refused):
        prove(replace(front, points=(twice, *front.points[1:])).questions(), certificate)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("energies", [(1, 1), (10**9, 10**9), (1, 10**9), (10**9, 1)])
def test_the_ends_of_all_ranges(sign: int, energies: tuple[int, int]) -> None:
    """Costs and energies at the limits of the file format give brute force's front."""
    most = 10**9
    cost = Cost((most, most), most, most, most, most, sign * most, sign * most, most, (most,) * 9)
    instance = replace(
        random_jutap(np.random.default_rng(4), grid=3, start_in_hole=True),
        cost=cost,
        energy_mj=energies,
        energy_budget_mj=6 * max(energies) if min(energies) == max(energies) else 10**9 + 3,
    )
    assert pairs(studies.pareto(instance)) == pairs_by_hand(instance.document())
    unlimited = replace(instance, energy_budget_mj=2**62, cost=replace(cost, hole_to_mbs=0))
    unlimited = replace(unlimited, cost=replace(unlimited.cost, hole_to_geo=0))
    least = Labels().solve(unlimited, Budget()).cost
    front = studies.pareto(unlimited)
    assert (front.points[-1].cost if front.points else None) == least


def test_a_budget_of_nothing_leaves_only_end() -> None:
    """With 0 mJ nothing but the flight from END to END is left."""
    instance = replace(random_jutap(np.random.default_rng(1), grid=3), energy_budget_mj=0)
    assert pairs(studies.pareto(instance)) == []
    there = replace(instance, start=instance.end, start_link=int(instance.links(instance.end)[0]))
    assert pairs(studies.pareto(there)) == [(0, 0)]
    found = studies.under(instance, np.zeros((9, 1), dtype=np.int64))
    assert (found.cost[found.cells, 0] != NO_FLIGHT).tolist() == [
        cell == instance.end for cell in found.cells.tolist()
    ]


def test_what_cannot_be_done_is_refused() -> None:
    """Costs that fall without limit, and more labels than there is room for, are said so."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        instance = random_jutap(rng, budget="none", costs="cyclic", grid=3)
        if brute_force(instance.document())[0] == "unbounded":
            with pytest.raises(InputError, match="energy_budget_mj"):
                studies.pareto(instance)
            with pytest.raises(InputError, match="energy_budget_mj"):
                studies.starts(instance, [None])
            studies.starts(instance, [1.5])
            break
    else:
        raise ValueError("no instance of 50 is unbounded")
    with pytest.raises(InputError, match="labels"):
        studies.pareto(generate(PRESETS["jutap-city-k1.25"], 0), max_labels=1000)


def test_dropping_labels_changes_no_table() -> None:
    """A table's pass drops labels where it grows; what it finds is the front from each START."""
    instance = generate(PRESETS["jutap-paper-terrestrial"], 2)
    found = studies.starts(instance, [1.25])
    for cell in found.cells[::97].tolist():
        front = studies.pareto(found.at(cell, 0))
        assert (front.points[-1].cost if front.points else NO_FLIGHT) == found.cost[cell, 0]


def _random_weights(rng: np.random.Generator) -> Weights:
    a, b, c = (Fraction(int(x)) for x in rng.integers(0, 15, 3))
    total = a + b + c or Fraction(1)
    return a / total, b / total, c / total


@pytest.mark.parametrize(
    "parameters",
    [
        {"grid": 6, "num_mbs": 3, "cell_m": 400.0, "kappa": 1.3},
        {"grid": 7, "num_mbs": 4, "cell_m": 400.0, "hole_bonus": "once"},
        {"grid": 8, "num_mbs": 5, "cell_m": 350.0, "hole_bonus": "none"},
        {"grid": 6, "num_mbs": 3, "cell_m": 400.0, "hole_bonus": "none", "reward": "paper"},
    ],
    ids=["budget", "once", "none", "paper"],
)
def test_a_map_of_weights_is_right_everywhere(parameters: dict[str, Any]) -> None:
    """At any weights the least of the map's plans costs what `jutap.labels` finds there."""
    rng = np.random.default_rng(8)
    for seed in range(3):
        instance = generate(replace(PRESETS["jutap-paper"], **parameters), seed)
        found = weights(instance)
        assert sum(region.share for region in found.regions) == 1
        plain = unweighted(instance)
        for _ in range(12):
            at = _random_weights(rng)
            if not sum(at):
                continue
            cost, scale = weighted(plain.cost, at)
            claims = Labels().solve(replace(plain, cost=cost), Budget())
            assert claims.cost == claims.bound == scale * found.least(at)
        assert sum(prove(found.questions(), certificate).values()) >= 3


def test_an_instances_own_weights_do_not_matter() -> None:
    """Maps of one scenario with other weights have the same regions."""
    made = [
        generate(replace(PRESETS["jutap-paper-v2"], hole_bonus="once", w1=a, w2=b, w3=c), 1)
        for a, b, c in ((0.4, 0.2, 0.4), (0.2, 0.6, 0.2))
    ]
    first, second = (weights(instance) for instance in made)
    assert [(r.terms, r.corners) for r in first.regions] == [
        (r.terms, r.corners) for r in second.regions
    ]


def test_weights_need_what_they_weigh() -> None:
    """An instance without its scenario, or with other costs than it tells, is refused."""
    instance = generate(PRESETS["jutap-tiny"], 0)
    for wrong in (
        replace(instance, scenario={}),
        replace(instance, scenario=instance.scenario | {"w1": "much"}),
        replace(instance, cost=replace(instance.cost, geo_stay=1)),
    ):
        with pytest.raises(InputError, match="scenario"):
            weights(wrong)
    cut_off = random_jutap(np.random.default_rng(0), grid=3, cut_off=True)
    with pytest.raises(InputError, match="scenario"):
        weights(cut_off)
    with pytest.raises(InputError, match="energy_budget_mj"):
        weights(generate(replace(PRESETS["jutap-paper"], kappa=0.5), 0))
