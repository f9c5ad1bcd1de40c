"""Pages of `bench`: each is written whole by one command, from records that `verify` accepts."""

import gzip
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from opt_istn.evidence.verify import Finding, verify_records
from opt_istn.files import InputError
from opt_istn.report.columns import Table
from opt_istn.report.groups import group_name
from opt_istn.report.table import gap_table, render
from opt_istn.runs import ledger
from opt_istn.runs.audit import summarise
from opt_istn.runs.ledger import Record

HERE = Path(__file__).parent
FILLED = re.compile(r"<!--=([^|>]+)\|([^|>]+)\|([^>]+)-->(.*?)<!--/-->", re.DOTALL)


def page(
    title: str, words: str, runs: Sequence[Record], against: str | None = None, more: str = ""
) -> str:
    """Return a page as Markdown: words, the gap table, and where and when its rows were run.

    Parameters
    ----------
    against
        What the table tells paired differences to.
    more
        Sections between table and origin.
    """
    table = render(gap_table(runs, against=against), "markdown")
    parts = (f"# {title}\n", f"{words}\n", table, *((more,) if more else ()))
    return "\n".join((*parts, f"## Runs\n\n{provenance(runs)}\n"))


def mark(runs: Sequence[Record], records: Path) -> str:
    """Return a comment that counts what records say of their instances, for the tests."""
    found = summarise(runs)
    counts = {
        "certified": sum(x.certified for x in found),
        "agreed": sum(x.agreed for x in found),
    }
    root = HERE.parent
    where = (records.relative_to(root) if records.is_relative_to(root) else records).as_posix()
    told = "; ".join(f"{word}: {count} of {len(found)}" for word, count in counts.items())
    return f"<!-- runs: {where}; {told} -->"


def marked(text: str, comment: str) -> str:
    """Return a page with the comment of `mark` after each block that speaks of proofs."""
    blocks = text.split("\n\n")
    speak = [re.search(r"certif|\bagreed\b", block, re.I) for block in blocks]
    shown = [f"{b}\n\n{comment}" if s else b for b, s in zip(blocks, speak, strict=True)]
    return "\n\n".join(shown)


def keep(path: Path, runs: Sequence[Record]) -> None:
    """Write records as they are kept beside the pages: the same ones make the same bytes."""
    lines = b"".join(ledger.encode(run) + b"\n" for run in runs)
    path.write_bytes(gzip.compress(lines, mtime=0))


def faults(runs: Sequence[Record], certificates: Path | None = None) -> list[str]:
    """Return what `verify` has against records, a line each; failures are no fault of theirs."""
    wrong = (Finding.REFUTED, Finding.DISPUTED, Finding.UNAVAILABLE)
    return [
        f"{check.record.solver} on {check.record.instance}: {check.finding}: {check.reason}"
        for check in verify_records(runs, certificates)
        if check.finding in wrong
    ]


def write_checked(path: Path, text: str, runs: Sequence[Record], *folder: Path) -> int:
    """Write a page if its records are in order; else print what is not, and return 1."""
    found = faults(runs, *folder)
    for line in found:
        print(line)
    if not found:
        path.write_text(text, encoding="utf-8")
    return int(bool(found))


def provenance(runs: Sequence[Record]) -> str:
    """Return commit, date, machine and its load for each solver and group of instances."""
    titles = ("instances", "solver", "runs", "commit", "date", "machine", "load")
    rows: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for run in runs:
        rows[group_name(run), run.solver].append(run)
    lines = [_line(titles), "|" + " --- |" * len(titles)]
    for (named, solver), own in rows.items():
        commits = {run.commit[:12] + "+" * bool(run.dirty) for run in own}
        dates = sorted({run.time[:10] for run in own})
        loads = [run.extra["load"] for run in own if run.extra.get("load") is not None]
        load = f"{min(loads):.1f} to {max(loads):.1f}" if loads else "unknown"
        cells = (named, solver, str(len(own)), ", ".join(sorted(commits)))
        days = " to ".join(dict.fromkeys((dates[0], dates[-1])))
        lines.append(_line((*cells, days, ", ".join(sorted({run.cpu for run in own})), load)))
    return "\n".join(lines)


def filled(text: str, runs: Sequence[Record]) -> str:
    """Return prose with its numbers taken from the table of `runs`.

    A number is written ``<!--=GROUP|SOLVER|COLUMN-->12.3<!--/-->``: GROUP and COLUMN as in
    ``opt-istn table --format csv``, SOLVER its id. It keeps as many decimals as it had.

    Raises
    ------
    InputError
        If the table has no such value.
    """
    table = gap_table(runs)

    def value(match: re.Match[str]) -> str:
        group, solver, column, old = match.groups()
        digits = len(old.partition(".")[2])
        found = _of(table, group, solver, column)
        return f"<!--={group}|{solver}|{column}-->{found:.{digits}f}<!--/-->"

    return FILLED.sub(value, text)


def _of(table: Table, group: str, solver: str, column: str) -> float:
    for row in table.rows:
        if (row["group"], row["solver"]) == (group, solver) and row.get(column) is not None:
            return float(row[column])
    raise InputError(column, f"expected a value of {solver} on {group} in the records")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
