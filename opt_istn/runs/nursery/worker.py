"""One run in one child process, with hard limits on time and memory.

A solver may crash, hang, eat memory, print, fork or exit as it likes: what reaches the caller is an
`Outcome`. No object of a solver is unpickled here and no solver module is imported. The processes
behind it are described in `opt_istn.runs.nursery.supervisor`; they need a POSIX system. They are
not trusted to keep the deadline either: it is kept here once more.
"""

import atexit
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import msgspec

from opt_istn import files, registry
from opt_istn.files import InputError
from opt_istn.runs.ledger import FREE_STARTUP_S, Failure, Steps
from opt_istn.runs.nursery import processes
from opt_istn.runs.nursery.child import Answer, Description, Job, RawClaims, reported
from opt_istn.runs.nursery.messages import receive, send
from opt_istn.runs.nursery.supervisor import Ending
from opt_istn.solver import Budget

STARTUP_S = 60.0  # allowed to a run for its imports unless said otherwise
COMPILE_S = 300.0  # allowed for `prepare`, which compiles kernels the first time
SLACK_S = 15.0  # a supervisor that has not answered this long after its deadline is killed
NURSERY_S = 60.0  # time for a nursery to fork a supervisor, and to import before its first
_FORKS, _DYING_S = 3, 0.05  # attempts where the nursery is killed, and how long that takes
_LOOK_S = 1.0  # interval between two looks at a supervisor that says nothing
GRACE_S = 5.0  # a run is killed this long (or a tenth of its limit) after its time limit
_Told = tuple[Ending, bytes, bytes]  # what was seen of a run, its answer, its last plan
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)

_START = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from opt_istn.runs.nursery.supervisor import serve; "
    "serve(int(sys.argv[1]), *sys.argv[2].split())"
)


class _Silent(Exception):  # noqa: N818 - reported as the outcome of a run
    """A supervisor, or the nursery, does not answer."""


class Cancelled(Exception):  # noqa: N818 - not an error: the caller asked for it
    """The run was given up by `cancel_all`."""


@dataclass(frozen=True)
class Outcome:
    """What is known of a run before anything is judged.

    Parameters
    ----------
    claims
        The solver's claims; None if it failed or cannot take the instance.
    unsupported
        Why the solver cannot take the instance.
    failure, error
        Why the run failed.
    startup_s, wall_s, cpu_s, peak_memory_mb
        Taken by the supervisor. Start-up is everything before the solver sees the instance; CPU
        seconds are from then on; memory is that of the whole process tree.
    steps
        What the solver says of its training.
    reported
        What a run that failed had told of itself before: its last plan and bound.
    """

    claims: RawClaims | None = None
    unsupported: str | None = None
    failure: Failure | None = None
    error: str = ""
    startup_s: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_mb: float = 0.0
    steps: Steps | None = None
    reported: RawClaims | None = None


def warm_up(threads: int) -> None:
    """Start the process that forks the runs, so that it gets ready while the caller goes on."""
    _nursery(threads, ())


def run(
    solver: str,
    problem: str,
    parameters: Mapping[str, Any],
    seed: int,
    budget: Budget,
    parts: Sequence[bytes],
    startup_s: float | None = None,
) -> Outcome:
    """Run a solver on a packed instance and wait for it.

    A start-up of more than `FREE_STARTUP_S` counts, for nobody may solve off the clock. What takes
    that long is a kernel that is compiled the first time, and kept: such a run is begun anew as
    soon as it is ready, and its second start-up is the one that is recorded.

    Parameters
    ----------
    startup_s
        Allowed for imports and then for compiling, by default `STARTUP_S` and `COMPILE_S`.

    Raises
    ------
    Cancelled
        If `cancel_all` was called meanwhile.
    """
    job = _job(solver, problem, parameters, seed, budget, parts, startup_s)
    ending, data, plan = _converse(job, parts)
    if ending.again:
        ending, data, plan = _converse(msgspec.structs.replace(job, free_s=None), parts)
    if ending.failure:
        return _failed(ending.failure, ending.error, ending, plan)
    try:
        answer = files.decode(data, Answer)
    except InputError as error:
        return _failed(Failure.CRASHED, f"its answer cannot be read: {error}", ending, plan)
    if answer.bad_input:
        return _failed(Failure.INPUT, str(InputError(*answer.bad_input)), ending, plan)
    if answer.error is not None:
        return _failed(Failure.CRASHED, answer.error, ending, plan)
    return Outcome(
        claims=answer.claims,
        unsupported=answer.unsupported,
        startup_s=ending.startup_s,
        wall_s=ending.wall_s,
        cpu_s=ending.cpu_s,
        peak_memory_mb=ending.peak_memory_mb,
        steps=answer.steps,
    )


