"""Figures written to files: maps of plans, and charts of comparisons.

The file name's ending decides the format: ``.png``, ``.svg`` or ``.pdf``.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from opt_istn import jutap
from opt_istn.files import InputError
from opt_istn.record import Record
from opt_istn.report import canvas, charts, groups, maps

__all__ = ["draw", "gap_bars", "performance_profile_figure"]


def draw(instance: Any, plans: Sequence[Any], path: str | Path) -> None:
    """Draw the map of a JUTAP instance with plans on it, side by side.

    Parameters
    ----------
    plans
        Plans, or pairs of a title and a plan; none draws the bare map.

    Raises
    ------
    InputError
        If there is no picture of such an instance, a plan was made for another one, or the file
        name ends in something else.
    """
    canvas.suffix(path)
    if not isinstance(instance, jutap.Instance):
        expected = f"expected a jutap instance: there is no picture of {instance.problem!r}"
        raise InputError("problem", expected)
    named = [
        plan if isinstance(plan, tuple) else (_title(i, plans), plan)
        for i, plan in enumerate(plans)
    ]
    canvas.save(maps.map_figure(instance, named), path)


def _title(number: int, plans: Sequence[Any]) -> str:
    return f"plan {number + 1}" if len(plans) > 1 else ""


def gap_bars(records: Iterable[Record], path: str | Path, seed: int = 0) -> None:
    """Draw each solver's mean gap with its 95 % bootstrap interval, a panel per group."""
    canvas.suffix(path)
    canvas.save(charts.gap_chart(groups.every_series(records), seed), path)


def performance_profile_figure(records: Iterable[Record], path: str | Path) -> None:
    """Draw Dolan and More's profile of solving times, and the share of runs within each gap."""
    canvas.suffix(path)
    canvas.save(charts.profile_chart(groups.every_series(records)), path)
