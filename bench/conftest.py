"""Options and fixtures shared by the benchmarks."""

from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--large", action="store_true", help="include jutap-city and jutap-region")


@pytest.fixture
def describe(benchmark: Any) -> Any:
    """Return a function that files a benchmark under its instance and notes its sizes."""

    def note(subject: Any, **extra: Any) -> None:
        benchmark.group = subject.name
        size = len(subject.states[1] if subject.problem == "jutap" else subject.requests)
        benchmark.extra_info |= {
            "problem": subject.problem,
            "instance": subject.name,
            "sha256": subject.sha256,
            "size": size,
            **extra,
        }

    return note
