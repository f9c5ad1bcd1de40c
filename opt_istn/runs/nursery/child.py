"""What happens inside the child process of a run: make the solver, solve, hand over the claims.

The messages of a run are defined here. Everything the child says is JSON; the parent decodes it
strictly and believes none of it.
"""

import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec

from opt_istn import registry
from opt_istn.files import InputError, explain
from opt_istn.runs.ledger import Steps
from opt_istn.runs.nursery import blame
from opt_istn.runs.nursery.messages import MADE, MAX_CLAIM, READY, Cost, News, Row, news, said
from opt_istn.solver import KINDS, Budget, Claims, Solver, Status

REPORTED = "reported"  # stands for a proof in a run that did not live to name it
SHARE, BURST_S = 0.05, 0.05  # of the time that telling of plans may take, beyond a first moment
LATE_S = 0.05  # after which what was held back is told
MAX_DETAIL = 1000  # entries of a solver's detail
MAX_TRACE = 100_000  # entries of its trace

Say = Callable[[bytes], None]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]
_Name = Annotated[str, msgspec.Meta(max_length=200)]
_Text = Annotated[str, msgspec.Meta(max_length=10_000)]
_Detail = Annotated[dict[_Name, int | float | _Text | None], msgspec.Meta(max_length=MAX_DETAIL)]
_Trace = Annotated[
    tuple[tuple[_Seconds, Cost | None, Cost | None], ...], msgspec.Meta(max_length=MAX_TRACE)
]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a run's processes are told.

    Parameters
    ----------
    solver, problem, parameters, seed
        The solver to make and the seed it gets.
    time_s, work, memory_mb, threads
        The budget it is told.
    imports
        Modules that were imported before the run's process was forked, for all such runs.
    hard_s, make_s, prepare_s
        Seconds after which the run is killed: once the clock runs, before its solver is made, and
        in between, while that compiles; None is never.
    free_s
        A run whose start-up took longer is begun anew once it is ready; None if it is not.
    folder, search_path
        Working directory and module search path of the parent.
    sizes
        Byte lengths of the parts of the pickled instance; empty to only describe the solver.
    """

    solver: str
    problem: str
    parameters: dict[str, Any]
    seed: int
    time_s: float | None
    work: int | None
    memory_mb: int | None
    threads: int
    imports: tuple[str, ...] = ()
    hard_s: float | None
    make_s: float
    prepare_s: float
    free_s: float | None
    folder: str
    search_path: list[str]
    sizes: list[int]


class RawClaims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`opt_istn.solver.Claims` as JSON, the plan as its file's document or null."""

    status: Status
    plan: msgspec.Raw
    cost: Cost | None
    bound: Cost | None
    proof: _Name
    trace: _Trace
    detail: _Detail


def reported(rows: tuple[Row, ...], plan: bytes) -> RawClaims | None:
    """Return what a run had told of itself before it failed, as claims to be judged."""
    if not rows:
        return None
    _, cost, bound = rows[-1]
    status = Status.FEASIBLE if plan else Status.BOUND_ONLY
    return RawClaims(status, msgspec.Raw(plan or b"null"), cost, bound, REPORTED, rows, {})


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the parent has to know of a solver without importing it.

    Parameters
    ----------
    solver, stochastic, parameters
        Full id, whether the seed matters, parameters that are not the defaults.
    kind, knows
        What its class declares; empty if it does not say.
    distributions
        Further distributions that it runs on, by name; records keep their versions.
    late
        Why it cannot be run: it did not get ready in time to be described.
    """

    solver: str
    stochastic: bool
    parameters: dict[str, Any]
    kind: str = ""
    knows: str = ""
    distributions: tuple[str, ...] = ()
    late: str = ""


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The child's last words: exactly one of the first five fields is set."""

    claims: RawClaims | None = None
    description: Description | None = None
    unsupported: str | None = None
    bad_input: tuple[str, str, str] | None = None
    error: str | None = None
    steps: Steps | None = None


def work(job: Job, parts: Sequence[bytes], say: Say) -> bytes:
    """Do `job` and return the encoded `Answer`; `say` writes to the supervisor meanwhile.

    The clock is the supervisor's. It starts when that hears `READY`, before the solver sees the
    instance.
    """
    try:
        os.chdir(job.folder)
        sys.path[:] = job.search_path
        answer = _solve(job, parts, say) if parts else _describe(job)
        return msgspec.json.encode(answer)
    except InputError as error:
        answer = Answer(bad_input=(error.field, error.expected, error.source))
    except BaseException as error:  # a foreign solver may raise anything: it becomes a report
        answer = Answer(error=blame.report(error, __file__))
    return msgspec.json.encode(answer)


def _describe(job: Job) -> Answer:
    solver = registry.make(job.solver, job.problem, job.parameters)
    description = Description(
        registry.complete(job.solver, job.problem),
        bool(solver.stochastic),
        registry.changed_parameters(solver),
        kind=_kind(solver),
        knows=str(getattr(solver, "knows", "")),
        distributions=_distributions(solver),
    )
    return Answer(description=description)


def _kind(solver: Solver) -> str:
    kind = getattr(solver, "kind", "")
    if kind and kind not in KINDS:
        raise InputError("kind", f"expected one of {', '.join(KINDS)}, found {kind!r}")
    return str(kind)


