"""What several runs on one instance say together."""

import random
import sys
from typing import Any

import msgspec
import pytest

from opt_istn import Status, registry
from opt_istn.runs import audit
from opt_istn.runs.audit import Standing
from opt_istn.runs.cores import CORES, core_of
from opt_istn.runs.ledger import Claim, Failure, Limits, Record, Source


def _run(solver: str, status: Status, cost: int | None = None, bound: int | None = None) -> Record:
    """Return a run whose proof has the name of its solver, and the core that it has by right."""
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
        core=core_of(solver),
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
    refuted, _ = audit.audited([liar, PLAN])
    assert (refuted.key, refuted.cost, refuted.bound) == (liar.key, liar.cost, None)
    assert refuted.failure == Failure.REFUTED
    assert "plan" in refuted.error
    assert "200" in refuted.error


@pytest.mark.parametrize(
    "liar", [_run("liar", Status.OPTIMAL, 282, 282), _run("liar", Status.INFEASIBLE)]
)
def test_a_plan_refutes_a_record_that_says_more_than_its_claim(liar: Record) -> None:
    """A record changed by hand unsettles nothing and puts no plan below the bound."""
    edited = msgspec.structs.replace(liar, claim=Claim(Status.FEASIBLE, 282, None, ""))
    assert _verdicts(BEST, edited) == {"best": "optimal", "liar": "failed"}
    (summary,) = audit.summarise([BEST, edited])
    assert (summary.status, summary.best_cost, summary.best_bound) == (Status.OPTIMAL, 200, 200)


def test_plans_of_failed_runs_are_facts() -> None:
    """The evaluated plan of a run that lied elsewhere still refutes others."""
    cheat = _run("cheat", Status.OPTIMAL, 200, 250)
    failed = {"status": Status.FAILED, "failure": Failure.REFUTED, "bound": None}
    cheat = msgspec.structs.replace(cheat, **failed)
    assert _verdicts(cheat, _run("high", Status.BOUND_ONLY, None, 201))["high"] == "failed"


BOUNDLESS = _run("boundless", Status.UNBOUNDED)
HONEST = [
    _run("jutap.labels", Status.OPTIMAL, 200, 200),
    _run("jutap.pyomo", Status.BOUND_ONLY, None, 5),
    _run("jutap.cpsat", Status.INFEASIBLE),
]


@pytest.mark.parametrize("other", HONEST)
def test_contradicting_claims_are_disputed(other: Record) -> None:
    """`unbounded` against a bound or `infeasible`: nobody is blamed and nobody is believed."""
    for runs in ([other, BOUNDLESS], [BOUNDLESS, other]):
        read = audit.audited(runs)
        assert all(run.failure is None and run.bound is None for run in read)
        assert {run.status for run in read} <= {Status.FEASIBLE, Status.NO_PLAN}
        assert all(run.error.startswith("disputed: claimed ") for run in read)
        (known,) = audit.summarise(runs)
        assert (known.standing, known.best_bound, len(known.disputes)) == ("disputed", None, 2)
        assert not known.settled


def test_one_liar_refutes_no_honest_proof() -> None:
    """Three honest proofs against one liar are disputed, and stand again when the liar is gone."""
    honest = [_run(name, Status.UNBOUNDED) for name in ("jutap.labels", "jutap.pyomo", "x.y")]
    liar = _run("liar", Status.BOUND_ONLY, None, 7)
    assert _verdicts(*honest, liar)["jutap.labels"] == "no_plan"
    assert set(_verdicts(*honest).values()) == {"unbounded"}
    (alone,) = audit.summarise(honest)
    assert alone.standing == Standing.AGREED
    decided = audit.summarise([*honest[:1], _run("liar", Status.INFEASIBLE), PLAN])
    assert decided[0].disputes == ()  # the plan decides against `infeasible`
    assert decided[0].status == Status.UNBOUNDED


def test_agreement_is_left_alone() -> None:
    """Runs that agree, and instances of their own, refute nothing."""
    elsewhere = _run("else", Status.INFEASIBLE)
    elsewhere = msgspec.structs.replace(elsewhere, sha256="1" * 64)
    runs = [PLAN, BEST, _run("low", Status.BOUND_ONLY, None, 200), elsewhere]
    assert audit.audited(runs) == runs


