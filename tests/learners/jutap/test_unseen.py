"""One network for many maps: what it sees, what it learns, and how it flies maps it never saw."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from learners import agent
from learners.jutap.valuenet import (
    DRAWN,
    VALIDATION,
    Network,
    ValueNet,
    ValueNetAgent,
    ValueNetCourse,
    flown,
    values,
)
from learners.jutap.views import COLUMNS, View, chosen, exact, view_of
from learners.plateau import steps_of
from opt_istn import Budget, InputError, Status
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.flights.table import Table, strongest, table_of, value_iteration
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.routes import Routes
from opt_istn.jutap.scenario import MILLION, PRESETS, generate
from opt_istn.jutap.starts import judge
from opt_istn.runs.compare import MAX_SEEDS
from opt_istn.training import Task

SCENARIO = replace(PRESETS["jutap-paper"], grid=9, cell_m=333.0)
SHORT = ValueNet(steps=50, width=8, batch=8, fresh=2, pool=64, learning_rate=5e-3)


def table_for(seed: int) -> Table:
    return table_of(strongest(generate(SCENARIO, seed, f"map-{seed}")))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def course(config: ValueNet = SHORT) -> ValueNetCourse:
    return ValueNetCourse(config, Task("jutap", "small", scenario=SCENARIO), 0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("agents") / "net.pt"
    SHORT.train(Task("jutap", "small", scenario=SCENARIO), 0, out, lambda *_: None)
    return out


def total_gap(maps: range, act: Any) -> float:
    """Return the gap of the summed costs over maps and STARTs, all of which reach END."""
    judged = [judge(table, act(view_of(table))) for table in map(table_for, maps)]
    assert all(x.reached.all() for x in judged)
    costs = [(x.cost, x.optimum) for x in judged]
    flown_, least = (sum(int(y.sum()) for y in each) for each in zip(*costs, strict=True))
    return flown_ / least - 1


@pytest.mark.parametrize("name", ["jutap-tiny", "jutap-paper", "jutap-paper-k1.10"])
def test_exact_costs_to_go_fly_the_optimum(name: str) -> None:
    """Laid out on the grid, the exact table leads every START to END at the least cost.

    So moves that do not end nearer to END, which are never chosen, are not missed on these maps.
    """
    for seed in range(3):
        table = table_of(strongest(generate(PRESETS[name], seed)))
        view = view_of(table)
        judged = judge(table, chosen(view, exact(table, view)))
        assert judged.success == 1
        assert np.array_equal(judged.cost, judged.optimum)


def test_walks_cost_what_the_evaluator_says() -> None:
    """From corner to corner all walks are the diagonal, a plan that costs as much."""
    table = table_for(3)
    x, view = table.instance, view_of(table)
    row, column = divmod(x.start, x.grid)
    cells = [x.start]
    while cells[-1] != x.end:
        row, column = row + 1, column + 1
        cells.append(row * x.grid + column)
    links = (x.start_link, *x.strongest[cells[1:]].tolist())
    judged = evaluate(x, Plan(x.sha256, tuple(cells), links))
    assert view.walks[x.start] == pytest.approx((judged.cost or 0) / MILLION)
    extra = view.seen[COLUMNS.index("walk straight first less the cheapest")].ravel()
    assert (extra >= 0).all()
    assert extra.max() > 0
    assert extra[x.start] == 0


def test_untrained_it_looks_one_move_ahead_along_the_walks() -> None:
    """Before training the costs to go are those of the cheapest walk, and 0 at END."""
    table = table_for(0)
    view = view_of(table)
    net = Network(8, torch.Generator().manual_seed(1))
    seen, walks = (torch.from_numpy(each)[None] for each in (view.seen, view.walks))
    with torch.no_grad():
        said = values(net, seen, walks)[0].numpy()
    assert np.array_equal(said, np.tile(view.walks, 2))
    assert said[table.instance.end] == 0


def test_it_arrives_whatever_the_network_says() -> None:
    """Moves end nearer to END wherever one can, so no costs to go make it fly in circles."""
    table = table_for(1)
    view, rng = view_of(table), np.random.default_rng(0)
    for _ in range(20):
        assert judge(table, chosen(view, rng.normal(size=len(view.onward)))).success == 1


def test_looking_ahead_far_enough_is_exact() -> None:
    """With as many moves as a flight has, costs to go do not matter: the optimum is flown."""
    table = table_for(2)
    view, rng = view_of(table), np.random.default_rng(0)
    said = rng.normal(size=len(view.onward))
    said[[table.instance.end, table.instance.num_cells + table.instance.end]] = 0
    near, far = (judge(table, chosen(view, said, moves)) for moves in (1, 40))
    assert near.total_gap > 0.05
    assert np.array_equal(far.cost, far.optimum)


def test_training_helps_on_maps_it_never_saw() -> None:
    """After fifty updates, flights over eight other maps cost less than untrained ones."""
    run = course()
    before = total_gap(range(8), lambda view: flown(run.net, view))
    for _ in run.run():
        pass
    assert total_gap(range(8), lambda view: flown(run.net, view)) < before - 0.005


def test_what_it_learns_is_the_exact_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taught costs to go of other maps it does not get better: the test above can fail."""
    shuffled = np.random.default_rng(0)

    def wrong(table: Table, view: View) -> Any:
        return shuffled.permutation(exact(table, view))

    monkeypatch.setattr("learners.jutap.views.exact", wrong)
    run = course()
    before = total_gap(range(8), lambda view: flown(run.net, view))
    for _ in run.run():
        pass
    assert total_gap(range(8), lambda view: flown(run.net, view)) > before


