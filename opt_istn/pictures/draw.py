"""Pictures of instances and plans, written to files.

The file name's ending decides the format: ``.png``, ``.svg`` or ``.pdf``.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
from matplotlib.figure import Figure

from opt_istn import problems
from opt_istn.files import InputError, explain
from opt_istn.pictures import canvas


def draw(instance: Any, plans: Sequence[Any], path: str | Path, **options: Any) -> None:
    """Draw an instance with plans, by the pictures of its problem.

    Parameters
    ----------
    plans
        Plans, or pairs of a title and a plan; none draws the bare instance.
    options
        What of the instance to draw: keyword arguments of the problem's ``figure``, for instance
        those of `opt_istn.pictures.push.views.figure`. Texts are converted; None is left out.

    Raises
    ------
    InputError
        If there is no picture of such an instance, an option does not apply to it, a plan was
        made for another one, or the file name ends in something else.
    """
    canvas.suffix(path)
    pictures = problems.get(instance.problem).pictures()
    if pictures is None:
        raise InputError("problem", f"expected one with pictures, found {instance.problem!r}")
    given = {name: value for name, value in options.items() if value is not None}
    typed = _typed(pictures.figure, given, instance.problem)
    named = [
        plan if isinstance(plan, tuple) else (_title(i, plans), plan)
        for i, plan in enumerate(plans)
    ]
    canvas.save(pictures.figure(instance, named, **typed), path)


def _typed(figure: Callable[..., Figure], given: Mapping[str, Any], problem: str) -> dict[str, Any]:
    """Return options as `figure` wants them; it is asked by its keyword arguments."""
    arguments = inspect.signature(figure).parameters.values()
    known = [x.name for x in arguments if x.kind is inspect.Parameter.KEYWORD_ONLY]
    types = get_type_hints(figure) if given else {}
    typed = {}
    for name, value in given.items():
        if not known:
            raise InputError(name, f"expected none: a {problem} instance has one picture")
        if name not in known:
            raise InputError(name, problems.unknown("option", name, known))
        try:
            typed[name] = msgspec.convert(value, types[name], strict=not isinstance(value, str))
        except msgspec.ValidationError as error:
            raise InputError(name, f"{explain(error)[1]}, found {value!r}") from None
    return typed


def _title(number: int, plans: Sequence[Any]) -> str:
    return f"plan {number + 1}" if len(plans) > 1 else ""
