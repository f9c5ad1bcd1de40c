"""Learned rows of JUTAP tell how far they were trained, from agent files through records."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from formulations.jutap.heuristics import Straight
from formulations.jutap.labels import Labels
from learners import agent
from learners.agent import of_seed
from learners.jutap.curve import Measure
from learners.jutap.dqn import Dqn, DqnAgent, DqnCourse
from learners.jutap.qlearning import QAgent, QLearning, untaught
from learners.plateau import MINIMUM
from opt_istn import Budget, InputError, registry
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.flights.table import strongest, table_of
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.reference import reference_cost
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.report.table import gap_table
from opt_istn.runs.compare import run_one
from opt_istn.runs.ledger import Record, Source
from opt_istn.training import Task
from tests.learners import played

MAP = replace(generate(PRESETS["jutap-tiny"], 1, "tiny"), energy_budget_mj=None)
METHODS = {
    "jutap.dqn": Dqn(updates=600, warm_up=300),
    "jutap.qlearning": QLearning(steps=40_000, flights=200),
}
SEEDS = range(3)


def from_start(cell: int) -> Instance:
    name = f"tiny-from-{cell}"  # instances that share one are kept apart
    return replace(MAP, name=name, start=cell, start_link=int(MAP.strongest[cell]))


STARTS = [cell for cell in range(MAP.num_cells) if cell != MAP.end]
INSTANCES = [from_start(cell) for cell in STARTS[::2]]


@pytest.fixture(scope="module", params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def learned(method: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return agent files of three seeds that learned the map."""
    path = tmp_path_factory.mktemp("agents") / "a-{seed}.pt"
    for seed in SEEDS:
        task = Task("jutap", "tiny", instance=MAP)
        METHODS[method].train(task, seed, of_seed(path, seed), lambda *_: None)
    return path


