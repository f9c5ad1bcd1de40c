"""The judge by hand: what it accepts, what it refutes, and what is left of a run then."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from formulations.jutap.heuristics import Straight
from formulations.jutap.labels import Labels
from opt_istn import Budget
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.reference import reference_cost
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.runs.judge import examine
from opt_istn.runs.ledger import Claim, Failure, Record
from opt_istn.runs.nursery.child import RawClaims
from opt_istn.solver import Status
from tests.report.synthetic import run

OPEN = replace(generate(PRESETS["jutap-tiny"], 1, "tiny"), energy_budget_mj=None)
PLAN: Plan = Labels().solve(OPEN, Budget(), 0).plan
LEAST = evaluate(OPEN, PLAN)
COST = LEAST.cost or 0
SPENT = LEAST.energy_mj or 0
TIGHT = replace(OPEN, energy_budget_mj=SPENT - 1)  # PLAN is not feasible here, but has a price


def judged(instance: Instance, status: Status, plan: Plan | None = None, **claims: Any) -> Record:
    """Return what the judge makes of claims; a plan is made one of this instance."""
    own = None if plan is None else Plan(instance.sha256, plan.cells, plan.links).document()
    fields = {"cost": None, "bound": None, "proof": "", "trace": (), "detail": {}} | claims
    raw = msgspec.Raw(msgspec.json.encode(own))
    return examine(run("x", sha256=instance.sha256), instance, RawClaims(status, raw, **fields))


@pytest.mark.parametrize(
    ("status", "claims"),
    [
        (Status.OPTIMAL, {"cost": COST, "bound": COST, "proof": "search"}),
        (Status.FEASIBLE, {"cost": COST, "bound": COST - 1, "proof": "search"}),
        (Status.FEASIBLE, {"cost": COST, "bound": COST, "proof": "search"}),
        (Status.FEASIBLE, {}),
        (Status.UNBOUNDED, {"proof": "cycle"}),
    ],
)
def test_what_holds_is_kept(status: Status, claims: dict[str, Any]) -> None:
    """Status, bound and claim stay as they were claimed; cost, terms and plan are the judge's."""
    found = judged(OPEN, status, PLAN, trace=((0.5, COST, None),), detail={"work": 3}, **claims)
    assert (found.status, found.bound) == (status, claims.get("bound"))
    assert (found.cost, found.violations, found.failure, found.error) == (COST, (), None, "")
    assert found.terms == LEAST.terms() | {"reference": reference_cost(OPEN)}
    assert found.plan == PLAN.document()
    assert (found.trace, found.detail) == (((0.5, COST, None),), {"work": 3})
    own = (claims.get("cost"), claims.get("bound"), claims.get("proof", ""))
    assert found.claim == Claim(status, *own)


@pytest.mark.parametrize(
    ("status", "claims"),
    [
        (Status.NO_PLAN, {}),
        (Status.BOUND_ONLY, {"bound": COST, "proof": "search"}),
        (Status.INFEASIBLE, {"proof": "search"}),
        (Status.UNBOUNDED, {"proof": "cycle"}),
    ],
)
def test_what_has_no_plan_is_kept(status: Status, claims: dict[str, Any]) -> None:
    """Without a plan there are no cost, no terms and no reference."""
    found = judged(OPEN, status, **claims)
    assert (found.status, found.bound, found.failure) == (status, claims.get("bound"), None)
    assert (found.cost, found.terms, found.plan, found.violations) == (None, {}, None, ())


def test_an_infeasible_plan_is_shown_and_costs_nothing() -> None:
    """It is kept with what it violates; its price is told in no field."""
    found = judged(TIGHT, Status.NO_PLAN, PLAN)
    over = f"energy {SPENT} mJ exceeds the budget of {SPENT - 1} mJ (5a)"
    assert (found.status, found.cost, found.violations) == (Status.NO_PLAN, None, (over,))
    assert found.plan is not None
    assert found.terms["energy_mj"] == SPENT


