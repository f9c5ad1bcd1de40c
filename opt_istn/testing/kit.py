"""`check_solver`: run a solver over small random instances and hold its claims against the truth.

A problem takes part by an entry point in the group ``opt_istn.families``, a module with two
functions: ``draw(seed, index)`` returns instance number `index` of a varied family, and
``truth(instance)`` its true outcome by a slow method of the kit's own.
"""

from collections import Counter
from typing import Any

import numpy as np

from opt_istn import files, problems
from opt_istn.files import InputError
from opt_istn.solver import Budget, Claims, Solver, Status
from opt_istn.testing.truth import Truth

_PLANNED = (Status.OPTIMAL, Status.FEASIBLE)
_PROVEN = (Status.INFEASIBLE, Status.UNBOUNDED)


class ConformanceError(AssertionError):
    """A solver broke a rule; the text names the instance and the rule."""


def check_solver(
    solver: Solver,
    problem: str = "jutap",
    seed: int = 0,
    count: int = 64,
    budget: Budget | None = None,
    *,
    quiet: bool = False,
) -> int:
    """Check `solver` on `count` random instances; return how many of them it supports.

    What was checked, and what the solver claimed, is printed at the end.

    Checked: the plan is feasible and costs what is claimed; bounds are not above the optimum;
    `optimal`, `infeasible` and `unbounded` are true; bounds and proofs are named; the trace is in
    order; the same seed gives the same result; instances are left as they were; an instance that
    the solver refuses is refused in a sentence, and not all are.

    Parameters
    ----------
    solver
        The solver object. `prepare` is called first.
    problem
        Name of the problem, such as ``jutap``.
    seed
        Seed of the instances and of the runs.
    budget
        Budget of each run; by default one thread and a minute.
    quiet
        Whether nothing is printed.

    Raises
    ------
    ConformanceError
        Names the first instance (its seed and index) and the rule that is broken.
    InputError
        If there is no such problem, or it has no family of instances.
    """
    family = problems.get(problem).family()
    if family is None:
        raise InputError("problem", f"expected one with a family, found {problem!r}")
    if not isinstance(solver, Solver) or not isinstance(solver.stochastic, bool):
        raise ConformanceError(f"{type(solver).__name__} lacks a part of the Solver protocol")
    solver.prepare()
    claimed: Counter[str] = Counter()
    for index in range(count):
        instance = family.draw(seed, index)
        try:
            claims = _check_one(
                solver, instance, family.truth(instance), budget or Budget(time_s=60.0), seed
            )
            claimed.update([] if claims is None else [str(claims.status)])
        except ConformanceError as error:
            place = f"{type(solver).__name__} on {problem} instance (seed {seed}, index {index})"
            raise ConformanceError(f"{place}: {error}") from None
    supported = claimed.total()
    if not supported:
        raise ConformanceError(f"{type(solver).__name__} supports none of {count} instances")
    if not quiet:
        print(_told(type(solver).__name__, problem, count, claimed))
    return supported


def _told(name: str, problem: str, count: int, claimed: Counter[str]) -> str:
    """Return what was checked and what was claimed, in two lines."""
    found = ", ".join(f"{number} {status}" for status, number in claimed.most_common())
    checked = f"{name} passed on {claimed.total()} of {count} {problem} instances: {found}"
    refused = count - claimed.total()
    rules = (
        "plans and costs judged, bounds and statuses true, trace in order, same seed twice alike"
    )
    return f"{checked}; {refused} refused\nchecked: {rules}, instances unchanged"


def _check_one(
    solver: Solver, instance: Any, truth: Truth, budget: Budget, seed: int
) -> Claims | None:
    """Check all rules on one instance; return the claims, None if the solver refuses it."""
    before = _fingerprint(instance)
    reason = solver.supports(instance)
    _expect(reason == solver.supports(instance), "supports() changes its mind")
    if reason is not None:
        _expect(isinstance(reason, str) and bool(reason), "supports() must return None or a reason")
        return None
    claims = solver.solve(instance, budget, seed)
    _check_claims(instance, claims, truth)
    again = solver.solve(instance, budget, seed)
    same = all(
        getattr(claims, name) == getattr(again, name)
        for name in ("status", "cost", "bound", "proof", "plan")
    )
    _expect(same, f"the same seed gave {_text(claims)} and then {_text(again)}")
    after = _fingerprint(instance)
    changed = sorted(name for name, content in before.items() if after.get(name) != content)
    _expect(not changed, f"the instance was modified: {', '.join(changed)}")
    return claims


