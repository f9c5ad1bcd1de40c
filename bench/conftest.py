"""Options and fixtures shared by the benchmarks."""

from typing import Any

import pytest

OURS = {"jutap": ("labels", "cpsat"), "push": ("labels", "cpsat")}  # beside a stranger's solver


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--large", action="store_true", help="include jutap-city and jutap-region")
    parser.addoption(
        "--solver",
        action="append",
        default=[],
        metavar="ID|FILE.py:CLASS",
        help="a solver to stand beside ours in bench/speed/test_own.py; may be given again",
    )
    parser.addoption(
        "--instance",
        action="append",
        default=[],
        metavar="FILE|PRESET",
        help="an instance for bench/speed/test_own.py; may be given again",
    )


@pytest.fixture
def filed(benchmark: Any) -> Any:
    """Return a function that files a benchmark under its instance, before it is run."""

    def file(subject: Any, **extra: Any) -> None:
        benchmark.group = subject.name
        size = len(subject.states[1] if subject.problem == "jutap" else subject.requests)
        benchmark.extra_info |= {
            "problem": subject.problem,
            "instance": subject.name,
            "sha256": subject.sha256,
            "size": size,
            **extra,
        }

    return file


@pytest.fixture
def outcome(benchmark: Any) -> Any:
    """Return a function that notes what came out of a run."""

    def note(**extra: Any) -> None:
        benchmark.extra_info |= extra

    return note