def describe(
    solver: str, problem: str, parameters: Mapping[str, Any], startup_s: float | None = None
) -> Description:
    """Return full id, changed parameters and stochasticity of a solver, made in a child process.

    A solver that crashes while it is made is described as deterministic: its run will say why. One
    that takes too long is described as `late`: there is no need to wait for it twice.

    Raises
    ------
    InputError
        If there is no such solver, or a parameter is unknown or has the wrong type.
    """
    job = _job(solver, problem, parameters, 0, Budget(), [], startup_s)
    ending, data, _ = _converse(job, [])
    late = ending.error if ending.failure == Failure.TIME else ""
    crashed = Description(solver, stochastic=False, parameters=dict(parameters), late=late)
    if ending.failure:
        return crashed
    answer = files.decode(data, Answer, solver)
    if answer.bad_input is None:
        return answer.description or crashed
    raise InputError(*answer.bad_input)


def cancel_all(whose: str | None = None) -> None:
    """Give up every run in progress, or those of one `owner`; their process trees are killed."""
    with _lock:
        given_up = [ours for ours, name in _connections.items() if whose in (None, name)]
        for connection in given_up:
            del _connections[connection]
    for connection in given_up:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def hard_limit_s(budget: Budget) -> float | None:
    """Return the seconds after which a run is killed."""
    limit_s = budget.time_s
    return None if limit_s is None else limit_s + max(GRACE_S, limit_s / 10)


def _job(
    solver: str,
    problem: str,
    parameters: Mapping[str, Any],
    seed: int,
    budget: Budget,
    parts: Sequence[bytes],
    startup_s: float | None,
) -> Job:
    return Job(
        solver=solver,
        problem=problem,
        parameters=dict(parameters),
        seed=seed,
        time_s=budget.time_s,
        work=budget.work,
        memory_mb=budget.memory_mb,
        threads=budget.threads,
        imports=registry.slow_imports(solver, problem),
        hard_s=hard_limit_s(budget),
        make_s=STARTUP_S if startup_s is None else startup_s,
        prepare_s=COMPILE_S if startup_s is None else startup_s,
        free_s=FREE_STARTUP_S if parts else None,
        folder=files.current_folder(),
        search_path=[str(place) for place in sys.path],
        sizes=[len(part) for part in parts],
    )


