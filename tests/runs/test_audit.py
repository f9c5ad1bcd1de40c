"""What several runs on one instance say together."""

import random
from typing import Any

import pytest

from opt_istn import Status
from opt_istn.runs import audit
from opt_istn.runs.ledger import Claim, Failure, Limits, Record, Source


def _run(solver: str, status: Status, cost: int | None = None, bound: int | None = None) -> Record:
    """Return a run whose proof has the name of its solver."""
    return Record(
        problem="jutap",
        instance="it",
        sha256="0" * 64,
        source=Source(file="it.json"),
        solver=solver,
        parameters={},
        seed=0,
        limits=Limits(),
        status=status,
        cost=cost,
        bound=bound,
        claim=Claim(status, cost, bound, solver),
    )


def _verdicts(*runs: Record) -> dict[str, str]:
    return {run.solver: run.status for run in audit.audited(runs)}


PLAN = _run("plan", Status.FEASIBLE, 200)
BEST = _run("best", Status.OPTIMAL, 200, 200)


@pytest.mark.parametrize(
    "liar",
    [
        _run("liar", Status.BOUND_ONLY, None, 201),
        _run("liar", Status.OPTIMAL, 282, 282),
        _run("liar", Status.FEASIBLE, 282, 250),
        _run("liar", Status.INFEASIBLE),
    ],
)
def test_a_plan_refutes_a_claim(liar: Record) -> None:
    """An evaluated plan refutes a bound above it and `infeasible`, in whatever order they came."""
    for runs in ((PLAN, liar), (liar, PLAN)):
        assert _verdicts(*runs) == {"plan": "feasible", "liar": "failed"}
    (refuted,) = audit.audit([liar, PLAN])
    assert (refuted.key, refuted.cost, refuted.bound) == (liar.key, liar.cost, None)
    assert refuted.failure == Failure.REFUTED
    assert "plan" in refuted.error
    assert "200" in refuted.error


def test_plans_of_failed_runs_are_facts() -> None:
    """The evaluated plan of a run that lied elsewhere still refutes others."""
    cheat = audit.refute(_run("cheat", Status.OPTIMAL, 200, 250), "lied")
    assert _verdicts(cheat, _run("high", Status.BOUND_ONLY, None, 201))["high"] == "failed"


@pytest.mark.parametrize(
    "other", [BEST, _run("best", Status.BOUND_ONLY, None, 5), _run("best", Status.INFEASIBLE)]
)
def test_contradicting_claims_are_both_dropped(other: Record) -> None:
    """`unbounded` against a bound or `infeasible`: no plan decides, so neither is believed."""
    runs = (other, _run("boundless", Status.UNBOUNDED))
    assert set(_verdicts(*runs).values()) == {"failed"}


def test_agreement_is_left_alone() -> None:
    """Runs that agree, and instances of their own, refute nothing."""
    elsewhere = _run("else", Status.INFEASIBLE)
    elsewhere = audit.msgspec.structs.replace(elsewhere, sha256="1" * 64)
    assert audit.audit([PLAN, BEST, _run("low", Status.BOUND_ONLY, None, 200), elsewhere]) == []


def test_auditing_twice_changes_nothing() -> None:
    """What an audit returns holds no further contradiction."""
    once = audit.audited([PLAN, BEST, _run("liar", Status.OPTIMAL, 282, 282)])
    assert audit.audit(once) == []
    assert audit.audited(once) == once


def test_verdicts_do_not_depend_on_the_order() -> None:
    """Whichever order random runs come in, the same ones are refuted."""
    rng = random.Random(1)
    choices = [
        lambda i: _run(f"r{i}", Status.FEASIBLE, rng.randrange(10)),
        lambda i: _run(f"r{i}", Status.OPTIMAL, c := rng.randrange(10), c),
        lambda i: _run(f"r{i}", Status.BOUND_ONLY, None, rng.randrange(10)),
        lambda i: _run(f"r{i}", rng.choice([Status.INFEASIBLE, Status.UNBOUNDED])),
    ]
    for _ in range(300):
        runs = [rng.choice(choices)(i) for i in range(rng.randrange(1, 6))]
        expected = _verdicts(*runs)
        rng.shuffle(runs)
        assert _verdicts(*runs) == expected
        assert audit.audit(audit.audited(runs)) == []


def _summary(*runs: Record) -> dict[str, Any]:
    (summary,) = audit.summarise(runs)
    return vars(summary)


def test_two_proofs_certify() -> None:
    """Two proofs of different name for the same integer certify it; one name does not."""
    proven = {"status": "optimal", "best_cost": 200, "best_bound": 200}
    alone = _summary(BEST, PLAN)
    assert alone.items() >= (proven | {"certified": False, "proofs": ("best",)}).items()
    both = _summary(BEST, PLAN, _run("low", Status.BOUND_ONLY, None, 200))
    assert both.items() >= (proven | {"certified": True, "proofs": ("best", "low")}).items()
    same = audit.msgspec.structs.replace(BEST, solver="again")
    assert not _summary(BEST, same)["certified"]


def test_bounds_of_refuted_runs_do_not_count() -> None:
    """The best bound is the highest one of a run that is not refuted."""
    liar = _run("liar", Status.BOUND_ONLY, None, 300)
    known = _summary(liar, PLAN, _run("low", Status.BOUND_ONLY, None, 150))
    assert (known["best_cost"], known["best_bound"], known["status"]) == (200, 150, "feasible")


@pytest.mark.parametrize("status", [Status.INFEASIBLE, Status.UNBOUNDED])
def test_other_proofs_certify_too(status: Status) -> None:
    """`infeasible` and `unbounded` are certified by two proofs as well."""
    known = _summary(_run("a", status), _run("b", status), _run("c", Status.NO_PLAN))
    assert (known["status"], known["certified"], known["proofs"]) == (status, True, ("a", "b"))


def test_nothing_known() -> None:
    """An instance without plans and bounds has neither, and one with a bound has that."""
    assert _summary(_run("a", Status.NO_PLAN))["status"] == "no_plan"
    assert _summary(_run("a", Status.BOUND_ONLY, None, 3))["status"] == "bound_only"


def test_gap() -> None:
    """The gap is relative to the bound, whose absolute value counts as at least one unit."""
    assert audit.gap(110, 100) == pytest.approx(0.1)
    assert audit.gap(-90, -100) == pytest.approx(0.1)
    assert audit.gap(3, 0) == 3
    assert audit.gap(None, 3) is None
    assert audit.gap(3, None) is None
