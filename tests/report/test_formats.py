"""The gap table in its five forms: all can be read back, none can be steered by a record."""

import csv
import io
import json
import math
import re

import pytest

from opt_istn import InputError
from opt_istn.report import formats
from opt_istn.report.table import gap_table, render
from opt_istn.runs.ledger import Source
from tests.report.synthetic import changed, comparison, crash, run

NASTY = "a&b_%$#{}~^\\<x>|`*[l](u)\x1b[31m\x00\r\nend"
TABLE = gap_table(comparison())


@pytest.mark.parametrize("form", formats.FORMS)
def test_failures_come_before_the_rows(form: str) -> None:
    """In every form the failed runs, with their reason, precede the first row of numbers."""
    text = render(TABLE, form)
    assert "ValueError: boom" in text
    if form != "csv":  # plain rows for programs; failures are columns of it
        assert text.index("ValueError: boom") < text.index("labels")


def test_text_fits_and_is_boxed() -> None:
    """The text is at most 100 columns wide, boxed, and without colour codes in a pipe."""
    wide = [run("a_solver_with_a_name_that_is_far_too_long_for_any_table", 100)]
    for table in (TABLE, gap_table(wide), gap_table([])):
        text = render(table)
        assert max(map(len, text.splitlines())) <= formats.WIDTH
        assert "\x1b" not in text
    assert render(TABLE).splitlines()[0].startswith("╭─ Failed: 1")


def test_text_tells_gaps_with_their_interval() -> None:
    """A row holds counts, the mean gap with its interval, and a dash where there is none."""
    line = next(x for x in render(TABLE).splitlines() if x.startswith("│ greedy"))
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells[:5] == ["greedy", "3", "–", "100", "6.67 (0.00 to 10.00)"]
    assert cells[5:8] == ["0", "1", "1"]


def test_csv_parses_back() -> None:
    """Every row of the CSV holds the table's plain values; missing ones are empty."""
    rows = list(csv.DictReader(io.StringIO(render(TABLE, "csv"))))
    assert len(rows) == len(TABLE.rows)
    for parsed, row in zip(rows, TABLE.rows, strict=True):
        assert set(parsed) == {column.name for column in TABLE.columns}
        assert parsed["solver"] == row["solver"]
        gap = parsed["gap_percent"]
        assert (float(gap) if gap else None) == row["gap_percent"]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@A1", "\t=1", "  =1", "plain", "a=1"])
def test_cells_are_no_formulas(name: str) -> None:
    """A name that a spreadsheet would run gets a quote before it, unless it is to be left raw."""
    table = gap_table([run("labels", 3, 3, source=Source(preset=name, seed=0))])
    quoted = "" if name in ("plain", "a=1") else "'"
    for raw in (False, True):
        text = render(table, "csv", raw=raw)
        (row,) = csv.DictReader(io.StringIO(text, newline=""))
        assert row["group"] == ("" if raw else quoted) + name


def test_numbers_stay_numbers() -> None:
    """A negative number in the CSV is one, whatever is done to names."""
    assert "'-" not in render(TABLE, "csv")


def test_json_parses_back() -> None:
    """The JSON holds headline, incidents, rows and notes."""
    found = json.loads(render(TABLE, "json"))
    assert found["headline"] == TABLE.headline
    plain = [{k: None if v == math.inf else v for k, v in row.items()} for row in TABLE.rows]
    assert found["rows"] == plain
    assert found["failures"][0]["instances"] == ["paper-0 seed 0"]


def test_markdown_rows_have_equal_cells() -> None:
    """Whatever names hold, all rows of a Markdown table have as many cells as its head."""
    text = render(gap_table([changed(run("x", 100), solver=NASTY), run("y", 90)]), "markdown")
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert blocks
    for lines in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "<x>" not in text


def test_latex_is_balanced_and_escaped() -> None:
    """Environments and braces balance, rows have equal cells, specials of names are escaped."""
    table = gap_table([changed(run("x", 100), solver=NASTY), crash("y", error=NASTY)])
    text = "\n".join(x for x in render(table, "latex").splitlines() if not x.startswith("%"))
    assert re.findall(r"\\begin{(\w+)}", text) == re.findall(r"\\end{(\w+)}", text)
    bare = re.sub(r"\\[&%$#_{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    for tabular in bare.split(r"\toprule")[1:]:
        lines = tabular.split(r"\bottomrule")[0].splitlines()
        rows = [x for x in lines if x.endswith(r"\\") and r"\multicolumn" not in x]
        assert len({row.count("&") for row in rows}) == 1
    assert r"a\&b\_\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in text


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_control_characters_never_reach_people(form: str) -> None:
    """No escape sequence or NUL of a record reaches a terminal."""
    record = changed(run("x", 100), solver=NASTY, instance=NASTY, error=NASTY)
    text = render(gap_table([record, changed(crash("y"), error=NASTY)]), form)
    assert not set(text) & {"\x1b", "\x00", "\r"}


def test_many_failures_are_counted() -> None:
    """Beyond those shown in full, failures are counted, not dropped."""
    records = [crash("greedy", seed, error=f"error {seed}") for seed in range(30)]
    text = render(gap_table(records))
    assert "Failed: 30" in text
    assert "and 10 more runs" in text


def test_unknown_form_is_refused() -> None:
    """Another form is refused with the list of those there are."""
    with pytest.raises(InputError, match=r"expected one of text, .*'word'"):
        render(TABLE, "word")
