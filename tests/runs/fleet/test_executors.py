"""Runs on other machines: the same records as here, whatever dies on the way."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from opt_istn import Budget, InputError
from opt_istn.runs import compare, ledger
from opt_istn.runs.compare import Choice, RunTask
from opt_istn.runs.fleet import clusters, executors, remote
from opt_istn.runs.fleet.shards import Shard
from opt_istn.runs.ledger import Failure, Record, Source
from tests.planted import tiny

CHOICES = [Choice(f"tests.planted:{name}") for name in ("Detour", "Honest", "Liar", "Segfault")]
SEEDS = 4


@pytest.fixture
def source(tmp_path: Path) -> Source:
    tiny().write(tmp_path / "tiny.json")
    return Source(file=str(tmp_path / "tiny.json"))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """Return what the records say that one job at a time leaves here."""
    folder = tmp_path_factory.mktemp("here")
    tiny().write(folder / "tiny.json")
    return _said(_records(Source(file=str(folder / "tiny.json")), folder / "1.jsonl"))


@pytest.fixture(autouse=True)
def _nothing_is_here() -> None:
    remote._instances.clear()


def _records(source: Source, path: Path, **options: Any) -> list[Record]:
    return list(compare.compare([source], CHOICES, path, seeds=SEEDS, **options))


def _said(runs: list[Record]) -> list[tuple[Any, ...]]:
    """Return what a record says of its run, times and machine aside."""
    return sorted(
        (run.key, run.status, run.cost or 0, run.bound or 0, str(run.failure), run.error)
        for run in runs
    )


class Flaky(Executor):
    """Does the calls at once; some of them fail as if their worker had died."""

    def __init__(self, fails: Callable[[int, RunTask], BaseException | None]) -> None:
        self._fails, self._numbers = fails, itertools.count()
        self.brought: list[bool] = []
        self.cancelled: list[str] = []

    def submit(self, call: Any, /, *given: Any, **named: Any) -> Future[Any]:
        """Do a call, unless it is one to fail."""
        future: Future[Any] = Future()
        self.brought.append(given[0].parts is not None)
        error = self._fails(next(self._numbers), given[1])
        if error is None:
            future.set_result(call(*given, **named))
        else:
            future.set_exception(error)
        return future

    def cancel_runs(self, whose: str) -> None:
        """Note that a comparison was given up."""
        self.cancelled.append(whose)


def test_a_lost_run_is_sent_again(
    source: Source, tmp_path: Path, here: list[tuple[Any, ...]]
) -> None:
    """Runs that were lost once or twice leave the records that they would have left at home."""
    pool = Flaky(lambda number, _: OSError("gone") if number in (2, 4, 5, 8) else None)
    assert _said(_records(source, tmp_path / "there", executor=pool)) == here
    assert len(pool.brought) == len(here) + 4


def test_a_run_lost_three_times_is_recorded_as_crashed(source: Source, tmp_path: Path) -> None:
    """A run that is lost with every sending is `crashed`, says so, and harms no other run."""
    pool = Flaky(lambda _, task: OSError("no such\nmachine") if task.seed == 3 else None)
    *others, last = _records(source, tmp_path / "there", executor=pool)
    assert last.failure == Failure.CRASHED
    assert last.error == "lost 3 times where it was sent to: OSError: no such machine"
    assert all("lost" not in run.error for run in others)
    assert ledger.read(tmp_path / "there") == [*others, last]


class Killed(Exception):  # noqa: N818 - as Dask calls it
    """What Dask says when so many workers and one more have died."""

    def __init__(self, worker: str) -> None:
        super().__init__(worker)
        self.last_worker, self.allowed_failures = worker, 3


def test_a_run_that_kills_its_workers_takes_no_more_of_them(
    source: Source, tmp_path: Path, here: list[tuple[Any, ...]]
) -> None:
    """Four workers of Dask died for it: it is not sent again, and those beside it are.

    Whatever died with it was handed out later, on the same worker.
    """
    sent: list[int] = []

    class Cluster(Executor):
        held: ClassVar[list[Future[Any]]] = []

        def submit(self, call: Any, /, *given: Any, **named: Any) -> Future[Any]:
            future: Future[Any] = Future()
            task = given[1]
            poisoned = "Detour" in task.solver.solver and task.seed == 1
            sent.append(poisoned)
            if poisoned:
                self.held.append(future)
            elif len(self.held) == 1:
                self.held.append(future)
                for one in self.held:
                    one.set_exception(Killed("tcp://there"))
            else:
                future.set_result(call(*given, **named))
            return future

    runs = _records(source, tmp_path / "there", executor=Cluster())
    lost = [run for run in runs if run.error.startswith("lost")]
    assert [run.error for run in lost] == ["lost 4 times where it was sent to: Killed: tcp://there"]
    assert sum(sent) == 1
    assert len(_said(runs)) == len(here)


def test_an_executor_that_breaks_is_made_again(
    source: Source, tmp_path: Path, here: list[tuple[Any, ...]]
) -> None:
    """When an executor breaks, another one goes on with what the first one had."""
    made: list[Flaky] = []

    def make() -> Flaky:
        dies = len(made) < 2
        broken = BrokenProcessPool("a child ended")
        made.append(Flaky(lambda number, _: broken if dies and number > 1 else None))
        return made[-1]

    runs = _records(source, tmp_path / "there", executor=make)
    assert _said(runs) == here


def test_an_executor_that_stays_broken_ends_the_comparison(source: Source, tmp_path: Path) -> None:
    """Where nothing can be run any more, that is one error; what is done stays in the file."""
    pool = Flaky(lambda number, _: BrokenProcessPool("gone") if number > 3 else None)
    with pytest.raises(InputError, match=r"executor: it takes no more runs .BrokenProcessPool"):
        _records(source, tmp_path / "there", executor=pool)
    kept = ledger.read(tmp_path / "there")
    assert sum("lost" not in run.error for run in kept) >= 3
    assert sum("lost" in run.error for run in kept) <= executors.LIVES // 3


def test_an_instance_travels_once(source: Source, tmp_path: Path) -> None:
    """A comparison on one instance sends it with the first run, and then to who lacks it."""
    pool = Flaky(lambda *_: None)
    _records(source, tmp_path / "there", executor=pool)
    assert Counter(pool.brought) == {True: 1, False: len(pool.brought) - 1}
    remote._instances.clear()  # as on another worker
    pool = Flaky(lambda number, _: remote._instances.clear() if number == 4 else None)
    _records(source, tmp_path / "again", executor=pool)
    assert Counter(pool.brought)[True] == 2


def test_jobs_do_not_limit_an_executor(source: Source, tmp_path: Path) -> None:
    """All runs wait at the executor, whatever the number of jobs is."""
    waiting, most = threading.Semaphore(0), [0]

    class Held(ThreadPoolExecutor):
        def submit(self, call: Any, /, *given: Any, **named: Any) -> Future[Any]:
            future = super().submit(lambda: waiting.acquire() and call(*given, **named))
            most[0] = self._work_queue.qsize()
            if most[0] >= SEEDS + 2:
                waiting.release(100)
            return future

    with Held(1) as pool:
        runs = _records(source, tmp_path / "there", executor=pool, jobs=1)
    assert len(runs) == SEEDS + 3
    assert most[0] >= SEEDS + 2


def test_what_waits_is_bounded(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many runs there are, no more than `QUEUE` of them are with an executor."""
    monkeypatch.setattr(executors, "QUEUE", 2)
    most = [0]
    original = executors.Remote.submit

    def submit(site: executors.Remote, *given: Any) -> None:
        original(site, *given)
        most[0] = max(most[0], len(site))

    monkeypatch.setattr(executors.Remote, "submit", submit)
    with ThreadPoolExecutor(1) as pool:
        _records(source, tmp_path / "there", executor=pool)
    assert most == [2]