class _Nursery:
    """A process that has imported the heavy packages and forks a supervisor per run.

    Parameters
    ----------
    threads
        Threads of the numerical libraries, which read them once, when they are imported.
    imports
        What it imports besides, which its runs would import each for itself.
    """

    def __init__(self, threads: int, imports: Sequence[str] = ()) -> None:
        self._lock, self._used = threading.Lock(), False
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _START, str(theirs.fileno()), " ".join(imports)),
                    *map(str, sys.path),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt from the terminal is for the parent alone
                env=os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads)),
            )

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped the process: it will not fork any more."""
        return processes.state(self._process.pid) == "T"

    def adopt(self, connection: socket.socket) -> None:
        """Have a supervisor forked that talks over `connection`."""
        with self._lock:
            self._used = True
            socket.send_fds(self._control, [b"!"], [connection.fileno()])

    def close(self) -> None:
        """End the process; running supervisors go on until their runs end."""
        if not self._used or self.stopped:  # nobody waits for it to be ready, or to go on
            self.kill()
        self._control.close()
        self._process.wait()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()


_lock = threading.Lock()
owner: ContextVar[str] = ContextVar("owner", default="")  # whose runs begin here
_connections: dict[socket.socket, str] = {}
# By process, so that a fork starts its own, threads, and what is imported, which counts as memory.
_nurseries: dict[tuple[int, int, tuple[str, ...]], _Nursery] = {}


def _nursery(threads: int, imports: tuple[str, ...]) -> _Nursery:
    key = os.getpid(), threads, imports
    with _lock:
        found = _nurseries.get(key)
        if found is not None and not found.alive:
            found.close()
            found = None
        if found is None:
            found = _nurseries[key] = _Nursery(threads, imports)
        return found


@atexit.register
def _close_nurseries() -> None:
    for (process, *_), nursery in list(_nurseries.items()):
        if process == os.getpid():
            nursery.close()
    _nurseries.clear()


def _converse(job: Job, parts: Sequence[bytes]) -> _Told:
    """Hand a job to a fresh supervisor and wait for its three messages.

    If the nursery was killed or stopped before it forked one, nothing has begun, and it is tried
    again.
    """
    for _ in range(_FORKS):
        if told := _converse_once(job, parts):
            return told
        time.sleep(_DYING_S)
    return _lost(f"what forks its process was killed {_FORKS} times"), b"", b""


def _converse_once(job: Job, parts: Sequence[bytes]) -> _Told | None:
    (ours, theirs), supervisor = socket.socketpair(), None
    with ours:
        with _lock:
            _connections[ours] = owner.get()
        try:
            with theirs:
                _nursery(job.threads, job.imports).adopt(theirs)
            _await(ours, None, NURSERY_S, job)
            supervisor = int(receive(ours))
            return _talk(ours, supervisor, job, parts)
        except _Silent as error:
            return _lost(str(error)), b"", b""
        except (EOFError, OSError):
            if ours not in _connections:
                raise Cancelled from None
            text = "its supervising process ended: killed by the solver or for lack of memory"
            return None if supervisor is None else (_lost(text), b"", b"")
        finally:
            with _lock:
                _connections.pop(ours, None)


def _talk(ours: socket.socket, supervisor: int, job: Job, parts: Sequence[bytes]) -> _Told:
    """Speak with a supervisor; kill it if it is stopped or long past its deadline."""
    send(ours, msgspec.json.encode(job, enc_hook=str), *parts)
    runs_on = bool(parts) and job.hard_s is None
    before_s = job.make_s + (job.prepare_s if parts else 0.0)
    limit_s = None if runs_on else before_s + (job.hard_s or 0.0) + SLACK_S
    _await(ours, supervisor, limit_s, job)
    ending = msgspec.json.decode(receive(ours), type=Ending)
    return ending, receive(ours), receive(ours)


def _await(ours: socket.socket, supervisor: int | None, limit_s: float | None, job: Job) -> None:
    """Wait until there is something to receive.

    Raises
    ------
    _Silent
        If nothing comes; whoever should have spoken has been killed with all its processes.
    """
    start = time.monotonic()
    look_s = _LOOK_S if limit_s is None else min(_LOOK_S, limit_s)
    answer = select.poll()
    answer.register(ours, select.POLLIN)
    while not answer.poll(max(1, round(1000 * look_s))):
        late = limit_s is not None and time.monotonic() - start > limit_s
        if supervisor is None:
            nursery = _nursery(job.threads, job.imports)
            if nursery.stopped:  # by an earlier run: this one has not begun
                nursery.kill()
                raise EOFError
            if late:
                nursery.kill()
                raise _Silent(f"no process was forked for it within {limit_s:g} s")
        elif processes.state(supervisor) == "T" or late:
            reason = "did not keep its deadline" if late else "was stopped by the solver"
            _kill_run(supervisor)
            raise _Silent(f"killed: its supervising process {reason}")


def _kill_run(supervisor: int) -> None:
    """Kill a supervisor and all its processes; the nursery cleans up what forked meanwhile."""
    processes.kill([supervisor, *processes.descendants(supervisor)])


def _lost(error: str) -> Ending:
    return Ending(Failure.CRASHED, error, 0.0, 0.0, 0.0, 0.0, "")


def _failed(failure: Failure, error: str, ending: Ending, plan: bytes) -> Outcome:
    printed = ending.tail.strip()
    return Outcome(
        failure=failure,
        error=f"{error}\nlast output:\n{printed}" if printed else error,
        startup_s=ending.startup_s,
        wall_s=ending.wall_s,
        cpu_s=ending.cpu_s,
        peak_memory_mb=ending.peak_memory_mb,
        reported=reported(ending.reported, plan),
    )
