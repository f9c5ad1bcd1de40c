"""Reference costs: what a plan is measured against, and how records and `verify` carry it."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from formulations.jutap.heuristics import Straight
from formulations.push.labels.solver import Labels
from opt_istn import Budget, problems
from opt_istn.jutap.reference import reference_cost as straightest
from opt_istn.push.evaluate import evaluate
from opt_istn.push.plan import Plan
from opt_istn.push.reference import reference_cost as never_pushing
from opt_istn.report.numbers.statistics import saving_left
from opt_istn.runs.judge import examine
from opt_istn.runs.nursery.child import RawClaims
from opt_istn.solver import Status
from tests.planted import best_plan, tiny
from tests.report.synthetic import run


def test_push_reference_is_never_pushing() -> None:
    """It is the cost of the empty plan, and the optimum and any plan leave 0 to 100 % of it."""
    problem = problems.get("push")
    for seed in range(3):
        x = problem.generate(problem.scenario("push-tiny", {}), seed, "tiny")
        reference = never_pushing(x)
        assert reference == evaluate(x, Plan(x.sha256, ())).cost == problem.reference(x)
        optimum = Labels().solve(x, Budget(), 0).cost
        rng = np.random.default_rng(seed)
        for _ in range(20):
            pairs = [(u, f) for u in range(x.num_users) for f in range(x.num_contents)]
            drawn = [(u, f, int(rng.integers(x.num_slots))) for u, f in pairs if rng.random() < 0.7]
            judged = evaluate(
                x, Plan(x.sha256, tuple(p for p in drawn if x.pushable(p[0])[p[1], p[2]]))
            )
            if judged.cost is not None and optimum is not None and reference > optimum:
                left = saving_left(judged.cost, optimum, reference)
                assert left is not None
                assert 0 <= left <= 1


@pytest.mark.parametrize("seed", range(5))
def test_jutap_reference_is_the_straight_flight(seed: int) -> None:
    """It is what `jutap.straight` pays, with a budget or without; without a way there is none."""
    problem = problems.get("jutap")
    x = problem.generate(problem.scenario("jutap-tiny", {}), seed, "tiny")
    assert straightest(x) == Straight().solve(x, Budget(), 0).cost == problem.reference(x)
    frugal = replace(x, energy_budget_mj=0)
    assert straightest(frugal) is None


def test_the_judge_adds_the_reference() -> None:
    """Its terms name the reference of the instance: two straight moves of 100."""
    x = tiny()
    plan = msgspec.Raw(msgspec.json.encode(best_plan(x).document()))
    judged = examine(run("labels"), x, RawClaims(Status.FEASIBLE, plan, 200, None, "", (), {}))
    assert judged.terms["reference"] == 200


def test_units_of_costs() -> None:
    """PUSH counts microseconds and is told in seconds; problems that are not here have no unit."""
    assert problems.cost_unit("push") == ("s", 1e-6)
    assert problems.cost_unit("jutap") == ("", 1e-6)
    assert problems.cost_unit("elsewhere") == ("", 1.0)
