"""Agents that know what is left of the energy budget, against blind ones and the exact methods."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formulations.jutap.labels import Labels
from formulations.jutap.value_iteration import ValueIteration
from learners.jutap.dqn import Dqn, DqnAgent
from learners.jutap.qlearning import QAgent, QLearning
from learners.jutap.solver import process_of
from opt_istn import Budget, InputError, Status
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.flights import remaining as module
from opt_istn.jutap.flights.remaining import RemainingTable, remaining
from opt_istn.jutap.flights.table import (
    Reward,
    flown,
    greedy,
    rewarded,
    strongest,
    table_of,
    value_iteration,
)
from opt_istn.jutap.instance import Cost, Instance
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.jutap.starts import judge, judge_solver
from opt_istn.testing.jutap import draw
from opt_istn.training import Task

METHODS: dict[str, tuple[Any, Any]] = {
    "jutap.dqn": (lambda kind: Dqn(updates=600, warm_up=300, tau=0.05, budget=kind), DqnAgent),
    "jutap.qlearning": (lambda kind: QLearning(100_000, 200, budget=kind), QAgent),
}
AROUND, THROUGH = 482_000, 1_000_000  # what the two ways of `planted` cost


def planted(budget_mj: int | None, holes: tuple[int, ...] = (1, 2, 3)) -> Instance:
    """Return a 5 x 5 map, flown along row 0, with holes on the straight line.

    Around them it costs 0.482 and 4,828 mJ; through all three 1.0 and 4,000 mJ.
    """
    cells = np.arange(25)
    links = np.where(np.isin(cells, holes), 1, 0)
    cost = Cost((100_000, 141_000), 100_000, 100_000, 500_000, 50_000, 0, 0, 200_000)
    known = ("planted", 5, 1, 0, 4, 0, np.arange(26), links, links, cost, (1000, 1414))
    return Instance(*known, budget_mj, 100.0)


def trained(method: str, x: Instance, kind: str, out: Path) -> Any:
    trainer, solver = METHODS[method]
    trainer(kind).train(Task("jutap", x.name, instance=x), 0, out, lambda *_: None)
    return solver(out)


@pytest.fixture(scope="module", params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def blind(method: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of an agent that ignores budgets."""
    out = tmp_path_factory.mktemp("blind") / "agent.pt"
    trained(method, planted(None), "ignored", out)
    return out


def test_the_blind_plan_is_refused_and_the_aware_one_optimal(
    method: str, blind: Path, tmp_path: Path
) -> None:
    """Where the cheap way around needs 1 mJ more than there is, who knows it flies straight."""
    x = planted(4827)
    optimum = Labels().solve(x, Budget(), 0)
    assert (optimum.status, optimum.cost) == (Status.OPTIMAL, THROUGH)
    refused = METHODS[method][1](blind, elsewhere=True).solve(x, Budget(), 0)
    assert refused.status == Status.NO_PLAN
    (violation,) = evaluate(x, refused.plan).violations
    assert "budget of 4827 mJ (5a)" in violation
    aware = trained(method, x, "known", tmp_path / "aware.pt").solve(x, Budget(), 0)
    assert (aware.status, aware.cost) == (Status.FEASIBLE, optimum.cost)


def test_with_enough_energy_both_fly_around(method: str, blind: Path, tmp_path: Path) -> None:
    """With that millijoule the cheap way is allowed, and the aware agent takes it too."""
    x = planted(4828)
    aware = trained(method, x, "known", tmp_path / "aware.pt")
    for solver in (METHODS[method][1](blind, elsewhere=True), aware):
        found = solver.solve(x, Budget(), 0)
        assert (found.status, found.cost) == (Status.FEASIBLE, AROUND)


def test_value_iteration_over_what_remains_is_the_label_setter() -> None:
    """On random maps with budgets, both prove the same integer; where no plan is, no table is."""
    compared, refused = 0, 0
    for index in range(150):
        x = budgeted(draw(7, index))
        if x is None or ValueIteration().solve(x, Budget(), 0).bound is None:
            continue
        exact = Labels().solve(x, Budget(), 0)
        if exact.plan is None:
            refused += 1
            with pytest.raises(InputError, match="energy_budget_mj: expected at least"):
                remaining(table_of(x))
            continue
        table = remaining(table_of(x))
        value = value_iteration(table)
        assert value[table.start] == exact.cost
        judged = evaluate(x, flown(table, greedy(table, value), table.start))
        assert (judged.feasible, judged.cost) == (True, exact.cost)
        compared += 1
    assert compared >= 30
    assert refused >= 1


