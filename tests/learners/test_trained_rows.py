"""Learned rows of a table tell how far they were trained, from agent files through records."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from learners import agent
from learners.agent import of_seed
from learners.plateau import MINIMUM
from learners.push.actor import MappoAgent
from learners.push.counterfactual import Counterfactual, CounterfactualCourse
from learners.push.mappo import Mappo
from learners.push.planner import CounterfactualAgent, load
from opt_istn import Budget, InputError, registry
from opt_istn.push.instance import Instance
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.report.table import gap_table
from opt_istn.runs.compare import run_one
from opt_istn.runs.ledger import Record, Source
from opt_istn.solver import Status
from opt_istn.training import Task
from tests.learners import played

TINY = PRESETS["push-tiny-v2"]
ENOUGH = MINIMUM["push.mappo"]
SEEDS = range(3)


@pytest.fixture(scope="module")
def instances() -> list[Instance]:
    return [generate(TINY, seed, f"tiny-{seed}") for seed in range(6)]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return agent files of three seeds that learned a little."""
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("agents") / "a-{seed}.pt"
    for seed in SEEDS:
        config, task = Mappo(steps=30), Task("push", "x", scenario=TINY)
        config.train(task, seed, of_seed(path, seed), lambda *_: None)
    return path


def plant(learned: Path, folder: Path, steps: int, *, learning: bool) -> Path:
    """Return files with a flat curve of so many steps, of what was learned or of no training."""
    out = folder / "p-{seed}.pt"
    for seed in SEEDS:
        found = agent.load(of_seed(learned, seed), "push.mappo")
        flat = [{"gradient_steps": k * steps // 29, "saving": 0.2} for k in range(30)]
        counts = {"rollouts": 7, "environment_steps": 28, "gradient_steps": steps}
        state = dict(found.state)
        if not learning:
            solver = MappoAgent(of_seed(learned, seed), weights="untrained")
            state["actor"] = solver.load(solver.path())[0].state_dict()
        planted = replace(found, history=flat, counts=counts, state=state)
        agent.save(of_seed(out, seed), planted)
    return out


def record(instance: Instance, solver_id: str, seed: int, **parameters: Any) -> Record:
    """Play in this process; return the record that `run_one` would write."""
    terms = {"no_push_us": instance.base_us}
    return played.record("push-tiny-v2", instance, solver_id, seed, terms, **parameters)


def rows(instances: list[Instance], file: Path) -> dict[str, dict[str, Any]]:
    """Return the table's rows of an agent, trained and untrained, by status."""
    records = [record(x, "labels", 0) for x in instances]
    for weights in ("last", "untrained"):
        more = {"weights": weights} if weights != "last" else {}
        for seed in SEEDS:
            given = {"agent": str(file), **more}
            records += [record(x, "push.mappo", seed, **given) for x in instances]
    found = [dict(x) for x in gap_table(records).rows if x["kind"] == "agent"]
    return {x["training"]: x for x in found}


def test_one_step_is_printed_undertrained(
    instances: list[Instance], learned: Path, tmp_path: Path
) -> None:
    """However good it is, and however flat its curve."""
    found = rows(instances, plant(learned, tmp_path, 1, learning=True))
    assert set(found) == {"undertrained", "untrained"}
    row = found["undertrained"]
    assert (row["training_seeds"], row["plateaus"]) == (3, 0)
    assert (row["rollouts"], row["gradient_steps"]) == (7, 1)
    assert found["untrained"]["gradient_steps"] == 0


def test_a_flat_plateau_is_printed_no_gain(
    instances: list[Instance], learned: Path, tmp_path: Path
) -> None:
    """Weights that are where they began gain exactly nothing over their own beginning."""
    found = rows(instances, plant(learned, tmp_path, ENOUGH, learning=False))
    assert set(found) == {"no gain", "untrained"}
    assert (found["no gain"]["plateaus"], found["no gain"]["gained_percent"]) == (3, 0.0)


def test_a_plateau_above_the_untrained_network_is_printed_trained(
    instances: list[Instance], learned: Path, tmp_path: Path
) -> None:
    """The gain is that of the untrained row over the trained one, and so is its interval's sign."""
    found = rows(instances, plant(learned, tmp_path, ENOUGH, learning=True))
    row = found["trained"]
    gained = found["untrained"]["left_percent"] - row["left_percent"]
    assert row["gained_percent"] == pytest.approx(gained)
    assert 0 < row["gained_low_percent"] <= row["gained_percent"] <= row["gained_high_percent"]


def test_without_the_untrained_row_nothing_is_said_of_gains(
    instances: list[Instance], learned: Path, tmp_path: Path
) -> None:
    """A plateau is told, not what it brought."""
    file = plant(learned, tmp_path, ENOUGH, learning=True)
    records = [record(x, "push.mappo", 0, agent=str(file)) for x in instances]
    table = gap_table([*records, *(record(x, "labels", 0) for x in instances)])
    row = next(x for x in table.rows if x["kind"] == "agent")
    assert (row["training"], row["gained_percent"]) == ("plateau", None)
    assert any("weights=untrained" in note for note in table.notes)


def test_untrained_weights_are_those_that_the_training_began_with(tmp_path: Path) -> None:
    """Drawn once more from the seed in the file, tensor by tensor."""
    task, out = Task("push", "x", scenario=TINY), tmp_path / "a.pt"
    for config, kind in (
        (Mappo(profile="paper", steps=1), MappoAgent),
        (Counterfactual(steps=2, batch=2, sweeps=5), CounterfactualAgent),
    ):
        course: Any = (
            config.course(task, 5)
            if isinstance(config, Mappo)
            else CounterfactualCourse(config, task, 5)
        )
        net = "actor" if isinstance(config, Mappo) else "planner"
        begun = {k: v.clone() for k, v in getattr(course, net).state_dict().items()}
        config.train(task, 5, out, lambda *_: None)
        solver = kind(out, weights="untrained")
        instance = generate(TINY, 0, "x")
        assert solver.solve(instance, Budget(), 0).status == Status.FEASIBLE
        found = solver.load(out)[0] if isinstance(solver, MappoAgent) else load(out, "untrained")[0]
        assert all(torch.equal(found.state_dict()[k], v) for k, v in begun.items())
        assert solver.steps == {
            "rollouts": 0,
            "environment_steps": 0,
            "gradient_steps": 0,
            "status": "untrained",
        }


@pytest.mark.usefixtures("indoors")
def test_records_of_runs_tell_the_training(learned: Path) -> None:
    """The record of a run keeps counts, and why there is no plateau."""
    instance, given = generate(TINY, 0, "x"), {"agent": str(learned)}
    found = run_one(instance, Source(), "push.mappo", given, 1, Budget())
    assert found.steps is not None
    assert found.steps.status == f"120 of at least {ENOUGH} steps of the optimiser"
    assert (found.steps.rollouts, found.steps.gradient_steps) == (30, 120)
    with pytest.raises(InputError, match="weights"):
        registry.make("push.mappo", "push", {**given, "weights": "none"})
