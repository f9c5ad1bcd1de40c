"""`python -m pytest -p tests.unreached FILES`: which assertions of these files no test came to.

An assertion behind a condition that is never met, or in a loop over nothing, cannot fail. What runs
in other processes is not seen, so run it without ``-n``.
"""

import ast
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

HERE = str(Path(__file__).parent)
_reached: dict[str, set[int]] = {}


def _lines(frame: FrameType, event: str, _argument: Any) -> Any:
    if event == "line":
        _reached.setdefault(frame.f_code.co_filename, set()).add(frame.f_lineno)
    return _lines


def _calls(frame: FrameType, _event: str, _argument: Any) -> Any:
    return _lines if frame.f_code.co_filename.startswith(HERE) else None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call() -> Any:
    """Watch a test."""
    before = sys.gettrace()
    sys.settrace(_calls)
    yield
    sys.settrace(before)


def unreached(path: str, lines: set[int]) -> list[ast.Assert]:
    """Return the assertions of a file of which no line was reached."""
    tree = ast.parse(Path(path).read_text())
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    return [x for x in found if not lines & set(range(x.lineno, (x.end_lineno or x.lineno) + 1))]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them."""
    terminalreporter.section("Assertions that nothing came to")
    for path, lines in sorted(_reached.items()):
        for node in unreached(path, lines):
            terminalreporter.write_line(f"{path}:{node.lineno}: {ast.unparse(node)}")