def budgeted(x: Instance) -> Instance | None:
    """Return the instance with the strongest association and a budget; None where it has none."""
    if x.energy_budget_mj is None or x.start_link < x.num_mbs != x.strongest[x.start]:
        return None
    try:
        return strongest(x)
    except InputError:
        return None


def test_no_flight_of_random_moves_breaks_the_budget() -> None:
    """Every possible move leaves what the cheapest way to END needs; none but END is a dead end."""
    table = remaining(table_of(strongest(generate(PRESETS["jutap-tiny-k1.25"], 1))))
    assert (table.spare_mj >= 0).all()
    assert ((table.next >= 0).any(axis=1) | table.done).all()
    moved = table.next >= 0
    onward = table.left_mj[table.next]
    assert (onward == table.left_mj[:, None] - table.energy)[moved].all()
    rng = np.random.default_rng(0)
    for _ in range(20):
        chosen = np.where(moved, rng.random(moved.shape), -1).argmax(axis=1)
        assert judge(table, chosen).success == 1


def test_a_wider_budget_costs_no_more_from_the_same_state() -> None:
    """Of two states of one place, the one with more energy left has no larger least cost."""
    table = remaining(table_of(strongest(generate(PRESETS["jutap-paper-k1.10"], 0))))
    value = value_iteration(table)
    order = np.lexsort((table.left_mj, table.state))
    same = np.diff(table.state[order]) == 0
    assert same.sum() > 500
    assert (np.diff(value[order])[same] <= 0).all()


def test_other_rewards_keep_the_possible_moves() -> None:
    """Costs change with the reward; what energy allows does not."""
    x = planted(4827)
    table = process_of(x, "known")
    rewards: tuple[Reward, ...] = ("paper", "shaped")
    for reward in rewards:
        other = rewarded(table, reward)
        assert isinstance(other, RemainingTable)
        assert np.array_equal(other.next, table.next)
        assert not np.array_equal(other.cost, table.cost)


def test_columns_are_named_and_tell_the_spare_energy() -> None:
    """The agent sees one column a name; the first of the new ones is 1 at START and 0 at least."""
    table = remaining(table_of(planted(4827)))
    plain = table_of(planted(4827))
    seen, names = table.features("raw"), table.columns("raw")
    assert seen.shape == (table.num_states, len(names))
    at = names.index("spare energy, 0 to 1")
    assert at == len(plain.columns("raw"))
    assert seen[table.start, at] == 1
    assert np.allclose(seen[:, at], table.spare_mj / 827)


def test_what_cannot_be_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No budget, one below the least energy, one with too many states, another kind of switch."""
    with pytest.raises(InputError, match="energy_budget_mj: expected a budget"):
        process_of(planted(None), "known")
    with pytest.raises(InputError, match="energy_budget_mj: expected at least 4000"):
        process_of(planted(3999), "known")
    monkeypatch.setattr(module, "MAX_STATES", 3)
    with pytest.raises(InputError, match="energy_budget_mj: expected one that leaves at most 3 "):
        process_of(planted(4827), "known")
    with pytest.raises(InputError, match="leaves at most"):
        process_of(planted(2**53), "known")
    with pytest.raises(InputError, match="budget: expected one of ignored, known"):
        process_of(planted(4827), "guessed")  # type: ignore[arg-type]


def test_other_starts_have_other_budgets(tmp_path: Path) -> None:
    """An agent that knows START's budget is not judged from elsewhere."""
    x = planted(4827)
    solver = trained("jutap.qlearning", x, "known", tmp_path / "q.pt")
    with pytest.raises(InputError, match="another START has another one"):
        judge_solver(x, solver, 0, Budget())
    moved = replace(x, start=5)
    assert solver.policy(x, 0)[0].num_states != table_of(moved).num_states
