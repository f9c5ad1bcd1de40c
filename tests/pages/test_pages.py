"""README, docs and bench pages say no more than committed runs show.

A block of a page (paragraph, list, table or fence) that says "certified" or "agreed" names its
runs in a comment, in the block or right after it:

    <!-- runs: bench/records/push-paper.jsonl; agreed: 10 of 10; by: labels, highs -->

The counts are taken anew from those records; ``preset`` picks some of them. ``by`` names solvers
each of which must prove the best known cost of every instance. Sections that define the words are
listed in `GLOSSARY`. ``columns`` says which columns of `opt-istn table` the block's table shows
first, ``solvers`` which rows of it if not all. A table with the comment ``curves`` shows agents
as the curves of their trainings in that folder have it.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest

from bench.trained import verdict
from opt_istn import cli
from opt_istn.evidence.verify import Finding, verify_records
from opt_istn.report.table import gap_table
from opt_istn.runs import ledger
from opt_istn.runs.audit import InstanceSummary, audited, summarise
from opt_istn.runs.ledger import Record

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
RECORDS = sorted(ROOT.glob("bench/records/*.jsonl*"))
MANY, FEW = 6, 3  # instances whose records are verified in each test; some take a minute in all
GLOSSARY = {  # page: how the headings begin under which the words are defined
    "docs/certificates.md": (
        *("Certificates: bounds that a stranger can check", "The file"),
        *("Beside records", "What is installed comes first", "The library"),
    ),
    "docs/decisions/README.md": ("Decisions",),
    "docs/decisions/certificates.md": ("Certificates of our own",),
    "docs/jutap.md": ("Agreed and certified", "All budgets, all STARTs, all weights"),
    "docs/papers.md": ("The papers, by command",),
    "docs/files.md": ("Runs: ", "Bundle: ", "Certificates: ", "Library"),
    "docs/own-agent.md": (
        *("An agent of stable-baselines3", "A policy of PettingZoo", "A plan of MATLAB"),
        "For the referee",
    ),
    "docs/tutorials/bound.md": (
        *("A bound with its certificate", "Certificates of a whole comparison"),
        *("Certificates that are installed", "What `cite` says of records", "The sentence"),
    ),
    "docs/commands.md": ("Proofs",),
    "docs/reliability.md": ("Who decides what", "What is not promised"),
}
WORDS = {"certified": re.compile(r"certif", re.I), "agreed": re.compile(r"\bagreed\b", re.I)}
MARK = re.compile(r"<!--\s*(runs:.+?)-->", re.S)
UNSEEN = re.compile(r"<!--.*?-->|(?<=\])\([^)]*\)", re.S)  # comments and where links lead


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield heading and text of each block; a comment belongs to the block before it."""
    heading, lines, fenced = "", list[str](), False
    found: list[tuple[str, str]] = []
    for line in [*text.splitlines(), ""]:
        fenced ^= line.startswith("```")
        if line.strip() or fenced:
            lines.append(line)
        elif lines:
            block = "\n".join(lines)
            heading = lines[0].lstrip("# ") if lines[0].startswith("#") else heading
            if block.startswith("<!--") and found:
                heading, before = found.pop()
                block = f"{before}\n{block}"
            found.append((heading, block))
            lines = []
    yield from found


def marks(block: str) -> list[dict[str, str]]:
    """Return the fields of a block's comments about runs."""
    return [
        {key.strip(): value.strip() for key, _, value in (p.partition(":") for p in m.split(";"))}
        for m in MARK.findall(block)
    ]


ALL_MARKS = [
    pytest.param(mark, id=f"{_name(page)}-{mark['runs'].rpartition('/')[2]}-{i}")
    for page in PAGES
    for i, mark in enumerate(m for _, b in blocks(page.read_text()) for m in marks(b))
]


@cache
def _runs(path: str) -> tuple[Record, ...]:
    assert ROOT / path in RECORDS, f"{path} is not among the committed records"
    return tuple(ledger.read(ROOT / path))


def _holds(word: str, known: InstanceSummary) -> bool:
    return known.certified if word == "certified" else known.agreed


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_such_words_name_their_runs(page: Path) -> None:
    """Every "certified" and "agreed" outside the glossary has its count in a comment beside it."""
    bare = [
        block
        for heading, block in blocks(page.read_text())
        for word, pattern in WORDS.items()
        if not heading.startswith(GLOSSARY.get(_name(page), "-"))
        and pattern.search(UNSEEN.sub("", block))
        and not any(word in mark for mark in marks(block))
    ]
    assert not bare, f"{_name(page)}: a comment `<!-- runs: ...; WORD: n of m -->` is missing"


