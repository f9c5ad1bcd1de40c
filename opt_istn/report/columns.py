"""What a gap table consists of, and its columns: what each shows and how."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opt_istn.report import statistics
from opt_istn.report.groups import Series
from opt_istn.report.incidents import Incident, reason_of
from opt_istn.solver import Status

Row = Mapping[str, Any]
SHIFT_S = 0.01
ABSENT = "\N{EN DASH}"

UNITS = {  # ending of a term's name: what is shown, and how many of that are one of the term's
    "_mj": (" kJ", 1e-6),
    "_us": (" s", 1e-6),
    "_db": (" dB", 1.0),
    "_s": (" s", 1.0),
    "_m": (" m", 1.0),
}


@dataclass(frozen=True)
class Column:
    """A column.

    Parameters
    ----------
    name
        Key of its value in a row, and its heading in CSV and JSON, which hold plain values.
    title
        Heading for people.
    show
        The cell of a row for people.
    block
        Columns of a block are kept together where a page is too narrow; empty: not for people.
    """

    name: str
    title: str
    show: Callable[[Row], str]
    block: str = ""


@dataclass(frozen=True)
class Table:
    """A table of results, free of layout.

    Parameters
    ----------
    headline
        What all rows say together, in one line.
    failures, without_plan
        Runs that failed, and runs that came back empty-handed: to be shown before the rows.
    columns, rows
        Rows map column names to plain values; None where there is none.
    notes
        How the numbers are defined, one sentence each.
    """

    headline: str
    failures: tuple[Incident, ...]
    without_plan: tuple[Incident, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    def blocks(self, rows: Sequence[Row]) -> dict[str, list[Column]]:
        """Return the columns for people that hold something in `rows`, by block."""
        found: dict[str, list[Column]] = {}
        for column in self.columns:
            if column.block and any(row[column.name] is not None for row in rows):
                found.setdefault(column.block, []).append(column)
        return found

    def called(self, row: Row) -> str:
        """Return how a row's solver is called for people: its group tells the problem."""
        return str(row["solver"]).removeprefix(f"{row['problem']}.")

    def groups(self) -> dict[str, list[Row]]:
        """Return the rows by group."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row["group"], []).append(row)
        return found


def row_of(series: Series, seed: int) -> dict[str, Any]:
    """Return the values of one solver in one group."""
    runs, units = series.runs, series.units
    interval = statistics.bootstrap_interval(units, seed)
    reasons = sorted({reason_of(run) for run in series.failed})
    seconds, memory = series.seconds, [r.peak_memory_mb for r in runs if r.peak_memory_mb]
    integral = _integrals(series)
    return {
        "group": series.group,
        "problem": runs[0].problem,
        "solver": series.label,
        "kind": "exact" if series.exact else "heuristic",
        "instances": len({run.sha256 for run in runs}),
        "runs": len(runs),
        "failed": len(series.failed),
        "feasible": len(series.planned) / len(runs),
        "solved": len(series.solved),
        "proved": len(series.proved),
        "certified": len(series.certified),
        "gap_percent": _percent(series.mean_gap),
        "gap_low_percent": _percent(interval.low if interval else None),
        "gap_high_percent": _percent(interval.high if interval else None),
        "gap_iqm_percent": _percent(statistics.interquartile_mean(units)),
        "gap_runs": sum(map(len, series.gaps.values())),
        "bound_gap_percent": _percent(statistics.mean(series.bound_gaps)),
        "saving": statistics.mean(series.savings),
        "cost_mean": statistics.mean([float(run.cost or 0) for run in series.planned]),
        "time_sgm_s": statistics.shifted_geometric_mean(seconds, SHIFT_S),
        "time_median_s": _median(seconds),
        "primal_integral_s": statistics.mean(integral),
        "peak_memory_mb": max(memory, default=None),
        "failure_reasons": "; ".join(reasons) or None,
    }


def columns_of(rows: Sequence[Row], terms: Iterable[str]) -> tuple[Column, ...]:
    """Return all columns of rows in which the problems' own `terms` occur."""
    failing = any(row["failed"] for row in rows)

    def plain(name: str, title: str, block: str = "") -> Column:
        return Column(name, title, lambda row: _text(row[name]), block)

    def timed(name: str, title: str) -> Column:
        return Column(name, title, lambda row: _seconds(row[name]), "effort")

    return (
        plain("group", "group"),
        plain("problem", "problem"),
        plain("solver", "solver"),
        plain("kind", "kind"),
        plain("instances", "instances"),
        plain("runs", "runs", "quality"),
        Column("failed", "failed", lambda row: _count(row["failed"]), "quality" if failing else ""),
        Column("feasible", "plan %", lambda row: f"{100 * row['feasible']:.0f}", "quality"),
        plain("proved", "proved", "quality"),
        plain("solved", "solved", "quality"),
        plain("certified", "cert.", "quality"),
        Column("gap_percent", "gap % [95 % CI]", _gap, "quality"),
        *map(plain, ("gap_low_percent", "gap_high_percent"), ("", "")),
        *map(plain, ("gap_iqm_percent", "gap_runs"), ("", "")),
        plain("bound_gap_percent", "bound gap %"),
        _scaled(rows, "saving", "saving", 1.0, "quality", digits=3),
        _scaled(rows, "cost_mean", "cost / 10⁶", 1e-6, "quality", digits=3),
        timed("time_sgm_s", "time s"),
        timed("time_median_s", "median s"),
        plain("primal_integral_s", "primal integral s"),
        _scaled(rows, "peak_memory_mb", "MiB", 1.0, "effort", digits=0),
        *(_term(rows, name) for name in terms),
        plain("failure_reasons", "failure reasons"),
    )


