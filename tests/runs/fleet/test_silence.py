"""Executors that fall silent: runs that they forgot, and schedulers that are gone."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from opt_istn import InputError
from opt_istn.runs import compare, ledger
from opt_istn.runs.compare import Choice, RunTask
from opt_istn.runs.fleet import clusters, executors, remote
from opt_istn.runs.ledger import Failure, Record, Source
from tests.planted import tiny

SOLVERS = "tests.planted:Detour", "tests.planted:Honest"
RUNS = 5


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Write an instance; nobody has to wait long for an answer."""
    monkeypatch.setattr(executors, "SILENCE_S", 0.5)
    remote._instances.clear()
    tiny().write(tmp_path / "tiny.json")
    return Source(file=str(tmp_path / "tiny.json"))


def _records(source: Source, executor: Executor) -> list[Record]:
    choices = [Choice(name) for name in SOLVERS]
    path = Path(str(source.file)).with_name("runs.jsonl")
    runs = list(compare.compare([source], choices, path, seeds=RUNS - 1, executor=executor))
    assert ledger.read(path) == runs
    return runs


def _all_there(runs: list[Record]) -> bool:
    """Say whether each run has a record, and none of them was lost."""
    return len({run.key for run in runs}) == RUNS and not any("lost" in run.error for run in runs)


class Forgetful(Executor):
    """Does the calls at once; never answers for some, says so, or cannot be asked at all."""

    def __init__(self, forgets: Callable[[int, RunTask], bool], *, reachable: bool = True) -> None:
        self._forgets, self._reachable = forgets, reachable
        self.sent = self.asked = 0

    def submit(self, call: Any, /, *given: Any, **named: Any) -> Future[Any]:
        """Do a call, unless it is one to forget."""
        future: Future[Any] = Future()
        if not self._forgets(self.sent, given[1]):
            future.set_result(call(*given, **named))
        self.sent += 1
        return future

    def unknown_runs(self, futures: list[Future[Any]]) -> list[Future[Any]]:
        """Return all: what has ended is not asked for."""
        self.asked += 1
        if not self._reachable:
            raise ConnectionError("no scheduler")
        return futures


def test_a_run_that_is_forgotten_is_sent_again(source: Source) -> None:
    """Runs of which an executor says twice that it does not know them leave their records."""
    pool = Forgetful(lambda number, _: number in (1, 3, 4))
    assert _all_there(_records(source, pool))
    assert (pool.asked, pool.sent) == (2, RUNS + 3)


def test_a_run_forgotten_three_times_is_recorded_as_crashed(source: Source) -> None:
    """A run that is forgotten with every sending is `crashed`; all others have their records."""
    *others, last = _records(source, Forgetful(lambda _, task: task.seed == RUNS - 2))
    assert last.failure == Failure.CRASHED
    assert "lost 3 times" in last.error
    assert "the executor knows nothing of it any more" in last.error
    assert len(others) == RUNS - 1
    assert all("lost" not in run.error for run in others)


def test_an_executor_that_is_out_of_reach_ends_the_comparison(source: Source) -> None:
    """Where an executor is silent and cannot be asked, that is one error; records are kept."""
    pool = Forgetful(lambda number, _: number > 2, reachable=False)
    with pytest.raises(InputError, match=r"takes no more runs .ConnectionError: no scheduler"):
        _records(source, pool)
    kept = ledger.read(Path(str(source.file)).with_name("runs.jsonl"))
    assert len(kept) == 3
    assert all("lost" not in run.error for run in kept)


class Slow(ThreadPoolExecutor):
    """Takes its time, and knows what it does.

    Calls are done in turn: one that overtakes the first, which brings the instance, is sent again.
    """

    sent = asked = 0
    last: Future[Any] | None = None

    def submit(self, call: Any, /, *given: Any, **named: Any) -> Future[Any]:
        """Do a call, later and after the one before it."""
        self.sent += 1
        before = [] if self.last is None else [self.last]
        self.last = super().submit(lambda: (time.sleep(2), wait(before), call(*given, **named))[2])
        return self.last

    def unknown_runs(self, _: list[Future[Any]]) -> list[Future[Any]]:
        """Return nothing: all is known."""
        self.asked += 1
        return []


def test_a_run_that_takes_long_is_not_lost(source: Source) -> None:
    """However long a run is silent, it is sent once while its executor knows it."""
    with Slow(RUNS) as pool:
        assert _all_there(_records(source, pool))
    assert pool.asked >= 2
    assert pool.sent == RUNS


@pytest.fixture
def cluster() -> Iterator[str]:
    """Start a cluster of one worker in this process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        host="127.0.0.1",
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        dashboard_address="127.0.0.1:0",
        memory_limit=None,
        silence_logs=50,
    ) as started:
        yield started.scheduler_address


class Dropping(clusters.Dask):
    """Loses what a client loses when it loses its scheduler while runs are handed to it."""

    sent = 0

    def __init__(self, address: str, how: str) -> None:
        super().__init__(address)
        self._how, self._whole = how, self._client._send_to_scheduler

    def submit(self, *call: Any, **named: Any) -> Future[Any]:
        """Hand a call to the cluster; the second and the fourth are dropped on the way."""
        self.sent += 1
        dropped = self.sent in (2, 4)
        if dropped and self._how == "the scheduler never heard of it":
            self._client._send_to_scheduler = lambda _: None
        future = super().submit(*call, **named)
        self._client._send_to_scheduler = self._whole
        key = self._keys[future]
        if dropped and self._how == "the client has forgotten it":
            del self._client.futures[key]
        return future


@pytest.mark.parametrize(
    "how",
    [
        "the scheduler never heard of it",
        "the client has forgotten it",
    ],
)
def test_what_dask_drops_is_sent_again(source: Source, cluster: str, how: str) -> None:
    """A run that client or scheduler dropped is sent again, and every record is there."""
    pool = Dropping(cluster, how)
    assert _all_there(_records(source, pool))
    assert pool.sent == RUNS + 2
    pool.shutdown()