def test_giving_up_reaches_the_executor(source: Source, tmp_path: Path) -> None:
    """A comparison that is given up has its runs killed on the workers, and only its own."""
    choices = [Choice("tests.planted:Endless"), Choice("tests.planted:Detour")]
    with ThreadPoolExecutor(2) as threads:
        pool = Flaky(lambda *_: None)
        pool.submit = threads.submit  # type: ignore[method-assign]
        pool.cancel_runs = remote.cancel  # type: ignore[method-assign]
        runs = compare.compare([source], choices, tmp_path / "there", executor=pool)
        assert next(runs).solver == "tests.planted:Detour"
        start = time.monotonic()
        runs.close()  # type: ignore[attr-defined]
    assert time.monotonic() - start < 10


def test_a_process_pool_loses_a_worker(
    source: Source, tmp_path: Path, here: list[tuple[Any, ...]]
) -> None:
    """A pool of processes, one of which is killed, is made again; the records are all there."""
    pools: list[ProcessPoolExecutor] = []

    def make() -> ProcessPoolExecutor:
        import multiprocessing

        pools.append(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        return pools[-1]

    runs = compare.compare([source], CHOICES, tmp_path / "there", seeds=SEEDS, executor=make)
    found = [next(runs)]
    for process in pools[0]._processes.values():
        process.kill()
    found += runs
    assert _said(found) == here
    assert len(pools) >= 2


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("nowhere", "expected module:factory"),
        ("no.such.module:Pool", "expected what can be imported"),
        ("os:nothing", "expected what can be imported"),
        ("os:sep", "expected something to call"),
    ],
)
def test_an_executor_that_is_none_is_refused(spec: str, reason: str) -> None:
    """What names no executor is one line that says what was expected."""
    with pytest.raises(InputError, match=reason):
        clusters.named(spec)
    with pytest.raises(InputError, match="it made a dict"):
        clusters.named("builtins:dict")()


