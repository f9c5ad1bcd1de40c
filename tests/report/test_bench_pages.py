"""Pages of `bench` are written from records alone, and prose takes its numbers from them."""

import pytest

from bench import pages
from opt_istn import InputError
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
