"""Images of contents: drawn or from folders, and the networks that tell them apart."""

import warnings
from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    """Return what was in the module ``learners.images``, now `learners.images.aircraft`."""
    if name.startswith("__"):
        raise AttributeError(name)
    aircraft = import_module("learners.images.aircraft")
    if not hasattr(aircraft, name):
        raise AttributeError(f"module 'learners.images' has no attribute {name!r}")
    told = f"learners.images.{name} is now learners.images.aircraft.{name}"
    warnings.warn(told, DeprecationWarning, stacklevel=2)
    return getattr(aircraft, name)