def test_auditing_twice_changes_nothing() -> None:
    """Reading audited records gives the same verdicts, disputes included."""
    liar = _run("liar", Status.OPTIMAL, 282, 282)
    for runs in ([PLAN, BEST, liar], [BEST, BOUNDLESS], [HONEST[2], BOUNDLESS, liar]):
        once = audit.audited(runs)
        assert audit.audited(once) == once
        assert audit.summarise(once) == audit.summarise(runs)


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
        expected = {run.solver: (run.status, run.error) for run in audit.audited(runs)}
        rng.shuffle(runs)
        assert {run.solver: (run.status, run.error) for run in audit.audited(runs)} == expected


def test_many_runs_on_one_instance_take_linear_work() -> None:
    """Twenty times the runs, disputed ones included, take about twenty times the calls."""

    def calls(number: int) -> int:
        runs = [_run(f"r{i}", Status.BOUND_ONLY, None, i) for i in range(number)]
        runs += [_run(f"u{i}", Status.UNBOUNDED) for i in range(number)]
        counted = 0

        def count(_frame: Any, event: str, _argument: Any) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            disputes = audit.summarise(runs)[0].disputes
        finally:
            sys.setprofile(None)
        assert disputes
        return counted

    assert calls(10_000) < 30 * calls(500)


def _summary(*runs: Record) -> dict[str, Any]:
    (summary,) = audit.summarise(runs)
    return vars(summary)


LABELS, PYOMO = (_run(f"jutap.{x}", Status.OPTIMAL, 200, 200) for x in ("labels", "pyomo"))


def test_two_cores_agree() -> None:
    """Two different engine cores for the same integer agree; one alone only claims it."""
    proven = {"status": "optimal", "best_cost": 200, "best_bound": 200}
    alone = _summary(LABELS, PLAN)
    cores = ("jutap passes",)
    assert alone.items() >= (proven | {"standing": "claimed", "cores": cores}).items()
    both = _summary(LABELS, PLAN, _run("jutap.pyomo", Status.BOUND_ONLY, None, 200))
    cores = ("HiGHS", "jutap passes")
    assert both.items() >= (proven | {"standing": "agreed", "cores": cores}).items()


@pytest.mark.parametrize(
    "others",
    [
        [BEST, _run("another", Status.OPTIMAL, 200, 200)],
        [LABELS, BEST],
        [LABELS, _run("jutap.lagrangian", Status.OPTIMAL, 200, 200)],
        [_run(f"push.{x}", Status.OPTIMAL, 200, 200) for x in ("highs", "interval", "literal")],
        [LABELS, msgspec.structs.replace(BEST, core="HiGHS")],
        [LABELS, msgspec.structs.replace(PYOMO, core="")],
    ],
)
def test_names_certify_nothing(others: list[Record]) -> None:
    """Invented proofs, a stranger beside us, one core under several names: all stay `claimed`."""
    assert _summary(*others)["standing"] == Standing.CLAIMED


def test_every_core_belongs_to_a_solver() -> None:
    """The table of cores names installed solvers of this distribution, and no stranger's."""
    assert set(CORES) <= set(registry.names())
    assert {registry.distribution(name) for name in CORES} == {("opt-istn",)}
    assert core_of("jutap.labels", ("a-package-of-others",)) == ""


def test_standings_without_proof() -> None:
    """A plan and a bound that differ are `bounded`; without one of them an instance is open."""
    assert _summary(PLAN, _run("low", Status.BOUND_ONLY, None, 150))["standing"] == "bounded"
    assert _summary(PLAN)["standing"] == "open"
    assert _summary(_run("low", Status.BOUND_ONLY, None, 150))["standing"] == "open"


def test_bounds_of_refuted_runs_do_not_count() -> None:
    """The best bound is the highest one of a run that is not refuted."""
    liar = _run("liar", Status.BOUND_ONLY, None, 300)
    known = _summary(liar, PLAN, _run("low", Status.BOUND_ONLY, None, 150))
    assert (known["best_cost"], known["best_bound"], known["status"]) == (200, 150, "feasible")


@pytest.mark.parametrize("status", [Status.INFEASIBLE, Status.UNBOUNDED])
def test_other_proofs_agree_too(status: Status) -> None:
    """`infeasible` and `unbounded` are agreed by two cores as well."""
    names = ("jutap.labels", "jutap.pyomo")
    known = _summary(*(_run(name, status) for name in names), _run("c", Status.NO_PLAN))
    assert (known["status"], known["standing"], known["proofs"]) == (status, "agreed", names)


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