def test_dask_is_imported_when_it_is_asked_for() -> None:
    """The command line, comparisons and the names of executors load no Dask."""
    program = (
        "import sys, opt_istn.cli, opt_istn.runs.compare; "
        "from opt_istn.runs.fleet import clusters; "
        "clusters.named('concurrent.futures:ThreadPoolExecutor')().shutdown(); "
        "sys.exit(bool({'dask', 'distributed'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


CLUSTER = """
import os, sys
from distributed import LocalCluster
from dask import config

if __name__ == "__main__":
    config.set({"distributed.scheduler.allowed-failures": 0})
    with LocalCluster(
        host="127.0.0.1",
        n_workers=2,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        memory_limit=None,
        silence_logs=50,
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """Start a cluster of two workers, which ends with the test."""
    (tmp_path / "cluster.py").write_text(CLUSTER)
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "cluster.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": root},
        cwd=root,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


class Counting(clusters.Dask):
    """Counts the instances that travel."""

    brought = 0

    def submit(self, *call: Any, **named: Any) -> Future[Any]:
        """Hand a call to the cluster."""
        self.brought += call[1].parts is not None
        return super().submit(*call, **named)


def _workers(client: Any) -> dict[str, int]:
    return dict(client.run(os.getpid))


def test_the_records_do_not_depend_on_where_they_are_made(
    source: Source, tmp_path: Path, cluster: str, here: list[tuple[Any, ...]]
) -> None:
    """One job or two, seven shards, Dask with a worker killed in the middle: the same records.

    The instance travels once to each worker, and to the one that replaces the dead one. Giving up
    ends what runs there.
    """
    assert _said(_records(source, tmp_path / "2.jsonl", jobs=2)) == here
    parts = [_records(source, tmp_path / f"part-{i}", shard=Shard(i, 7)) for i in range(1, 8)]
    assert _said([run for part in parts for run in part]) == here
    pool = Counting(cluster)
    before = _workers(pool._client)
    runs = compare.compare([source], CHOICES, tmp_path / "dask", seeds=SEEDS, executor=pool)
    found = [next(runs)]
    os.kill(next(iter(before.values())), signal.SIGKILL)
    found += runs
    assert _said(found) == here
    assert ledger.read(tmp_path / "dask") == found
    assert pool.brought <= 4  # to two workers, to the new one, and with the run that was lost
    _cancelled(source, tmp_path, pool)
    pool.shutdown()


def _cancelled(source: Source, tmp_path: Path, pool: clusters.Dask) -> None:
    """Give up endless runs on the cluster, and see that their processes end."""
    choices = [Choice("tests.planted:Endless"), Choice("tests.planted:Detour")]
    runs = compare.compare(
        [source], choices, tmp_path / "given up", executor=pool, budget=Budget(time_s=600)
    )
    next(runs)
    runs.close()  # type: ignore[attr-defined]
    end = time.monotonic() + 10
    while (left := _solving(pool)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left


def _solving(pool: clusters.Dask) -> list[int]:
    """Return the processes of runs on the cluster: what the nurseries have forked."""
    nurseries = [
        child
        for pid in _workers(pool._client).values()
        for child in psutil.Process(pid).children()
        if "opt_istn.runs.nursery.supervisor" in " ".join(child.cmdline())
    ]
    return [one.pid for nursery in nurseries for one in nursery.children(recursive=True)]
