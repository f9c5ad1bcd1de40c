"""Trainings: their loop, with progress and checkpoints, and the checks of their parameters.

A *trainer* is a configuration that can be trained; a *course* is one training under way.
"""

import dataclasses
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from learners import agent
from learners.agent import Agent
from opt_istn.files import InputError
from opt_istn.training import Report, Task

SAVE_S = 30.0  # between checkpoints
LEAST_STEPS = 2  # of the optimiser, or of a table; after fewer nobody calls an agent trained
MEASURED = 48  # rows of a training curve, beside the first, of the untrained agent
COUNTED = ("rollouts", "environment_steps", "gradient_steps")
COUNT = (1, 1e7)
WIDTH = (1, agent.MAX_WIDTH)  # of hidden layers
SHARE = (0, 1)
RATE = (1e-9, 1.0)
SECONDS = (1e-3, 1e7)
POSITIVE = (1e-9, 1e9)
DEFAULT_S = 300.0  # of training, if neither seconds nor steps are given
BY_PROFILE: Any = None  # default of a field that the profile fills in, see `by_profile`
Config = TypeVar("Config")


class Course(Protocol):
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


class Rounds(ABC):
    """A course of rounds under one clock; the first row of its curve is the untrained agent's.

    The agent is measured on instances of a stream of its own, neither trained nor judged on (by
    heart, on the one instance there is). The best weights by that measure are kept beside the
    last ones.

    Parameters
    ----------
    config
        A trainer with fields ``time_s`` and ``steps``, one of which is None, see `timed`.
    task, seed
        As in `opt_istn.training.Trainer.train`.
    """

    learned: dict[str, nn.Module]  # what is learned and has to be kept to go on
    optimizers: list[torch.optim.Optimizer]

    def __init__(self, config: Any, task: Task, seed: int) -> None:
        self._time_s, self._steps = config.time_s, config.steps
        self.task, self.seed = task, seed
        self.step, self.spent_s = 0, 0.0
        self.counts = dict.fromkeys(COUNTED, 0)
        self.history: list[dict[str, Any]] = []
        self.measured: dict[str, list[float]] = {}
        self.best: dict[str, Any] = {}
        self.told: dict[str, float | None] = {}  # what else the training curve shows
        self.every: int | None = None  # rounds between rows of the curve, whatever the budget

    @abstractmethod
    def prepare(self) -> None:
        """Do what has to be done once a process, before the first round."""

    @abstractmethod
    def improve(self, left: float) -> None:
        """Play and learn for one round; `left` falls from 1 to 0 over the budget."""

    @abstractmethod
    def measure(self) -> Sequence[float]:
        """Return what the agent saves on each instance that it is measured on."""

    @abstractmethod
    def weights(self) -> dict[str, Any]:
        """Return the tensors that the agent plays with."""

    def run(self) -> Iterator[float]:
        """Train, yielding the part of the budget used after every round."""
        begin = time.monotonic()
        self.prepare()
        if not self.history:
            self._note()
        self.spent_s += time.monotonic() - begin
        while (share := self._share()) < 1:
            begin = time.monotonic()
            self.improve(1 - share)
            self.step += 1
            if self._due(share):
                self._note()
            self.spent_s += time.monotonic() - begin
            yield share
        if self.history[-1]["step"] != self.step:
            self._note()

    def summary(self) -> str:
        """Return how training stands."""
        saving = f"{self.history[-1]['saving']:.3f}" if self.history else "?"
        done = f"round {self.step} of {self._steps}"
        if self._steps is None:
            done = f"round {self.step}, {self.spent_s:.0f} of {self._time_s:g} s"
        return f"{done}; saves {saving} (1: as annealed plans that know all births)"

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        return {
            "learned": {name: module.state_dict() for name, module in self.learned.items()},
            "optimizers": [x.state_dict() for x in self.optimizers],
            "clock": [self.step, self.spent_s],
            "counts": dict(self.counts),
            "history": self.history,
            "measured": self.measured,
            "best": self.best,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        for name, module in self.learned.items():
            module.load_state_dict(state["learned"][name])
        for optimizer, found in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(found)
        self.step, self.spent_s = state["clock"]
        self.counts, self.history = dict(state["counts"]), list(state["history"])
        self.measured, self.best = dict(state["measured"]), dict(state["best"])

    def rng(self, stream: int, *number: int) -> np.random.Generator:
        """Return a source of randomness of its own for each purpose and round."""
        return np.random.default_rng([self.seed, stream, *number])

    def _due(self, share: float) -> bool:
        """Return whether a row of the curve is due."""
        if self.every is not None:
            return self.step % self.every == 0
        return share >= len(self.history) / MEASURED

    def _share(self) -> float:
        done, of = (self.spent_s, self._time_s) if self._steps is None else (self.step, self._steps)
        return float(done / of)

    def _note(self) -> None:
        """Add a row to the training curve, and keep the weights if they are the best so far."""
        found = [round(float(x), 6) for x in self.measure()]
        mean = sum(found) / len(found)
        row: dict[str, Any] = {"step": self.step, "seconds": round(self.spent_s, 1)}
        row |= self.counts | {"saving": round(mean, 4)}
        if not self.history:
            self.measured = {"untrained": found, "best": found}
        self.measured["last"] = found
        best = self.measured["best"]
        if not self.history or mean > sum(best) / len(best):
            self.measured["best"] = found
            self.best = {k: _copy(v) for k, v in self.weights().items()}
        self.history.append(row | self.told)


def _copy(tensors: Any) -> Any:
    """Return tensors, or a dictionary of them, on the CPU and as they are now."""
    if isinstance(tensors, torch.Tensor):
        return tensors.detach().cpu().clone()
    return {name: _copy(value) for name, value in tensors.items()}


def train(course: Course, out: Path, report: Report) -> dict[str, Any]:
    """Train to the end, write the agent file, and return the last row of the training curve.

    A run that was killed goes on from its checkpoint beside `out`.
    """
    blank = course.agent()
    config = dict(blank.config)
    if isinstance(config.get("device"), str):  # a training may go on on another GPU of its kind
        config["device"] = config["device"].partition(":")[0]
    key = {"method": blank.method, "config": config, "seed": blank.seed}
    key |= {"task": blank.trained_on}
    if (found := agent.load_checkpoint(out, key)) is not None:
        course.restore(found)
    saved = time.monotonic()
    for share in course.run():
        report(share, course.summary())
        if time.monotonic() - saved > SAVE_S:
            agent.save_checkpoint(out, key, course.state())
            saved = time.monotonic()
    trained = course.agent()
    check_trained(trained)
    agent.save(out, trained)
    agent.drop_checkpoint(out)
    return dict(course.history[-1])


def check_trained(trained: Agent) -> None:
    """Check that a training was more than one step: else it is no agent.

    Raises
    ------
    InputError
        Names the steps, if the budget was over before there were two.
    """
    counts = trained.counts
    steps = counts.get("gradient_steps", counts.get("environment_steps", 0))
    if steps < LEAST_STEPS:
        rule = f"expected at least {LEAST_STEPS} steps of training, found {steps}"
        raise InputError("budget", f"{rule}: the agent is not trained; give it more time or steps")


def check_ranges(config: Any, **ranges: tuple[float, float]) -> None:
    """Check that parameters lie within ranges, ends included; None passes.

    Raises
    ------
    InputError
        Names the first that does not.
    """
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            raise InputError(name, f"expected {low:g} to {high:g}, found {value:g}")


def by_profile(config: Any, profiles: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of a configuration that a profile fills in: what was given stays.

    Parameters
    ----------
    config
        A dataclass with a field ``profile``; fields that were not given are None.
    profiles
        Values of fields, by name of the profile.

    Raises
    ------
    InputError
        If there is no such profile.
    """
    if config.profile not in profiles:
        known = ", ".join(profiles)
        raise InputError("profile", f"expected one of {known}, found {config.profile!r}")
    given = {name: getattr(config, name) for name in profiles[config.profile]}
    return profiles[config.profile] | {k: v for k, v in given.items() if v is not None}


def timed(config: Config) -> Config:
    """Return a configuration with the seconds of training filled in, if it says nothing of them."""
    if getattr(config, "steps") is not None or getattr(config, "time_s") is not None:  # noqa: B009
        return config
    result: Config = dataclasses.replace(config, time_s=DEFAULT_S)  # type: ignore[type-var]
    return result


def check_one(config: Any, *names: str) -> None:
    """Check that at most one of these fields is given, for each takes the place of the others.

    Raises
    ------
    InputError
        Names the last that is given beside another.
    """
    given = [name for name in names if getattr(config, name) is not None]
    if len(given) > 1:
        raise InputError(given[-1], f"expected one of {' and '.join(given)}, not both")


def check_device(name: str) -> None:
    """Check that networks can be put on a device.

    Raises
    ------
    InputError
        If there is no such device.
    """
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError("device", f"expected one that torch can use here: {reason}") from None
