"""The judge of a run: what a solver claims, held against the evaluator and against itself."""

from dataclasses import dataclass, field, replace
from typing import Any

from opt_istn import problems
from opt_istn.files import InputError
from opt_istn.problems import Instance
from opt_istn.runs.child import RawClaims
from opt_istn.solver import Status

_WITH_PLAN = (Status.OPTIMAL, Status.FEASIBLE)


@dataclass(frozen=True)
class Verdict:
    """What is left of a solver's claims.

    Parameters
    ----------
    status
        The claimed one, or `failed` if a claim is refuted.
    cost
        Evaluated cost of the plan if it is feasible, whatever was claimed.
    bound
        The claimed bound; None if a claim is refuted.
    violations, terms
        The evaluator's findings.
    plan
        The plan as its file's document, read back by the problem's own reader.
    refuted
        Why a claim is refuted; empty if none is.
    """

    status: Status
    cost: int | None = None
    bound: int | None = None
    violations: tuple[str, ...] = ()
    terms: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] | None = None
    refuted: str = ""


def judge(instance: Instance, claims: RawClaims) -> Verdict:
    """Evaluate the claimed plan and refute what contradicts it."""
    verdict = Verdict(claims.status, bound=claims.bound)
    priced = None
    if bytes(claims.plan) != b"null":
        try:
            problem = problems.get(instance.problem)
            plan = problem.plan(bytes(claims.plan))
            evaluation = problem.evaluate(instance, plan)
        except InputError as error:
            return replace(verdict, status=Status.FAILED, bound=None, refuted=f"its plan: {error}")
        priced = evaluation.cost
        verdict = replace(
            verdict,
            cost=None if evaluation.violations else priced,
            violations=evaluation.violations,
            terms=evaluation.terms() | _reference(instance),
            plan=plan.document(),
        )
    refuted = _refuted(claims, verdict, priced)
    boundless = claims.status == Status.UNBOUNDED and not refuted
    if boundless and problems.get(instance.problem).bounded(instance):
        refuted = "claimed unbounded, but no plan of this instance can be arbitrarily cheap"
    if refuted:
        return replace(verdict, status=Status.FAILED, bound=None, refuted=refuted)
    return verdict


_references: dict[str, int | None] = {}  # by instance: a walk over a large map takes seconds


def _reference(instance: Instance) -> dict[str, int]:
    """Return the term ``reference``, the cost that savings are counted from, if there is one."""
    if instance.sha256 not in _references:
        problem = problems.get(instance.problem)
        _references[instance.sha256] = problem.reference(instance)
    cost = _references[instance.sha256]
    return {} if cost is None else {"reference": cost}


def _refuted(claims: RawClaims, verdict: Verdict, priced: int | None) -> str:
    """Return the first contradiction; `priced` is the cost even of an infeasible plan."""
    status, cost, bound = claims.status, verdict.cost, claims.bound
    if claims.cost is not None and priced is not None and claims.cost != priced:
        return f"claimed the cost {claims.cost}, but its plan costs {priced}"
    if status in _WITH_PLAN and verdict.plan is None:
        return f"claimed {status}, but returned no plan"
    if status in _WITH_PLAN and cost is None:
        found = "; ".join(verdict.violations) or "it has no cost"
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
