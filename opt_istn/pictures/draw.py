"""Pictures of instances and plans, written to files.

The file name's ending decides the format: ``.png``, ``.svg`` or ``.pdf``.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from opt_istn.files import InputError
from opt_istn.pictures import canvas
from opt_istn.pictures.jutap import maps
from opt_istn.pictures.push import views

# The picture of each problem's instances, and the options that it understands.
_PICTURES: dict[str, tuple[Callable[..., Figure], tuple[str, ...]]] = {
    "jutap": (maps.map_figure, ()),
    "push": (views.figure, ("user", "slot", "view")),
}


def draw(
    instance: Any,
    plans: Sequence[Any],
    path: str | Path,
    *,
    user: int | None = None,
    slot: int | None = None,
    view: str | None = None,
) -> None:
    """Draw an instance with plans: the map of a JUTAP one, caches or constellation of a PUSH one.

    Parameters
    ----------
    plans
        Plans, or pairs of a title and a plan; none draws the bare map.
    user, slot, view
        What of a PUSH instance to draw, see `push_figures.figure`.

    Raises
    ------
    InputError
        If there is no picture of such an instance, an option does not apply to it, a plan was
        made for another one, or the file name ends in something else.
    """
    canvas.suffix(path)
    if instance.problem not in _PICTURES:
        expected = f"expected {' or '.join(_PICTURES)}: there is no picture of {instance.problem!r}"
        raise InputError("problem", expected)
    picture, understood = _PICTURES[instance.problem]
    options = {"user": user, "slot": slot, "view": view}
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in understood:
            raise InputError(name, f"expected none: a {instance.problem} instance has one picture")
    named = [
        plan if isinstance(plan, tuple) else (_title(i, plans), plan)
        for i, plan in enumerate(plans)
    ]
    canvas.save(picture(instance, named, **given), path)


def _title(number: int, plans: Sequence[Any]) -> str:
    return f"plan {number + 1}" if len(plans) > 1 else ""
