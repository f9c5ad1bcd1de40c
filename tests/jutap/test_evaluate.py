"""The judge of JUTAP plans, and the graph that engines see instead."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opt_istn import InputError
from opt_istn.jutap import graph
from opt_istn.jutap.evaluate import bounded, evaluate, handover_cost, pays_bonus, step_cost
from opt_istn.jutap.instance import Cost, Instance
from opt_istn.jutap.plan import Plan
from opt_istn.testing import random_jutap
from tests.oracles import State, Walks

HOLE, GEO = 2, 3  # with two MBSs


def field(n: int = 3, **changes: Any) -> Instance:
    """Return an n x n field with two MBSs, both and GEO everywhere; START south-west."""
    instance = Instance(
        name="field",
        grid=n,
        num_mbs=2,
        start=0,
        end=n * n - 1,
        start_link=0,
        link_ptr=np.arange(0, 3 * n * n + 1, 3),
        link_ids=np.tile([0, 1, GEO], n * n),
        strongest=np.zeros(n * n, dtype=np.int64),
        cost=Cost((7, 10), 20, 21, 100, 11, -12, -13, 40),
        energy_mj=(10, 14),
        energy_budget_mj=None,
        cell_m=120.0,
    )
    return dataclasses.replace(instance, **changes)


def plan(instance: Instance, cells: tuple[int, ...], links: tuple[int, ...]) -> Plan:
    return Plan(instance.sha256, cells, links)


@settings(max_examples=150, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    costs=st.sampled_from(["paper", "negative", "cyclic", "ties"]),
    association=st.sampled_from(["full", "strongest"]),
    enter=st.booleans(),
    no_fly=st.sampled_from([0.0, 0.4]),
    cut_off=st.booleans(),
    hole_bonus=st.sampled_from(["printed", "once"]),
)
def test_arcs_are_the_moves_and_cost_the_same(seed: int, **options: Any) -> None:
    """The arcs are exactly the moves a walk can make; step_cost and brute force price them so."""
    instance = random_jutap(np.random.default_rng(seed), **options)
    arcs = graph.state_arcs(instance)
    cells, (_, links, gone) = graph.state_cells(instance).tolist(), instance.states
    states = list(zip(cells, links.tolist(), gone.tolist(), strict=True))
    walks = Walks(instance.document())
    expected, waiting = {}, [walks.start]
    while waiting:
        state = waiting.pop()
        if state not in expected:
            expected[state] = list(walks.moves(state))
            waiting += [move[0] for move in expected[state]]
    found: dict[State, list[tuple[State, int, int]]] = {}
    for a, b, cost, energy in zip(*(x.tolist() for x in dataclasses.astuple(arcs)), strict=True):
        turn = instance.energy_mj.index(energy)
        if instance.energy_mj[0] != instance.energy_mj[1]:
            (_, held, spent), (cell, link, _) = states[a], states[b]
            assert step_cost(instance, held, cell, link, turn, spent) == cost
        found.setdefault(states[a], []).append((states[b], cost, energy))
    for state, moves in expected.items():
        assert sorted(found.pop(state, [])) == sorted(moves)
    # left over: other links of START where no walk returns to it; and where a bonus counts once,
    # the layer that its reachable cells cannot be in
    assert instance.layered or {cell for cell, _, _ in found} <= {instance.start}


@settings(max_examples=100, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), moves=st.integers(0, 12))
def test_a_walk_costs_the_sum_of_its_arcs(seed: int, moves: int) -> None:
    """Cost and energy of a random walk are the sums over the moves brute force makes."""
    rng = np.random.default_rng(seed)
    bonus = ("printed", "once")[seed % 2]
    options = {"enter": True, "hole_bonus": bonus, "start_in_hole": seed % 3 == 0}
    instance = random_jutap(rng, costs="negative", budget="binding", **options)
    walks = Walks(instance.document())
    state, cost, energy = walks.start, 0, 0
    states = [state]
    for _ in range(moves):
        possible = list(walks.moves(state))
        if not possible:
            break
        state, more, used = possible[int(rng.integers(len(possible)))]
        states.append(state)
        cost, energy = cost + more, energy + used
    judged = evaluate(instance, Plan(instance.sha256, *list(zip(*states, strict=True))[:2]))
    assert (judged.cost, judged.energy_mj, judged.moves) == (cost, energy, len(states) - 1)
    late = instance.energy_budget_mj is not None and energy > instance.energy_budget_mj
    assert judged.feasible == (state[0] == instance.end and not late)


def test_terms_of_a_walk() -> None:
    """Length, handover, holes and GEO cells count what was flown, START not included."""
    instance = field()
    judged = evaluate(instance, plan(instance, (0, 1, 4, 8), (0, 1, GEO, GEO)))
    assert judged.cost == 7 + 20 + 7 + 100 + 10 + 11
    assert judged.energy_mj == 10 + 10 + 14
    assert judged.length_m == pytest.approx(120 * (2 + 2**0.5))
    assert judged.handover == (20 + 100 + 11) / 20
    assert (judged.moves, judged.holes, judged.geo) == (3, 0, 2)
    assert judged.terms().keys() == {"energy_mj", "length_m", "handover", "holes", "geo", "moves"}


def test_lengths_of_the_paper() -> None:
    """24 diagonals of 120 m are 4072.94 m, the straight flight of the paper."""
    instance = field(25)
    judged = evaluate(instance, plan(instance, tuple(range(0, 625, 26)), (0,) * 25))
    assert judged.length_m == pytest.approx(4072.94, abs=0.005)
    assert judged.feasible


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ((0, 0), 0),
        ((0, 1), 20),
        ((GEO, 0), 21),
        ((0, GEO), 100),
        ((GEO, GEO), 11),
        ((HOLE, 1), -12),
        ((HOLE, GEO), -13),
        ((0, HOLE), 0),
        ((GEO, HOLE), 0),
        ((HOLE, HOLE), 0),
    ],
)
def test_handover_table(links: tuple[int, int], expected: int) -> None:
    """Equation (8), case by case; entering HOLE has no handover but the outage charge (9)."""
    instance = field()
    assert handover_cost(instance, *links) == expected
    outage = 40 if links[1] == HOLE else 0
    assert step_cost(instance, links[0], 4, links[1], 1) == 10 + expected + outage


def test_entering_a_cell_costs() -> None:
    """The cost of entering is charged for the cell a move ends in, and not for START."""
    cost = dataclasses.replace(field().cost, enter=tuple(range(100, 109)))
    instance = field(cost=cost)
    judged = evaluate(instance, plan(instance, (0, 4, 8), (0, 0, 0)))
    assert judged.cost == 10 + 104 + 10 + 108


@pytest.mark.parametrize(
    ("cells", "links", "violation"),
    [
        ((), (), "one link for each"),
        ((0, 4), (0,), "one link for each"),
        ((1, 4, 8), (0, 0, 0), "START is cell 0 with link 0"),
        ((0, 4, 8), (1, 0, 0), "START is cell 0 with link 0"),
        ((0, 9), (0, 0), "outside the grid"),
        ((0, -1), (0, 0), "outside the grid"),
        ((0, 4, 8), (0, HOLE, 0), "not available in cell 4"),
        ((0, 8), (0, 0), "is not a move"),
        ((0, 0, 4, 8), (0, 0, 0, 0), "is not a move"),
        ((0, 2, 4, 8), (0, 0, 0, 0), "is not a move"),
        ((0, 4, 8, 4, 8), (0, 0, 0, 0, 0), "reaches END at step 2 and goes on"),
        ((0, 4), (0, 0), "not in END"),
        ((0,), (0,), "not in END"),
    ],
)
def test_violations(cells: tuple[int, ...], links: tuple[int, ...], violation: str) -> None:
    """Each way in which a walk cannot be flown is found and named."""
    instance = field()
    judged = evaluate(instance, plan(instance, cells, links))
    assert not judged.feasible
    assert violation in "; ".join(judged.violations)


def test_rows_do_not_wrap() -> None:
    """The last cell of a row and the first of the next are not neighbours."""
    instance = field()
    judged = evaluate(instance, plan(instance, (0, 1, 2, 3, 4, 8), (0,) * 6))
    assert "step 2 from cell 2 to 3 is not a move" in judged.violations


@pytest.mark.parametrize(("budget", "feasible"), [(27, False), (28, True), (None, True)])
def test_energy_budget(budget: int | None, *, feasible: bool) -> None:
    """(5a) is violated by one millijoule more than the budget, and the cost is still known."""
    instance = field(energy_budget_mj=budget)
    judged = evaluate(instance, plan(instance, (0, 4, 8), (0, 0, 0)))
    assert judged.feasible == feasible
    assert judged.cost == 20
    assert feasible or "(5a)" in judged.violations[0]


def test_cells_may_repeat() -> None:
    """A plan is a walk: cells may repeat before END, but the UAV moves in every step."""
    instance = field()
    judged = evaluate(instance, plan(instance, (0, 1, 0, 1, 4, 8), (0,) * 6))
    assert judged.feasible
    assert judged.cost == 7 * 4 + 10


def test_start_at_end_is_the_empty_walk() -> None:
    """With START == END the plan of one cell is feasible and free; no other plan is."""
    instance = field(end=0)
    judged = evaluate(instance, plan(instance, (0,), (0,)))
    assert (judged.feasible, judged.cost, judged.length_m) == (True, 0, 0)
    assert not evaluate(instance, plan(instance, (0, 1, 0), (0, 0, 0))).feasible


def test_strongest_association_forbids_the_others() -> None:
    """Under `strongest` only the strongest MBS of a cell, HOLE and GEO may be used."""
    instance = field(association="strongest")
    assert not evaluate(instance, plan(instance, (0, 4, 8), (0, 1, 0))).feasible
    assert evaluate(instance, plan(instance, (0, 4, 8), (0, GEO, 0))).feasible


def test_a_plan_belongs_to_its_instance() -> None:
    """A plan made for another instance is an input error, not a bad plan."""
    with pytest.raises(InputError, match="expected a plan for"):
        evaluate(field(), plan(field(end=4), (0, 4), (0, 0)))


@pytest.mark.parametrize("change", [{"name": "other"}, {"scenario": {"seed": 1}}])
def test_names_do_not_change_the_problem(change: dict[str, Any]) -> None:
    """Name and scenario are not part of the hash, so plans stay valid."""
    assert field(**change).sha256 == field().sha256


def test_without_geo_keeps_the_start_link() -> None:
    """The terrestrial problem offers GEO nowhere, except to hold it at START."""
    terrestrial = field(start_link=GEO).without_geo()
    offered = [terrestrial.links(cell).tolist() for cell in range(9)]
    assert offered == [[0, 1, GEO]] + [[0, 1]] * 8


def dark(**changes: Any) -> Instance:
    """Return a field without MBS in its first two cells; START is in HOLE."""
    ids = [[HOLE, GEO], [HOLE, GEO], *[[0, 1, GEO]] * 7]
    fields = {
        "start_link": HOLE,
        "link_ptr": np.cumsum([0, *map(len, ids)]),
        "link_ids": np.concatenate(ids),
        "strongest": np.array([HOLE, HOLE] + [0] * 7),
    }
    return field(**(fields | changes))


def test_cells_in_hole_and_with_geo_are_counted() -> None:
    """From the first move on: START's own link does not count."""
    instance = dark()
    judged = evaluate(instance, plan(instance, (0, 1, 4, 8), (HOLE, HOLE, GEO, 0)))
    assert (judged.holes, judged.geo) == (1, 1)
    assert judged.cost == (7 + 40) + (7 - 13) + (10 + 21)
    assert judged.handover == (-13 + 21) / 20
    other = evaluate(instance, plan(instance, (0, 1, 4, 8), (HOLE, GEO, 0, 0)))
    assert (other.holes, other.geo) == (0, 1)


