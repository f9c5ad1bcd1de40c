"""Users side by side on threads: the same proofs as one after the other."""

import numpy as np
import pytest

from formulations.push.labels.solver import Labels
from opt_istn import Budget, Status
from opt_istn.push.random import random_push


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_prove_what_one_thread_proves(threads: int) -> None:
    """Plans, bounds and counts do not depend on the number of threads."""
    rng = np.random.default_rng(threads)
    for _ in range(5):
        instance = random_push(rng, num_users=4, num_contents=25, num_slots=10, num_requests=80)
        one = Labels().solve(instance, Budget(), 3)
        many = Labels().solve(instance, Budget(threads=threads), 3)
        assert one.status == many.status == Status.OPTIMAL
        assert (one.plan, one.cost, one.bound) == (many.plan, many.cost, many.bound)
        assert one.detail == many.detail


def test_a_time_limit_is_shared_by_threads() -> None:
    """No user gets more than its share of what is left, and bounds stay true."""
    rng = np.random.default_rng(0)
    instance = random_push(rng, num_users=6, num_contents=60, num_slots=20, num_requests=400)
    best = Labels().solve(instance, Budget(), 0)
    short = Labels().solve(instance, Budget(time_s=0.05, threads=3), 0)
    assert short.bound is not None
    assert short.cost is not None
    assert short.bound <= (best.cost or 0) <= short.cost


def test_a_failure_in_a_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong for one user is not lost among the others."""

    def broken(task: object) -> None:
        raise ArithmeticError(str(task))

    monkeypatch.setattr("formulations.push.labels.solver._solve_task", broken)
    instance = random_push(np.random.default_rng(1), num_users=3, num_requests=60)
    with pytest.raises(ArithmeticError, match="Task"):
        Labels().solve(instance, Budget(threads=2), 0)
