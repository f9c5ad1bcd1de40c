"""Agents that are functions in Python files."""

from collections.abc import Callable
from typing import Any

from opt_istn import registry
from opt_istn.files import InputError


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
    try:
        made = found(*arguments) if isinstance(found, type) else found
    except TypeError as error:
        if arguments or error.__traceback__ is None or error.__traceback__.tb_next:
            raise  # not of the call
        rule = f"expected a class that is made without arguments, or random=true: {error}"
        raise InputError("module", rule, module) from None
    if not callable(made):
        raise InputError("module", f"expected a function, found {type(made).__name__}", module)
    act: Callable[..., Any] = made
    return act