@pytest.mark.parametrize(("bonus", "second"), [("printed", -12), ("once", 0)])
def test_a_bonus_is_paid_as_often_as_it_is_read(bonus: str, second: int) -> None:
    """Leaving HOLE a second time pays again where that is the reading, else nothing."""
    instance = dark(cost=dataclasses.replace(field().cost, hole_bonus=bonus))
    links = (HOLE, HOLE, 0, HOLE, 1, 1)
    judged = evaluate(instance, plan(instance, (0, 1, 4, 1, 4, 8), links))
    assert judged.feasible
    assert judged.cost == (7 + 40) + (7 - 12) + (7 + 40) + (7 + second) + 10


def test_only_what_is_earned_by_leaving_hole_is_spent() -> None:
    """Other negative handovers are no bonus, nor is leaving HOLE for nothing."""
    cost = Cost((7, 10), -20, -21, -100, -11, -12, 0, 40, hole_bonus="once")
    instance = field(cost=cost)
    pays = {(a, b) for a in (0, HOLE, GEO) for b in (1, HOLE, GEO) if pays_bonus(instance, a, b)}
    assert pays == {(HOLE, 1)}
    for links in ((0, 1), (GEO, 0), (0, GEO), (GEO, GEO), (HOLE, 1), (HOLE, GEO)):
        now, later = (handover_cost(instance, *links, spent) for spent in (False, True))
        assert now == handover_cost(instance, *links) == int(instance.transition[kinds(links)])
        assert later == (0 if links == (HOLE, 1) else now)
        plain, spent = (step_cost(instance, links[0], 4, links[1], 1, x) for x in (False, True))
        assert plain == step_cost(instance, links[0], 4, links[1], 1) == 10 + now
        assert spent == 10 + later
    printed = field(cost=dataclasses.replace(cost, hole_bonus="printed"))
    assert not pays_bonus(printed, HOLE, 1)


