"""What solvers of agents share, whatever their problem: agents in files, and in functions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from opt_istn import registry
from opt_istn.files import InputError


class FromFile:
    """A solver that plays the agent in a file."""

    agent: Path

    @property
    def stochastic(self) -> bool:
        """Whether the seed matters: it does where it chooses the file."""
        return "{seed}" in self.agent.name


def of_seed(path: Path, seed: int | str) -> Path:
    """Return the agent file of a seed, where the name holds ``{seed}``."""
    return path.with_name(path.name.replace("{seed}", str(seed)))


def callable_of(module: str, *arguments: Any) -> Callable[..., Any]:
    """Return the function that ``file.py:name`` names, or an object of the class.

    Parameters
    ----------
    arguments
        What a class is made with.

    Raises
    ------
    InputError
        If there is none.
    """
    if ":" not in module:
        raise InputError("module", f"expected my.py:act, found {module!r}")
    found = registry.load_attribute(module)
    made = found(*arguments) if isinstance(found, type) else found
    if not callable(made):
        raise InputError("module", f"expected a function, found {type(made).__name__}", module)
    act: Callable[..., Any] = made
    return act
