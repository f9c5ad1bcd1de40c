"""The processes between the parent and a solver: a nursery that forks, a supervisor per run.

The nursery imports the heavy packages once and forks a supervisor for each connection it is
handed. The supervisor forks the child that solves, watches its time and the memory of its whole
process tree, keeps the end of what it prints, and kills the tree when a limit is hit, when the
child has ended, or when the parent is gone. A crash of the child therefore reaches nobody else.
"""

import ctypes
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import msgspec
import psutil

from opt_istn import problems
from opt_istn.runs.ledger import Failure

MAX_ANSWER = 64 << 20  # bytes; a plan of a million moves has 20 MB
MAX_TAIL = 4096  # bytes kept of what the child prints
LINUX = sys.platform == "linux"
PRELOAD = (  # forking after importing these is safe on Linux: none of them starts a thread
    "opt_istn.runs.child",
    "numba",
    "networkx",
    "scipy.ndimage",
)
_POLL_S = (0.005, 0.05)  # first and last interval between two looks at the memory
_LEFTOVER_S = 0.5  # helper processes of a library get this long to end after the child
_READY = b"ready..."
_SIZE = struct.Struct(">Q")
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


class Ending(msgspec.Struct, frozen=True):
    """What the supervisor saw of a run; the child's answer follows as a message of its own.

    Parameters
    ----------
    failure, error
        Why there is no usable answer.
    startup_s, wall_s
        Seconds before and after the clock started.
    cpu_s
        CPU seconds of the child and the children it waited for, start-up included.
    peak_memory_mb
        Peak resident memory of the process tree in MiB.
    tail
        End of what the run printed.
    """

    failure: Failure | None
    error: str
    startup_s: float
    wall_s: float
    cpu_s: float
    peak_memory_mb: float
    tail: str


def send(connection: socket.socket, *messages: bytes) -> None:
    """Send messages, each preceded by its length."""
    for message in messages:
        connection.sendall(_SIZE.pack(len(message)))
        connection.sendall(message)


def receive(connection: socket.socket) -> bytes:
    """Receive one message.

    Raises
    ------
    EOFError
        If the other side is gone.
    """
    (size,) = _SIZE.unpack(_exactly(connection, _SIZE.size))
    return _exactly(connection, size)


def serve(control_fd: int) -> None:
    """Run the nursery: fork a supervisor for each connection received over `control_fd`."""
    control = socket.socket(fileno=control_fd)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended supervisors vanish by themselves
    for module in (*PRELOAD, *_own_problems()) if LINUX else ():
        with suppress(ImportError):  # the run that needs it says so
            import_module(module)
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            os._exit(0)
        if _fork() == 0:
            control.close()
            _supervise(socket.socket(fileno=fds[0]))
            os._exit(0)
        for fd in fds:
            os.close(fd)


def _own_problems() -> list[str]:
    """Return the packages of the problems that this distribution brings; others may thread."""
    return [name for name in problems.packages().values() if name.startswith("opt_istn.")]


