"""The processes between the parent and a solver: a nursery that forks, a supervisor per run.

The nursery imports the heavy packages once and forks a supervisor for each connection it is
handed. The supervisor forks the child that solves, takes its time, watches the memory of its whole
process tree, keeps the end of what it prints, and kills the tree when a limit is hit, when the
child has ended, or when the parent is gone. A crash of the child therefore reaches nobody else.
If the child kills its supervisor, the nursery adopts what is left of the run, and kills it.
"""

import gc
import os
import resource
import selectors
import signal
import socket
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import msgspec

from opt_istn import problems
from opt_istn.runs.ledger import Failure
from opt_istn.runs.nursery import processes
from opt_istn.runs.nursery.messages import ANSWER, MAX_ANSWER, Ear, Row, receive, said, send
from opt_istn.runs.nursery.processes import LINUX

MAX_TAIL = 4096  # bytes kept of what the child prints
# Forking after importing these is safe on Linux: none of them starts a thread.
PRELOAD = ("opt_istn.runs.nursery.child", "numba")
FOR_MANY = ("scipy.ndimage", "scipy.sparse.csgraph")  # a third of a second; see SINGLE
SINGLE = 2  # forks of `solve`, which describes a solver and runs it, and may do without
_POLL_S = (0.005, 0.05)  # first and last interval between two looks at the memory
_LEFTOVER_S = 0.5  # helper processes of a library get this long to end after the child


class Ending(msgspec.Struct, frozen=True):
    """What the supervisor saw of a run; answer and last plan follow as messages of their own.

    Parameters
    ----------
    failure, error
        Why there is no usable answer.
    startup_s, wall_s
        Seconds before the clock started, and from then until the answer was complete.
    cpu_s
        CPU seconds in that time, of the child and the children it waited for.
    peak_memory_mb
        Peak memory of the process tree in MiB, as `processes.memory` counts it.
    tail
        End of what the run printed.
    reported
        Seconds, costs and bounds that the child reported as it ran.
    again
        Whether the run is to be begun anew: it took longer to get ready than is free.
    """

    failure: Failure | None
    error: str
    startup_s: float
    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    tail: str
    reported: tuple[Row, ...] = ()
    again: bool = False


def serve(control_fd: int, *imports: str) -> None:
    """Run the nursery: fork a supervisor for each connection received over `control_fd`.

    `imports` are what its runs need besides `PRELOAD`.
    """
    control = socket.socket(fileno=control_fd)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to all processes of a job: the parent ends
    if LINUX:
        preload(*PRELOAD, *_own_problems(), *imports)
    processes.adopt_orphans()
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    supervisors: set[int] = set()
    adopted = 0
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is control:
                    supervisors.add(_adopt(control, (woken, wake), adopted))
                    adopted += 1
                else:
                    os.read(woken, 4096)
                    _clean_up(supervisors)


def preload(*modules: str) -> None:
    """Import what most runs need, and have numba ready for its first kernel."""
    gc.disable()  # imports leave hardly any garbage, and looking for it took a seventh of the time
    for module in modules:
        with suppress(Exception):  # the run that needs it says so
            import_module(module)
    with suppress(ImportError):
        import_module("opt_istn.compiling").get_ready()
    gc.freeze()  # nor does a run have to look at all that
    gc.enable()


def _adopt(control: socket.socket, own: tuple[int, int], before: int) -> int:
    """Fork a supervisor for the next connection and return its id.

    `own` are the nursery's, and `before` is how many it has forked already.
    """
    message, fds, _, _ = socket.recv_fds(control, 1, 1)
    if not message:
        os._exit(0)
    if LINUX and before == SINGLE:
        preload(*FOR_MANY)
    pid = _fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        for fd in own:
            os.close(fd)
        _supervise(socket.socket(fileno=fds[0]))
        os._exit(0)
    for fd in fds:
        os.close(fd)
    return pid


def _clean_up(supervisors: set[int]) -> None:
    """Forget supervisors that have ended, and kill what those left that did not end by choice."""
    with suppress(ChildProcessError):
        while pid := os.waitpid(-1, os.WNOHANG)[0]:
            supervisors.discard(pid)
    if LINUX:
        processes.kill(set(processes.children(os.getpid())) - supervisors)


