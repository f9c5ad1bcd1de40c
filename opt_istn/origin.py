"""What generated an instance: part of the instance files of every problem, but not of the hash."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from opt_istn.version import __version__


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What generated an instance.

    Parameters
    ----------
    preset
        Name of the preset; None where its parameters were changed.
    seed
        Seed of the scenario.
    generator
        Name and version of the program that generated it.
    """

    preset: str | None
    seed: Annotated[int, msgspec.Meta(ge=0)]
    generator: str


def of(scenario: Any, presets: Mapping[str, Any], seed: int) -> Origin:
    """Return the origin of what `scenario` and `seed` give; the preset is looked up by value."""
    preset = next((name for name, known in presets.items() if known == scenario), None)
    return Origin(preset, seed, f"opt-istn {__version__}")
