"""The software paper is complete and in form, and the forms for contributors are readable."""

import re
from pathlib import Path

import pytest
import yaml

from opt_istn import __version__

ROOT = Path(__file__).parents[2]
PAPER = (ROOT / "paper/paper.md").read_text(encoding="utf-8")
BIBLIOGRAPHY = (ROOT / "paper/paper.bib").read_text(encoding="utf-8")
FORMS = [
    *sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")),
    ROOT / ".github/dependabot.yml",
    ROOT / "CITATION.cff",
]


def test_every_reference_is_cited_and_every_citation_is_a_reference() -> None:
    """Keys of the bibliography are those that the text cites."""
    cited = set(re.findall(r"@([a-z0-9]+)", PAPER.partition("# Summary")[2]))
    assert cited == set(re.findall(r"^@\w+\{(\w+),", BIBLIOGRAPHY, re.M))


def test_the_paper_has_the_parts_that_the_journal_asks_for() -> None:
    """Front matter, summary, need, state of the field and references; 250 to 1000 words."""
    front, text = PAPER.split("---\n")[1:3]
    assert {"title", "tags", "authors", "affiliations", "date", "bibliography"} <= set(
        yaml.safe_load(front)
    )
    headings = re.findall(r"^# (.+)$", text, re.M)
    assert {"Summary", "Statement of need", "State of the field", "References"} <= set(headings)
    assert 250 <= len(text.split()) <= 1000


def test_the_paper_cites_the_papers_as_the_citation_file_does() -> None:
    """Identifiers of both papers are the same in both files."""
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    for identifier in ("10.3390/rs17111905", "2603.22127"):
        assert identifier in citation
        assert identifier in BIBLIOGRAPHY


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_can_be_read(path: Path) -> None:
    """Forms are YAML, and those of issues have name, description and fields."""
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    if path.parent.name == "ISSUE_TEMPLATE":
        assert {"name", "description", "body"} <= set(form)
        assert all("label" in part["attributes"] for part in form["body"])


def test_the_readme_names_this_version() -> None:
    """The status line of the first page is of the version that is installed."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Version {__version__} " in readme
    assert set(re.findall(r"opt_istn-([\d.]+)-py3", readme)) == {__version__}