def _distributions(solver: Solver) -> tuple[str, ...]:
    named = getattr(solver, "distributions", ())
    if isinstance(named, str) or not all(isinstance(name, str) and name for name in named):
        rule = f"expected a tuple of names of distributions, found {named!r}"
        raise InputError("distributions", rule)
    return tuple(named)


def _solve(job: Job, parts: Sequence[bytes], say: Say) -> Answer:
    """Prepare, start the clock, and only then show the solver its instance."""
    solver = registry.make(job.solver, job.problem, job.parameters)
    say(said(MADE))
    solver.prepare()
    instance = pickle.loads(parts[0], buffers=parts[1:])
    reporter = _Reporter(say)
    budget = Budget(job.time_s, job.work, job.memory_mb, job.threads, listener=reporter)
    _raw(Claims(Status.NO_PLAN))  # so that the first conversion's start-up cost is not timed
    say(said(READY))
    reason = solver.supports(instance)
    if reason is not None:
        return Answer(unsupported=str(reason))
    try:
        found = solver.solve(instance, budget, job.seed)
    except BaseException:
        reporter.close(tell=True)  # nothing else is kept of it
        raise
    reporter.close(tell=False)
    claims = _raw(found)
    steps = getattr(solver, "steps", None)
    return Answer(claims=claims, steps=None if steps is None else msgspec.convert(steps, Steps))


class _Reporter:
    """Tells the supervisor of plans and bounds as they improve, in a twentieth of the time at most.

    What there is no time for is told by a thread of its own, which begins when it is needed first:
    `LATE_S` later, or twenty times as long as the last telling took if that is more. A solver that
    holds Python's lock all that time holds up the thread as well. Solvers may report from several
    threads; what processes that they fork report is not heard, as it would mix with ours.
    """

    def __init__(self, say: Say) -> None:
        self._say, self._lock, self._pid = say, threading.Lock(), os.getpid()
        self._began, self._spent = time.monotonic(), 0.0
        self._plan: Any = None
        self._cost: int | None = None
        self._bound: int | None = None
        self._held = self._closed = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def __call__(self, plan: Any, bound: float | None, cost: float | None) -> None:
        if os.getpid() != self._pid:
            return
        if plan is not None and not callable(getattr(plan, "document", None)):
            raise TypeError(f"Budget.report: {type(plan).__name__} is not a plan")
        known, own = _number(bound), _number(cost)
        with self._lock:
            if self._closed:
                return
            if plan is not None:
                self._plan, self._cost = plan, own
            if known is not None:
                self._bound = known if self._bound is None else max(known, self._bound)
            if plan is None and known is None:
                return
            self._held = True
            if self._wait_s() <= 0:
                self._tell()
                return
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._tell_later, daemon=True)
                self._thread.start()
            self._wake.set()

    def close(self, *, tell: bool) -> None:
        """Say no more, so that the answer can follow; before, `tell` what was held back."""
        with self._lock:
            if tell and self._held:
                self._tell()
            self._closed, self._held = True, False

    def _wait_s(self) -> float:
        """Return the seconds until there is time to tell something again."""
        return self._began + (self._spent - BURST_S) / SHARE - time.monotonic()

    def _tell_later(self) -> None:
        """Tell what was held back; runs on a thread until the process ends."""
        while self._wake.wait():
            self._wake.clear()
            while self._held:
                time.sleep(max(LATE_S, self._wait_s()))
                with self._lock:
                    if self._held and self._wait_s() <= 0:
                        self._tell()

    def _tell(self) -> None:
        start, document = time.monotonic(), b""
        self._held = False
        if self._plan is not None:
            document = msgspec.json.encode(self._plan.document(), enc_hook=_plain)
        self._say(news(News(self._cost, self._bound), document))
        self._plan = None
        self._spent += time.monotonic() - start


def _number(value: float | None) -> int | None:
    """Return a cost or bound as an integer, None for what is not finite or beyond all costs."""
    return int(value) if value is not None and abs(value) <= MAX_CLAIM else None


def _raw(claims: Any) -> RawClaims:
    """Convert claims to plain values of exactly the declared types."""
    if not isinstance(claims, Claims):
        raise TypeError(f"solve() returned {type(claims).__name__} instead of Claims")
    if claims.plan is not None and not callable(getattr(claims.plan, "document", None)):
        raise TypeError(f"Claims.plan: {type(claims.plan).__name__} is not a plan")
    values = {name: value for name, value in vars(claims).items() if name != "plan"}
    values = msgspec.to_builtins(values, enc_hook=_plain)
    plan = None if claims.plan is None else claims.plan.document()
    values["plan"] = msgspec.Raw(msgspec.json.encode(plan, enc_hook=_plain))
    try:
        return msgspec.convert(values, RawClaims)
    except msgspec.ValidationError as error:
        field, expected = explain(error)
        name = field.partition("[")[0]
        raise TypeError(f"Claims.{name}: {expected}, found {values.get(name)!r:.80}") from None


def _plain(value: Any) -> Any:
    """Return the Python value of a NumPy scalar, which compiled solvers count with."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} is not a JSON value")
