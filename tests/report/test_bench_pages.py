"""Pages of `bench` are written from records alone, and prose takes its numbers from them."""

from pathlib import Path

import pytest

from bench import hard, pages
from opt_istn import InputError
from opt_istn.runs import ledger
from tests.report.synthetic import changed, comparison, run


def test_pages_tell_where_rows_come_from() -> None:
    """Every solver's row names commit, date, machine and load, all of them if they differ."""
    records = [
        run("labels", 100, 100, extra={"load": 0.5}),
        run("labels", 100, 100, 1, extra={"load": 2.0}, commit="f" * 40, dirty=True),
        changed(run("greedy", 110), time="2026-02-03T00:00:00+00:00"),
    ]
    records = [changed(record, cpu="x") for record in records]
    lines = pages.provenance(records).splitlines()
    assert lines[2:] == [
        "| paper | jutap.labels | 2 | abcdef012345, ffffffffffff+ | 2026-01-02 | x | 0.5 to 2.0 |",
        "| paper | jutap.greedy | 1 | abcdef012345 | 2026-02-03 | x | unknown |",
    ]
    page = pages.page("Title", "Words.", records)
    assert page.startswith("# Title\n\nWords.\n\n")
    assert page.index("plan %") < page.index("## Runs")


def test_prose_takes_its_numbers_from_records() -> None:
    """A number is replaced by the table's with as many decimals, or there is none and it fails."""
    gap, runs = (f"<!--=paper|jutap.greedy|{name}-->" for name in ("gap_percent", "runs"))
    text = f"It is {gap}1.5<!--/--> %, of {runs}7<!--/-->."
    expected = text.replace(">1.5<", ">6.7<").replace(">7<", ">3<")
    assert pages.filled(text, comparison()) == expected
    assert pages.filled(expected, comparison()) == expected
    with pytest.raises(InputError, match="expected a value of nobody on paper"):
        pages.filled("<!--=paper|nobody|runs-->1<!--/-->", comparison())


@pytest.mark.usefixtures("indoors")
def test_the_hard_page_says_where_each_row_comes_from(tmp_path: Path) -> None:
    """Rows carry commit, date and load; before and after are two rows; the mark counts outcomes."""
    cells = [hard.Cell(1, 18, 91)]
    runs = tuple((cells, name, 1, 60.0) for name in ("labels", "highs", hard.WITHOUT))
    plan = hard.Plan(tmp_path / "hard.jsonl", runs, 1.0)
    measured = list(hard.measure(plan, 1))
    assert [row.status for row in measured] == ["optimal"] * 3
    again = list(hard.measure(plan, 1))  # what is there is not run again
    assert [row.wall_s for row in again] == [row.wall_s for row in measured]
    page = hard.page(list(ledger.read(plan.records)), hard.FULL.records)
    grid = [line for line in page.splitlines() if line.startswith("| 18 | 91 | 1 |")][:3]
    assert [line.split(" | ")[3] for line in grid] == ["labels", "highs", hard.WITHOUT]
    for line, row in zip(grid, measured, strict=True):
        assert line.split(" | ")[-3:-1] == [row.commit[:10] + "+" * bool(row.dirty), row.time[:10]]
    assert "<!-- runs: bench/records/hard.jsonl; certified: 0 of 1; agreed: 1 of 1 -->" in page
