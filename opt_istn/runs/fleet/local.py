"""Runs of a comparison in threads of this process."""

import time
from _thread import start_new_thread
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from opt_istn.problems import Instance
from opt_istn.runs import single
from opt_istn.runs.ledger import Record
from opt_istn.runs.nursery import worker
from opt_istn.runs.single import RunTask
from opt_istn.solver import Budget

TICK_S = 1.0  # time without an answer after which whoever looks on is told that it goes on
_LOOK_S = 0.02  # interval between two looks at runs that were given up


@dataclass(eq=False)
class Sent:
    """A run that was handed out.

    Parameters
    ----------
    instance, task
        The run.
    began_s
        When it was first handed out, on `time.time`.
    lost, number, size
        How often it was lost, the number of its last sending, bytes that went with it.
    over
        Whether nobody does it any more; its record may not have been fetched.
    """

    instance: Instance
    task: RunTask
    began_s: float = field(default_factory=time.time)
    lost: int = 0
    number: int = 0
    size: int = 0
    over: bool = False


class Local:
    """Threads of this process, each of which drives a child process.

    An interrupt from the keyboard may come at any step of what is done here. So nothing here takes
    a lock that is written in Python, as futures and events do: interrupted as it takes one, it
    would keep it, and a thread that needs it would wait forever.

    Parameters
    ----------
    jobs
        Runs at the same time.
    budget, startup_s
        Work and start-up allowed to each run.
    """

    def __init__(self, jobs: int, budget: Budget, startup_s: float | None) -> None:
        self._limits = budget, startup_s
        self._jobs, self._threads = jobs, 0
        self._todo: SimpleQueue[Sent | None] = SimpleQueue()
        self._done: SimpleQueue[tuple[Sent, Record | BaseException]] = SimpleQueue()
        self._out: list[Sent] = []

    def __len__(self) -> int:
        return len(self._out)

    @property
    def out(self) -> Iterable[Sent]:
        """What was handed out and is not back."""
        return self._out

    @property
    def full(self) -> bool:
        """Whether a run has to come back before another one is handed out."""
        return len(self) >= self._jobs

    def submit(self, instance: Instance, task: RunTask) -> None:
        """Hand out a run."""
        if self._threads < self._jobs:
            self._threads += 1
            start_new_thread(self._work, ())  # nobody waits for it at the exit
        sent = Sent(instance, task)
        self._todo.put(sent)  # first: what is out is waited for
        self._out.append(sent)

    def finished(self) -> list[Record]:
        """Wait for a run, but not for long, and return the records of all that are done."""
        records: list[Record] = []
        with suppress(Empty):
            while not records or not self._done.empty():
                sent, answer = self._done.get(timeout=TICK_S)
                self._out.remove(sent)
                if isinstance(answer, BaseException):
                    raise answer
                records.append(answer)
        return records

    def close(self) -> None:
        """Give up what still runs."""
        with suppress(Empty):
            while sent := self._todo.get_nowait():
                sent.over = True
        for _ in range(self._threads):
            self._todo.put(None)
        while not all(sent.over for sent in self._out):
            worker.cancel_all()  # again and again: a run may begin only now
            time.sleep(_LOOK_S)

    def _work(self) -> None:
        """Do what is handed out until there is no more."""
        while sent := self._todo.get():
            try:
                answer: Record | BaseException
                answer = single.run_task(sent.instance, sent.task, *self._limits)
            except BaseException as error:  # raised where the record is waited for
                answer = error
            sent.over = True
            self._done.put((sent, answer))
