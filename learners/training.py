"""Trainings: their loop, with progress and checkpoints, and the checks of their parameters.

A *trainer* is a configuration that can be trained; a *course* is one training under way.
"""

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from learners import agent
from learners.agent import Agent
from opt_istn.files import InputError
from opt_istn.training import Report

SAVE_S = 30.0  # between checkpoints
COUNT = (1, 1e7)
WIDTH = (1, agent.MAX_WIDTH)  # of hidden layers
SHARE = (0, 1)
RATE = (1e-9, 1.0)
SECONDS = (1e-3, 1e7)
POSITIVE = (1e-9, 1e9)
DEFAULT_S = 300.0  # of training, if neither seconds nor steps are given
BY_PROFILE: Any = None  # default of a field that the profile fills in, see `settled`
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


def train(course: Course, out: Path, report: Report) -> dict[str, Any]:
    """Train to the end, write the agent file, and return the last row of the training curve.

    A run that was killed goes on from its checkpoint beside `out`.
    """
    blank = course.agent()
    key = {"method": blank.method, "config": blank.config, "seed": blank.seed}
    key |= {"task": blank.trained_on}
    if (found := agent.load_checkpoint(out, key)) is not None:
        course.restore(found)
    saved = time.monotonic()
    for share in course.run():
        report(share, course.summary())
        if time.monotonic() - saved > SAVE_S:
            agent.save_checkpoint(out, key, course.state())
            saved = time.monotonic()
    agent.save(out, course.agent())
    agent.drop_checkpoint(out)
    return dict(course.history[-1])


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


def by_profile(config: Any, profiles: Mapping[str, Mapping[str, Any]], name: str) -> Any:
    """Return a field of a configuration: what was given, or else what the profile says.

    Raises
    ------
    InputError
        If there is no such profile.
    """
    if config.profile not in profiles:
        known = ", ".join(profiles)
        raise InputError("profile", f"expected one of {known}, found {config.profile!r}")
    given = getattr(config, name)
    return profiles[config.profile][name] if given is None else given


def settled(config: Config, profiles: Mapping[str, Mapping[str, Any]]) -> Config:
    """Return a trainer's configuration, the fields that were not given filled in by its profile.

    What was given stays, whatever its value.

    Parameters
    ----------
    config
        A dataclass with a field ``profile``; fields that were not given are None.
    profiles
        Values of fields, by name of the profile.
    """
    names = next(iter(profiles.values()))
    filled = {name: by_profile(config, profiles, name) for name in names}
    result: Config = dataclasses.replace(config, **filled)  # type: ignore[type-var]
    return result


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
