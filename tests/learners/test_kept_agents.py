"""Agent files of version 1, made by the release that wrote them: they are read for ever."""

import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from learners import agent
from opt_istn import Budget, InputError, registry
from opt_istn.problems import read_instance

KEPT = Path(__file__).parent / "kept"
PLANS: dict[str, Any] = json.loads((KEPT / "plans.json").read_text())
SAMPLES = sorted(PLANS)


def solver_of(name: str, path: Path, **parameters: Any) -> Any:
    """Return the solver that plays an agent file of a sample's method."""
    method = name.partition("-")[0]
    problem = method.partition(".")[0]
    return registry.make(method, problem, {"agent": str(path), **parameters})


def instance_of(name: str) -> Any:
    """Return the instance that the samples of a problem were played on."""
    problem = name.partition(".")[0]
    return read_instance(KEPT / f"{problem}-tiny-0.json")


@pytest.mark.parametrize("name", SAMPLES)
def test_old_agents_play_as_they_did(name: str) -> None:
    """A file of version 1 plays the plan that it played when it was written."""
    x, expected = instance_of(name), PLANS[name]
    claims = solver_of(name, KEPT / f"{name}.pt", elsewhere="true").solve(x, Budget(), 0)
    assert (claims.status.value, claims.cost) == (expected["status"], expected["cost"])
    plan = {k: json.loads(json.dumps(getattr(claims.plan, k))) for k in expected["plan"] or {}}
    assert plan == (expected["plan"] or {})


@pytest.mark.parametrize("name", SAMPLES)
def test_old_agents_say_nothing_of_their_training(name: str) -> None:
    """What version 1 does not hold is empty, not made up."""
    found = agent.load(KEPT / f"{name}.pt", name.partition("-")[0])
    assert (found.counts, found.measured, found.contract) == ({}, {}, {})


def damaged(name: str, path: Path, change: Any) -> Path:
    """Write a sample with a change."""
    document = torch.load(KEPT / f"{name}.pt", weights_only=True)
    change(document)
    torch.save(document, path)
    return path


@pytest.mark.parametrize("name", [x for x in SAMPLES if "qlearning" not in x])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(name: str, value: float, tmp_path: Path) -> None:
    """One NaN or infinity among the weights: the file is named, nothing is played."""
    part = {"jutap.dqn": "last", "push.counterfactual": "planner"}.get(name.partition("-")[0])

    def change(document: Any) -> None:
        tensors = document["state"][part or "actor"]
        next(x for x in tensors.values() if x.numel()).view(-1)[0] = value

    path = damaged(name, tmp_path / "a.pt", change)
    with pytest.raises(InputError, match="expected finite numbers"):
        solver_of(name, path, elsewhere="true").solve(instance_of(name), Budget(), 0)


@pytest.mark.parametrize("name", [x for x in SAMPLES if "qlearning" not in x])
def test_sizes_are_bounded_before_memory_is_taken(name: str, tmp_path: Path) -> None:
    """A file that asks for a hidden layer of 100,000 is refused in a line."""

    def change(document: Any) -> None:
        state = document["state"]
        document["config"]["hidden"] = 100_000
        for sizes, field in (("shape", "width"), ("sizes", "hidden")):
            if sizes in state:
                state[sizes][field] = 100_000

    path = damaged(name, tmp_path / "a.pt", change)
    with pytest.raises(InputError, match="100000"):
        solver_of(name, path, elsewhere="true").solve(instance_of(name), Budget(), 0)


@pytest.mark.parametrize("way", ["packed", "shared"])
def test_an_archive_larger_inside_is_refused(tmp_path: Path, way: str) -> None:
    """Megabytes of zeros in a few kilobytes, or an entry listed twice, are refused unread."""
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(KEPT / "push.mappo.pt") as whole, zipfile.ZipFile(path, "w") as archive:
        for member in whole.infolist():
            data = whole.read(member)
            packed = way == "packed" and member.filename.endswith("data/0")
            kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            archive.writestr(member.filename, data + bytes(10**8 * packed), kind)
        if way == "shared":
            largest = max(archive.filelist, key=lambda member: member.file_size)
            archive.filelist += [largest] * 1000  # written once, named often
    assert path.stat().st_size < 10**6
    tracemalloc.start()
    with pytest.raises(InputError, match="expected an archive without compression"):
        agent.load(path, "push.mappo")
    assert tracemalloc.get_traced_memory()[1] < 5 * 10**6
    tracemalloc.stop()


def test_another_observation_is_refused(tmp_path: Path) -> None:
    """An agent that was trained on other columns does not play."""

    def change(document: Any) -> None:
        document |= {"version": 2, "contract": agent.contract(["something else"])}

    path = damaged("push.mappo", tmp_path / "a.pt", change)
    with pytest.raises(InputError, match="contract: expected an agent that observes"):
        solver_of("push.mappo", path).solve(instance_of("push.mappo"), Budget(), 0)


def test_versions_to_come_are_refused(tmp_path: Path) -> None:
    """A file of version 3 is not guessed at."""
    path = damaged("push.mappo", tmp_path / "a.pt", lambda document: document.update(version=3))
    with pytest.raises(InputError, match="version: expected 1 or 2, found 3"):
        agent.load(path, "push.mappo")


def test_best_weights_are_asked_of_files_that_have_them() -> None:
    """Version 1 kept the last weights alone."""
    solver = solver_of("push.mappo", KEPT / "push.mappo.pt", weights="best")
    with pytest.raises(InputError, match="expected best weights"):
        solver.solve(instance_of("push.mappo"), Budget(), 0)
