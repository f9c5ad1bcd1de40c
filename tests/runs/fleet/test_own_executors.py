"""Executors of one's own: what is wrong with one is a line that names it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opt_istn import InputError
from opt_istn.runs import compare, ledger
from opt_istn.runs.compare import Choice
from opt_istn.runs.fleet import clusters
from opt_istn.runs.ledger import Record, Source
from tests.planted import tiny

CHOICES = [Choice(f"tests.planted:{name}") for name in ("Detour", "Honest")]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    tiny().write(tmp_path / "tiny.json")
    return Source(file=str(tmp_path / "tiny.json"))


def _records(source: Source, path: Path, text: str) -> list[Record]:
    pool = clusters.named(text)
    return list(compare.compare([source], CHOICES, path, seeds=2, executor=pool))


POOLS = """
from concurrent.futures import Future, ThreadPoolExecutor

def make():
    return ThreadPoolExecutor(1)

def boom():
    raise RuntimeError("no\\nnetwork")

class Wrong(ThreadPoolExecutor):
    def submit(self, *_):
        future = Future()
        future.set_result("rubbish")
        return future

class Other(ThreadPoolExecutor):
    first = None

    def submit(self, *call):
        future = Future()
        found = super().submit(*call).result()
        Other.first = Other.first or found
        future.set_result(Other.first)
        return future

class Exits(ThreadPoolExecutor):
    def submit(self, *_):
        future = Future()
        future.set_exception(SystemExit(3))
        return future
"""


@pytest.fixture
def pools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write a module of executors, good and bad, into the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("my_pools.py").write_text(POOLS)
    Path("my_typo.py").write_text("def make(:")
    Path("my_fault.py").write_text("1 / 0")
    yield
    sys.modules.pop("my_pools", None)


@pytest.mark.usefixtures("pools")
def test_a_module_in_the_current_folder_is_found(source: Source) -> None:
    """An executor of one's own is found beside the user, as a module or as a file."""
    for text in ("my_pools:make", "my_pools.py:make"):
        runs = _records(source, Path(f"{text}.jsonl"), text)
        assert all("lost" not in run.error for run in runs)


@pytest.mark.usefixtures("pools")
@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("my_typo:make", "--executor: expected what can be imported: .*invalid syntax"),
        ("my_fault:make", "--executor: expected what can be imported: ZeroDivisionError"),
        ("my_pools:boom", "--executor: my_pools:boom makes none: RuntimeError: no network"),
        ("my_pools:Wrong", r"expected of my_pools.Wrong the record of .*, found str 'rubbish'"),
        ("my_pools:Other", "expected of my_pools.Other the record of .*, found that of"),
        ("concurrent.futures:Executor", r"NotImplementedError; concurrent.*Executor"),
    ],
)
def test_an_executor_that_does_not_work_is_one_line(source: Source, spec: str, reason: str) -> None:
    """Whatever is wrong with an executor, it is one line that names it; no wrong record is kept."""
    with pytest.raises(InputError, match=reason) as caught:
        _records(source, Path("there"), spec)
    assert "\n" not in str(caught.value)
    kept = ledger.read("there") if Path("there").exists() else []
    assert len({run.key for run in kept}) == len(kept) <= 1


@pytest.mark.usefixtures("pools")
def test_an_exit_in_a_future_is_a_lost_run(source: Source) -> None:
    """A run whose future says that the process is to exit is lost as any other."""
    runs = _records(source, Path("there"), "my_pools:Exits")
    assert {run.error for run in runs} == {"lost 3 times where it was sent to: SystemExit: 3"}
