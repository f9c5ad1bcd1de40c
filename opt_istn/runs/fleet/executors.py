"""Where the runs of a comparison are done: threads here, or an executor on other machines.

A run that is lost, because its worker died or could not do it, is sent again `RETRIES` times; then
its record says that it crashed, and why. An executor that sends again on its own account, as Dask
does, says how often in its error's ``allowed_failures``, and that counts, too. Of the runs that
such a worker took with it, the one that was handed out first is to blame. An instance travels with
the first run on it, and again to a worker that says it has not got it. What waits at an executor is
bounded by `QUEUE` and `ROOM` alone, so that the parent's memory does not grow with the comparison.

A future may never end: a client that lost its scheduler drops some without a word. So after each
`SILENCE_S` in which nothing came back, an executor that has a method `unknown_runs(futures)` is
asked which of them will never end. Two such answers in a row count as a loss. One alone does not:
what was sent a moment ago may not have arrived.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from uuid import uuid4

from opt_istn.files import InputError
from opt_istn.platforms import MAX_JOBS
from opt_istn.problems import Instance
from opt_istn.runs import single
from opt_istn.runs.fleet import remote
from opt_istn.runs.fleet.local import TICK_S, Local, Sent
from opt_istn.runs.fleet.remote import Lacking, Parcel
from opt_istn.runs.ledger import Record, run_key
from opt_istn.runs.nursery import packing
from opt_istn.runs.single import RunTask
from opt_istn.solver import Budget

RETRIES = 2  # times that a lost run is sent again
LIVES = 6  # times in a row that an executor may break without a run done in between
QUEUE = 4096  # runs that wait or run at an executor
ROOM = 1 << 30  # bytes of the instances on their way to it
SILENCE_S = 20.0  # time without an answer after which an executor is asked what it still knows
_QUIET_S = 1.0  # a broken executor that says nothing for so long has given back all it had
_BROKEN = (
    BrokenExecutor,
    CancelledError,
)  # no run's fault: the executor, or its scheduler, is gone


class Remote:
    """Any executor of `concurrent.futures`.

    Parameters
    ----------
    executor
        It, which then stays open; or what makes it, and makes another one if it breaks.
    """

    def __init__(
        self, executor: Executor | Callable[[], Executor], budget: Budget, startup_s: float | None
    ) -> None:
        self._limits = budget, startup_s
        self._pending: dict[Future[Record | Lacking], Sent] = {}
        self._done: SimpleQueue[Future[Record | Lacking]] = SimpleQueue()
        self._make = None if isinstance(executor, Executor) else executor
        self._pool = executor if isinstance(executor, Executor) else executor()
        self._name = uuid4().hex
        self._number = self._size = self._breaks = 0
        self._brought: set[str] = set()  # instances that were sent to anybody
        self._asked: dict[tuple[str, str], int] = {}  # sendings on behalf of a worker
        self._denied: set[Future[Record | Lacking]] = set()  # what it did not know when last asked
        self._heard_s = time.monotonic()
        self._ended: InputError | None = None
        self._took: list[tuple[Sent, BaseException]] = []  # by workers that died again and again

    def __len__(self) -> int:
        return len(self._pending) + (self._ended is not None)  # so that `finished` says so

    @property
    def out(self) -> Iterable[Sent]:
        """What was handed out and is not back."""
        return self._pending.values()

    @property
    def full(self) -> bool:
        """Whether a run has to come back before another one is handed out."""
        return len(self) >= QUEUE or self._size >= ROOM

    def submit(self, instance: Instance, task: RunTask) -> None:
        """Hand out a run, with its instance if that was never sent."""
        self._send(Sent(instance, task), bring=instance.sha256 not in self._brought)

    def finished(self) -> list[Record]:
        """Wait for a run, but not for long, and return the records of all that are done.

        Empty if they have to be sent again, or if nothing came back for a while.

        Raises
        ------
        InputError
            If the executor takes no more runs.
        """
        if self._ended:
            raise self._ended
        records: list[Record] = []
        broken: list[tuple[Sent, BaseException]] = []
        back = self._back(min(TICK_S, SILENCE_S))
        for sent, future in back:
            self._take(sent, future, records, broken)
        self._blame(records)
        if back:
            self._heard_s = time.monotonic()
        elif time.monotonic() - self._heard_s >= SILENCE_S:
            self._heard_s = time.monotonic()
            self._ask(records, broken)
        if broken:
            self._mend(records, broken)
        elif records:
            self._breaks = 0
        return records

    def close(self) -> None:
        """Give up what still runs, and end the executor unless it is the caller's."""
        for future in self._pending:
            future.cancel()
        if self._pending and hasattr(self._pool, "cancel_runs"):
            self._pool.cancel_runs(self._name)
        if self._make:
            self._pool.shutdown(wait=not self._pending, cancel_futures=True)

    def _take(
        self,
        sent: Sent,
        future: Future[Record | Lacking],
        records: list[Record],
        broken: list[tuple[Sent, BaseException]],
    ) -> None:
        """Add the record of a run, or send it again."""
        self._size -= sent.size
        error = future.exception() if not future.cancelled() else CancelledError()
        if isinstance(error, _BROKEN):
            broken.append((sent, error))
        elif isinstance(error, KeyboardInterrupt):
            raise error
        elif error is not None and hasattr(error, "allowed_failures"):
            self._took.append((sent, error))
        elif error is not None:  # whatever a foreign executor, or a machine of it, may raise
            records += self._lost(sent, error)
        elif isinstance(answer := future.result(), Lacking):
            self._bring(sent, answer.worker)
        elif self._is_of(sent, answer):
            records.append(answer)

    def _is_of(self, sent: Sent, answer: object) -> bool:
        """Return whether an answer is the record of the run; else the executor is given up."""
        task, budget = sent.task, self._limits[0]
        solver, allowed = task.solver, single.limits(budget)
        sha256, seed = sent.instance.sha256, task.seed
        key = run_key(sha256, solver.solver, solver.parameters, seed, allowed)
        name = f"{solver.solver}, seed {seed}, on {sent.instance.name}"
        if not isinstance(answer, Record):
            found = f"{type(answer).__name__} {answer!r:.60}"
        elif answer.key != key:
            found = f"that of {answer.solver}, seed {answer.seed}, on {answer.instance}"
        else:
            return True
        expected = f"expected of {self._who()} the record of {name}, found {found}"
        self._ended = self._ended or InputError("executor", expected)
        return False

    def _blame(self, records: list[Record]) -> None:
        """Count what was lost with workers that died for it again and again."""
        seen: set[str] = set()
        for sent, error in sorted(self._took, key=lambda one: one[0].number):
            worker = str(getattr(error, "last_worker", sent.number))
            if worker in seen:
                self._send(sent, bring=True)
            else:
                sent.lost += int(getattr(error, "allowed_failures", 0))
                records += self._lost(sent, error)
            seen.add(worker)
        self._took.clear()

    def _ask(self, records: list[Record], broken: list[tuple[Sent, BaseException]]) -> None:
        """Take back what the executor does not know any more; all of it, if it does not answer."""
        ask = getattr(self._pool, "unknown_runs", None)
        if ask is None:
            return
        try:
            denied = set(ask(list(self._pending)))
        except Exception as error:  # out of reach: executors differ
            self._renew(error)
            broken += [(self._forget(future), error) for future in list(self._pending)]
            return
        twice = [future for future in self._pending if future in denied and future in self._denied]
        self._denied = denied.difference(twice)
        for sent in [self._forget(future) for future in twice]:
            records += self._lost(sent, LookupError("the executor knows nothing of it any more"))

    def _hand(self, sent: Sent, future: Future[Record | Lacking]) -> None:
        self._pending[future] = sent
        future.add_done_callback(self._done.put)

    def _back(self, wait_s: float) -> list[tuple[Sent, Future[Record | Lacking]]]:
        """Wait for at least one run, or for so many seconds, and return all that are back.

        One that was given up for lost and comes back late is ignored.
        """
        back: list[tuple[Sent, Future[Record | Lacking]]] = []
        with suppress(Empty):
            while not back or not self._done.empty():
                future = self._done.get(timeout=wait_s)
                if future in self._pending:
                    back.append((self._pending.pop(future), future))
        return back

    def _forget(self, future: Future[Record | Lacking]) -> Sent:
        sent = self._pending.pop(future)
        self._size -= sent.size
        future.cancel()
        return sent

    def _lost(self, sent: Sent, error: BaseException) -> list[Record]:
        """Send a lost run again, or return the record that gives it up."""
        sent.lost += 1
        if sent.lost <= RETRIES:
            self._send(sent, bring=True)
            return []
        why = " ".join(f"{type(error).__name__}: {error}".split())[:1000]
        text = f"lost {sent.lost} times where it was sent to: {why}"
        return [single.lost(sent.instance, sent.task, self._limits[0], text)]

    def _bring(self, sent: Sent, name: str) -> None:
        """Send the instance to a worker that lacks it, unless it is on its way there already."""
        key = name, sent.instance.sha256
        bring = sent.number > self._asked.get(key, -1)
        self._send(sent, bring=bring)
        if bring:
            self._asked[key] = sent.number

    def _mend(self, records: list[Record], broken: list[tuple[Sent, BaseException]]) -> None:
        """Send again what a broken executor had; only the run that waited longest is to blame."""
        while self._pending and (back := self._back(_QUIET_S)):
            for sent, future in back:
                self._take(sent, future, records, broken)
        self._blame(records)
        self._breaks = 0 if records else self._breaks + 1
        self._brought.clear()
        broken.sort(key=lambda one: one[0].number)
        if self._breaks > LIVES:
            self._end(broken[0][1])
        elif self._breaks > 1:  # it says that it works, and does not
            self._renew(broken[0][1])
        if self._breaks:
            (oldest, error), *broken = broken
            records += self._lost(oldest, error)
        for sent, _ in broken:
            self._send(sent, bring=sent.instance.sha256 not in self._brought)

    def _send(self, sent: Sent, *, bring: bool) -> None:
        if self._ended:
            return
        parts = tuple(packing.packed(sent.instance)) if bring else None
        parcel = Parcel(sent.instance.sha256, parts)
        future = self._submitted(parcel, sent.task)
        if future is None:
            return
        if bring:
            self._brought.add(parcel.sha256)
        self._number += 1
        sent.number, sent.size = self._number, sum(map(len, parts or ()))
        self._size += sent.size
        self._hand(sent, future)

    def _submitted(self, parcel: Parcel, task: RunTask) -> Future[Record | Lacking] | None:
        """Hand a run to the executor, or to a new one if that is broken."""
        for again in (False, True):
            try:
                return self._pool.submit(remote.run, parcel, task, *self._limits, self._name)
            except Exception as error:  # broken, shut down, out of reach: executors differ
                self._end(error) if again else self._renew(error)
            if self._ended:
                break
        return None

    def _renew(self, error: BaseException) -> None:
        """Make another executor, if we can."""
        if self._make is None:
            self._end(error)
            return
        self._pool.shutdown(wait=False)
        try:
            self._pool = self._make()
        except InputError as reason:
            self._ended = reason

    def _who(self) -> str:
        kind = type(self._pool)
        return f"{kind.__module__}.{kind.__qualname__}"

    def _end(self, error: BaseException) -> None:
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        why += f"; {self._who()}"
        expected = f"it takes no more runs ({why}); what is done is kept: the same command goes on"
        self._ended = InputError("executor", expected)


def site(
    executor: Executor | Callable[[], Executor] | None,
    jobs: int,
    budget: Budget,
    startup_s: float | None,
) -> Local | Remote:
    """Return where runs are done: in `jobs` threads, or by an executor.

    Raises
    ------
    InputError
        If there are to be more threads than `opt_istn.platforms.MAX_JOBS`.
    """
    if executor is None:
        if not 1 <= jobs <= MAX_JOBS:
            raise InputError("jobs", f"expected 1 to {MAX_JOBS}, found {jobs}")
        return Local(jobs, budget, startup_s)
    return Remote(executor, budget, startup_s)
