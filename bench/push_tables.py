"""The page of `bench.push_agents`: tables, and a figure of the training curves."""

from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


def write(rows: Rows, names: list[str], head: str) -> None:
    """Write the page."""
