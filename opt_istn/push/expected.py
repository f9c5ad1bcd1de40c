"""What plans cost on average: an instance with its requests replaced by their expectation.

Requests are independent of pushes, so the expected delay of a fixed plan is its delay when every
possible request counts with its probability. The expectation is itself an instance, hence the
same judge prices plans and the same exact methods solve it.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from opt_istn.files import InputError
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import ABSENT, Instance
from opt_istn.push.law import expectation
from opt_istn.push.plan import Plan


@lru_cache(maxsize=2)
def expected_instance(instance: Instance) -> Instance:
    """Return the instance whose requests are the expected ones of `instance`.

    User u "requests" content f in slot t with the delay P(request) x delay of a miss, rounded to
    whole microseconds; what rounds to zero is left out.

    Raises
    ------
    InputError
        If the instance was not generated from a scenario.
    """
    weight = expectation(instance).weight_us
    shape = (instance.num_users, instance.num_contents, instance.num_slots)
    if weight.shape != shape:
        raise InputError("scenario", f"expected {shape} users, contents, slots, as in the instance")
    where = np.argwhere(weight > 0)
    absent = np.full((len(where), 2), ABSENT)
    requests = np.column_stack([where, absent, weight[weight > 0]])
    return replace(instance, requests=requests, link_us=None)


def expected_cost(instance: Instance, plan: Plan) -> int:
    """Return the expected delay of a feasible plan under the law, in microseconds.

    For a plan that was made without seeing requests this is its mean over the requests that
    might have been.

    Raises
    ------
    InputError
        If the instance was not generated from a scenario, or the plan is not feasible for it.
    """
    expected = expected_instance(instance)
    judged = evaluate(expected, replace(plan, instance=expected.sha256))
    if judged.cost is None:
        raise InputError("push", judged.violations[0])
    return judged.cost
