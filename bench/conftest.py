"""Options and fixtures shared by the benchmarks."""

from typing import Any

import pytest

from opt_istn.jutap.instance import Instance


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--large", action="store_true", help="include jutap-city and jutap-region")


@pytest.fixture
def describe(benchmark: Any) -> Any:
    """Return a function that files a benchmark under its instance and notes its sizes."""

    def note(subject: Instance, **extra: Any) -> None:
        benchmark.group = subject.name
        benchmark.extra_info |= {
            "instance": subject.name,
            "sha256": subject.sha256,
            "cells": subject.num_cells,
            "states": len(subject.usable[1]),
            "energy_budget_mj": subject.energy_budget_mj,
            **extra,
        }

    return note
