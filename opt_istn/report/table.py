"""The gap table: one row per solver and group of instances, from records alone."""

from collections.abc import Iterable

from opt_istn.record import Record
from opt_istn.report import columns, formats, groups
from opt_istn.report.columns import SHIFT_S, Table
from opt_istn.report.groups import By, Series

__all__ = ["Table", "gap_table", "render"]

NOTES = (
    "Gap: (cost - best bound that any engine has proven) / max(|bound|, 1), mean over instances.",
    "Its interval is a 95 % bootstrap one; runs without a plan count in `plan %`, not in the gap.",
    "Proved: by this run. Solved: the plan is optimal, whoever proved it.",
    "Certified: two proofs of different name agree.",
    f"Time: shifted geometric mean (shift {SHIFT_S} s) and median of wall-clock seconds.",
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
        headline=groups.headline(every),
        failures=groups.failures(every),
        without_plan=groups.without_plan(every),
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
