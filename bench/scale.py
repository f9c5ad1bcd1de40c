"""What many runs cost: ``python -m bench.scale [records|shapes|executor|dask]`` prints tables.

All times are CPU seconds, which another load of the machine changes little. Records are those of
`jutap.random` on a tiny map, so that the solver itself costs next to nothing.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec
import psutil

from opt_istn import Budget
from opt_istn.report import table
from opt_istn.runs import appender, audit, compare, ledger
from opt_istn.runs.compare import Choice, Comparison
from opt_istn.runs.fleet import clusters, executors
from opt_istn.runs.ledger import Record, Source

TINY = Source(preset="jutap-tiny")
RANDOM = Choice("jutap.random")
SIZES = (1_000, 10_000, 100_000)
PER_INSTANCE = 10  # records of an instance in the files of `records`
WORKERS = 2


def records() -> None:
    """Print what files of 10^3, 10^4 and 10^5 records cost to keep, go on in and read."""
    print("| records | MB | resume s | read s | audit s | table s | MB in memory |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for size in SIZES:
            path = Path(name) / f"{size}.jsonl"
            path.write_bytes(b"".join(ledger.encode(run) + b"\n" for run in _made(size)))
            print("|", " | ".join(map(str, _cost(path, size))), "|", flush=True)


def _cost(path: Path, size: int) -> Iterator[str]:
    yield f"{size:,}"
    yield f"{path.stat().st_size / 1e6:.1f}"
    yield _cpu(lambda: _resume(path))
    runs: list[Record] = []
    before = psutil.Process().memory_info().rss
    yield _cpu(lambda: runs.extend(ledger.read(path, plans=False)))
    held = psutil.Process().memory_info().rss - before
    yield _cpu(lambda: audit.summarise(runs))
    yield _cpu(lambda: table.gap_table(runs))
    yield f"{held / 1e6:.0f}"


def _resume(path: Path) -> None:
    with appender.appending(path):
        pass


def _cpu(call: Callable[[], object]) -> str:
    start = time.process_time()
    call()
    return f"{time.process_time() - start:.2f}"


def _made(size: int) -> Iterator[Record]:
    """Yield records, `PER_INSTANCE` of each instance."""
    source = msgspec.structs.replace(TINY, seed=0)
    told = compare.run_one(compare.load(source), source, RANDOM.solver, {}, 0, Budget())
    for number in range(size):
        instance, seed = divmod(number, PER_INSTANCE)
        yield msgspec.structs.replace(
            told,
            instance=f"jutap-tiny-{instance}",
            sha256=f"{instance:064x}",
            source=msgspec.structs.replace(source, seed=instance),
            seed=seed,
        )


def shapes() -> None:
    """Print what comparisons of 500 to 2,000 runs cost, on one instance and on as many."""
    print("| runs | on one instance, ms a run | on as many instances, ms a run |")
    print("|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for size in (250, 500, 1_000, 2_000):
            one = Comparison([TINY], [RANDOM], seeds=1, solver_seeds=size)
            many = Comparison([TINY], [RANDOM], seeds=size)
            costs = []
            for kind, comparison in (("one", one), ("many", many)):
                with _parent() as spent:
                    list(comparison.run(Path(name) / f"{kind}-{size}.jsonl", jobs=2))
                costs.append(f"{1000 * spent[0] / size:.2f}")
            print("|", " | ".join([f"{size:,}", *costs]), "|", flush=True)


@contextmanager
def _parent() -> Iterator[list[float]]:
    spent = [time.process_time()]
    yield spent
    spent[0] = time.process_time() - spent[0]


def dask() -> None:
    """Print what runs through a Dask cluster of two workers cost, and the parent's memory.

    Scheduler and workers are processes of their own, as on a cluster.

    Whole runs are few, for a child process each takes most of the effort; what the parent alone
    spends and holds is measured with workers that answer at once.
    """
    from distributed.deploy.subprocess import SubprocessCluster

    source = msgspec.structs.replace(TINY, seed=0)
    told = compare.run_one(compare.load(source), source, RANDOM.solver, {}, 0, Budget())
    quiet = {"dashboard": False}
    one = {"nthreads": 1, "dashboard": False}
    with SubprocessCluster(
        n_workers=WORKERS, scheduler_kwargs=quiet, worker_kwargs=one, silence_logs=50
    ) as cluster:
        pool = clusters.Dask(cluster.scheduler_address)
        _through(pool, 300)
        executors.remote.run = partial(_answered, told)  # type: ignore[assignment]
        _through(pool, 10_000)
        pool.shutdown()


def executor() -> None:
    """Print what the parent spends and holds with an executor whose runs take no time."""
    source = msgspec.structs.replace(TINY, seed=0)
    told = compare.run_one(compare.load(source), source, RANDOM.solver, {}, 0, Budget())
    executors.remote.run = partial(_answered, told)  # type: ignore[assignment]
    with ThreadPoolExecutor(WORKERS) as pool:
        _through(pool, 10_000)


def _answered(told: Record, _: object, task: compare.RunTask, *__: object) -> Record:
    """Do as if a run were done."""
    return msgspec.structs.replace(told, seed=task.seed)


def _through(pool: Executor, runs: int) -> None:
    print("\n| runs | parent ms a run | all processes ms a run | parent MB |")
    print("|---|---|---|---|")
    comparison = Comparison([TINY], [RANDOM], seeds=1, solver_seeds=runs)
    with tempfile.TemporaryDirectory() as name:
        start, tree = time.process_time(), _tree_s()
        found = comparison.run(Path(name) / "dask.jsonl", executor=pool)
        for done, _ in enumerate(found, start=1):
            if done % (runs // 5) == 0:
                own, every = time.process_time() - start, _tree_s() - tree
                held = psutil.Process().memory_info().rss / 1e6
                row = [f"{done:,}", f"{1000 * own / done:.1f}", f"{1000 * every / done:.1f}"]
                print("|", " | ".join([*row, f"{held:.0f}"]), "|", flush=True)


def _tree_s() -> float:
    """Return the CPU seconds of this process, all that it started and what these waited for."""
    total = 0.0
    for one in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        times = one.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ("records", "shapes", "executor", "dask"):
        {"records": records, "shapes": shapes, "dask": dask, "executor": executor}[wanted]()
