"""A training that was over before it began makes no agent."""

from pathlib import Path

import pytest

from learners.jutap.dqn import Dqn
from learners.jutap.qlearning import QLearning
from learners.push.maac import Maac
from learners.push.mappo import Mappo
from opt_istn import InputError, generate
from opt_istn.training import Task

JUTAP = Task("jutap", "tiny", instance=generate("jutap-tiny", seed=0))
PUSH = Task("push", "tiny", instance=generate("push-tiny-v2", seed=0))


@pytest.mark.parametrize(
    ("trainer", "task", "steps"),
    [
        (Dqn(updates=1), JUTAP, 1),
        (QLearning(steps=1, flights=1), JUTAP, 1),
        (Mappo(time_s=0.001), PUSH, 0),
        (Maac(time_s=0.001), PUSH, 0),
    ],
    ids=["dqn", "qlearning", "mappo", "maac"],
)
def test_no_agent_after_one_step(trainer: object, task: Task, steps: int, tmp_path: Path) -> None:
    """After 0 or 1 steps the training is refused by their number, and no file is written."""
    out = tmp_path / "a.pt"
    with pytest.raises(InputError, match=f"expected at least 2 steps of training, found {steps}"):
        trainer.train(task, 0, out, lambda *_: None)  # type: ignore[attr-defined]
    assert not out.exists()


def test_two_steps_are_a_training(tmp_path: Path) -> None:
    """Short trainings are let be; progress says steps done of steps planned."""
    told: list[str] = []
    Dqn(updates=40).train(JUTAP, 0, tmp_path / "a.pt", lambda _, text: told.append(text))
    assert (tmp_path / "a.pt").exists()
    assert any(text.startswith(("40 of 40 updates", "39 of 40 updates")) for text in told), told
    told.clear()
    Mappo(steps=2, episodes=1).train(PUSH, 0, tmp_path / "b.pt", lambda _, text: told.append(text))
    assert told[-1].startswith(("round 1 of 2; saves", "round 2 of 2; saves")), told
