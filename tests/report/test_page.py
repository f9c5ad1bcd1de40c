"""The report page: complete, self-contained, and safe whoever wrote the records."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opt_istn import InputError
from opt_istn.jutap import Plan
from opt_istn.report.page import write_page
from opt_istn.report.page.html import SCRIPT
from opt_istn.runs.ledger import Record, Source, Steps
from tests.planted import best_plan, long_plan, tiny
from tests.report.synthetic import changed, comparison, crash, flown, run

EVIL = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"' onload='x&amp;\x00\x1b[0m"
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects the elements, their attributes and the text of a page, and checks nesting."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(self.source)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost element is closed."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


@pytest.fixture
def page(tmp_path: Path) -> Any:
    def write(records: list[Record]) -> Page:
        write_page(records, tmp_path / "page.html")
        return Page(tmp_path / "page.html")

    return write


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Return the page of a comparison with runs of every kind."""
    path = tmp_path_factory.mktemp("whole") / "page.html"
    write_page(comparison(), path)
    return Page(path)


@pytest.fixture
def no_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the charts out, which take three quarters of the time of a small page."""
    monkeypatch.setattr("opt_istn.report.page._charts", lambda *_: [])


def test_both_measures_of_what_was_found_when_are_on_the_page(page: Any) -> None:
    """Of runs that told of incumbents the page has the share of targets and primal integrals."""
    trace = ((2.0, 200, None), (4.0, 100, 100))
    told = page([run("labels", 100, 100, trace=trace, wall_s=4.0), run("greedy", 150, wall_s=1.0)])
    assert "41 gaps to the best plan known" in told.text
    (table,) = re.findall(r'aria-label="Primal integral".*?</table>', told.source, re.DOTALL)
    assert re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", table)[4:][1:] == ["jutap.labels", "1", "3"]
    silent = page([run("greedy", 150, wall_s=1.0)])
    assert 'aria-label="Primal integral"' not in silent.source


def test_page_holds_everything(whole: Page) -> None:
    """Headline, failures, groups, charts, bounds, citation, environment and all runs are there."""
    made = whole
    headings = re.findall(r"<h[12][^>]*>(.*?)</h", made.source)
    assert headings == [
        "Gaps on paper",
        "Failed runs: 1",
        "Runs without a plan: 2",
        "paper",
        "Gaps",
        "Time and quality",
        "How the numbers are defined",
        "Best known bounds, and how to cite them",
        "Environment",
        "All runs",
    ]
    assert "2 agreed (two different cores)" in made.text
    assert f"sha256 {'00000000' * 8}" in made.text
    assert "has the optimum 100, proven independently by jutap.cpsat and jutap.labels" in made.text
    assert "a processor" in made.text
    rows = made.source.split("<details>")[-1]
    assert rows.count("<tr class") == len(comparison())


def test_agents_that_tell_their_training_have_a_table_of_it(page: Any) -> None:
    """Every block of columns that a row can fill has a caption on the page."""
    steps = Steps(rollouts=5, gradient_steps=100, status="plateau")
    agent = msgspec.structs.replace(run("dqn", 120), kind="agent", steps=steps)
    text = page([run("labels", 100, 100), agent]).text
    assert "How agents were trained, and what they gained over their own untrained network" in text


def test_every_link_leads_somewhere_on_the_page(whole: Page) -> None:
    """Contents, rows and runs are linked to addresses of the page, all of which are unique."""
    made = whole
    addresses = [str(attributes["id"]) for _, attributes in made.tags if "id" in attributes]
    links = {str(attributes["href"]) for tag, attributes in made.tags if tag == "a"}
    assert len(addresses) == len(set(addresses))
    assert links <= {f"#{address}" for address in addresses}
    headings = {a["id"] for tag, a in made.tags if tag == "h2"}
    runs = {f"run-{number}" for number in range(1, len(comparison()) + 1)}
    assert {f"#{address}" for address in headings | runs} <= links


def test_a_report_has_its_own_title(tmp_path: Path, page: Any) -> None:
    """The title names the groups, or is the given one, as heading and for the window."""
    groups = [run("labels", 1, 1, source=Source(preset=f"p{i}"), sha256=str(i)) for i in range(5)]
    assert "Gaps on p0, p1, p2 and 2 more" in page(groups).text
    write_page(groups, tmp_path / "named.html", title="Mine & yours")
    source = (tmp_path / "named.html").read_text()
    assert source.count(">Mine &amp; yours</") == 2


def test_a_certificate_is_cited(page: Any) -> None:
    """Where there is a certificate, its hash is cited rather than the solvers."""
    runs = [changed(run, certificate="c" * 64) if run.bound == 100 else run for run in comparison()]
    text = page(runs).text
    assert f"has the optimum 100, proven by a certificate (sha256 {'c' * 64})" in text
    assert "independently by" not in text.partition("has the optimum")[2][:100]


def test_failures_come_first(whole: Page) -> None:
    """Failures are told before any number, those without a plan next."""
    text = whole.text
    assert text.index("ValueError: boom") < text.index("exceeds the budget") < text.index("6.67 (")


def test_page_needs_nothing_else(whole: Page) -> None:
    """No address but data and its own parts; the browser may run our script and load nothing."""
    made = whole
    names = {tag for tag, _ in made.tags}
    assert not names & {"link", "iframe", "object", "form"}
    sources = [attributes["src"] for _, attributes in made.tags if "src" in attributes]
    assert sources
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", source) for source in sources)
    assert all(str(a["href"]).startswith("#") for tag, a in made.tags if tag == "a")
    assert "default-src 'none'" in made.source
    assert "prefers-color-scheme: dark" in made.source
    assert "@import" not in made.source
    assert "url(" not in made.source


def test_only_the_packaged_script_is_allowed_to_run(whole: Page) -> None:
    """There is one script, and the policy names its hash and no other source."""
    made = whole
    scripts = re.findall(r"<script>(.*?)</script>", made.source, re.DOTALL)
    assert scripts == [SCRIPT]
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'\"" in made.source


def _poisoned() -> list[Record]:
    """Return a failed and a good run with markup in every text a stranger can set."""
    texts: dict[str, Any] = {
        "instance": EVIL,
        "sha256": EVIL,
        "solver": EVIL,
        "cpu": EVIL,
        "commit": EVIL,
        "time": EVIL,
        "error": EVIL,
        "violations": (EVIL,),
        "parameters": {EVIL: EVIL},
        "packages": {EVIL: EVIL},
        "terms": {EVIL: 1},
        "source": Source(preset=EVIL, seed=0, overrides={EVIL: EVIL}),
    }
    good = changed(run("x", 100, 100), **texts)
    claim = good.claim and changed(good.claim, proof=EVIL)
    return [changed(crash("x"), **texts), changed(good, seed=1, claim=claim)]


def test_records_cannot_inject_markup(page: Any) -> None:
    """Markup in any field of a record is shown as text: no element or handler comes of it."""
    made = page(_poisoned())
    assert "<script>alert(1)</script>" in made.text
    assert made.source.count("<script>") == [tag for tag, _ in made.tags].count("script") == 1
    assert {tag for tag, _ in made.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "p"),
        *("ul", "li", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "span"),
        *("strong", "code", "figure", "figcaption", "img", "details", "summary", "blockquote"),
        *("nav", "a", "script"),
    }
    allowed = {"class", "scope", "src", "alt", "lang", "charset", "http-equiv", "content", "name"}
    allowed |= {"id", "href", "role", "tabindex", "aria-label", "data-row"}
    assert {name for _, attributes in made.tags for name in attributes} <= allowed
    assert not set(made.source) & {"\x00", "\x1b"}


def _tiny_runs(tmp_path: Path) -> list[Record]:
    instance = tiny()
    instance.write(tmp_path / "tiny.json")
    source = Source(file=str(tmp_path / "tiny.json"))
    best = flown(instance, best_plan(instance), 200, "labels", bound=200, source=source)
    return [
        changed(best, status="optimal"),
        flown(instance, long_plan(instance), 282, "greedy", source=source),
    ]


def _maps(made: Page) -> list[str]:
    images = [attributes for tag, attributes in made.tags if tag == "img"]
    return [str(x["alt"]) for x in images if str(x["src"]).startswith("data:image/png")]


@pytest.mark.usefixtures("no_charts")
def test_maps_show_optimum_and_heuristics(page: Any, tmp_path: Path) -> None:
    """The first instance of a group is drawn with the best exact plan and other heuristics'."""
    records = _tiny_runs(tmp_path)
    twin = changed(records[0], solver="jutap.blind", bound=None, status="feasible", claim=None)
    twin = changed(twin, kind="heuristic")
    assert _maps(page([*records, twin])) == ["Instance tiny: jutap.labels, jutap.greedy."]


