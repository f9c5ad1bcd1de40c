"""The judge of a run: what a solver claims, held against the evaluator and against itself."""

from typing import Any

import msgspec

from opt_istn import problems
from opt_istn.files import InputError
from opt_istn.problems import Instance
from opt_istn.runs.ledger import Claim, Failure, Record
from opt_istn.runs.nursery.child import RawClaims
from opt_istn.solver import Status

_WITH_PLAN = (Status.OPTIMAL, Status.FEASIBLE)


def examine(run: Record, instance: Instance, claims: RawClaims) -> Record:
    """Evaluate the claimed plan, refute what contradicts it, and return `run` with what is left.

    Cost, violations, terms and plan are the evaluator's, whatever was claimed. Status and bound are
    the claimed ones; if a claim is refuted the run is `failed`, has no bound, and says why.
    """
    priced, evaluated, unreadable = _evaluated(instance, claims)
    run = msgspec.structs.replace(
        run,
        status=claims.status,
        bound=claims.bound,
        claim=Claim(claims.status, claims.cost, claims.bound, claims.proof),
        trace=claims.trace,
        detail=claims.detail,
        failure=None,
        error="",
        **evaluated,
    )
    refuted = unreadable or _refuted(claims, run, priced) or _bounded(instance, claims)
    if refuted:
        failed: dict[str, Any] = {"failure": Failure.REFUTED, "error": refuted, "bound": None}
        return msgspec.structs.replace(run, status=Status.FAILED, **failed)
    if claims.status == Status.FAILED:
        error = "it said that it failed"
        return msgspec.structs.replace(run, failure=Failure.CRASHED, error=error)
    return run


def _evaluated(instance: Instance, claims: RawClaims) -> tuple[int | None, dict[str, Any], str]:
    """Return what the plan costs even if infeasible, the record's fields, and why it is no plan."""
    fields: dict[str, Any] = {"cost": None, "violations": (), "terms": {}, "plan": None}
    if bytes(claims.plan) == b"null":
        return None, fields, ""
    try:
        problem = problems.get(instance.problem)
        plan = problem.plan(bytes(claims.plan))
        evaluation = problem.evaluate(instance, plan)
    except InputError as error:
        return None, fields, f"its plan: {error}"
    fields = {
        "cost": None if evaluation.violations else evaluation.cost,
        "violations": evaluation.violations,
        "terms": evaluation.terms() | _reference(instance),
        "plan": plan.document(),
    }
    return evaluation.cost, fields, ""


def _bounded(instance: Instance, claims: RawClaims) -> str:
    if claims.status == Status.UNBOUNDED and problems.get(instance.problem).bounded(instance):
        return "claimed unbounded, but no plan of this instance can be arbitrarily cheap"
    return ""


_references: dict[str, int | None] = {}  # by instance: a walk over a large map takes seconds


def _reference(instance: Instance) -> dict[str, int]:
    """Return the term ``reference``, the cost that savings are counted from, if there is one."""
    if instance.sha256 not in _references:
        problem = problems.get(instance.problem)
        _references[instance.sha256] = problem.reference(instance)
    cost = _references[instance.sha256]
    return {} if cost is None else {"reference": cost}


def _refuted(claims: RawClaims, run: Record, priced: int | None) -> str:
    """Return the first contradiction; `priced` is the cost even of an infeasible plan."""
    status, cost, bound = claims.status, run.cost, claims.bound
    if claims.cost is not None and priced is not None and claims.cost != priced:
        return f"claimed the cost {claims.cost}, but its plan costs {priced}"
    if status in _WITH_PLAN and run.plan is None:
        return f"claimed {status}, but returned no plan"
    if status in _WITH_PLAN and cost is None:
        found = "; ".join(run.violations) or "it has no cost"
        return f"claimed a feasible plan, but: {found}"
    if status not in (*_WITH_PLAN, Status.UNBOUNDED) and cost is not None:
        return f"claimed {status}, but its plan is feasible and costs {cost}"
    if bound is not None and cost is not None and bound > cost:
        return f"claimed the bound {bound}, but its own plan costs {cost}"
    if status == Status.OPTIMAL and bound != cost:
        return f"claimed optimal with the bound {bound} and a plan of cost {cost}"
    return _unfounded(status, bound, claims.proof)


def _unfounded(status: Status, bound: int | None, proof: str) -> str:
    if status == Status.BOUND_ONLY and bound is None:
        return "claimed bound_only, but returned no bound"
    if status in (Status.UNBOUNDED, Status.INFEASIBLE) and bound is not None:
        return f"claimed {status} and yet the bound {bound}"
    proven = bound is not None or status in (Status.INFEASIBLE, Status.UNBOUNDED)
    if proven and not proof:
        return f"claimed {status if bound is None else 'a bound'} without naming its proof"
    return ""
