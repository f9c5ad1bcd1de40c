"""The plan with which a proof begins, and what it becomes while the tree grows."""

import numpy as np
import pytest

from formulations.push.proof.known import Known, useful
from formulations.push.proof.prove import prove, prove_task, tasks_of
from formulations.push.proof.tree import Search
from opt_istn import Budget, generate
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan
from opt_istn.push.random import random_push
from opt_istn.verifier import User


def one_user(seed: int, places: int = 3) -> Instance:
    rng = np.random.default_rng(seed)
    sizes = {"num_contents": 20, "num_slots": 8, "num_requests": 110}
    return random_push(rng, num_users=1, cache_sizes=(places, places), **sizes)


def judged(instance: Instance, known: Known) -> int | None:
    rows = tuple(sorted((0, f, t) for t, f in known.pushes))
    return evaluate(instance, Plan(instance.sha256, rows)).cost


@pytest.mark.parametrize("seed", range(5))
def test_what_is_known_costs_what_the_judge_says(seed: int) -> None:
    """So does what is taken from elsewhere, and the better plan stays."""
    instance = one_user(seed)
    problem = instance.user(0)
    nothing = Known(problem, [()])
    assert (nothing.cost_us, nothing.pushes) == (problem.base_us, ())
    annealed = Known(problem, [])
    assert annealed.cost_us == judged(instance, annealed)
    assert annealed.cost_us < problem.base_us
    cost_us = annealed.cost_us
    annealed.take(())
    assert annealed.cost_us == cost_us
    nothing.take(annealed.pushes)
    assert nothing.cost_us == cost_us == judged(instance, nothing)


def test_a_search_is_told_of_better_plans() -> None:
    """A search that knows nothing gets a plan, and one that found the best one gives it."""
    instance = one_user(2)
    (task,) = tasks_of(instance, None, None)
    user, problem = User(task.fields, 0, task.requests), instance.user(0)
    known, search = Known(problem, [()]), Search(user, problem.base_us)
    known.help(search)
    assert search.known_us == known.cost_us < problem.base_us
    assert search.better == known.pushes
    best = prove_task(task, lambda: False)
    found = Search(user, problem.base_us)
    found.know(best.cost_us, best.pushes)
    late = Known(problem, [()])
    late.help(found)
    assert late.cost_us == best.cost_us


def test_a_poor_plan_to_begin_with_costs_no_proof() -> None:
    """Begun with a plan that pushes nothing, the proof ends with the optimum."""
    instance = one_user(4)
    _, plan = prove(instance, Budget(), Plan(instance.sha256, ()))
    certificate, best = prove(instance, Budget())
    assert evaluate(instance, plan).cost == evaluate(instance, best).cost
    assert certificate["claim"]["bound"] == evaluate(instance, best).cost


def test_pushes_that_save_nothing_are_left_out() -> None:
    """A plan may push what nobody asks for."""
    instance = generate("push-tiny-v2", 0)
    problem = instance.user(0)
    other = next(f for f in range(instance.num_contents) if f not in problem.content)
    rows = ((0, other, 0), (0, int(problem.content[0]), 1), (1, int(problem.content[0]), 1))
    kept = useful(problem, Plan(instance.sha256, rows), 0)
    assert kept == ((1, int(problem.content[0])),)