def kinds(links: tuple[int, int]) -> tuple[int, int]:
    """Return the kinds of two links."""
    return field().kind(links[0]), field().kind(links[1])


def test_end_is_where_a_walk_stops() -> None:
    """One move more is one too many, whether or not it comes back."""
    instance = field()
    judged = evaluate(instance, plan(instance, (0, 4, 8, 4), (0, 0, 0, 0)))
    assert judged.violations == ("the walk reaches END at step 2 and goes on",)


def test_faults_are_told_in_full() -> None:
    """START with its link, and whose plan it is by the first twelve digits."""
    instance, other = field(), field(end=4)
    judged = evaluate(instance, plan(instance, (1, 4, 8), (0, 1, 1)))
    start = "the walk starts in cell 1 with link 0, START is cell 0 with link 0; both count from 0"
    assert judged.violations == (start,)
    own, found = instance.sha256[:12], other.sha256[:12]
    with pytest.raises(InputError) as caught:
        evaluate(instance, plan(other, (0, 4), (0, 0)))
    rule = f"instance: expected a plan for {own} (sha256), found one for {found}"
    assert str(caught.value) == rule


def test_a_budget_bounds_all_walks() -> None:
    """Without one, costs could fall without limit."""
    assert bounded(field(energy_budget_mj=0))
    assert not bounded(field())
