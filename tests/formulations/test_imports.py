"""What a solver needs is imported before the clock starts."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from bench.time_limits import solvers
from learners.push.maac import Maac
from learners.push.mappo import Mappo, MultiModal
from opt_istn import registry
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.runs.nursery.packing import pack
from opt_istn.testing import jutap
from opt_istn.training import Task

HERE = Path(__file__).parent


def engines(name: str) -> bool:
    """Return whether a solver is exact: most of these import an engine, which takes seconds."""
    return getattr(registry.make(name, name.partition(".")[0], {}), "kind", "") == "exact"


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of small instances of every kind."""
    push = [generate(PRESETS["push-tiny"], seed, "push-tiny") for seed in range(2)]
    drawn = {"jutap": [jutap.draw(5, index) for index in range(22)], "push": push}
    path = tmp_path_factory.mktemp("instances") / "instances.pickle"
    path.write_bytes(pickle.dumps({name: [*map(pack, those)] for name, those in drawn.items()}))
    return path


def late(subjects: Path, names: list[str]) -> dict[str, list[str]]:
    """Return what solvers import on the clock, those that import something."""
    command = [sys.executable, str(HERE / "imported.py"), str(subjects), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert set(found) == set(names)
    return {name: modules for name, modules in found.items() if modules}


def test_nothing_is_imported_on_the_clock(subjects: Path) -> None:
    """`solve` imports no module that was not there after `prepare`, in a process like a run's."""
    assert late(subjects, ["jutap.straight", "jutap.terrestrial", "push.match"]) == {}


@pytest.mark.slow
@pytest.mark.parametrize("exact", [False, True])
def test_no_solver_imports_on_the_clock(subjects: Path, exact: bool) -> None:
    """So it is for every solver."""
    assert late(subjects, [name for name in solvers() if engines(name) == exact]) == {}


@pytest.mark.slow
def test_agents_import_nothing_on_the_clock(subjects: Path, tmp_path: Path) -> None:
    """An agent's file is read on the clock, and by what is imported already."""
    task = Task("push", "push-tiny", instance=generate(PRESETS["push-tiny"], 0, "push-tiny"))
    trainers = {"push.mappo": Mappo(steps=2), "push.mmappo": MultiModal(steps=2)}
    for name, trainer in {**trainers, "push.maac": Maac(steps=2)}.items():
        trainer.train(task, 0, tmp_path / name, lambda *_: None)
    names = [f"{path.name}@agent={path}" for path in tmp_path.iterdir()]
    assert late(subjects, names) == {}
