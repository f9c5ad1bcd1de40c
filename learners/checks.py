"""Trainers' parameters: checked, so that a bad one is told in a line, and filled in by profile."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import torch

from opt_istn.files import InputError

COUNT = (1, 1e7)
SHARE = (0, 1)
RATE = (1e-9, 1.0)
SECONDS = (1e-3, 1e7)
POSITIVE = (1e-9, 1e9)
DEFAULT_S = 300.0  # of training, if neither seconds nor steps are given
BY_PROFILE: Any = None  # default of a field that the profile fills in, see `settled`

Config = TypeVar("Config")


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
