"""Checks of trainers' parameters, so that a bad one is told in a line."""

import math
from typing import Any

import torch

from opt_istn.files import InputError

COUNT = (1, 1e7)
SHARE = (0, 1)
RATE = (1e-9, 1.0)
SECONDS = (1e-3, 1e7)
POSITIVE = (1e-9, 1e9)


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
