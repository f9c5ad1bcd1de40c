"""What holds for all tests."""

import gc
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

# One thread each: two workers share two cores, and what tests compute is too small for more. Before
# numpy and torch are imported, which read it once.
for _library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

gc.disable()  # imports leave hardly any garbage, and looking for it takes a seventh of their time

import pytest  # noqa: E402 - hypothesis may import numpy
from hypothesis import settings  # noqa: E402

settings.register_profile("untimed", deadline=None)  # no test is timed
settings.load_profile("untimed")

# A shell's background jobs ignore interrupts, and so would every process that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def indoors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs take place in this process; see `tests.indoors`."""
    from opt_istn.runs.nursery import worker
    from tests.indoors import converse

    monkeypatch.setattr(worker, "_converse", converse)
    monkeypatch.setattr(worker, "warm_up", lambda _: None)


# One worker compiles the kernels of all solvers; meanwhile another does what needs none, and then
# compiles those of learners.
FIRST = ("tests/formulations/test_compiling.py", "tests/identity", "tests/physics")
FIRST += ("tests/learners/images", "tests/learners/push/test_batch.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with kernels, so that no two workers compile the same one."""

    def turn(item: pytest.Item) -> int:
        turns = (i for i, name in enumerate(FIRST) if item.nodeid.startswith(name))
        return min(turns, default=len(FIRST))

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """From now on look for garbage, but not among the million objects that were imported."""
    gc.freeze()
    gc.enable()


ALLOWED_SKIPS = (  # reasons for which a test may be skipped where everything is installed
    r"memory files are Linux's",
    r"no GPU",
    r"no headless browser",
)
_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note tests that were skipped for a reason that is not allowed."""
    if report.skipped and isinstance(report.longrepr, tuple) and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not any(re.search(allowed, reason) for allowed in ALLOWED_SKIPS):
            _skipped.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail in CI if a test was skipped that should have run."""
    if _skipped and "CI" in os.environ and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them."""
    if _skipped and "CI" in os.environ:
        terminalreporter.section("Skipped, and should not have been", red=True)
        for line in _skipped:
            terminalreporter.write_line(line)


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return a runner of commands in an empty folder: exit code, stdout and stderr."""
    from opt_istn.cli import main  # tests of what is generated do without it

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    monkeypatch.chdir(tmp_path)
    return run