def term_means(series: Series) -> dict[str, float]:
    """Return the mean of every numeric term over the runs with a plan, nested ones dotted."""
    values: dict[str, list[float]] = {}
    for run in series.planned:
        for name, value in _numbers(run.terms):
            if name != "no_push_us":  # the same for all solvers; it is in `saving`
                values.setdefault(name, []).append(value)
    return {name: math.fsum(own) / len(own) for name, own in values.items()}


def _numbers(terms: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, float]]:
    for name, value in terms.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}.")
        elif (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and abs(value) < 1e18  # a term beyond is nonsense, and could overflow the mean
        ):
            yield prefix + name, float(value)


def _term(rows: Sequence[Row], name: str) -> Column:
    for ending, (unit, factor) in UNITS.items():
        if name.endswith(ending):
            title = name.removesuffix(ending).replace("_", " ") + unit
            return _scaled(rows, name, title, factor, "plan")
    return _scaled(rows, name, name.rpartition(".")[2].replace("_", " "), 1.0, "plan")


def _scaled(
    rows: Sequence[Row], name: str, title: str, factor: float, block: str, digits: int | None = None
) -> Column:
    """Return a numeric column in which all rows have equally many digits."""
    largest = max((abs(row[name] * factor) for row in rows if row[name] is not None), default=0)
    if digits is None:
        digits = next((n for n, limit in enumerate((1000, 100, 1)) if largest >= limit), 3)
    fixed = digits

    def show(row: Row) -> str:
        return ABSENT if row[name] is None else f"{row[name] * factor:.{fixed}f}"

    return Column(name, title, show, block)


def _integrals(series: Series) -> list[float]:
    """Return the primal integral up to the time limit, of runs that have both."""
    found = []
    for run in series.runs:
        best, horizon = series.known[run.sha256].best_cost, run.limits.time_s
        told = run.trace or run.cost is None
        if best is not None and horizon is not None and told and run.status != Status.FAILED:
            found.append(statistics.primal_integral(run.trace, best, horizon))
    return found


def _gap(row: Row) -> str:
    mean, low, high = row["gap_percent"], row["gap_low_percent"], row["gap_high_percent"]
    if mean is None:
        return ABSENT
    return f"{mean:.2f}" + ("" if low is None else f" [{low:.2f}, {high:.2f}]")


def _count(value: int) -> str:
    return str(value) if value else ABSENT


def _seconds(value: float | None) -> str:
    if value is None:
        return ABSENT
    return f"{value:.4f}" if value < 0.01 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _text(value: object) -> str:
    return ABSENT if value is None else str(value)


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _median(values: Sequence[float]) -> float | None:
    ordered = sorted(values)
    half = len(ordered) // 2
    if not ordered:
        return None
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
