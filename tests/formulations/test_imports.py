"""What a solver needs is imported before the clock starts."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from opt_istn import InputError, registry
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.runs.nursery.worker import pack
from opt_istn.testing import jutap

HERE = Path(__file__).parent


def solvers() -> list[str]:
    """Return the solvers that can be made as they are; agents need an agent file."""
    found = []
    for name in registry.names():
        try:
            registry.make(name, name.partition(".")[0], {})
        except InputError:
            continue
        found.append(name)
    return found


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


@pytest.mark.parametrize("exact", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_nothing_is_imported_on_the_clock(subjects: Path, exact: bool) -> None:
    """`solve` imports no module that was not there after `prepare`, in a process like a run's."""
    names = [name for name in solvers() if engines(name) == exact]
    command = [sys.executable, str(HERE / "imported.py"), str(subjects), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    late = json.loads(done.stdout)
    assert set(late) == set(names)
    assert {name: modules for name, modules in late.items() if modules} == {}