REFUTED = [
    (
        *(OPEN, Status.FEASIBLE, PLAN, {"cost": COST + 1}),
        f"claimed the cost {COST + 1}, but its plan costs {COST}",
    ),
    (
        *(TIGHT, Status.NO_PLAN, PLAN, {"cost": COST - 1}),
        f"claimed the cost {COST - 1}, but its plan costs {COST}",
    ),
    (OPEN, Status.FEASIBLE, None, {}, "claimed feasible, but returned no plan"),
    (OPEN, Status.OPTIMAL, None, {"bound": 1}, "claimed optimal, but returned no plan"),
    (TIGHT, Status.FEASIBLE, PLAN, {}, f"claimed a feasible plan, but: energy {SPENT} mJ"),
    (OPEN, Status.NO_PLAN, PLAN, {}, f"claimed no_plan, but its plan is feasible and costs {COST}"),
    (
        *(OPEN, Status.INFEASIBLE, PLAN, {"proof": "x"}),
        f"claimed infeasible, but its plan is feasible and costs {COST}",
    ),
    (
        *(OPEN, Status.FEASIBLE, PLAN, {"bound": COST + 1, "proof": "x"}),
        f"claimed the bound {COST + 1}, but its own plan costs {COST}",
    ),
    (
        *(OPEN, Status.OPTIMAL, PLAN, {"bound": COST - 1, "proof": "x"}),
        f"claimed optimal with the bound {COST - 1} and a plan of cost {COST}",
    ),
    (OPEN, Status.OPTIMAL, PLAN, {"proof": "x"}, "claimed optimal with the bound None"),
    (OPEN, Status.BOUND_ONLY, None, {"proof": "x"}, "claimed bound_only, but returned no bound"),
    (
        *(OPEN, Status.INFEASIBLE, None, {"bound": 5, "proof": "x"}),
        "claimed infeasible and yet the bound 5",
    ),
    (
        *(OPEN, Status.UNBOUNDED, None, {"bound": 5, "proof": "x"}),
        "claimed unbounded and yet the bound 5",
    ),
    (OPEN, Status.BOUND_ONLY, None, {"bound": 5}, "claimed a bound without naming its proof"),
    (
        *(OPEN, Status.OPTIMAL, PLAN, {"bound": COST}),
        "claimed a bound without naming its proof",
    ),
    (OPEN, Status.INFEASIBLE, None, {}, "claimed infeasible without naming its proof"),
    (OPEN, Status.UNBOUNDED, None, {}, "claimed unbounded without naming its proof"),
    (
        *(TIGHT, Status.UNBOUNDED, None, {"proof": "x"}),
        "claimed unbounded, but no plan of this instance can be arbitrarily cheap",
    ),
]


@pytest.mark.parametrize(("instance", "status", "plan", "claims", "reason"), REFUTED)
def test_what_does_not_hold_is_refuted(
    instance: Instance, status: Status, plan: Plan | None, claims: dict[str, Any], reason: str
) -> None:
    """The run is failed and says why; the claim is kept, its bound is not."""
    found = judged(instance, status, plan, **claims)
    assert (found.status, found.failure, found.bound) == (Status.FAILED, Failure.REFUTED, None)
    assert found.error.startswith(reason)
    assert found.claim is not None
    assert (found.claim.status, found.claim.bound) == (status, claims.get("bound"))


@pytest.mark.parametrize("text", [b"{}", b"[1]", b'{"format":"opt-istn/jutap-plan"}'])
def test_what_is_no_plan_is_refuted(text: bytes) -> None:
    """Such a plan has no cost, and the reason names it."""
    claims = RawClaims(Status.FEASIBLE, msgspec.Raw(text), None, None, "", (), {})
    found = examine(run("x"), OPEN, claims)
    assert (found.status, found.failure) == (Status.FAILED, Failure.REFUTED)
    assert found.error.startswith("its plan: ")
    assert (found.cost, found.plan, found.terms) == (None, None, {})


def test_a_plan_of_another_instance_is_refuted() -> None:
    """The hash in a plan names its instance."""
    raw = msgspec.Raw(msgspec.json.encode(PLAN.document() | {"instance": "f" * 64}))
    found = examine(run("x"), OPEN, RawClaims(Status.FEASIBLE, raw, None, None, "", (), {}))
    assert found.failure == Failure.REFUTED
    assert "expected a plan for" in found.error


def test_a_solver_that_says_that_it_failed_has() -> None:
    """It is a crash, not a refutation."""
    found = judged(OPEN, Status.FAILED)
    assert (found.status, found.failure) == (Status.FAILED, Failure.CRASHED)
    assert found.error == "it said that it failed"


def test_every_instance_has_its_own_reference() -> None:
    """It is the cost of the straightest walk there, whatever was judged before."""
    for number in (1, 2, 3, 1):
        other = generate(PRESETS["jutap-tiny"], number, "tiny")
        plan = Straight().solve(other, Budget(), 0).plan
        found = judged(other, Status.FEASIBLE, plan)
        assert found.terms["reference"] == evaluate(other, plan).cost == found.cost