def _check_claims(instance: Any, claims: Claims, truth: Truth) -> None:
    _expect(isinstance(claims, Claims), f"solve() returned {type(claims).__name__}, not Claims")
    _expect(isinstance(claims.status, Status), f"the status {claims.status!r} is not a Status")
    _expect(claims.status != Status.FAILED, "a solver raises, it does not claim 'failed'")
    _check_plan(instance, claims)
    _check_bound(claims, truth)
    _check_trace(claims, truth)
    status = claims.status
    if status in _PROVEN:
        _expect(truth.status == status, f"claimed {status}, but it is {_true(truth)}")
        _expect(claims.bound is None, f"claimed {status} and yet a bound")
        _expect(bool(claims.proof), f"claimed {status} without naming the proof")
    if status in _PLANNED:
        _expect(truth.status != Status.INFEASIBLE, "claimed a plan, but none is feasible")
    if status == Status.OPTIMAL:
        _expect(claims.cost in (None, claims.bound), f"claimed optimal with {_text(claims)}")
        _expect(claims.bound == truth.cost, f"claimed {_text(claims)}, but it is {_true(truth)}")
    if status == Status.BOUND_ONLY:
        _expect(claims.bound is not None, "claimed bound_only without a bound")


def _check_plan(instance: Any, claims: Claims) -> None:
    """Hold plan and cost against the problem's judge."""
    if claims.plan is None:
        _expect(claims.status not in _PLANNED, f"claimed {claims.status} without a plan")
        _expect(claims.cost is None, "claimed a cost without a plan")
        return
    judged = problems.get(instance.problem).evaluate(instance, claims.plan)
    wrong = "; ".join(judged.violations)
    if claims.status in _PLANNED:
        _expect(not wrong, f"claimed {claims.status}, but {wrong}")
        same = claims.cost in (None, judged.cost)
        _expect(same, f"claimed cost {claims.cost}, judged {judged.cost}")
        if claims.cost is not None:
            _expect(type(claims.cost) is int, f"the cost {claims.cost!r} is not an int")
        if claims.status == Status.OPTIMAL:
            _expect(
                claims.bound == judged.cost, f"claimed optimal, but the plan costs {judged.cost}"
            )
    elif claims.status != Status.UNBOUNDED:
        _expect(bool(wrong), f"claimed {claims.status}, but the plan is feasible")


def _check_bound(claims: Claims, truth: Truth) -> None:
    if claims.bound is None:
        return
    _expect(type(claims.bound) is int, f"the bound {claims.bound!r} is not an int")
    _expect(bool(claims.proof), "claimed a bound without naming the proof")
    _expect(_is_bound(claims.bound, truth), f"claimed {_text(claims)}, but it is {_true(truth)}")


def _check_trace(claims: Claims, truth: Truth) -> None:
    seconds = [row[0] for row in claims.trace]
    _expect(seconds == sorted(seconds), "the seconds of the trace go back")
    for _, cost, bound in claims.trace:
        if cost is not None and truth.status != Status.UNBOUNDED:
            true = truth.cost is not None and cost >= truth.cost
            _expect(true, f"the trace has the cost {cost}, but it is {_true(truth)}")
        if bound is not None:
            text = f"the trace has the bound {bound}, but it is {_true(truth)}"
            _expect(_is_bound(bound, truth), text)


def _is_bound(bound: int, truth: Truth) -> bool:
    """Whether `bound` is below every plan's cost; anything is where there is no plan."""
    if truth.cost is None:
        return truth.status == Status.INFEASIBLE
    return bound <= truth.cost


def _fingerprint(instance: Any) -> dict[str, object]:
    """Return the content of an instance: its document and every array it holds, cached or not."""
    content: dict[str, object] = {"document": files.canonical_sha256(instance.document())}
    for name, value in vars(instance).items():
        parts = value if isinstance(value, tuple) else (value,)
        arrays = [part.tobytes() for part in parts if isinstance(part, np.ndarray)]
        if arrays:
            content[name] = arrays
    return content


def _text(claims: Claims) -> str:
    return f"{claims.status}, cost {claims.cost}, bound {claims.bound}"


def _true(truth: Truth) -> str:
    return str(truth.status) if truth.cost is None else f"{truth.status} at {truth.cost}"


def _expect(ok: bool, otherwise: str) -> None:
    if not ok:
        raise ConformanceError(otherwise)
