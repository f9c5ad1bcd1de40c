"""The conformance kit: honest solvers pass, every kind of lie is named."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from formulations.jutap.labels import Labels
from opt_istn import Budget, Claims, InputError, Status
from opt_istn.jutap.instance import Instance
from opt_istn.testing import ConformanceError, check_solver
from opt_istn.testing.jutap import draw, truth
from tests.oracles import brute_force

Twist = Callable[[Instance, Claims], Any]


@dataclass
class Twisted:
    """A solver that does to honest claims what it is told."""

    twist: Twist
    stochastic = False

    def supports(self, instance: Instance) -> str | None:
        """Refuse nothing."""
        return Labels().supports(instance)

    def prepare(self) -> None:
        """Nothing to do."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Any:
        """Solve, then twist."""
        return self.twist(instance, Labels().solve(instance, budget, seed))


def scribble(instance: Instance, claims: Claims) -> Claims:
    instance.strongest.flags.writeable = True
    instance.strongest[:] = instance.num_mbs
    return claims


def too_cheap(_: Instance, claims: Claims) -> Claims:
    return claims if claims.cost is None else replace(claims, cost=claims.cost - 1)


def too_high(_: Instance, claims: Claims) -> Claims:
    return claims if claims.bound is None else replace(claims, bound=claims.bound + 1)


def give_up(_: Instance, claims: Claims) -> Claims:
    return Claims(Status.INFEASIBLE, proof=claims.proof)


def unbounded(_: Instance, claims: Claims) -> Claims:
    return Claims(Status.UNBOUNDED, proof=claims.proof)


def unplanned(_: Instance, claims: Claims) -> Claims:
    return replace(claims, plan=None)


def unproven(_: Instance, claims: Claims) -> Claims:
    return replace(claims, proof="")


def stop_short(_: Instance, claims: Claims) -> Claims:
    if claims.plan is None or len(claims.plan.cells) < 2:
        return claims
    plan = replace(claims.plan, cells=claims.plan.cells[:-1], links=claims.plan.links[:-1])
    return replace(claims, plan=plan)


def backwards(_: Instance, claims: Claims) -> Claims:
    return replace(claims, trace=((2.0, claims.cost, claims.bound), (1.0, None, None)))


def optimistic(_: Instance, claims: Claims) -> Claims:
    return claims if claims.bound is None else replace(claims, trace=((0.0, None, 10**12),))


@pytest.mark.parametrize(
    ("twist", "named"),
    [
        (scribble, "modified: .*strongest"),
        (too_cheap, "claimed cost"),
        (too_high, "claimed optimal"),
        (give_up, "claimed infeasible"),
        (unbounded, "claimed unbounded"),
        (unplanned, "without a plan"),
        (unproven, "without naming the proof"),
        (stop_short, "not in END"),
        (backwards, "trace go back"),
        (optimistic, "the trace has the bound"),
        (lambda *_: None, "not Claims"),
        (lambda *_: Claims(Status.FAILED), "raises"),
        (lambda *_: Claims(Status.BOUND_ONLY), "without a bound"),
    ],
)
def test_lies_are_named(twist: Twist, named: str) -> None:
    """Each kind of lie is found on the small family, and the message says what it was."""
    with pytest.raises(ConformanceError, match=named):
        check_solver(Twisted(twist), count=44)


def test_messages_name_the_instance() -> None:
    """The message names solver, seed and index, from which the instance can be drawn again."""
    with pytest.raises(ConformanceError, match=r"Twisted on jutap instance \(seed 3, index 0\)"):
        check_solver(Twisted(unplanned), seed=3, count=1)


def test_unsteady_results_are_named() -> None:
    """A solver that gives another result for the same seed is found."""
    coin = itertools.cycle([True, False])

    def toss(_: Instance, claims: Claims) -> Claims:
        return claims if next(coin) else Claims(Status.NO_PLAN)

    with pytest.raises(ConformanceError, match="the same seed gave"):
        check_solver(Twisted(toss), count=5)


def test_refusals_are_respected() -> None:
    """An instance that is refused is not solved, but refusing everything is not conforming."""

    class Picky(Twisted):
        def supports(self, instance: Instance) -> str | None:
            return None if instance.energy_budget_mj is None else "I take no budgets"

        def solve(self, instance: Instance, budget: Budget, seed: int) -> Any:
            if instance.energy_budget_mj is not None:
                raise RuntimeError("it was refused")
            return super().solve(instance, budget, seed)

    class Lazy(Twisted):
        def supports(self, instance: Instance) -> str | None:  # noqa: ARG002
            return "not today"

    assert 0 < check_solver(Picky(lambda _, claims: claims), count=22) < 22
    with pytest.raises(ConformanceError, match="supports none"):
        check_solver(Lazy(lambda _, claims: claims), count=22)


def test_unknown_problem() -> None:
    """A problem that does not exist is an input error."""
    with pytest.raises(InputError, match="unknown problem"):
        check_solver(Labels(), "tsp")


def test_truth_is_brute_force() -> None:
    """The kit's reference equals brute force on the plain documents."""
    for index in range(330):
        instance = draw(43, index)
        known = truth(instance)
        assert (known.status.value, known.cost) == brute_force(instance.document()), index


def test_the_family_covers_every_outcome() -> None:
    """The family holds infeasible, unbounded and optimal instances, budgets that bind, cycles."""
    outcomes = [truth(draw(0, index)).status for index in range(220)]
    assert {Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED} == set(outcomes)
    binding = 0
    for seed in range(100):
        instance = draw(seed, 5)  # costs with a negative arc, and a binding budget
        free = replace(instance, energy_budget_mj=None)
        binding += truth(instance).cost != truth(free).cost
    assert binding >= 10
