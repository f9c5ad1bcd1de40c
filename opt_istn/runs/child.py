"""What happens inside the child process of a run: make the solver, solve, hand over the claims.

The messages of a run are defined here. Everything the child says is JSON; the parent decodes it
strictly and believes none of it.
"""

import os
import pickle
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec

from opt_istn import registry
from opt_istn.files import InputError, explain
from opt_istn.solver import Budget, Claims, Solver, Status

MAX_COST = 2**62  # costs and bounds beyond it are refused: sums of two still fit into 64 bits

_Cost = Annotated[int, msgspec.Meta(ge=-MAX_COST, le=MAX_COST)]
_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a run's processes are told.

    Parameters
    ----------
    solver, problem, parameters, seed
        The solver to make and the seed it gets.
    time_s, work, memory_mb, threads
        The budget it is told.
    hard_s, prepare_s
        Seconds after which the run is killed, once the clock runs and before that; None is never.
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
    hard_s: float | None
    prepare_s: float
    folder: str
    search_path: list[str]
    sizes: list[int]


class RawClaims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`opt_istn.solver.Claims` as JSON, the plan as its file's document or null."""

    status: Status
    plan: msgspec.Raw
    cost: _Cost | None
    bound: _Cost | None
    proof: str
    trace: tuple[tuple[_Seconds, _Cost | None, _Cost | None], ...]
    detail: dict[str, int | float | str | None]


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the parent has to know of a solver without importing it."""

    solver: str
    stochastic: bool
    parameters: dict[str, Any]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The child's last words: exactly one of the first five fields is set."""

    claims: RawClaims | None = None
    description: Description | None = None
    unsupported: str | None = None
    bad_input: tuple[str, str, str] | None = None
    error: str | None = None
    startup_s: _Seconds = 0.0
    wall_s: _Seconds = 0.0
    cpu_s: _Seconds = 0.0


def work(job: Job, parts: Sequence[bytes], ready: Callable[[], None]) -> bytes:
    """Do `job` and return the encoded `Answer`; `ready` is called when the clock starts."""
    try:
        os.chdir(job.folder)
        sys.path[:] = job.search_path
        answer = _solve(job, parts, ready) if parts else _describe(job)
        return msgspec.json.encode(answer)
    except InputError as error:
        answer = Answer(bad_input=(error.field, error.expected, error.source))
    except BaseException as error:  # a foreign solver may raise anything: it becomes a report
        answer = Answer(error=_report(error))
    return msgspec.json.encode(answer)


def _describe(job: Job) -> Answer:
    solver = registry.make(job.solver, job.problem, job.parameters)
    description = Description(
        registry.complete(job.solver, job.problem),
        bool(solver.stochastic),
        registry.changed_parameters(solver),
    )
    return Answer(description=description)


def _solve(job: Job, parts: Sequence[bytes], ready: Callable[[], None]) -> Answer:
    start = time.perf_counter()
    solver = registry.make(job.solver, job.problem, job.parameters)
    instance = pickle.loads(parts[0], buffers=parts[1:])
    reason = solver.supports(instance)
    if reason is not None:
        return Answer(unsupported=str(reason))
    solver.prepare()
    budget = Budget(job.time_s, job.work, job.memory_mb, job.threads)
    return _timed(solver, instance, budget, job.seed, start, ready)


def _timed(
    solver: Solver,
    instance: Any,
    budget: Budget,
    seed: int,
    start: float,
    ready: Callable[[], None],
) -> Answer:
    _raw(Claims(Status.NO_PLAN))  # so that the first conversion's start-up cost is not timed
    ready()
    cpu, clock = _cpu_s(), time.perf_counter()
    claims = _raw(solver.solve(instance, budget, seed))
    wall = time.perf_counter() - clock
    return Answer(
        claims=claims, startup_s=clock - start, wall_s=wall, cpu_s=max(0.0, _cpu_s() - cpu)
    )


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


def _report(error: BaseException) -> str:
    """Return the exception in one line, then the end of its traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    foreign = [frame for frame in frames if frame.filename != __file__]
    where = "".join(traceback.format_list(foreign[-4:]))
    text = "".join(traceback.format_exception_only(error))  # survives a failing __str__
    report = " ".join(text.split())[:1000] + "\n" + where[-3000:]
    return report.encode(errors="replace").decode()


def _cpu_s() -> float:
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
