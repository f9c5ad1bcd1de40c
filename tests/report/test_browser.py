"""The report page in a real browser: reachable by everyone, printable, and its columns sort.

The records are the committed ones, so that the page is as wide and long as those of papers.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opt_istn.report.page import write_page
from opt_istn.runs import ledger
from tests.report.synthetic import comparison

ROOT = Path(__file__).parents[2]
RECORDS = ("jutap-paper-v2", "push-paper-v2", "push-paper-wide-v2")
WIDTHS = (390, 1400)
A4_PX = (1047, 718)  # A4 landscape less margins of 10 mm, at 96 pixels an inch
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no headless browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=[*FLAGS, *QUIET])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of the page of committed and of failed runs, with a long word in it."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    every = [run for x in RECORDS for run in ledger.read(ROOT / "bench/records" / f"{x}.jsonl")]
    write_page([*every, *comparison()], path)
    return path.as_uri()


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a page with everything there can be on one, but few rows."""
    path = tmp_path_factory.mktemp("short") / "report.html"
    every = ledger.read(ROOT / "bench/records/jutap-paper-v2.jsonl")
    write_page([*(run for run in every if run.source.seed == 0), *comparison()], path)
    return path.as_uri()


@pytest.fixture
def opened(browser: Any, report: str) -> Iterator[Any]:
    """Open the page; nothing may be asked of a network or go wrong in the script."""
    pages, asked, errors = [], [], []

    def open_(address: str = report, unfold: bool = True, **options: Any) -> Any:
        page = browser.new_page(**options)
        pages.append(page)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(address)
        if unfold:
            page.evaluate("document.querySelectorAll('details').forEach(x => { x.open = true })")
        return page

    yield open_
    for page in pages:
        page.close()
    assert [x for x in asked if not re.match(r"file://.*report\.html|data:", x)] == []
    assert errors == []


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(390, "light"), (390, "dark"), (1400, "light"), (1400, "dark")],
)
def test_no_barrier_is_found(opened: Any, short: str, width: int, scheme: str) -> None:
    """Axe finds no violation, on a phone and on a desk, in both colour schemes."""
    from axe_playwright_python.sync_playwright import Axe

    page = opened(short, viewport={"width": width, "height": 900}, color_scheme=scheme)
    found = Axe().run(page, options=RULES).response["violations"]
    assert {x["id"]: [node["html"][:120] for node in x["nodes"][:3]] for x in found} == {}


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_window(opened: Any, width: int) -> None:
    """The page never scrolls sideways; wide tables do, in regions that the keyboard reaches."""
    page = opened(viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    unreachable = """[...document.querySelectorAll('*')].filter(x => x.scrollWidth > x.clientWidth
      && ['auto', 'scroll'].includes(getComputedStyle(x).overflowX) && x.tabIndex < 0).length"""
    assert page.evaluate(unreachable) == 0


def test_no_column_is_cut_in_print(opened: Any) -> None:
    """On A4 every cell of every table lies within the page, and no word leaves its cell."""
    page = opened(viewport={"width": A4_PX[0], "height": A4_PX[1]})
    page.emulate_media(media="print")
    cut = """limit => [...document.querySelectorAll('th, td, img, p, li, h1, h2')].filter(x =>
      x.getBoundingClientRect().right > limit + 0.5 || x.scrollWidth > x.clientWidth + 1
    ).map(x => x.outerHTML.slice(0, 160))"""
    assert page.evaluate(cut, A4_PX[0])[:5] == []
    assert page.evaluate("document.querySelectorAll('td').length") > 5000


def test_pdf_is_a4(opened: Any, tmp_path: Path) -> None:
    """Printed to a file, the pages are A4 on its side."""
    pdf = opened().pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    boxes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[(.*?)\]", pdf)}
    assert all(abs(right - 842) < 1 and abs(top - 595) < 1 for _, _, right, top in boxes), boxes
    assert boxes


def _column(page: Any, table: str, place: int) -> list[str]:
    rows = f"document.querySelectorAll(`[aria-label='{table}'] tbody tr`)"
    texts: list[str] = page.evaluate(f"[...{rows}].map(x => x.cells[{place}].innerText)")
    return texts


def test_columns_sort_by_value_with_a_click_and_with_the_keyboard(opened: Any) -> None:
    """Numbers sort as numbers, down at the second time; the section's other tables follow."""
    page = opened()
    costs = page.locator("[aria-label='Quality: jutap-paper-v2'] th button", has_text="cost")
    before = _column(page, "Quality: jutap-paper-v2", 0)
    costs.click()
    costs.focus()
    page.keyboard.press("Enter")
    head = "[aria-label='Quality: jutap-paper-v2'] th[aria-sort]"
    assert page.locator(head).get_attribute("aria-sort") == "descending"
    shown = [float(x) for x in _column(page, "Quality: jutap-paper-v2", -1 % 10)]
    assert shown == sorted(shown, reverse=True)
    after = _column(page, "Quality: jutap-paper-v2", 0)
    assert sorted(before) == sorted(after)
    assert before != after == _column(page, "What it is, and what it took: jutap-paper-v2", 0)


def test_a_link_to_a_run_unfolds_its_row(opened: Any) -> None:
    """Following a row to one of its runs shows that run, though runs are folded at first."""
    page = opened(unfold=False)
    assert not page.locator("#run-3").is_visible()
    page.locator("a", has_text="greedy").first.click()
    page.locator("#group-1-8 a").first.click()
    run = page.locator("tr:target")
    run.wait_for(state="visible")
    assert "greedy" in run.inner_text()
