"""No two numbers of the report contradict each other: each is computed anew from the runs it links.

The page is read as a reader would: by its tables and links, not by the code that wrote it.
"""

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean

import pytest

from opt_istn.report.page import write_page
from opt_istn.runs import ledger
from tests.report.synthetic import comparison

ROOT = Path(__file__).parents[2]
RECORDS = ("jutap-paper-v2", "push-paper-v2", "push-paper-wide-v2")
SETTLED = ("optimal", "infeasible", "unbounded")
Row = dict[str, str]


@dataclass
class Tables(HTMLParser):
    """The tables of a page, and the runs that each row of a group links to."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    links: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    lead: str = ""

    def __post_init__(self) -> None:
        """Begin outside of everything."""
        super().__init__()
        self._name, self._item, self._text = "", "", ""
        self._cells: list[str] = []
        self._heads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where tables, rows, cells and links begin."""
        told = {name: value or "" for name, value in attrs}
        if told.get("role") == "region":
            self._name = told["aria-label"]
            self.tables[self._name] = []
        elif tag == "tr":
            self._cells = []
        elif tag == "li":
            self._item = told.get("id", "")
        elif tag == "a" and told["href"].startswith("#run-"):
            self.links[self._item].append(told["href"].removeprefix("#run-"))
        if tag in ("td", "th", "p"):
            self._text = ""

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        """Keep cells and rows."""
        if tag in ("td", "th"):
            self._cells.append(self._text)
        elif tag == "p":
            self.lead = self.lead or self._text
        elif tag == "thead":
            self._heads = self._cells
        elif tag == "tr" and self._cells and self._name and self._heads != self._cells:
            row = dict(zip(self._heads, self._cells, strict=False))
            if len(self._heads) == len(self._cells):
                self.tables[self._name].append(row)
        elif tag == "table":
            self._heads = []


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    every = [run for x in RECORDS for run in ledger.read(ROOT / "bench/records" / f"{x}.jsonl")]
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page([*every, *comparison()], path)
    read = Tables()
    read.feed(path.read_text(encoding="utf-8"))
    return read


def _groups(page: Tables) -> list[tuple[str, list[tuple[Row, list[Row]]]]]:
    """Return the groups with their rows, each with the rows of its runs."""
    runs = {row["run"]: row for row in page.tables["All runs"]}
    names = [name for name in page.tables if name.startswith("Quality: ")]
    found = []
    for place, name in enumerate(names, 1):
        rows = page.tables[name]
        own = [[runs[x] for x in page.links[f"group-{place}-{i + 1}"]] for i in range(len(rows))]
        found.append((name, list(zip(rows, own, strict=True))))
    return found


def _over_instances(pairs: list[tuple[str, float]]) -> float | None:
    """Return the mean over instances of the mean over seeds."""
    own = defaultdict(list)
    for instance, value in pairs:
        own[instance].append(value)
    return fmean(map(fmean, own.values())) if own else None


def _number(cell: str) -> float | None:
    found = re.match(r"-?\d+(\.\d+)?", cell)
    return float(found[0]) if found else None


def _charged(runs: list[Row]) -> list[tuple[Row, int]]:
    """Return the runs with their costs, the reference for one without a plan."""
    have = [(run, run["cost"] if run["status"] != "failed" else "\N{EN DASH}") for run in runs]
    costs = [(run, run["reference"] if cost == "\N{EN DASH}" else cost) for run, cost in have]
    return [(run, int(cost)) for run, cost in costs if cost != "\N{EN DASH}"]


def test_means_are_those_of_the_runs(page: Tables) -> None:
    """Saving left, gap and cost of every row follow from its runs' costs and references."""
    bounds = {x["instance"]: x["best bound"] for x in page.tables["Best known bounds"]}
    checked: Counter[str] = Counter()
    for name, rows in _groups(page):
        for row, runs in rows:
            left, gaps, charged = [], [], _charged(runs)
            for run, cost in charged:
                bound, reference = int(bounds[run["instance"]]), _number(run["reference"])
                if reference is not None and reference > bound:
                    left.append((run["instance"], 100 * (cost - bound) / (reference - bound)))
                small = reference is not None and abs(bound) < 0.01 * abs(reference)
                if not small and bound:
                    gaps.append((run["instance"], 100 * (cost - bound) / abs(bound)))
            told = {"% of the saving left": _over_instances(left), "gap %": _over_instances(gaps)}
            if len(charged) == len(runs):
                told["cost / 10⁶"] = fmean(cost for _, cost in charged) / 1e6
            for column, value in told.items():
                shown = _number(row.get(column, ""))
                if shown is not None:
                    assert shown == pytest.approx(value, abs=0.00501), (name, row["solver"], column)
                    checked[column] += 1
    assert min(checked.values()) > 20


def test_counts_are_those_of_the_runs(page: Tables) -> None:
    """Runs, failures, proofs and solved runs of every row are as many as its links show."""
    best = {x["instance"]: x for x in page.tables["Best known bounds"]}
    for name, rows in _groups(page):
        for row, runs in rows:
            solved = [
                run
                for run in runs
                if best[run["instance"]]["status"] == "optimal"
                and run["cost"] == best[run["instance"]]["best cost"]
                and run["status"] != "failed"
            ]
            failed = sum(run["status"] == "failed" for run in runs)
            proved = sum(run["status"] in SETTLED for run in runs)
            counted = {"runs": len(runs), "proved": proved, "solved": len(solved)}
            assert {key: int(row[key]) for key in counted} == counted, (name, row["solver"])
            assert (_number(row.get("failed", "")) or 0) == failed, (name, row["solver"])


def test_the_first_sentence_counts_what_follows(page: Tables) -> None:
    """Instances, standings and runs of the first sentence are those of the tables below."""
    standing = Counter(row["standing"] for row in page.tables["Best known bounds"])
    counted = [int(x) for x in re.findall(r"\d+", page.lead)]
    instances, certified, agreed, claimed, other, runs, failed = counted[:7]
    assert instances == len(page.tables["Best known bounds"]) == standing.total()
    assert (certified, agreed, claimed) == (
        standing["certified"],
        standing["agreed"],
        standing["claimed"],
    )
    assert other == instances - certified - agreed - claimed
    assert runs == len(page.tables["All runs"])
    assert failed == sum(row["status"] == "failed" for row in page.tables["All runs"])
    without = sum(row["status"] in ("no_plan", "bound_only") for row in page.tables["All runs"])
    assert counted[7:] == [without] * bool(without)


def test_every_run_is_behind_some_row(page: Tables) -> None:
    """No run is left out of the groups, and none stands twice in a row."""
    linked = [x for key, own in page.links.items() if key.startswith("group-") for x in own]
    assert set(linked) == {row["run"] for row in page.tables["All runs"]}
    assert all(len(own) == len(set(own)) for own in page.links.values())
