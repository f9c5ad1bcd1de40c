"""Running a method for one user over all users: caches share nothing, so plans and bounds add up.

Users are taken in order, several at a time if a method says it runs on threads. Each may use an
equal share of the time and work that is left, so what one leaves over is carried on to the next;
time left at the end goes to those not yet proven. A user who was not reached gets the trivial bound
`relaxed_bound` and no pushes; the sum of the users' bounds stays a valid bound.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice

import numpy as np

from opt_istn.push.evaluate import lifetimes
from opt_istn.push.instance import Instance, UserProblem
from opt_istn.push.plan import Plan
from opt_istn.solver import Budget, Claims, Status

ROUNDS = 3  # passes over the users not yet proven, while time is left
_LEAST_S = 1e-9  # a share of time is positive
MAX_LISTED = 50  # users named in the claims' detail before it is cut off


Pushes = tuple[tuple[int, int], ...]  # (index in UserProblem.content, slot), any order


@dataclass(frozen=True)
class UserTask:
    """One user's problem and what may be spent on it.

    Parameters
    ----------
    user
        Number of the user in the instance.
    problem
        The user's contents, weights and cache.
    budget
        What may be spent; its clock runs.
    seed
        As in `opt_istn.solver`.
    """

    user: int
    problem: UserProblem
    budget: Budget
    seed: int


@dataclass(frozen=True)
class UserResult:
    """What a method found for one user.

    Parameters
    ----------
    pushes
        Best pushes found; none if there are no others.
    bound_us
        Proven lower bound on the user's delay in microseconds, None if there is none.
    work
        Work done, in the unit of the budget.
    counts
        Numbers worth keeping; those of all users are added up.
    """

    pushes: Pushes = ()
    bound_us: int | None = None
    work: int = 0
    counts: Mapping[str, int | float] = field(default_factory=dict)


Method = Callable[[UserTask], UserResult]


@dataclass
class _State:
    """Progress: what each user costs and is bounded by, so far.

    What is heard of a user while its engine still runs is kept apart, for reports alone.
    """

    cost: list[int]
    bound: list[int]
    push: dict[int, list[tuple[int, int, int]]]
    counts: Counter[str]
    skipped: int = 0
    heard: dict[int, tuple[int, list[tuple[int, int, int]]]] = field(default_factory=dict)
    heard_bound: dict[int, int] = field(default_factory=dict)


def solve(
    instance: Instance,
    method: Method,
    budget: Budget,
    seed: int,
    proof: str,
    *,
    side_by_side: bool = False,
) -> Claims:
    """Run `method` on every user who has something to gain and add the results up.

    Parameters
    ----------
    proof
        Name of the proof method behind the bounds of `method`.
    side_by_side
        Whether `method` takes one thread and leaves Python's lock alone, so that the budget's
        threads take users each. A limit of work is shared out in order, by one thread.
    """
    budget = budget.start()
    problems = [instance.user(user) for user in range(instance.num_users)]
    state = _begin(problems)
    gainful = [user for user, problem in enumerate(problems) if len(problem.content)]
    workers = 1
    if side_by_side and budget.work is None:
        workers, budget = min(budget.threads, max(len(gainful), 1)), replace(budget, threads=1)
    trace = [(budget.used_s(), sum(state.cost), sum(state.bound))]
    _report(instance, state, budget)
    for _ in range(ROUNDS):
        tasks = _tasks(instance, problems, gainful, budget, seed, state, workers)
        for task, result in _done(tasks, method, workers):
            _record(state, task, result)
            trace.append((budget.used_s(), sum(state.cost), sum(state.bound)))
            _report(instance, state, budget)
        gainful = [user for user in gainful if state.cost[user] > state.bound[user]]
        if budget.time_s is None or not gainful:
            break
    return Claims(
        status=Status.OPTIMAL if state.cost == state.bound else Status.FEASIBLE,
        plan=_plan(instance, state),
        cost=sum(state.cost),
        bound=sum(state.bound),
        proof=proof,
        trace=tuple(trace),
        detail=_detail(state),
    )


def _begin(problems: Sequence[UserProblem]) -> _State:
    """Return what is known before anything is done."""
    return _State(
        cost=[problem.base_us for problem in problems],
        bound=[relaxed_bound(problem) for problem in problems],
        push={},
        counts=Counter(),
    )


def _report(
    instance: Instance,
    state: _State,
    budget: Budget,
    problem: UserProblem | None = None,
    user: int = 0,
    pushes: Pushes | None = None,
    bound_us: int | None = None,
    _: int | None = None,
) -> None:
    """Report what is known of all users, with what an engine that still runs says of one.

    Engines call this through their task's budget, so what they report is about its user.
    """
    if budget.listener is None:
        return
    if problem is not None and pushes is not None:
        cost = delay_us(problem, pushes)
        if user not in state.heard or cost < state.heard[user][0]:
            state.heard[user] = cost, _rows(problem, user, pushes)
    if bound_us is not None:
        state.heard_bound[user] = max(bound_us, state.heard_bound.get(user, bound_us))
    costs, bounds, push = list(state.cost), list(state.bound), dict(state.push)
    for other, (cost, rows) in list(state.heard.items()):
        if cost < costs[other]:
            costs[other], push[other] = cost, rows
    for other, bound in list(state.heard_bound.items()):
        bounds[other] = max(bounds[other], bound)
    plan = Plan(instance.sha256, tuple(sorted(chain.from_iterable(push.values()))))
    budget.report(plan, sum(bounds), sum(costs))


def _rows(problem: UserProblem, user: int, pushes: Pushes) -> list[tuple[int, int, int]]:
    return [(user, int(problem.content[f]), slot) for f, slot in pushes]


def _plan(instance: Instance, state: _State) -> Plan:
    return Plan(instance.sha256, tuple(sorted(chain.from_iterable(state.push.values()))))


def delay_us(problem: UserProblem, pushes: Pushes) -> int:
    """Return the user's delay under `pushes` (index, slot), by replaying the cache."""
    kept = lifetimes([(slot, f) for f, slot in pushes], problem.cache_size)
    num_slots = problem.weight.shape[1]
    saved = (
        int(problem.weight[f, first : int(min(end, num_slots))].sum())
        for f, (first, end) in kept.items()
    )
    return problem.base_us - sum(saved)


