"""What a solver is: the protocol, the work it is allowed, and what it may claim."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

KINDS = ("exact", "heuristic", "policy", "agent")  # proves | plans | decides online | trained


class Status(StrEnum):
    """Outcome of a run. All problems minimise, so a bound is always a lower bound.

    Examples
    --------
    >>> from opt_istn import Status
    >>> Status("optimal") is Status.OPTIMAL
    True
    """

    OPTIMAL = "optimal"  # the plan's cost equals a proven bound
    FEASIBLE = "feasible"  # a feasible plan, not proven optimal
    INFEASIBLE = "infeasible"  # proven: no feasible plan exists
    UNBOUNDED = "unbounded"  # proven: plans of arbitrarily low cost exist
    BOUND_ONLY = "bound_only"  # a proven bound, no feasible plan
    NO_PLAN = "no_plan"  # neither; an infeasible plan may be attached to show what it violates
    FAILED = "failed"  # crashed, killed, or claimed something that is refuted


_ENDLESS = float("inf")
_TOLERATED_S = 0.25  # beyond a time limit, where nothing could be returned otherwise
Listener = Callable[[Any, float | None, float | None], None]  # told of plan, bound, cost; or None


@dataclass(frozen=True)
class Budget:
    """Work a solver is allowed, and its clock.

    A solver begins with ``budget = budget.start()`` and asks ``budget.expired()`` now and then;
    `left_s` is what it hands on to an engine that keeps time itself.

    Parameters
    ----------
    time_s
        Wall-clock seconds after which the solver should return what it has; None is no limit.
        The harness kills a run that goes on well past it.
    work
        Limit in the solver's own deterministic unit (labels, nodes), for runs that must repeat.
    memory_mb
        Resident memory of the run's process tree in MiB, enforced by the harness.
    threads
        Threads the solver may use.
    began_s
        When the clock started, on `time.perf_counter`; None before `start`.
    listener
        Whom `report` tells; None is nobody.

    Examples
    --------
    >>> from opt_istn import Budget
    >>> Budget(time_s=10, threads=2)
    Budget(time_s=10, work=None, memory_mb=None, threads=2)
    """

    time_s: float | None = None
    work: int | None = None
    memory_mb: int | None = None
    threads: int = 1
    began_s: float | None = field(default=None, compare=False, repr=False)
    listener: Listener | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        limits = {"time_s": self.time_s, "work": self.work, "memory_mb": self.memory_mb}
        for name, value in {**limits, "threads": self.threads}.items():
            if value is not None and not 0 < value < _ENDLESS:  # files know no infinity
                raise ValueError(f"Budget.{name}: expected a positive number, found {value}")

    def start(self) -> "Budget":
        """Return this budget with its clock started now."""
        return replace(self, began_s=time.perf_counter())

    def used_s(self) -> float:
        """Return the seconds since the clock started; 0 if it has not."""
        return 0.0 if self.began_s is None else time.perf_counter() - self.began_s

    def left_s(self) -> float | None:
        """Return the seconds left, at least 0; None for no limit."""
        return None if self.time_s is None else max(self.time_s - self.used_s(), 0.0)

    def expired(self, work: int = 0) -> bool:
        """Return whether the time is up, or `work` units of work are all there are."""
        late = self.time_s is not None and self.used_s() >= self.time_s
        return late or (self.work is not None and work >= self.work)

    def overdue(self) -> bool:
        """Return whether the time has been up for a while, but for less than is tolerated.

        For what must be done before there is any plan at all: it may take a quarter of a second
        more than the limit, or a twentieth.
        """
        return self.time_s is not None and self.used_s() >= self.time_s + max(
            _TOLERATED_S, self.time_s / 20
        )

    def report(self, plan: Any, bound: float | None, cost: float | None = None) -> None:
        """Tell the listener of a better plan (None if there is none) or of a better bound.

        Whoever runs the solver may keep it, should the solver be killed before it returns. `cost`
        is the solver's own word for the plan's, as in its `trace`. A bound or cost that is not
        finite, or beyond all costs there can be, is as good as None.
        """
        if self.listener is not None:
            self.listener(plan, bound, cost)


@dataclass(frozen=True)
class Claims:
    """What a solver says of its run. Nothing here is believed until the evaluator has judged it.

    Parameters
    ----------
    status
        Claimed outcome.
    plan
        The incumbent plan, if any.
    cost
        Claimed cost of `plan`, in the instance's integer cost unit.
    bound
        Proven lower bound on the cost of every feasible plan, same unit.
    proof
        Name of the proof method behind `bound` (or behind infeasible / unbounded), for readers.
        Whether two proofs are independent is decided by `opt_istn.runs.cores`, not by their names.
    trace
        ``(seconds, incumbent cost or None, bound or None)`` whenever either improved.
    detail
        Counts worth keeping: labels, nodes, iterations; at most 1000.

    Examples
    --------
    >>> from opt_istn import Claims, Status
    >>> Claims(Status.BOUND_ONLY, bound=17, proof="relaxation").plan is None
    True
    """

    status: Status
    plan: Any = None
    cost: int | None = None
    bound: int | None = None
    proof: str = ""
    trace: tuple[tuple[float, int | None, int | None], ...] = ()
    detail: dict[str, int | float | str] = field(default_factory=dict)


@runtime_checkable
class Solver(Protocol):
    """A method for one problem. Parameters of a method are fields of its (frozen) dataclass.

    ``stochastic`` tells whether the seed matters; a deterministic solver runs once an instance.
    A solver should also declare its ``kind``, one of `KINDS`, and in a word or two what of an
    instance it ``knows`` beyond the past when it decides: ``law``, ``births``, ``requests``,
    ``link states``. Records keep both for the tables, which show a dash for what is not declared.
    ``distributions``, a tuple of names, says which further packages it runs on: records keep their
    versions. What lies in files that are its parameters is part of a run's identity.
    An agent may have ``steps``, a mapping with the fields of `opt_istn.runs.ledger.Steps`, which is
    read after `solve`.
    """

    stochastic: bool

    def supports(self, instance: Any) -> str | None:
        """Return None if the solver can take `instance`, else one sentence saying why not.

        Called after `prepare`, on the clock.
        """
        ...

    def prepare(self) -> None:
        """Import engines and compile. Called once before the clock starts."""
        ...

    def solve(self, instance: Any, budget: Budget, seed: int) -> Claims:
        """Solve `instance` within `budget`; all randomness comes from `seed`.

        A solver may `Budget.report` plans and bounds meanwhile: should it be killed, they are kept.
        """
        ...
