"""Tables of what pytest-benchmark measured: its JSON file, by group."""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec

from opt_istn import files
from opt_istn.files import InputError, placing

_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class _Stats(msgspec.Struct):
    median: _Seconds
    min: _Seconds
    rounds: int


class _Benchmark(msgspec.Struct):
    name: str
    stats: _Stats
    group: str | None = None
    extra_info: dict[str, Any] = {}


class _File(msgspec.Struct):
    machine_info: dict[str, Any]
    benchmarks: list[_Benchmark]


def is_one(path: str | Path) -> bool:
    """Return whether a file is pytest-benchmark's: one JSON object with its two names."""
    if not placing.is_file(path) or Path(path).suffix != ".json":
        return False
    try:
        found = json.loads(files.read_bytes(path))
    except (ValueError, RecursionError):  # InputError is a ValueError, too
        return False
    return isinstance(found, dict) and {"machine_info", "benchmarks"} <= set(found)


def rows_of(path: str | Path) -> list[dict[str, Any]]:
    """Return a row for each benchmark, groups together, the fastest of each first.

    Returns
    -------
    Rows with ``group``, ``benchmark``, ``problem``, ``method``, ``status``, ``cost``, ``median_s``,
    ``min_s``, ``rounds`` and ``times``, the median over the fastest median of the group.

    Raises
    ------
    InputError
        If the file is none; names the field.
    """
    found = files.decode(files.read_bytes(path), _File, str(path))
    groups: dict[str, list[_Benchmark]] = {}
    for each in found.benchmarks:
        groups.setdefault(each.group or each.name.partition("[")[0], []).append(each)
    if not groups:
        raise InputError("benchmarks", "expected at least one", str(path))
    rows = []
    for group, own in groups.items():
        own.sort(key=lambda each: each.stats.median)
        rows += [_row(group, each, own[0].stats.median) for each in own]
    return rows


def _row(group: str, each: _Benchmark, fastest: float) -> dict[str, Any]:
    told = {name: each.extra_info.get(name) for name in ("problem", "method", "status", "cost")}
    stats = {
        "median_s": each.stats.median,
        "min_s": each.stats.min,
        "rounds": each.stats.rounds,
        "times": each.stats.median / fastest if fastest else None,
    }
    return {"group": group, "benchmark": each.name, **told, **stats}