def relaxed_bound(problem: UserProblem) -> int:
    """Return a lower bound on the delay: in every slot the L best contents pushable by then hit."""
    exists = np.maximum.accumulate(problem.pushable, axis=1)
    gains = np.sort(np.where(exists, problem.weight, 0), axis=0)
    return problem.base_us - int(gains[-problem.cache_size :].sum())


def _tasks(
    instance: Instance,
    problems: list[UserProblem],
    gainful: list[int],
    budget: Budget,
    seed: int,
    state: _State,
    workers: int,
) -> Iterator[UserTask]:
    """Yield a task for each user with something to gain, while time and work are left."""
    for position, user in enumerate(gainful):
        left = len(gainful) - position
        if budget.expired(state.counts["work"]):
            state.skipped = left
            return
        time_s, work = budget.left_s(), budget.work
        if time_s is not None:
            time_s = max(time_s, _LEAST_S) / math.ceil(left / workers)
        if work is not None:
            work = -(-(work - state.counts["work"]) // left)
        listener = partial(_report, instance, state, budget, problems[user], user)
        told = None if budget.listener is None else listener
        share = replace(budget, time_s=time_s, work=work, listener=told)
        yield UserTask(user, problems[user], share.start(), seed)


def _done(
    tasks: Iterator[UserTask], method: Method, workers: int
) -> Iterator[tuple[UserTask, UserResult]]:
    """Yield tasks with their results, `workers` at a time; a task is taken when it can begin."""
    if workers == 1:
        yield from ((task, method(task)) for task in tasks)
        return
    with ThreadPoolExecutor(workers) as pool:
        running = {pool.submit(method, task): task for task in islice(tasks, workers)}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
                running |= {pool.submit(method, task): task for task in islice(tasks, 1)}


def _record(state: _State, task: UserTask, result: UserResult) -> None:
    """Add one user's result; the delay is replayed, not taken from the engine."""
    problem, user = task.problem, task.user
    cost = delay_us(problem, result.pushes)
    if cost <= state.cost[user]:
        state.cost[user] = cost
        state.push[user] = _rows(problem, user, result.pushes)
    if result.bound_us is not None:
        state.bound[user] = max(state.bound[user], result.bound_us)
    state.counts.update({**result.counts, "work": result.work})


def _detail(state: _State) -> dict[str, int | float | str]:
    """Return counts, and the users without a proof as ``user:delay-bound`` in microseconds."""
    gaps = [cost - bound for cost, bound in zip(state.cost, state.bound, strict=True)]
    unproven = [f"{user}:{gap}" for user, gap in enumerate(gaps) if gap]
    detail: dict[str, int | float | str] = {
        "users": len(gaps),
        "users_proven": len(gaps) - len(unproven),
        "users_skipped": state.skipped,
    }
    if unproven:
        more = ["..."] * (len(unproven) > MAX_LISTED)
        detail["unproven"] = " ".join([*unproven[:MAX_LISTED], *more])
    return {**detail, **state.counts}