def _own_problems() -> list[str]:
    """Return the packages of the problems that this distribution brings; others may thread."""
    return [name for name in problems.packages().values() if name.startswith("opt_istn.")]


def _supervise(connection: socket.socket) -> None:
    processes.adopt_orphans()
    with suppress(EOFError, OSError):  # the parent is gone: there is nobody to tell
        send(connection, str(os.getpid()).encode())
        job = msgspec.json.decode(receive(connection))
        parts = [receive(connection) for _ in job["sizes"]]
        printed, answers = os.pipe(), os.pipe()
        pid = _fork()
        if pid == 0:
            connection.close()
            _become_child(job, parts, printed[1], answers[1])
        del parts
        os.close(printed[1])
        os.close(answers[1])
        watch = _Watch(job, pid, connection, printed[0], answers[0])
        ending = watch.until_the_end()
        send(connection, msgspec.json.encode(ending), watch.ear.answer, watch.ear.plan)


def _become_child(job: dict[str, Any], parts: list[bytes], printed: int, answers: int) -> None:
    """Turn the forked process into the child of the run; never returns."""
    status = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _limit_the_damage()
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (printed, 1), (printed, 2)):
            os.dup2(source, target)
        sys.stdout = os.fdopen(1, "w", buffering=1, errors="backslashreplace", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
        # only now: forking after its imports is not safe everywhere
        from opt_istn.runs.nursery import child

        typed = msgspec.convert(job, child.Job)
        answer = child.work(typed, parts, lambda data: _write(answers, data))
        _write(answers, said(ANSWER, answer))
        status = 0
    finally:
        try:
            if sys.exception():
                sys.excepthook(*sys.exc_info())
            sys.stdout.flush()
        finally:
            os._exit(status)  # no destructors, no exit handlers of a foreign library


def _limit_the_damage() -> None:
    """Die with the supervisor, dump no core, be the first the kernel kills for memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    processes.die_with_parent()
    if LINUX:
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")


@dataclass
class _Watch:
    """The supervisor's view of one run."""

    job: dict[str, Any]
    pid: int
    connection: socket.socket
    printed: int
    answers: int
    start: float = field(default_factory=time.monotonic)
    made: float | None = None  # when the child had made the solver
    clock: float | None = None  # when it was ready
    done: float | None = None  # when its answer was complete
    spent: float = 0.0  # CPU seconds of start-up
    peak: int = 0  # bytes
    tail: bytes = b""
    exit: tuple[int, resource.struct_rusage] | None = None

    def __post_init__(self) -> None:
        self.ear = Ear(lambda: time.monotonic() - (self.clock or time.monotonic()))

    def until_the_end(self) -> Ending:
        """Watch until the child has ended or is killed; leave no process of the tree."""
        failure, error = self._watch()
        end = time.monotonic()
        if failure:
            processes.kill_tree(os.getpid())
        status, usage = self.exit or _wait(self.pid)
        left = _leftovers()
        self._drain()
        if not failure:
            failure, error = self._judge_exit(status, left)
        clock = self.clock or end
        cpu_s = usage.ru_utime + usage.ru_stime - self.spent
        scale = 1 if sys.platform == "darwin" else 1024
        return Ending(
            failure=failure,
            error=error,
            startup_s=clock - self.start,
            wall_s=max(0.0, (self.done or end) - clock),
            cpu_s=max(0.0, cpu_s),
            peak_memory_mb=max(self.peak, usage.ru_maxrss * scale) / 2**20,
            tail=self.tail.decode(errors="replace"),
            reported=tuple(self.ear.rows),
            again=self._compiled(),
        )

    def _watch(self) -> tuple[Failure | None, str]:
        interval, looked = _POLL_S[0], 0.0
        with selectors.DefaultSelector() as selector:
            self._register(selector)
            while True:
                for key, _ in selector.select(interval):
                    self._read(selector, key)
                if self._ended():
                    return None, ""
                if self._compiled():
                    return Failure.TIME, ""
                if time.monotonic() - looked > interval:
                    looked = time.monotonic()
                    tree = [self.pid, *processes.descendants(self.pid)]
                    self.peak = max(self.peak, processes.memory(tree))
                    effort = 10 * (time.monotonic() - looked)  # watching takes a tenth of the time
                    interval = max(min(interval * 1.3, _POLL_S[1]), effort)
                reason = self._over_limit()
                if reason[0]:
                    return reason

    def _register(self, selector: selectors.BaseSelector) -> None:
        for fd in (self.printed, self.answers):
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ, fd)
        selector.register(self.connection, selectors.EVENT_READ, None)
        if LINUX:
            selector.register(os.pidfd_open(self.pid), selectors.EVENT_READ, "ended")

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        if key.data is None:  # the parent never speaks again: it is gone
            processes.kill_tree(os.getpid())
            os._exit(0)
        if isinstance(key.data, int) and not self._take(key.data):
            selector.unregister(key.fileobj)

    def _take(self, fd: int) -> bool:
        """Read what there is; return whether more may come."""
        with suppress(BlockingIOError):
            data = os.read(fd, 1 << 16)
            if fd == self.printed:
                self.tail = (self.tail + data)[-MAX_TAIL:]
            elif self.ear.size <= MAX_ANSWER:
                self.ear.take(data)
                self._take_time()
            return bool(data)
        return True

    def _take_time(self) -> None:
        """Notice when the child gets on, and when its answer is complete."""
        if self.made is None and self.ear.made:
            self.made = time.monotonic()
        if self.clock is None and self.ear.ready:
            self.clock, self.spent = time.monotonic(), processes.cpu_s(self.pid)
        if self.done is None and self.ear.answer:
            self.done = time.monotonic()

    def _drain(self) -> None:
        for fd in (self.printed, self.answers):
            for _ in range(MAX_ANSWER >> 15):
                before = self.ear.size, self.tail
                if not self._take(fd) or (self.ear.size, self.tail) == before:
                    break

    def _ended(self) -> bool:
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        self.exit = (status, usage) if pid else None
        return self.exit is not None

    def _compiled(self) -> bool:
        """Return whether the run took so long to get ready that it is begun anew."""
        free = self.job["free_s"]
        ready = free is not None and self.clock is not None
        return ready and (self.clock or 0.0) - self.start > free

    def _over_limit(self) -> tuple[Failure | None, str]:
        now = time.monotonic()
        hard, memory = self.job["hard_s"], self.job["memory_mb"]
        if late := self._late_start(now):
            return Failure.TIME, late
        if self.clock is not None and hard is not None and now - self.clock > hard:
            allowed = f"the time limit of {self.job['time_s']:g} s"
            return Failure.TIME, f"killed after {hard:g} s: it ignored {allowed}"
        if memory is not None and self.peak > memory << 20:
            used = f"{self.peak / 2**20:.0f} MiB"
            return Failure.MEMORY, f"killed: it used {used} where {memory} MiB were allowed"
        if self.ear.size > MAX_ANSWER:
            return Failure.CRASHED, f"killed: its answer exceeds {MAX_ANSWER >> 20} MiB"
        return None, ""

    def _late_start(self, now: float) -> str:
        """Return why it took too long to get ready, empty if it did not."""
        if self.clock is not None:
            return ""
        if self.made is None:
            allowed, doing, since = self.job["make_s"], "start-up", self.start
        else:
            allowed, doing, since = self.job["prepare_s"], "compiling", self.made
        spent = f"not ready after {allowed:g} s of {doing}"
        return f"killed: {spent}; --startup-limit allows more" if now - since > allowed else ""

    def _judge_exit(self, status: int, left: int) -> tuple[Failure | None, str]:
        if os.WIFSIGNALED(status):
            return Failure.CRASHED, f"killed by {_signal_name(os.WTERMSIG(status))}"
        if left:
            return Failure.CRASHED, f"left {left} process(es) running; they were killed"
        if not self.ear.answer:
            code = os.WEXITSTATUS(status)
            return Failure.CRASHED, f"ended without an answer (exit code {code})"
        return None, ""


def _leftovers() -> int:
    """Kill what is left of the tree; return how many processes did not end by themselves."""
    end = time.monotonic() + _LEFTOVER_S
    while processes.children(os.getpid()) and time.monotonic() < end:
        time.sleep(0.01)
    return processes.kill_tree(os.getpid())


def _wait(pid: int) -> tuple[int, resource.struct_rusage]:
    _, status, usage = os.wait4(pid, 0)
    return status, usage


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _fork() -> int:
    with warnings.catch_warnings():  # a BLAS thread pool is no reason to warn: it survives forks
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