def test_drawn_maps_are_none_that_are_numbered_or_validated() -> None:
    """Maps of trainings and curves have seeds that no comparison can give an instance."""
    assert MAX_SEEDS < DRAWN < VALIDATION
    drawn: list[int] = []
    run = course()
    run._map = lambda seed: drawn.append(seed) or table_for(0)  # type: ignore[method-assign,func-returns-value]
    run.prepare()
    run.improve(1.0)
    assert len(set(drawn)) == len(drawn) == 8 + SHORT.batch + SHORT.fresh
    assert min(drawn) >= DRAWN


def test_a_training_resumes_exactly(tmp_path: Path) -> None:
    """Interrupted and resumed, it ends with the same weights, bit for bit."""
    short = replace(SHORT, steps=12)
    whole, first, second = (course(short) for _ in range(3))
    for _ in whole.run():
        pass
    for share in first.run():
        if share > 0.5:
            break
    agent.save_checkpoint(tmp_path / "a.pt", {}, first.state())
    found = agent.load_checkpoint(tmp_path / "a.pt", {})
    assert found is not None
    second.restore(found)
    for _ in second.run():
        pass
    for a, b in zip(whole.net.parameters(), second.net.parameters(), strict=True):
        assert torch.equal(a, b)
    assert whole.counts == second.counts


def test_a_file_flies_other_maps_of_its_scenario_alone(trained: Path) -> None:
    """Any map of the scenario is flown; one of another scenario only if that is asked for."""
    other = generate(SCENARIO, 5, "other")
    claims = ValueNetAgent(trained).solve(other, Budget(), 0)
    judged = evaluate(other, claims.plan)
    assert (claims.status, judged.feasible, judged.cost) == (Status.FEASIBLE, True, claims.cost)
    elsewhere = generate(replace(SCENARIO, beta_db=0.0), 5, "elsewhere")
    with pytest.raises(InputError, match="trained_on: trained on 'small', not on this map"):
        ValueNetAgent(trained).solve(elsewhere, Budget(), 0)
    assert ValueNetAgent(trained, elsewhere=True).solve(elsewhere, Budget(), 0).plan is not None


def test_files_tell_curve_and_counts(trained: Path) -> None:
    """The curve begins untrained; records say that fifty updates are too few."""
    found = agent.load(trained, "jutap.valuenet")
    first, last = found.history[0], found.history[-1]
    assert (first["gradient_steps"], last["gradient_steps"]) == (0, 50)
    assert found.counts["rollouts"] == SHORT.batch + 50 * SHORT.fresh
    assert len(found.measured["untrained"]) == len(found.measured["best"]) == 8
    assert steps_of(found, "last")["status"].startswith("50 of at least")
    assert steps_of(found, "untrained")["status"] == "untrained"


def test_untrained_weights_are_those_the_training_began_with(trained: Path) -> None:
    """They fly as the network of the seed does, and otherwise than what was learned."""
    x = generate(SCENARIO, 4)
    begun = flown(course().net, view_of(table_of(strongest(x))))
    assert np.array_equal(ValueNetAgent(trained, weights="untrained").policy(x, 0)[1], begun)
    assert not np.array_equal(ValueNetAgent(trained).policy(x, 0)[1], begun)


def test_what_it_cannot_learn_or_fly_is_refused(trained: Path) -> None:
    """One map, another problem, and bonuses that count once."""
    x = generate(SCENARIO, 0)
    reason = ValueNet().supports(Task("jutap", "map", instance=x)) or ""
    assert "give a preset" in reason
    assert ValueNet().supports(Task("push", "push-tiny", scenario=object())) is not None
    once = generate(replace(SCENARIO, hole_bonus="once"), 0)
    with pytest.raises(InputError, match=r"cost\.hole_bonus: expected a bonus"):
        ValueNetAgent(trained, elsewhere=True).solve(once, Budget(), 0)


def test_blocked_walks_are_priced_without_links() -> None:
    """Where cells without links bar the walks, END is still reached around them."""
    x = generate(replace(SCENARIO, geo=False), 0)
    keep = np.ones(x.num_cells, bool)
    keep[[40, 32, 48]] = False  # across the diagonal
    counts = np.where(keep, np.diff(x.link_ptr), 0)
    links = {
        "link_ptr": np.concatenate([[0], counts.cumsum()]),
        "link_ids": x.link_ids[np.repeat(keep, np.diff(x.link_ptr))],
        "strongest": np.where(keep, x.strongest, x.num_mbs),
    }
    barred: Instance = replace(x, **links)
    table = table_of(strongest(barred))
    view = view_of(table)
    assert np.isfinite(view.walks).all()
    assert view.walks[barred.start] == pytest.approx(8 * x.cost.move[1] / MILLION)
    assert Routes(barred).has_walk()
    judged = judge(table, chosen(view, exact(table, view)))
    assert judged.success > 0.5
    assert (judged.cost >= value_iteration(table)[table.starts])[judged.reached].all()
