"""One run in one child process: limits, crashes, isolation."""

import concurrent.futures
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from opt_istn import Budget, InputError, Status, registry
from opt_istn.runs import compare
from opt_istn.runs.ledger import Failure, Source
from opt_istn.runs.nursery import packing, worker
from opt_istn.runs.nursery.worker import Outcome
from tests.planted import OPTIMUM, tiny


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "GRACE_S", 0.3)


@pytest.fixture(scope="module")
def parts() -> list[bytes]:
    return packing.pack(tiny())


@pytest.fixture(autouse=True)
def _no_process_survives() -> Iterator[None]:
    """Leave no process behind but the nurseries, and what other tests' pools keep running."""
    others = len(_processes()) - len(worker._nurseries)
    yield
    end = time.monotonic() + 5
    while len(_processes()) - len(worker._nurseries) > others:
        assert time.monotonic() < end, "a process of a run survives"
        time.sleep(0.01)


def _processes() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if _alive(one)]


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _run(name: str, parts: list[bytes], budget: Budget | None = None, **given: Any) -> Outcome:
    solver = f"tests.planted:{name}"
    return worker.run(solver, "jutap", given, 0, budget or Budget(), parts)


def test_an_honest_run_is_measured(parts: list[bytes]) -> None:
    """An honest run returns its claims and has its time, start-up and memory measured."""
    outcome = _run("Honest", parts)
    assert outcome.claims is not None
    assert (outcome.claims.status, outcome.claims.cost) == (Status.OPTIMAL, OPTIMUM)
    assert outcome.failure is None
    assert 0 < outcome.wall_s < 1
    assert 0 <= outcome.cpu_s < 1
    assert outcome.startup_s > 0
    assert 10 < outcome.peak_memory_mb < 2000


CRASHES = [
    ("Segfault", "killed by SIGSEGV\nlast output:\nabout to read address 0"),
    ("Exit", r"ended without an answer \(exit code 0\)"),
    ("SystemExits", "SystemExit: 3"),
    ("Raises", r"RuntimeError: no luck \(planted.py, line \d+\)\n  File .*planted.py"),
    ("Unprintable", "Broken"),
    ("Murderer", "supervising process ended"),
    ("Parent", "left . process.* running; they were killed"),
    ("Twin", "ended without an answer|left 1 process"),
    ("Gossip", "its answer exceeds 64 MiB"),
    ("Writer", "read-only"),
    ("Closer", "ended without an answer"),
    ("Stopper", "its supervising process was stopped by the solver"),
    ("Orphaner", "supervising process ended"),
    ("Verbose", "Claims.detail: Expected object of length <= 1000"),
]


@pytest.mark.parametrize(("name", "reason"), CRASHES, ids=[name for name, _ in CRASHES])
def test_crashes_are_reported(name: str, reason: str, parts: list[bytes]) -> None:
    """Whatever way a solver crashes, the outcome names it and no process is left."""
    outcome = _run(name, parts)
    assert (outcome.failure, outcome.claims) == (Failure.CRASHED, None)
    assert re.search(reason, outcome.error)


