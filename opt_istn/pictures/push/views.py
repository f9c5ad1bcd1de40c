"""The pictures of PUSH instances: a user's cache under plans, and the constellation of a slot."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from opt_istn.files import InputError
from opt_istn.pictures.push import caches, constellation
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan

VIEWS = ("cache", "constellation")


def figure(
    instance: Instance,
    plans: Sequence[tuple[str, Plan]],
    *,
    user: int | None = None,
    slot: int | None = None,
    view: str | None = None,
) -> Figure:
    """Return a picture of an instance.

    Parameters
    ----------
    plans
        Titles and plans.
    user
        The user whose cache is drawn, 0 by default; on the map the only one, all by default.
    slot
        The slot of the map, 0 by default.
    view
        ``cache`` (the default if there are plans) or ``constellation``.

    Raises
    ------
    InputError
        If an option is out of range or does not apply, a plan was made for another instance, or
        there is no map because the instance comes from no scenario.
    """
    view = view or ("cache" if plans else "constellation")
    if view not in VIEWS:
        raise InputError("view", f"expected {' or '.join(VIEWS)}, found {view!r}")
    _check_range("user", user, instance.num_users)
    _check_range("slot", slot, instance.num_slots)
    if view == "constellation":
        for _, plan in plans:
            evaluate(instance, plan)  # refuses the plans of other instances
        return constellation.map_figure(instance, plans, user, slot or 0)
    if slot is not None:
        raise InputError("slot", "expected none: a cache is drawn over all slots")
    if not plans:
        raise InputError("view", "expected at least one plan for the view of a cache")
    if not instance.num_users:
        raise InputError("num_users", "expected at least one user, whose cache is drawn")
    return caches.caches_figure(instance, plans, user or 0)


def _check_range(name: str, value: int | None, count: int) -> None:
    if value is not None and not 0 <= value < count:
        known = f"a number 0..{count - 1}" if count else f"none: the instance has no {name}"
        raise InputError(name, f"expected {known}, found {value}")
