"""Old import paths work for one release, and say where things went."""

import importlib
import subprocess
import sys
from typing import Any

import pytest

import learners
from opt_istn import _moved

PRINTED = [  # in README and docs of the last release, and what other code was seen to import
    ("learners.envs.jutap", "table_of", "opt_istn.jutap.flights.table", "table_of"),
    ("learners.envs.jutap", "JutapEnv", "learners.jutap.env", "JutapEnv"),
    ("learners.envs.push", "PushEnv", "learners.push.stage.env", "PushEnv"),
    ("learners.dqn", "DqnAgent", "learners.jutap.dqn", "DqnAgent"),
    ("learners.dqn", "Training", "learners.jutap.dqn", "Dqn"),
    ("learners.dqn_run", "Settings", "learners.jutap.dqn", "Dqn"),
    (
        "learners.qlearning",
        "ValueIteration",
        "formulations.jutap.value_iteration",
        "ValueIteration",
    ),
    ("learners.starts", "split", "opt_istn.jutap.starts", "split"),
    ("learners.jutap.starts", "judge", "opt_istn.jutap.starts", "judge"),
    ("learners.starts", "value_iteration", "opt_istn.jutap.flights.table", "value_iteration"),
    ("learners.mappo", "Mappo", "learners.push.mappo", "Mappo"),
    ("learners.maac", "Maac", "learners.push.maac", "Maac"),
    ("learners.counterfactual", "Counterfactual", "learners.push.counterfactual", "Counterfactual"),
    ("learners.push_batch", "counterfactuals", "learners.push.stage.batch", "counterfactuals"),
    ("learners.push_scene", "Stage", "learners.push.stage.scene", "Stage"),
    ("learners.push_nets", "Actor", "learners.push.networks.nets", "Actor"),
    ("learners.image_folders", "find_images", "learners.images.folders", "find_images"),
    ("learners.image_training", "Training", "learners.images.training", "Schedule"),
    ("learners.images", "draw", "learners.images.aircraft", "draw"),
    ("learners.pictures", "main", "learners.jutap.pictures", "main"),
]


@pytest.mark.parametrize(("old", "name", "new", "now"), PRINTED)
def test_old_paths_give_the_same_thing(old: str, name: str, new: str, now: str) -> None:
    """What an old path gives is what the new one gives, and it warns."""
    if old in _moved.LEARNERS:
        sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match="now"):
        found: Any = getattr(importlib.import_module(old), name)
    assert found is getattr(importlib.import_module(new), now)


def test_every_place_exists() -> None:
    """No old path leads nowhere."""
    assert learners.__doc__  # its import serves them
    assert all(importlib.util.find_spec(new) for new in _moved.LEARNERS.values())


def test_names_that_never_were_are_not_found() -> None:
    """A wrong name of an old module is an AttributeError, not something else."""
    sys.modules.pop("learners.starts", None)
    with pytest.warns(DeprecationWarning, match="now"):
        starts = importlib.import_module("learners.starts")
    with pytest.raises(AttributeError):
        starts.nothing  # noqa: B018


def test_the_old_command_runs() -> None:
    """`python -m learners.pictures` goes on working."""
    command = [sys.executable, "-W", "always", "-m", "learners.pictures", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "learners.pictures is learners.jutap.pictures now" in done.stderr
    assert done.returncode == 0, done.stderr
    assert "Figures of JUTAP agents" in done.stdout
