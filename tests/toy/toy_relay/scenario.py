"""RELAY scenarios: delays drawn uniformly."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from opt_istn.files import InputError
from toy_relay.instance import Instance


@dataclass(frozen=True)
class Scenario:
    """Numbers of slots and satellites, and the cost of a handover in microseconds."""

    num_slots: int = 20
    num_satellites: int = 5
    handover_us: int = 30_000


PRESETS = {"relay-small": Scenario(), "relay-long": Scenario(num_slots=500)}


def from_parameters(base: Scenario, overrides: dict[str, str]) -> Scenario:
    """Return `base` with some parameters replaced by texts."""
    for name, text in overrides.items():
        if name not in vars(base):
            raise InputError(name, f"unknown parameter; known: {', '.join(vars(base))}")
        if not text.isdecimal() or int(text) < 1:
            raise InputError(name, f"expected a whole number of at least 1, found {text!r}")
    return replace(base, **{name: int(text) for name, text in overrides.items()})


def generate(
    scenario: Scenario, seed: int, name: str, progress: Callable[[float], None] | None = None
) -> Instance:
    """Return the instance of `scenario` and `seed`."""
    rng = np.random.default_rng(seed)
    shape = (scenario.num_slots, scenario.num_satellites)
    delay_us = rng.integers(10_000, 100_000, shape).tolist()
    if progress is not None:
        progress(1.0)
    return Instance(name, tuple(map(tuple, delay_us)), scenario.handover_us)