WRONG = {
    "claims": "returned dict instead of Claims",
    "none": "returned NoneType instead of Claims",
    "status": "Claims.status: .*'perfect'",
    "plan": "Claims.plan: list is not a plan",
    "nan": "Claims.cost: .*found nan",
    "float": "Claims.cost: .*found 200.0",
    "bool": "Claims.cost: .*found True",
    "huge": "Claims.cost: ",
    "trace": "Claims.trace: ",
    "detail": "Claims.detail: ",
    "surrogate": "surrogates not allowed",
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_types_are_reported(what: str, parts: list[bytes]) -> None:
    """Claims of a wrong type make the run fail, with the field named in one short first line."""
    outcome = _run("Wrong", parts, what=what)
    assert (outcome.failure, outcome.claims) == (Failure.CRASHED, None)
    first = outcome.error.splitlines()[0]
    assert re.search(WRONG[what], first)
    assert len(first) < 300


def test_numpy_scalars_are_numbers(parts: list[bytes]) -> None:
    """Compiled solvers may count in NumPy's integers."""
    claims = _run("Wrong", parts, what="numpy").claims
    assert claims is not None
    assert (claims.cost, claims.bound) == (OPTIMUM, OPTIMUM)


def test_printing_harms_nothing(parts: list[bytes]) -> None:
    """Megabytes of output, some of it no text, do not disturb the answer."""
    claims = _run("Chatter", parts).claims
    assert claims is not None
    assert claims.cost == OPTIMUM


def test_time_limit_is_hard(parts: list[bytes]) -> None:
    """A solver that never returns is killed soon after its limit."""
    start = time.monotonic()
    outcome = _run("Endless", parts, Budget(time_s=0.2))
    assert time.monotonic() - start < 5
    assert outcome.failure == Failure.TIME
    assert "it ignored the time limit of 0.2 s" in outcome.error
    assert 0.4 < outcome.wall_s < 3


def test_start_up_is_limited(parts: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that never gets ready is killed too."""
    monkeypatch.setattr(worker, "COMPILE_S", 0.2)
    outcome = _run("Unready", parts)
    assert (outcome.failure, outcome.wall_s) == (Failure.TIME, 0)
    assert "not ready after 0.2 s of compiling" in outcome.error


def test_compiling_does_not_count_as_import(
    parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels may take longer than imports: each has its own limit, and a limit given is both's."""
    assert worker.STARTUP_S == 60 < worker.COMPILE_S
    monkeypatch.setattr(worker, "STARTUP_S", 3.0)
    monkeypatch.setattr(worker, "COMPILE_S", 4.0)
    start = time.monotonic()
    assert "4 s of compiling" in _run("Unready", parts).error
    assert time.monotonic() - start > 4


def test_a_slow_import_is_waited_for_once(tmp_path: Path) -> None:
    """A module that sleeps on import is given up after one start-up limit, and not run again."""
    module = tmp_path / "sleepy.py"
    module.write_text("import time; time.sleep(60)\nclass Sleepy: pass\n")
    start = time.monotonic()
    source, solver = Source(file="x"), f"{module}:Sleepy"
    run = compare.run_one(tiny(), source, solver, {}, 0, Budget(), startup_s=1.0)
    assert 1.0 < time.monotonic() - start < 6
    assert run.failure == Failure.TIME
    assert run.error.startswith("killed: not ready after 1 s of start-up")


def test_a_supervisor_past_its_deadline_is_killed(
    parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the watching process does not keep the deadline, the caller does."""
    monkeypatch.setattr(worker, "SLACK_S", -1.7)
    outcome = worker.run(
        "tests.planted:Endless", "jutap", {}, 0, Budget(time_s=1), parts, startup_s=0.5
    )
    assert outcome.error == "killed: its supervising process did not keep its deadline"


def test_compiling_is_not_counted(
    parts: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that takes long to get ready is begun anew, once: what it compiled is kept then."""
    monkeypatch.setattr(worker, "FREE_STARTUP_S", 1.0)
    outcome = _run("Compiling", parts, kept=str(tmp_path / "kernel"))
    assert outcome.claims is not None
    assert outcome.startup_s < 2
    slow = _run("Compiling", parts, kept="/dev/null/kernel")
    assert slow.startup_s > 2, "what is not kept counts"


@pytest.mark.parametrize("name", ["Watchmaker", "Early"])
def test_seconds_are_not_the_solver_s_own(name: str, parts: list[bytes]) -> None:
    """A solver that stops its clocks, or works while it is asked, is timed all the same."""
    outcome = _run(name, parts)
    assert outcome.claims is not None
    assert 0.35 < outcome.wall_s < 5
    assert outcome.cpu_s < 1
    if name == "Watchmaker":
        assert outcome.cpu_s > 0.35


def test_shared_pages_count_once(parts: list[bytes]) -> None:
    """Eight idle forks of a process do not multiply its memory."""
    alone, crowd = _run("Honest", parts), _run("Crowd", parts)
    assert crowd.failure is None
    assert 150 < crowd.peak_memory_mb < alone.peak_memory_mb + 250


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory files are Linux's")
def test_memory_files_count(parts: list[bytes]) -> None:
    """What a run hides in memory files counts towards its limit."""
    assert _run("MemoryFile", parts, Budget(memory_mb=300)).failure == Failure.MEMORY


@pytest.mark.parametrize("name", ["Eater", "ChildEater"])
def test_memory_limit_is_hard(name: str, parts: list[bytes]) -> None:
    """A solver that eats memory, itself or through a child, is killed near its limit."""
    outcome = _run(name, parts, Budget(memory_mb=300))
    assert outcome.failure == Failure.MEMORY
    assert "300 MiB were allowed" in outcome.error
    assert 300 < outcome.peak_memory_mb < 900


def test_refused_instances(parts: list[bytes]) -> None:
    """A solver that cannot take the instance says why, and that is no failure."""
    outcome = _run("Picky", parts)
    assert outcome.unsupported == "the instance has a Tuesday in it"
    assert (outcome.failure, outcome.claims) == (None, None)


def test_refused_inputs_are_kept_apart(parts: list[bytes]) -> None:
    """An input error that a solver raises is reported as such."""
    outcome = _run("BadInput", parts)
    assert (outcome.failure, outcome.error) == (Failure.INPUT, "agent: expected a trained agent")


def test_what_takes_long_to_import_is_imported_once_for_all_runs_that_need_it(
    parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there before such a run is forked, and not in the memory of another one."""
    assert registry.slow_imports("push.mappo", "push") == ("learners.push.actor",)
    assert registry.slow_imports("mappo", "push") == ("learners.push.actor",)
    assert registry.slow_imports("push.labels", "push") == ()
    for imports in (("mailbox",), ()):
        monkeypatch.setattr(registry, "slow_imports", lambda *_, own=imports: own)
        claims = _run("Reader", parts).claims
        assert claims is not None
        assert claims.detail == {"mailbox": bool(imports)}


def test_a_nursery_that_nobody_used_is_not_waited_for() -> None:
    """A command that fails before its run does not wait for imports that nobody needs."""
    nursery = worker._Nursery(1)
    nursery.close()
    assert nursery._process.returncode == -signal.SIGKILL


def test_a_killed_nursery_is_replaced(parts: list[bytes]) -> None:
    """If the process that forks the runs is killed, the next run starts another one."""
    worker.warm_up(1)
    nursery = worker._nurseries[os.getpid(), 1, ()]._process
    nursery.kill()
    nursery.wait()
    assert _run("Honest", parts).failure is None


def test_a_nursery_that_is_killed_before_it_forks_is_nobodys_fault(parts: list[bytes]) -> None:
    """A run that has not begun when the forking process is killed is begun again, by another."""
    worker.warm_up(1)
    nursery = worker._nurseries[os.getpid(), 1, ()]._process
    nursery.send_signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(_run, "Honest", parts)
        time.sleep(0.3)  # the stopped process has been asked
        nursery.kill()
        assert future.result(timeout=60).failure is None


def test_a_nursery_that_is_stopped_is_nobodys_fault(parts: list[bytes]) -> None:
    """Nor is a run crashed because an earlier one stopped the forking process: another forks it."""
    worker.warm_up(1)
    stopped = worker._nurseries[os.getpid(), 1, ()]._process
    assert _run("Honest", parts).failure is None
    stopped.send_signal(signal.SIGSTOP)
    assert _run("Honest", parts).failure is None
    assert worker._nurseries[os.getpid(), 1, ()]._process is not stopped


def test_a_stopped_nursery_is_not_waited_for() -> None:
    """If the last run of a process stopped what forks, the process ends all the same."""
    nursery = worker._Nursery(1)
    nursery._used = True
    nursery._process.send_signal(signal.SIGSTOP)
    while not nursery.stopped:
        time.sleep(0.01)
    nursery.close()
    assert not nursery.alive


def test_a_run_that_nobody_forks_is_given_up(
    parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If whatever forks is killed each time, the run fails, and says so."""

    def killed(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(worker._Nursery, "adopt", killed)
    outcome = _run("Honest", parts)
    assert (outcome.failure, outcome.claims) == (Failure.CRASHED, None)
    assert outcome.error == "what forks its process was killed 3 times"


def test_runs_go_side_by_side(parts: list[bytes]) -> None:
    """Runs driven by several threads do not disturb each other."""
    names = ["Honest", "Segfault", "Chatter", "Exit"] * 3
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda name: _run(name, parts), names))
    failed = [outcome.failure is not None for outcome in outcomes]
    assert failed == [name in ("Segfault", "Exit") for name in names]


def test_runs_can_be_given_up(parts: list[bytes]) -> None:
    """`cancel_all` ends a run in progress and kills its processes."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            _run("Endless", parts)
        except worker.Cancelled as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    worker.cancel_all()
    thread.join(5)
    assert len(raised) == 1


def test_describing_a_solver() -> None:
    """A solver is described without importing it here."""
    found = worker.describe("tests.planted:Detour", "jutap", {})
    assert (found.solver, found.stochastic, found.parameters) == ("tests.planted:Detour", True, {})
    with pytest.raises(InputError, match="unknown"):
        worker.describe("tests.planted:Honest", "jutap", {"depth": 1})


def test_threads_reach_the_libraries(parts: list[bytes]) -> None:
    """The thread budget is in the environment that the numerical libraries read."""
    claims = _run("Threads", parts, Budget(threads=2)).claims
    assert claims is not None
    assert set(claims.detail.values()) == {"2"}
