"""The gap table: one row per solver and group of instances, from records alone."""

from collections.abc import Iterable

from opt_istn.report import columns, formats, groups, incidents
from opt_istn.report.columns import SHIFT_S, Table
from opt_istn.report.groups import By, Series
from opt_istn.runs.ledger import Record

__all__ = ["Table", "gap_table", "render"]

NOTES = (
    (
        "gap: (cost - bound) / max(|bound|, 1) with the best bound proven by any run on the "
        "instance; its mean is over runs with a plan: see plan % for the others."
    ),
    (
        "[95 % CI]: percentile bootstrap over instances (over runs if there is one instance), "
        "with equal resamples for every solver."
    ),
    (
        "plan %: runs with a feasible plan; proved: settled by the run itself; solved: equal to "
        "the proven outcome, whoever proved it; cert.: solved, and proven by two independent "
        "methods."
    ),
    (
        f"time: shifted geometric mean of wall seconds, shift {SHIFT_S} s (runs take milliseconds "
        "to minutes: the customary 10 s would level all but the longest, and below 0.01 s the "
        "noise of a process decides); a failed run counts with its time limit."
    ),
    "Exact solvers (most of their runs proved) come first, then heuristics by mean gap.",
)


def gap_table(records: Iterable[Record], by: By = "group", seed: int = 0) -> Table:
    """Return the table of audited `records`.

    Parameters
    ----------
    by
        ``group``: instances of a preset that differ by seed share a row; ``instance``: none do.
    seed
        Of the bootstrap.

    Raises
    ------
    InputError
        If a record holds a cost that cannot be one.
    """
    return table_of(groups.every_series(records, by), seed)


def table_of(every: list[Series], seed: int = 0) -> Table:
    """Return the table of series that are already sorted."""
    rows = [columns.row_of(series, seed) for series in every]
    means = [columns.term_means(series) for series in every]
    base = set(rows[0]) if rows else set()
    renamed = {
        name: f"terms.{name}" if name in base else name
        for name in dict.fromkeys(name for own in means for name in own)
    }
    for row, own in zip(rows, means, strict=True):
        row.update({column: own.get(name) for name, column in renamed.items()})
    return Table(
        headline=incidents.headline(every),
        failures=incidents.failures(every),
        without_plan=incidents.without_plan(every),
        columns=columns.columns_of(rows, renamed.values()),
        rows=tuple(rows),
        notes=NOTES,
    )


def render(table: Table, form: str = "text") -> str:
    """Return `table` as ``text``, ``markdown``, ``latex``, ``csv`` or ``json``.

    Raises
    ------
    InputError
        If there is no such form.
    """
    return formats.render(table, form)