def _supervise(connection: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if LINUX:  # orphaned grandchildren become our children, so that none escapes
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with suppress(EOFError, OSError):  # the parent is gone: there is nobody to tell
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
        send(connection, msgspec.json.encode(ending), watch.answer)


def _become_child(job: dict[str, Any], parts: list[bytes], printed: int, answers: int) -> None:
    """Turn the forked process into the child of the run; never returns."""
    status = 1
    try:
        os.setpgid(0, 0)
        _limit_the_damage()
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (printed, 1), (printed, 2)):
            os.dup2(source, target)
        sys.stdout = os.fdopen(1, "w", buffering=1, errors="backslashreplace", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
        # only now: forking after its imports is not safe everywhere
        from opt_istn.runs import child

        typed = msgspec.convert(job, child.Job)
        answer = child.work(typed, parts, lambda: _write(answers, _READY))
        _write(answers, _SIZE.pack(len(answer)))
        _write(answers, answer)
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
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
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
    clock: float | None = None  # when the child called ready
    peak: int = 0  # bytes
    tail: bytes = b""
    buffer: bytearray = field(default_factory=bytearray)
    exit: tuple[int, resource.struct_rusage] | None = None

    @property
    def answer(self) -> bytes:
        """The child's answer, empty if it is not complete."""
        data = self.buffer.removeprefix(_READY)
        body = bytes(data[_SIZE.size :])
        complete = len(data) >= _SIZE.size and _SIZE.unpack(data[: _SIZE.size])[0] == len(body)
        return body if complete else b""

    def until_the_end(self) -> Ending:
        """Watch until the child has ended or is killed; leave no process of the tree."""
        failure, error = self._watch()
        end = time.monotonic()
        if failure:
            self._kill_tree()
        status, usage = self.exit or _wait(self.pid)
        left = self._kill_tree(_LEFTOVER_S)
        self._drain()
        if not failure:
            failure, error = self._judge_exit(status, left)
        clock = self.clock or end
        scale = 1 if sys.platform == "darwin" else 1024
        return Ending(
            failure=failure,
            error=error,
            startup_s=clock - self.start,
            wall_s=end - clock,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_memory_mb=max(self.peak, usage.ru_maxrss * scale) / 2**20,
            tail=self.tail.decode(errors="replace"),
        )

    def _watch(self) -> tuple[Failure | None, str]:
        process = psutil.Process(self.pid)
        interval, tree, tree_age = _POLL_S[0], [process], 0.0
        with selectors.DefaultSelector() as selector:
            self._register(selector)
            while True:
                for key, _ in selector.select(interval):
                    self._read(selector, key)
                if self._ended():
                    return None, ""
                reason = self._over_limit()
                if reason[0]:
                    return reason
                if time.monotonic() - tree_age > 4 * interval:
                    tree, tree_age = [process, *_descendants(process)], time.monotonic()
                self.peak = max(self.peak, sum(map(_resident, tree)))
                interval = min(interval * 1.3, _POLL_S[1])

    def _register(self, selector: selectors.BaseSelector) -> None:
        for fd in (self.printed, self.answers):
            os.set_blocking(fd, False)
            selector.register(fd, selectors.EVENT_READ, fd)
        selector.register(self.connection, selectors.EVENT_READ, None)
        if LINUX:
            selector.register(os.pidfd_open(self.pid), selectors.EVENT_READ, "ended")

    def _read(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        if key.data is None:  # the parent never speaks again: it is gone
            self._kill_tree()
            os._exit(0)
        if isinstance(key.data, int) and not self._take(key.data):
            selector.unregister(key.fileobj)

    def _take(self, fd: int) -> bool:
        """Read what there is; return whether more may come."""
        with suppress(BlockingIOError):
            data = os.read(fd, 1 << 16)
            if fd == self.printed:
                self.tail = (self.tail + data)[-MAX_TAIL:]
            elif len(self.buffer) <= MAX_ANSWER:
                self.buffer += data
                if self.clock is None and self.buffer.startswith(_READY):
                    self.clock = time.monotonic()
            return bool(data)
        return True

    def _drain(self) -> None:
        for fd in (self.printed, self.answers):
            for _ in range(MAX_ANSWER >> 15):
                before = len(self.buffer), self.tail
                if not self._take(fd) or (len(self.buffer), self.tail) == before:
                    break

    def _ended(self) -> bool:
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        self.exit = (status, usage) if pid else None
        return self.exit is not None

    def _over_limit(self) -> tuple[Failure | None, str]:
        now = time.monotonic()
        hard, memory = self.job["hard_s"], self.job["memory_mb"]
        if self.clock is None and now - self.start > self.job["prepare_s"]:
            text = f"killed: not ready after {self.job['prepare_s']:g} s of start-up"
            return Failure.TIME, text
        if self.clock is not None and hard is not None and now - self.clock > hard:
            allowed = f"the time limit of {self.job['time_s']:g} s"
            return Failure.TIME, f"killed after {hard:g} s: it ignored {allowed}"
        if memory is not None and self.peak > memory << 20:
            used = f"{self.peak / 2**20:.0f} MiB"
            return Failure.MEMORY, f"killed: it used {used} where {memory} MiB were allowed"
        if len(self.buffer) > MAX_ANSWER:
            return Failure.CRASHED, f"killed: its answer exceeds {MAX_ANSWER >> 20} MiB"
        return None, ""

    def _judge_exit(self, status: int, left: int) -> tuple[Failure | None, str]:
        if os.WIFSIGNALED(status):
            return Failure.CRASHED, f"killed by {_signal_name(os.WTERMSIG(status))}"
        if left:
            return Failure.CRASHED, f"left {left} process(es) running; they were killed"
        if not self.answer:
            code = os.WEXITSTATUS(status)
            return Failure.CRASHED, f"ended without an answer (exit code {code})"
        return None, ""

    def _kill_tree(self, patience_s: float = 0.0) -> int:
        """Kill what is left of the tree; return how many processes did not end by themselves."""
        me = psutil.Process()
        end = time.monotonic() + patience_s
        while _descendants(me) and time.monotonic() < end:
            time.sleep(0.01)
        killed = 0
        for _ in range(100):  # a tree may fork while it is being killed
            alive = _descendants(me)
            if not alive:
                break
            for process in alive:
                with suppress(psutil.Error):
                    process.kill()
                    killed += 1
            time.sleep(0.002)
        return killed


def _wait(pid: int) -> tuple[int, resource.struct_rusage]:
    _, status, usage = os.wait4(pid, 0)
    return status, usage


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        tree = process.children(recursive=True)
    except psutil.Error:
        return []
    return [one for one in tree if _alive(one)]


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(size - len(data), 1 << 20))
        if not part:
            raise EOFError("the connection ended")
        data += part
    return bytes(data)


def _fork() -> int:
    with warnings.catch_warnings():  # a BLAS thread pool is no reason to warn: it survives forks
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
