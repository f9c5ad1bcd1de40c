"""What one cites is what is installed."""

import re
from pathlib import Path

from opt_istn import __version__

TEXT = (Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8")


def test_the_citation_is_of_this_version() -> None:
    """CITATION.cff names this version and a date."""
    assert re.search(rf"^version: {re.escape(__version__)}$", TEXT, re.M)
    assert re.search(r"^date-released: \d{4}-\d\d-\d\d$", TEXT, re.M)


def test_both_papers_are_cited() -> None:
    """Both papers are references, by their identifiers."""
    assert "10.3390/rs17111905" in TEXT
    assert "arXiv:2603.22127" in TEXT
