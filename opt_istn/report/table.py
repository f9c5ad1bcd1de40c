"""The gap table: one row per solver and group of instances, from records alone."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from opt_istn import problems
from opt_istn.files import InputError
from opt_istn.report import columns, formats, groups, incidents, trained
from opt_istn.report.columns import SHIFT_S, Row, Table
from opt_istn.report.groups import By
from opt_istn.report.numbers.aggregates import Series
from opt_istn.report.numbers.intervals import Method
from opt_istn.report.remedies import lacking
from opt_istn.runs.ledger import Record

__all__ = ["Table", "gap_table", "render"]

NOTES = (
    (
        "% of the saving left: (cost - bound) / (reference - bound) with the best bound proven by "
        "any run on the instance; the reference is what one pays without a method, see the "
        "problem's page. 0 is optimal, 100 no better than that. "
        "Where bound and best plan differ, it is the most that can be left, and `at least` is "
        "the least."
    ),
    (
        "gap: (cost - bound) / |bound|; n/a where |bound| is under 1 % of the reference or of "
        "another sign: there is the mean difference cost - bound, and no part in the mean."
    ),
    (
        "Runs without a plan are charged the reference in both, and in the cost; a solver that has "
        "no plan at all leaves 100 % and shows no gap and no cost. Means are over instances, of "
        "means over seeds."
    ),
    (
        "plan %: runs with a feasible plan, or a proof that there is none; proved: settled by "
        "the run itself; solved: equal to the proven outcome, whoever proved it; confirmed: "
        "solved, and proven by engines of two different cores, or by a certificate."
    ),
    (
        "time: shifted geometric mean of wall seconds, start-up beyond 10 s included, shift "
        f"{SHIFT_S} s (runs take milliseconds to minutes: the customary 10 s would level all but "
        "the longest, and below 0.01 s the noise of a process decides); a failed run never ends."
    ),
    (
        "Order: by plan %, then by the mean on common instances of the saving left (of the gap "
        "where there is no reference)."
    ),
)
METHODS = {
    Method.RANGE: "(low to high): no interval, but the least and the largest of the units: they "
    "are fewer than 5, or too alike to tell",
    Method.BOOTSTRAP_T: "[low, high]: 95 % interval; bootstrap-t for 5 to 49 units",
    Method.BCA: "[low, high]: 95 % interval; BCa bootstrap for 50 units or more",
    Method.ABC: "[low, high]: 95 % interval; ABC, the limit of BCa, for 1000 units or more",
    Method.TWO_WAY: "[low, high]: 95 % interval; where seeds and instances vary, bootstrap-t that "
    "draws both anew, or either alone if that is wider",
}
UNITS = "units are instances, seeds where there are fewer of them"
CUT = (
    "No interval goes beyond what is possible: 0 %, and 100 % where no plan costs more than the "
    "reference. One that fills all of it says that the units are too few and too uneven."
)
CITED = (
    f"certificate: the first {columns.DIGITS} digits of the SHA-256 of the file that proves the "
    "instance's best bound; `opt-istn verify RUNS.jsonl --certificates DIR` checks it again."
)
TRAINING = (
    "training: undertrained, where a seed's curve had not come to its plateau (docs/agents.md says "
    "when it has); else no gain or trained, as the interval of what is gained over the agent's own "
    "untrained network (`weights=untrained`), paired run by run, in points of the saving left, "
    "includes 0 or lies above it (of fewer than 5 units Student's t decides); plateau, where that "
    "network is not in the table. Rollouts and steps of the optimiser are the fewest of any seed."
)
SHORT = (
    "*: misses instances of the group, so its averages are not shown beside those of the others."
)


def gap_table(
    records: Iterable[Record],
    by: By = "group",
    seed: int = 0,
    against: str | None = None,
    *,
    cite: bool = False,
) -> Table:
    """Return the table of audited `records`.

    Parameters
    ----------
    by
        ``group``: instances of a preset that differ by seed share a row; ``instance``: none do.
    seed
        Of the bootstrap.
    against
        Solver, full or short id, to which all others' paired differences are told.
    cite
        Whether each instance's certificate is shown; then `by` should be ``instance``.

    Raises
    ------
    InputError
        If a record holds a cost that cannot be one, or there is no solver to compare against.
    """
    return table_of(groups.every_series(records, by), seed, against, cite=cite)


def table_of(
    every: list[Series], seed: int = 0, against: str | None = None, *, cite: bool = False
) -> Table:
    """Return the table of series that are already sorted."""
    base = _baselines(every, against)
    rows = [columns.row_of(x, seed, base.get(x.group), trained.twin_of(x, every)) for x in every]
    means = [{} if series.missing else columns.term_means(series) for series in every]
    taken = set(rows[0]) if rows else set()
    renamed = {
        name: f"terms.{name}" if name in taken else name
        for name in dict.fromkeys(name for own in means for name in own)
    }
    for row, own in zip(rows, means, strict=True):
        row.update({column: own.get(name) for name, column in renamed.items()})
    return Table(
        headline=incidents.headline(every),
        disputes=incidents.disputes(every),
        failures=incidents.failures(every),
        without_plan=incidents.without_plan(every),
        columns=columns.columns_of(rows, renamed.values(), against, cite=cite),
        rows=tuple(rows),
        notes=(*_notes(rows, against), *((CITED,) if cite else ()), *_remedies(every)),
        twins=groups.twins([run for series in every for run in series.runs]),
    )


def _remedies(every: Sequence[Series]) -> tuple[str, ...]:
    known = {key: series.known[key].summary for series in every for key in series.instances}
    return lacking(known.values())


def _baselines(every: list[Series], against: str | None) -> dict[str, Series]:
    """Return the series that others are compared with, by group."""
    if against is None:
        return {}
    found = {}
    for series in every:
        if against in (series.label, series.label.removeprefix(f"{series.runs[0].problem}.")):
            found[series.group] = series
    if not found:
        known = {x.label.removeprefix(f"{x.runs[0].problem}.") for x in every}
        raise InputError("--against", problems.unknown("solver", against, known))
    return found


def _notes(rows: Sequence[Row], against: str | None) -> tuple[str, ...]:
    """Return how the numbers are defined, and by which methods the intervals were made."""
    used: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        for name in ("left", "gap", "difference", "gained"):
            used[row[f"{name}_interval"]].add(row[f"{name}_units"])
    told = [f"{text} (here {_listed(used[way])})" for way, text in METHODS.items() if way in used]
    ways = (". ".join(["; ".join([*told, UNITS]), CUT]),) if told else ()
    difference = (
        (
            f"minus {against}: mean over common instances of the differences run by run, in points "
            "of the saving left (of the gap where there is no reference); runs are paired by the "
            "seeds that both have, else in their order, and one run of a solver stands beside "
            "every run of the other."
        ),
    )
    short = (SHORT,) if any(row["missing"] for row in rows) else ()
    training = (TRAINING,) if any(row["training"] for row in rows) else ()
    return (*NOTES, *ways, *(difference if against else ()), *training, *short)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(numbers)))


def render(table: Table, form: str = "text", *, raw: bool = False) -> str:
    """Return `table` as ``text``, ``markdown``, ``latex``, ``csv`` or ``json``.

    Parameters
    ----------
    raw
        Whether CSV has names as they are, also those that a spreadsheet would run as formulas.

    Raises
    ------
    InputError
        If there is no such form.
    """
    return formats.render(table, form, raw=raw)