def plant(method: str, learned: Path, folder: Path, steps: int, *, learning: bool) -> Path:
    """Return files with a flat curve of so many steps, of what was learned or of no training."""
    out = folder / "p-{seed}.pt"
    name = "gradient_steps" if method == "jutap.dqn" else "environment_steps"
    for seed in SEEDS:
        found = agent.load(of_seed(learned, seed), method)
        flat = [{name: k * steps // 29, "saving": 0.2} for k in range(30)]
        state = found.state if learning else begun(method, seed)
        planted = replace(found, history=flat, counts={"rollouts": 7, name: steps}, state=state)
        agent.save(of_seed(out, seed), planted)
    return out


def begun(method: str, seed: int) -> dict[str, Any]:
    """Return the state that a training begins with."""
    table = table_of(strongest(MAP))
    if method == "jutap.qlearning":
        return {"q": torch.from_numpy(untaught(table))}
    config = METHODS[method]
    assert isinstance(config, Dqn)
    return {"last": DqnCourse(config, table, seed).online.state_dict()}


def record(instance: Instance, solver_id: str, seed: int, **parameters: Any) -> Record:
    """Play in this process; return the record that `run_one` would write."""
    terms = {"reference": reference_cost(instance)}
    return played.record("jutap-tiny", instance, solver_id, seed, terms, **parameters)


def rows(
    method: str, file: Path, instances: Sequence[Instance] = INSTANCES
) -> dict[str, dict[str, Any]]:
    """Return the table's rows of an agent, trained and untrained, by status."""
    records = [record(x, "labels", 0) for x in instances]
    for more in ({}, {"weights": "untrained"}):
        given = {"agent": str(file), "elsewhere": True, **more}
        records += [record(x, method, seed, **given) for seed in SEEDS for x in instances]
    found = [dict(x) for x in gap_table(records).rows if x["kind"] == "agent"]
    return {x["training"]: x for x in found}


def test_few_steps_are_printed_undertrained(method: str, learned: Path, tmp_path: Path) -> None:
    """However good it is, and however flat its curve."""
    file = plant(method, learned, tmp_path, MINIMUM[method] - 1, learning=True)
    found = rows(method, file)
    assert set(found) == {"undertrained", "untrained"}
    row = found["undertrained"]
    assert (row["training_seeds"], row["plateaus"], row["rollouts"]) == (3, 0, 7)


def test_a_flat_plateau_is_printed_no_gain(method: str, learned: Path, tmp_path: Path) -> None:
    """What is where it began gains exactly nothing over its own beginning."""
    found = rows(method, plant(method, learned, tmp_path, MINIMUM[method], learning=False))
    assert set(found) == {"no gain", "untrained"}
    assert (found["no gain"]["plateaus"], found["no gain"]["gained_percent"]) == (3, 0.0)


def test_a_plateau_above_the_untrained_agent_is_told_with_its_gain(
    method: str, learned: Path, tmp_path: Path
) -> None:
    """The gain is that of the untrained row; from two uneven STARTs it may still be chance."""
    found = rows(method, plant(method, learned, tmp_path, MINIMUM[method], learning=True))
    row = found["no gain"]
    gained = found["untrained"]["left_percent"] - row["left_percent"]
    assert row["gained_percent"] == pytest.approx(gained)
    assert 0 < row["gained_low_percent"] <= row["gained_percent"] <= row["gained_high_percent"]


def test_gains_that_are_alike_are_printed_trained(
    method: str, learned: Path, tmp_path: Path
) -> None:
    """From one START all three tables gain the same; of three networks one began as good."""
    file = plant(method, learned, tmp_path, MINIMUM[method], learning=True)
    found = rows(method, file, INSTANCES[:1])
    expected = {"jutap.qlearning": "trained", "jutap.dqn": "no gain"}[method]
    row = found[expected]
    assert 0 < row["gained_low_percent"] <= row["gained_percent"] <= row["gained_high_percent"]
    assert (row["gained_low_percent"] == row["gained_high_percent"]) == (expected == "trained")


def test_untrained_weights_are_those_that_the_training_began_with(
    method: str, learned: Path
) -> None:
    """They are drawn once more from the seed in the file, and fly alike from every state."""
    table = table_of(strongest(MAP))
    for seed in SEEDS:
        file = of_seed(learned, seed)
        if method == "jutap.dqn":
            config = METHODS[method]
            assert isinstance(config, Dqn)
            flown = DqnAgent(file, weights="untrained").policy(MAP, 0)[1]
            expected = DqnCourse(config, table, seed).actions()
            assert not np.array_equal(expected, DqnAgent(file).policy(MAP, 0)[1])
        else:
            flown = QAgent(file, weights="untrained").policy(MAP, 0)[1]
            expected = np.array([np.flatnonzero(row >= 0)[:1].sum() for row in table.next])
        assert np.array_equal(flown, expected)


def test_curves_begin_untrained_and_tell_what_is_saved(method: str, learned: Path) -> None:
    """The first row is of no step; savings are of the summed costs from every START here."""
    name = "gradient_steps" if method == "jutap.dqn" else "environment_steps"
    optimum = [Labels().solve(replace(x, association="strongest"), Budget(), 0) for x in INSTANCES]
    straight = [evaluate(x, Straight().solve(x, Budget(), 0).plan).cost or 0 for x in INSTANCES]
    least = sum(claims.cost or 0 for claims in optimum)
    found = agent.load(of_seed(learned, 1), method)
    first, last = found.history[0], found.history[-1]
    assert (first[name], last[name]) == (0, found.counts[name])
    assert found.measured["untrained"] == [first["saving"]]
    assert found.measured["last"] == [last["saving"]]
    assert found.measured["best"] == [max(row["saving"] for row in found.history)]
    solver = registry.make(method, "jutap", {"agent": str(learned), "elsewhere": True})
    flown = [evaluate(x, solver.solve(x, Budget(), 1).plan) for x in INSTANCES]
    assert all(judged.feasible for judged in flown)
    total = sum(judged.cost or 0 for judged in flown)
    assert sum(straight) > least
    assert last["saving"] == pytest.approx(1 - (total - least) / (sum(straight) - least))


def test_savings_where_straight_flight_is_optimal_are_gaps() -> None:
    """There the scale is the optimum: flights that cost a tenth more save -10 % more than all."""
    plain = replace(MAP, cost=replace(MAP.cost, hole=0))
    table = table_of(strongest(plain))
    measure = Measure(table, np.random.default_rng(0))
    measure.__dict__["straight"] = int(measure.optimum[measure.chosen].sum())
    acting = np.array([np.flatnonzero(row >= 0)[:1].sum() for row in table.next])
    row = measure.row(acting)
    assert row["saving"] == pytest.approx(1 - row["total_gap"])


def test_records_of_runs_tell_the_training(method: str, learned: Path) -> None:
    """A run in a process of its own keeps counts, and why there is no plateau."""
    given = {"agent": str(learned)}
    found = run_one(MAP, Source(), method, given, 1, Budget()).steps
    assert found is not None
    done, unit = (600, "optimiser") if method == "jutap.dqn" else (40_000, "environment")
    assert found.status == f"{done} of at least {MINIMUM[method]} steps of the {unit}"
    assert found.gradient_steps == (600 if method == "jutap.dqn" else None)
    with pytest.raises(InputError, match="weights"):
        registry.make(method, "jutap", {**given, "weights": "none"})


def test_the_seed_matters_where_it_chooses_the_file(learned: Path, method: str) -> None:
    """One file flies the same for every seed: repeated, its runs would pass for units."""
    solver = DqnAgent if method == "jutap.dqn" else QAgent
    assert solver(learned).stochastic
    assert not solver(of_seed(learned, 0)).stochastic
