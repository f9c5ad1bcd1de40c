"""What files settle of a scenario: numbers of users, contents and slots, and their own hashes."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from opt_istn.files import InputError, hashing
from opt_istn.push.outside import places, trace
from opt_istn.push.world.parameters import Scenario, files_of


def settled(scenario: Scenario, given: Collection[str]) -> Scenario:
    """Return a scenario of the sizes of its files.

    Parameters
    ----------
    given
        Parameters that somebody set: they have to agree with the files.

    Raises
    ------
    InputError
        If a file is wrong, or says something else than what was given.
    """
    for path in files_of(scenario).values():
        hashing.check_kept(path)
    sizes: dict[str, Any] = {}
    if scenario.user_places:
        sizes["num_users"] = len(places.users(scenario.user_places))
    if scenario.trace:
        found = trace.read(scenario.trace, scenario.slot_s, scenario.user_places)
        sizes |= found.sizes()
    for name in set(sizes) & set(given):
        if getattr(scenario, name) != sizes[name]:
            files = " and ".join(filter(None, (scenario.user_places, scenario.trace)))
            rule = f"expected {sizes[name]:.17g}, as in {files}"
            raise InputError(name, f"{rule}, found {getattr(scenario, name):.17g}")
    return replace(scenario, **sizes)


def digests(scenario: Scenario) -> dict[str, str]:
    """Return the SHA-256 of every file that a scenario names, under the names of `hashing`."""
    return hashing.digests(files_of(scenario))