@pytest.mark.parametrize("mark", ALL_MARKS)
def test_the_runs_say_so(mark: dict[str, str]) -> None:
    """Counts beside the words are those of the committed runs, judged again."""
    preset = mark.get("preset")
    runs = [run for run in _runs(mark["runs"]) if preset in (None, run.source.preset)]
    known = summarise(runs)
    counted = {w: f"{sum(_holds(w, k) for k in known)} of {len(known)}" for w in WORDS}
    stated = {word: mark[word] for word in WORDS if word in mark}
    assert stated or "columns" in mark
    assert stated == {word: counted[word] for word in stated}
    for summary in known:
        mine = [run for run in runs if run.sha256 == summary.sha256]
        proving = {r.solver.partition(".")[2] for r in mine if r.bound == summary.best_cost}
        assert set(mark["by"].split(", ") if "by" in mark else ()) <= proving, summary.instance


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_tables_are_those_of_the_runs(page: Path) -> None:
    """A table with ``columns`` beside it shows what `opt-istn table` says of the runs."""
    for _, block in blocks(page.read_text()):
        for mark in (mark for mark in marks(block) if "columns" in mark):
            lines = [line for line in block.splitlines() if line.startswith("| `")]
            shown = [[cell.strip("` ") for cell in line.strip("|").split("|")] for line in lines]
            columns = mark["columns"].split(", ")
            named = mark["solvers"].split(", ") if "solvers" in mark else None
            said = [row for row in _said(mark["runs"], columns) if not named or row[0] in named]
            assert [row[: 1 + len(columns)] for row in shown] == said


CURVES = re.compile(r"<!--\s*curves:\s*(\S+?)\s*-->")


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_tables_of_agents_are_those_of_their_curves(page: Path) -> None:
    """A table with ``curves`` beside it has a row for each kept agent, as its curves have it."""
    for _, block in blocks(page.read_text()):
        for folder in CURVES.findall(block):
            lines = [line for line in block.splitlines() if line.startswith("| ") and "`" in line]
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
            shown = {re.findall(r"`(\w+)`", row[0])[-1]: row[1:] for row in rows}
            assert shown == _curves(ROOT / folder)


def _curves(folder: Path) -> dict[str, list[str]]:
    """Return the cells of each agent: medians over its seeds, fewest steps, status of all."""
    kept, found = verdict.read(folder), {}
    for agent, own in kept.curves.items():
        left = [
            100 * (1 - median(x.head["measured"][weights][0] for x in own))
            for weights in ("last", "untrained")
        ]
        steps = min(x.rows[-1]["gradient_steps"] for x in own)
        status = kept.progress(agent).status
        found[agent] = [*(f"{x:.1f}" for x in left), str(len(own)), "the past", str(steps), status]
    return found


def _said(path: str, columns: list[str]) -> Iterator[list[str]]:
    """Yield solver and columns of the gap table of some runs, as pages print them."""
    for row in gap_table(audited(_runs(path))).rows:
        solver = str(row["solver"]).rpartition(".")[2]
        yield [solver, *(_printed(column, row[column]) for column in columns)]


def _printed(column: str, value: float) -> str:
    digits = 0 if isinstance(value, int) else 1 if column.endswith("percent") else 3
    return f"{value:.{digits}f}"


def test_glossary_is_there() -> None:
    """The sections that may use the words freely exist, and say them."""
    for page, headings in GLOSSARY.items():
        found = {h for h, b in blocks((ROOT / page).read_text()) if WORDS["certified"].search(b)}
        assert all(any(h.startswith(begin) for h in found) for begin in headings), page


@pytest.mark.parametrize("path", RECORDS, ids=_name)
def test_committed_records_stand(path: Path) -> None:
    """Instances, plans and certificates are what is recorded; failures stay failures.

    Instances beyond the first few are for `make torture`.
    """
    slow = path.with_suffix("").is_dir() or path.suffix == ".gz"  # certificates, or agents' plays
    _verify(path, FEW if slow else MANY)


@pytest.mark.slow
@pytest.mark.parametrize("path", RECORDS, ids=_name)
def test_all_committed_records_stand(path: Path) -> None:
    """So it is for every instance."""
    _verify(path, None)


def _verify(path: Path, most: int | None) -> None:
    folder, every = path.with_suffix(""), list(ledger.read(path))
    wanted = set(list(dict.fromkeys(run.sha256 for run in every))[:most])
    runs = [run for run in every if run.sha256 in wanted]
    checks = list(verify_records(runs, str(folder) if folder.is_dir() else None))
    assert checks
    assert {c.reason for c in checks if c.finding != Finding.FAILED} == {""}
    assert {c.finding for c in checks} <= {Finding.OK, Finding.FAILED}


def test_gap_table_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """The page begins as `opt-istn table` does on the committed runs, number for number."""
    assert cli.main(["table", str(ROOT / "bench" / "records" / "jutap-paper-v2.jsonl")]) == 0
    said = capsys.readouterr().out
    section = (ROOT / "docs/gap-table.md").read_text().partition("# The gap table")[2]
    shown = section.split("```")[1]
    numbers = re.compile(r"[\w.]*\d[\w.]*")
    first = numbers.findall(shown)  # the page leaves out the tables that come last
    assert len(first) > 50
    assert first == numbers.findall(said)[: len(first)]
