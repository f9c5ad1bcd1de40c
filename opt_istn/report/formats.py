"""Gap tables as text: for terminals, Markdown, LaTeX, CSV, JSON. Records come from strangers."""

import csv
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

import msgspec
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.table import Table as Grid
from rich.text import Text

from opt_istn.files import InputError
from opt_istn.report.columns import Column, Row, Table
from opt_istn.report.incidents import Incident

WIDTH = 100
SHOWN = 20  # incidents printed in full; the others are counted

_LATEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\N{EN DASH}": "--",
    "⁶": "$^6$",
    "\N{REPLACEMENT CHARACTER}": "?",
}


def render(table: Table, form: str, *, raw: bool = False) -> str:
    """Return `table` in a form; see `opt_istn.report.table.render`."""
    if form not in FORMS:
        raise InputError("format", f"expected one of {', '.join(FORMS)}, found {form!r}")
    return _csv(table, raw=True) if raw and form == "csv" else FORMS[form](table)


def printable(text: str) -> str:
    """Return `text` on one line, with what could steer a terminal replaced."""
    flat = " ".join(text.split())
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in flat)


def described(incident: Incident) -> str:
    """Return an incident as one line."""
    first, count = incident.instances[0], len(incident.instances)
    where = first if count == 1 else f"{count} runs, first {first}"
    head = f"{incident.solver} [{incident.group}: {where}] {incident.kind}: "
    return printable(head + incident.reason)


def _listed(incidents: Sequence[Incident]) -> list[str]:
    lines = [described(incident) for incident in incidents[:SHOWN]]
    more = sum(len(incident.instances) for incident in incidents[SHOWN:])
    return [*lines, f"... and {more} more runs: see JSON or the report page"] if more else lines


def _paragraphs(table: Table) -> list[tuple[str, str, list[str]]]:
    """Return what is said before the rows: heading, colour, lines."""
    failed = sum(len(incident.instances) for incident in table.failures)
    empty = sum(len(incident.instances) for incident in table.without_plan)
    disputed = [printable(line) for line in table.disputes]
    twins = [printable(line) for line in table.twins]
    found = [
        (f"Disputed: {len(disputed)}", "red", disputed),
        (f"Shared names: {len(twins)}", "yellow", twins),
        (f"Failed: {failed}", "red", _listed(table.failures)),
        (f"Without a plan: {empty}", "yellow", _listed(table.without_plan)),
    ]
    return [entry for entry in found if entry[2]]


def _text(table: Table) -> str:
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    stream = io.StringIO()
    console = Console(
        file=stream,
        width=WIDTH,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        legacy_windows=False,
    )
    for heading, style, lines in _paragraphs(table):
        body = Text("\n".join(lines))
        console.print(Panel(body, title=heading, title_align="left", border_style=style))
    console.print(Text(table.headline, style="bold"))
    for group, rows in table.groups().items():
        console.print()
        console.print(Text(printable(group), style="bold"))
        for shown in _packed(table, rows, console):
            console.print(_grid(table, shown, rows))
    console.print()
    for note in table.notes:
        console.print(Text(note, style="dim"))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _packed(table: Table, rows: Sequence[Row], console: Console) -> Iterable[list[Column]]:
    """Join blocks side by side as long as they fit the width; split one that does not."""

    def width(columns: list[Column]) -> int:
        grid = _grid(table, columns, rows)
        return console.measure(grid, options=console.options.update(max_width=10 * WIDTH)).maximum

    line: list[Column] = []
    for block in table.blocks(rows).values():
        if line and width(line + block) > WIDTH:
            yield line
            line = []
        for column in block:
            if line and width([*line, column]) > WIDTH:
                yield line
                line = []
            line.append(column)
    if line:
        yield line


def _grid(table: Table, columns: Sequence[Column], rows: Sequence[Row]) -> Grid:
    grid = Grid(box=box.ROUNDED, header_style="bold")
    grid.add_column("solver", min_width=12, max_width=30, overflow="fold")
    for column in columns:
        grid.add_column(Text(printable(column.title)), justify="right", no_wrap=True)
    for row in rows:
        style = "red" if row["failed"] else None
        cells = (Text(column.show(row)) for column in columns)
        grid.add_row(Text(printable(table.called(row))), *cells, style=style)
    return grid


def _markdown(table: Table) -> str:
    lines = []
    for heading, _, texts in _paragraphs(table):
        lines += [f"**{heading}**", "", *(f"- {_md(text)}" for text in texts), ""]
    lines += [f"**{_md(table.headline)}**", ""]
    for group, rows in table.groups().items():
        lines += [f"### {_md(group)}", ""]
        for block in table.blocks(rows).values():
            heads = ["solver", *(column.title for column in block)]
            lines.append(_md_row(heads))
            lines.append("|" + " :-- |" + " --: |" * len(block))
            for row in rows:
                lines.append(_md_row([table.called(row), *(column.show(row) for column in block)]))
            lines.append("")
    return "\n".join([*lines, *(f"- {_md(note)}" for note in table.notes)]) + "\n"


def _md_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_md, cells)) + " |"


def _md(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", printable(text)).replace("&", "&amp;")


def _latex(table: Table) -> str:
    lines = ["% needs \\usepackage{booktabs}", f"% {_tex(table.headline)}"]
    for heading, _, texts in _paragraphs(table):
        lines += [f"\\paragraph{{{_tex(heading)}}}", r"\begin{itemize}"]
        lines += [*(f"  \\item {_tex(text)}" for text in texts), r"\end{itemize}"]
    blocks = table.blocks(table.rows)
    for block in blocks.values():
        lines += [r"\begin{tabular}{l" + "r" * len(block) + "}", r"\toprule"]
        lines.append(_tex_row(["solver", *(column.title for column in block)]))
        for group, rows in table.groups().items():
            width = len(block) + 1
            lines += [r"\midrule", f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{_tex(group)}}}}} \\\\"]
            for row in rows:
                lines.append(_tex_row([table.called(row), *(column.show(row) for column in block)]))
        lines += [r"\bottomrule", r"\end{tabular}", ""]
    return "\n".join([*lines, *(f"% {_tex(note)}" for note in table.notes)]) + "\n"


def _tex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_tex, cells)) + r" \\"


def _tex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in printable(text))


def _csv(table: Table, *, raw: bool = False) -> str:
    """Return a table as CSV; names that a spreadsheet would run as formulas get a quote before."""
    stream = io.StringIO()
    names = [column.name for column in table.columns]
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    for row in table.rows:
        writer.writerow(row if raw else {name: _inert(value) for name, value in row.items()})
    return stream.getvalue()


def _inert(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula."""
    formula = isinstance(value, str) and re.match(r"\s*[=+@-]|[\t\r]", value)
    return f"'{value}" if formula else value


def _json(table: Table) -> str:
    document = {
        "headline": table.headline,
        "disputes": table.disputes,
        "shared_names": table.twins,
        "failures": [asdict(incident) for incident in table.failures],
        "without_plan": [asdict(incident) for incident in table.without_plan],
        "columns": [{"name": column.name, "title": column.title} for column in table.columns],
        "rows": [dict(row) for row in table.rows],
        "notes": table.notes,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


FORMS: dict[str, Callable[[Table], str]] = {
    "text": _text,
    "markdown": _markdown,
    "latex": _latex,
    "csv": _csv,
    "json": _json,
}