def test_a_certificate_decides_where_no_plan_does() -> None:
    """Of contradicting claims, those without a certificate are refuted by one with it."""
    proven = msgspec.structs.replace(_run("proven", Status.UNBOUNDED), certificate="0" * 64)
    bound = _run("bound", Status.BOUND_ONLY, None, 5)
    assert _verdicts(bound, proven) == {"bound": "failed", "proven": "unbounded"}
    (known,) = audit.summarise([bound, proven])
    assert (known.standing, known.disputes) == (Standing.CERTIFIED, ())
    both = msgspec.structs.replace(bound, certificate="1" * 64)
    (known,) = audit.summarise([both, proven, BOUNDLESS])
    assert known.standing == Standing.DISPUTED
    assert len(known.disputes) == 3


def test_a_certificate_of_less_than_the_best_plan_certifies_nothing() -> None:
    """The optimum is certified by a certificate of that very bound, whoever else proved it."""
    weaker = msgspec.structs.replace(
        _run("weak", Status.BOUND_ONLY, None, 199), certificate="0" * 64
    )
    (known,) = audit.summarise([BEST, weaker])
    assert known.standing == Standing.CLAIMED
    (known,) = audit.summarise([PLAN, weaker])
    assert known.standing == Standing.BOUNDED


def _certified(run: Record, digit: str) -> Record:
    return msgspec.structs.replace(run, certificate=digit * 64)


def test_the_best_cost_is_the_least() -> None:
    """Of several plans the cheapest is known; a cost of 0 is one, and refutes a bound of 1."""
    assert _summary(PLAN, _run("worse", Status.FEASIBLE, 250))["best_cost"] == 200
    free, dear = _run("z", Status.FEASIBLE, 0), _run("a", Status.FEASIBLE, 1)
    refuted = audit.audited([dear, free, _run("liar", Status.BOUND_ONLY, None, 1)])[2]
    assert refuted.failure == Failure.REFUTED
    assert "z (seed 0) costs 0" in refuted.error


def test_one_certificate_is_enough_and_the_first_is_named() -> None:
    """It certifies beside proofs without one; of several the least hash is told."""
    (known,) = audit.summarise([BEST, _certified(LABELS, "3"), _certified(PYOMO, "1")])
    assert (known.standing, known.certificate) == (Standing.CERTIFIED, "1" * 64)
    assert known.certified
    (claimed,) = audit.summarise([BEST])
    assert (claimed.certified, claimed.certificate) == (False, None)


def test_an_open_instance_names_the_certificate_of_its_best_bound() -> None:
    """Not that of a lower one."""
    low = _certified(_run("low", Status.BOUND_ONLY, None, 150), "1")
    high = _certified(_run("high", Status.BOUND_ONLY, None, 199), "3")
    assert _summary(PLAN, low, high)["certificate"] == "3" * 64


def test_who_is_settled() -> None:
    """Whatever is certified, agreed or claimed; what is bounded, open or disputed is not."""
    settled = ([_certified(BEST, "1")], [LABELS, PYOMO], [BEST])
    for runs in (*settled, [PLAN], [BEST, BOUNDLESS], [_run("a", Status.NO_PLAN)]):
        (known,) = audit.summarise(runs)
        assert known.settled == (runs in settled), known.standing
        assert known.agreed == (runs in settled[:2]), known.standing


def test_a_dispute_says_who_claims_what() -> None:
    """Each line names the claim and the first by name of those that say the opposite."""
    other = _run("zeta", Status.UNBOUNDED)
    bound = _run("bound", Status.BOUND_ONLY, None, 5)
    (known,) = audit.summarise([bound, other, BOUNDLESS])
    against = "; no plan decides"
    assert known.disputes == (
        "bound (seed 0) claimed the bound 5, but boundless (seed 0) claimed unbounded" + against,
        "zeta (seed 0) claimed unbounded, but bound (seed 0) claimed the bound 5" + against,
        "boundless (seed 0) claimed unbounded, but bound (seed 0) claimed the bound 5" + against,
    )
    first, last = _certified(BOUNDLESS, "1"), _certified(other, "2")
    refuted = audit.audited([bound, last, first])[0]
    expected = "claimed the bound 5, but boundless (seed 0) claimed unbounded with a certificate"
    assert refuted.error == expected


def test_twenty_disputes_are_told() -> None:
    """However many runs contradict each other."""
    many = [_run(f"r{i}", Status.BOUND_ONLY, None, i) for i in range(30)]
    assert len(_summary(*many, BOUNDLESS)["disputes"]) == 20
