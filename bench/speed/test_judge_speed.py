"""The judge and the stepping of PUSH by number of users: both have to grow in proportion.

The measured region is one verb: evaluate a plan that pushes every content it can, or play the
policy that makes it.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest

from formulations.push.online.heuristics import ReleasePolicy
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.play import play
from opt_istn.push.random import random_push

USERS = [150, 300, 600]


@cache
def crowd(users: int) -> Instance:
    """Return an instance with so many users of the paper's size."""
    return random_push(
        np.random.default_rng(users),
        num_users=users,
        num_contents=280,
        num_slots=18,
        cache_sizes=(3, 3),
        num_requests=91 * users,
        freshness=0.25,
        in_roi=0.1,
    )


@pytest.mark.parametrize("users", USERS)
def test_evaluate(benchmark: Any, filed: Any, users: int) -> None:
    """Judge a plan of some twenty pushes a user."""
    subject = crowd(users)
    plan = play(subject, ReleasePolicy(), 0)
    filed(subject, users=users, pushes=len(plan.push))
    judged = benchmark.pedantic(evaluate, (subject, plan), rounds=5, warmup_rounds=1)
    assert judged.feasible


@pytest.mark.parametrize("users", USERS)
def test_play(benchmark: Any, filed: Any, users: int) -> None:
    """Play the policy that pushes all there is."""
    subject = crowd(users)
    filed(subject, users=users)
    arguments = (subject, ReleasePolicy(), 0)
    plan = benchmark.pedantic(play, arguments, rounds=3, warmup_rounds=1)
    assert len(plan.push) > 10 * users
