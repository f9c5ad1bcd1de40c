"""What a gap table consists of, and its columns: what each shows and how."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opt_istn import problems
from opt_istn.report import trained
from opt_istn.report.incidents import Incident, reason_of
from opt_istn.report.numbers import statistics
from opt_istn.report.numbers.aggregates import Series
from opt_istn.report.numbers.intervals import Interval, Method
from opt_istn.runs.ledger import Failure
from opt_istn.solver import Status

Row = Mapping[str, Any]
SHIFT_S = 0.01
DIGITS = 16  # of a hash, where people read it
ABSENT = "\N{EN DASH}"
CHARGED = ("gap", "cost_mean")  # how columns begin that would look like a plan where there is none
REFERENCES = ("reference", "no_push_us")  # terms that are the same for all solvers

UNITS = {  # by the ending of a term's name: the unit shown, and what to multiply the term by
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
    also
        Another value that gives it something to show.
    """

    name: str
    title: str
    show: Callable[[Row], str]
    block: str = ""
    also: str = ""


@dataclass(frozen=True)
class Table:
    """A table of results, free of layout.

    Parameters
    ----------
    headline
        What all rows say together, in one line.
    disputes
        A line about every claim that another contradicts where no plan decides: to be shown first.
    failures, without_plan
        Runs that failed, and runs that came back empty-handed: to be shown before the rows.
    columns, rows
        Rows map column names to plain values; None where there is none.
    notes
        How the numbers are defined, one sentence each.
    twins
        A line about every name that several instances have.
    """

    headline: str
    disputes: tuple[str, ...]
    failures: tuple[Incident, ...]
    without_plan: tuple[Incident, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    twins: tuple[str, ...] = ()

    def blocks(self, rows: Sequence[Row]) -> dict[str, list[Column]]:
        """Return the columns for people that hold something in `rows`, by block."""
        found: dict[str, list[Column]] = {}
        for column in self.columns:
            names = (column.name, column.also or column.name)
            if column.block and any(row[name] is not None for row in rows for name in names):
                found.setdefault(column.block, []).append(column)
        return found

    def called(self, row: Row) -> str:
        """Return how a row's solver is called for people: its group tells the problem.

        One that misses instances is marked with an asterisk.
        """
        return str(row["solver"]).removeprefix(f"{row['problem']}.") + " *" * bool(row["missing"])

    def groups(self) -> dict[str, list[Row]]:
        """Return the rows by group."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row["group"], []).append(row)
        return found


def row_of(
    series: Series, seed: int, against: Series | None = None, twin: Series | None = None
) -> dict[str, Any]:
    """Return the values of one solver in one group; averages are None if it misses instances.

    Parameters
    ----------
    against, twin
        The series that it is compared with, and the agent's own untrained network.
    """
    runs = series.runs
    reasons = sorted({reason_of(run) for run in series.failed})
    row = {
        "group": series.group,
        "problem": runs[0].problem,
        "solver": series.label,
        "kind": series.kind or None,
        "knows": series.knows or None,
        "instances": len({run.sha256 for run in runs}),
        "missing": len(series.missing),
        "runs": len(runs),
        "failed": len(series.failed),
        "charged": series.charged,
        "feasible": series.answered,
        "solved": len(series.solved),
        "proved": len(series.proved),
        "confirmed": len(series.agreed),
        "failure_reasons": "; ".join(reasons) or None,
        "certificate": _certificate(series),
        **_training(series, seed, twin),
    }
    averages = _averages(series, seed) | _difference(series, seed, against)
    if not series.answered:  # what it is charged would look like what it reached
        averages |= dict.fromkeys(name for name in averages if name.startswith(CHARGED))
    return row | (dict.fromkeys(averages) if series.missing else averages)


def _certificate(series: Series) -> str | None:
    """Return the hash of the certificate behind the outcome, if the group is one instance."""
    if len(series.instances) != 1:
        return None
    return series.known[series.instances[0]].summary.certificate


def _averages(series: Series, seed: int) -> dict[str, Any]:
    memory = [run.peak_memory_mb for run in series.runs if run.peak_memory_mb]
    left_out = list(series.left_out.values())
    left, gaps = series.left, series.gaps
    return {
        **_spread("left", left.mean, left.interval(seed, 0.0, series.most_left)),
        "left_least_percent": _percent(series.left_at_least.mean),
        **_spread("gap", gaps.mean, gaps.interval(seed, least=0.0)),
        "gap_iqm_percent": _percent(gaps.interquartile_mean),
        "gap_left_out": len(left_out),
        "left_out_cost": statistics.mean(left_out),
        "bound_gap_percent": _percent(statistics.mean(series.bound_gaps)),
        "cost_mean": series.mean_cost,
        "time_sgm_s": statistics.shifted_geometric_mean(series.seconds, SHIFT_S),
        "time_median_s": statistics.median(series.seconds),
        "primal_integral_s": statistics.mean(integrals(series)),
        "peak_memory_mb": max(memory, default=None),
    }


def _spread(name: str, mean: float | None, interval: Interval | None) -> dict[str, Any]:
    """Return a mean of shares and its interval, in percent."""
    return {
        f"{name}_percent": _percent(mean),
        f"{name}_low_percent": _percent(interval.low if interval else None),
        f"{name}_high_percent": _percent(interval.high if interval else None),
        f"{name}_interval": str(interval.method) if interval else None,
        f"{name}_units": interval.units if interval else int(mean is not None),
    }


def _difference(series: Series, seed: int, against: Series | None) -> dict[str, Any]:
    """Return the mean of the differences, run by run, to the series it is compared with."""
    if against is None or against is series or against.missing:
        return dict.fromkeys(_spread("difference", None, None))
    sample = series.chief.minus(against.chief)
    return _spread("difference", sample.mean, sample.interval(seed, -series.most, series.most))


def _training(series: Series, seed: int, twin: Series | None) -> dict[str, Any]:
    """Return how far an agent was trained, and what it gained over its untrained network."""
    gained = twin.chief.minus(series.chief) if twin else None
    interval = gained.interval(seed) if gained else None
    told = trained.row_of(series, twin, gained, interval)
    return {**told, **_spread("gained", gained.mean if gained else None, interval)}


def columns_of(
    rows: Sequence[Row], terms: Iterable[str], against: str | None, *, cite: bool
) -> tuple[Column, ...]:
    """Return all columns of rows in which the problems' own `terms` occur.

    Parameters
    ----------
    cite
        Whether people are shown certificates; files always have their full hashes.
    """
    failing = any(row["failed"] for row in rows)
    short = any(row["missing"] for row in rows)
    bounded = any(row["left_least_percent"] != row["left_percent"] for row in rows)

    return (
        _plain("group", "group"),
        _plain("problem", "problem"),
        _plain("solver", "solver"),
        _plain("instances", "instances"),
        _counted("missing", "missing", wanted=short),
        _plain("runs", "runs", "quality"),
        _counted("failed", "failed", wanted=failing),
        _plain("charged", "charged the reference"),
        Column("feasible", "plan %", lambda row: f"{100 * row['feasible']:.0f}", "quality"),
        *_spread_columns("left", "% of the saving left"),
        _scaled(rows, "left_least_percent", "at least", 1.0, "quality" * bounded, digits=2),
        *_spread_columns("gap", "gap %", "left_out_cost"),
        *map(_plain, ("gap_iqm_percent", "gap_left_out", "left_out_cost"), ("", "", "")),
        *_spread_columns("difference", f"minus {against}" if against else "difference"),
        _plain("proved", "proved", "quality"),
        _plain("solved", "solved", "quality"),
        _plain("confirmed", "confirmed", "quality"),
        Column("certificate", "certificate", _short, "certificate" if cite else ""),
        _plain("bound_gap_percent", "bound gap %"),
        _plain("training", "training", "training"),
        *_spread_columns("gained", "over untrained", block="training"),
        _plain("training_seeds", "seeds", "training"),
        _plain("plateaus", "plateaus", "training"),
        _plain("rollouts", "rollouts", "training"),
        _plain("gradient_steps", "gradient steps", "training"),
        _plain("kind", "kind", "effort"),
        _plain("knows", "knows", "effort"),
        _scaled(rows, "cost_mean", "cost / 10⁶", 1e-6, "quality", digits=3),
        _timed("time_sgm_s", "time s"),
        _timed("time_median_s", "median s"),
        _plain("primal_integral_s", "primal integral s"),
        _scaled(rows, "peak_memory_mb", "MiB", 1.0, "effort", digits=0),
        *(_term(rows, name) for name in terms),
        _plain("failure_reasons", "failure reasons"),
    )


def _short(row: Row) -> str:
    """Return the digits by which `opt-istn cite` names a certificate, too."""
    return _text(row["certificate"] and row["certificate"][:DIGITS])


def _plain(name: str, title: str, block: str = "") -> Column:
    return Column(name, title, lambda row: _text(row[name]), block)


def _timed(name: str, title: str) -> Column:
    return Column(name, title, lambda row: _seconds(row[name]), "effort")


def _counted(name: str, title: str, *, wanted: bool) -> Column:
    return Column(name, title, lambda row: _count(row[name]), "quality" if wanted else "")


def _spread_columns(
    name: str, title: str, also: str = "", block: str = "quality"
) -> tuple[Column, ...]:
    """Return the column of a mean with its interval, and the parts that only files show."""
    parts = ("low_percent", "high_percent", "interval", "units")
    shown = Column(f"{name}_percent", title, lambda row: _shown(row, name), block, also)
    return shown, *(_plain(f"{name}_{part}", "") for part in parts)


def term_means(series: Series) -> dict[str, float]:
    """Return the mean of every numeric term over the runs with a plan, nested ones dotted."""
    values: dict[str, list[float]] = defaultdict(list)
    for run in series.planned:
        _add_numbers(values, run.terms)
    means = {name: math.fsum(own) / len(own) for name, own in values.items()}
    return {name: mean for name, mean in means.items() if name not in REFERENCES}


def _add_numbers(
    values: dict[str, list[float]], terms: Mapping[str, Any], prefix: str = ""
) -> None:
    for name, value in terms.items():
        kind = type(value)
        if kind is dict:
            _add_numbers(values, value, f"{prefix}{name}.")
        elif kind in (float, int) and -1e18 < value < 1e18:  # more could overflow the mean
            values[prefix + name].append(value)


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


def integrals(series: Series) -> list[float]:
    """Return the primal integral up to the time limit, of runs that have both.

    No incumbent counts for more than the judged plan at the run's end. Runs that were killed or
    crashed count with what they had reported.
    """
    found = []
    for run in series.runs:
        best, horizon = series.known[run.sha256].summary.best_cost, run.limits.time_s
        told = run.trace or run.cost is None
        kept = run.status != Status.FAILED or (run.trace and run.failure != Failure.REFUTED)
        if best is not None and horizon is not None and told and kept:
            end = math.inf if run.seconds is None else run.seconds
            rows = statistics.incumbents(run.trace, run.cost, end)
            found.append(statistics.primal_integral(rows, best, horizon))
    return found


def _shown(row: Row, name: str) -> str:
    """Return a mean with its interval in brackets, or the range of its units in parentheses."""
    mean, low, high = (row[f"{name}{part}_percent"] for part in ("", "_low", "_high"))
    out = row["gap_left_out"] if name == "gap" else 0
    if mean is None:
        return _absolute(row) if out else ABSENT
    text = f"{mean:.2f}"
    if low is not None and row[f"{name}_interval"] == Method.RANGE:
        text += f" ({low:.2f} to {high:.2f})"
    elif low is not None:
        text += f" [{low:.2f}, {high:.2f}]"
    return f"{text}, {out} n/a" if out else text


def _absolute(row: Row) -> str:
    """Return the difference that stands for a gap where the bound is no scale for one."""
    unit, factor = problems.cost_unit(row["problem"])
    return f"n/a ({row['left_out_cost'] * factor:+.4g} {unit})".replace(" )", ")")


def _count(value: int | None) -> str:
    return str(value) if value else ABSENT


def _seconds(value: float | None) -> str:
    if value is None:
        return ABSENT
    if value == math.inf:
        return "\N{INFINITY}"
    return f"{value:.4f}" if value < 0.01 else f"{value:.3f}" if value < 10 else f"{value:.1f}"


def _text(value: object) -> str:
    return ABSENT if value is None else str(value)


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value
