"""The loop around a training: progress, checkpoints, and going on from one exactly."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from learners import agent
from learners.agent import Agent
from opt_istn.training import Report

SAVE_S = 30.0  # between checkpoints


class Training(Protocol):
    """A training that can be interrupted: `state` and `restore` are exact."""

    history: list[dict[str, Any]]

    def run(self) -> Iterator[float]:
        """Train, yielding the part of the budget used after every step."""
        ...

    def summary(self) -> str:
        """Return how training stands."""
        ...

    def agent(self) -> Agent:
        """Return the trained agent."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        ...


def train(training: Training, out: Path, report: Report) -> dict[str, Any]:
    """Train to the end, write the agent file, and return the last row of the training curve.

    A run that was killed goes on from its checkpoint beside `out`.
    """
    blank = training.agent()
    key = {"method": blank.method, "config": blank.config, "seed": blank.seed}
    key |= {"task": blank.trained_on}
    if (found := agent.load_checkpoint(out, key)) is not None:
        training.restore(found)
    saved = time.monotonic()
    for share in training.run():
        report(share, training.summary())
        if time.monotonic() - saved > SAVE_S:
            agent.save_checkpoint(out, key, training.state())
            saved = time.monotonic()
    agent.save(out, training.agent())
    agent.drop_checkpoint(out)
    return dict(training.history[-1])