@pytest.mark.usefixtures("no_charts")
def test_maps_of_presets(page: Any) -> None:
    """An instance of a preset is generated again for its map."""
    from opt_istn.runs import compare

    source = Source(preset="jutap-tiny", seed=3)
    instance = compare.load(source)
    plan = Plan(instance.sha256, (instance.start,), (instance.start_link,))
    record = flown(instance, plan, 5, "greedy", source=source)
    assert _maps(page([record])) == [f"Instance {instance.name}: jutap.greedy."]


@pytest.mark.usefixtures("no_charts")
def test_missing_and_changed_instances_have_no_map(page: Any, tmp_path: Path) -> None:
    """Where the instance is lost, changed, huge or no plain file, a sentence stands instead."""
    records = _tiny_runs(tmp_path)
    tiny(cell_m=7.0).write(tmp_path / "tiny.json")
    assert "its source gives another instance now" in page(records).text
    (tmp_path / "tiny.json").unlink()
    assert "expected a file of moderate size" in page(records).text
    for source, reason in (
        (Source(file="/dev/zero"), "expected a file of moderate size"),
        (Source(preset="jutap-region", seed=0), "too large"),
        (Source(preset="push-paper", seed=0), "expected a jutap preset"),
        (Source(preset="jutap-tiny", seed=0, overrides={"x": "1"}), "No picture of"),
        (Source(), "expected a file, or a preset"),
    ):
        made = page([changed(record, source=source) for record in records])
        assert reason in made.text
        assert _maps(made) == []


@pytest.mark.usefixtures("no_charts")
def test_broken_plans_are_left_out(page: Any, tmp_path: Path) -> None:
    """A record whose plan is none, or one for another instance, leaves the map bare."""
    records = _tiny_runs(tmp_path)
    other = {**(records[0].plan or {}), "instance": "0" * 64}
    for plan in (None, {"cells": []}, other):
        broken = [changed(record, plan=plan) for record in records]
        assert len(_maps(page(broken))) == 1


def test_page_of_nothing(page: Any) -> None:
    """Of no records the page says so."""
    assert "0 instances" in page([]).text


def test_unwritable_path_is_refused(tmp_path: Path) -> None:
    """A folder that is not there is refused in one line."""
    with pytest.raises(InputError, match="cannot be written"):
        write_page(comparison(), tmp_path / "none" / "page.html")
