"""What plans cost on average: an instance with its requests replaced by their expectation.

Requests are independent of pushes, so the expected delay of a fixed plan is its delay when every
possible request counts with its probability. The expectation is itself an instance, hence the
same judge prices plans and the same exact methods solve it.
"""

import threading
from dataclasses import replace
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np

from opt_istn.files import InputError
from opt_istn.push.evaluate import evaluate, served_from_cache
from opt_istn.push.instance import ABSENT, Instance, IntArray
from opt_istn.push.plan import Plan
from opt_istn.push.play import world_of
from opt_istn.push.world.law import expectation

Delays = Literal["actual", "law"]
_known: WeakKeyDictionary[Instance, dict[str, Instance | InputError]] = WeakKeyDictionary()
_lock = threading.Lock()


def expected_instance(instance: Instance, delays: Delays = "actual") -> Instance:
    """Return the instance whose requests are the expected ones of `instance`; made once.

    User u "requests" content f in slot t with the delay P(request) x delay of a miss, rounded to
    whole microseconds; what rounds to zero is left out.

    Parameters
    ----------
    delays
        ``actual``, those that misses have in the instance, known to whoever knows its network; or
        ``law``, the mean at the content's age, which is all that can be known beforehand.

    Raises
    ------
    InputError
        If the instance was not generated from a scenario.
    """
    with _lock:
        made = _known.setdefault(instance, {})
        if delays not in made:
            try:
                made[delays] = _expected(instance, delays)
            except InputError as error:
                made[delays] = error
        found = made[delays]
    if isinstance(found, InputError):
        raise found
    return found


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
    violations = evaluate(instance, plan).violations
    if violations:
        raise InputError("push", violations[0])
    return _missed_us(expected, plan)


def expected_us(instance: Instance, plan: Plan) -> int | None:
    """Return the expected delay of a feasible plan, None if the instance's law is not known."""
    try:
        return _missed_us(expected_instance(instance), plan)
    except InputError:
        return None


def lawless(instance: Instance) -> str | None:
    """Return why the law of an instance's requests is not known, None if it names it."""
    if "law" in instance.scenario and len(instance.contents) == instance.num_contents:
        return None
    return "expected an instance that names its law of requests (scenario.law) and its contents"


def _missed_us(expected: Instance, plan: Plan) -> int:
    return int(expected.miss_us[~served_from_cache(expected, plan)].sum())


def _expected(instance: Instance, delays: Delays) -> Instance:
    reason = lawless(instance)
    if reason:
        raise InputError("scenario", reason)
    if not isinstance(instance.scenario.get("seed"), int):
        raise InputError("scenario.seed", "expected the seed of a generated instance")
    shape = (instance.num_users, instance.num_contents, instance.num_slots)
    if tuple(map(instance.scenario.get, ("num_users", "num_contents", "num_slots"))) != shape:
        raise InputError("scenario", f"expected {shape} users, contents, slots, as in the instance")
    found = expectation(instance)
    if delays == "law":
        found = replace(found, miss_us=_usual_us(instance, found.miss_us.shape))
    weight = found.weight_us
    where = np.argwhere(weight > 0)
    absent = np.full((len(where), 2), ABSENT)
    requests = np.column_stack([where, absent, weight[weight > 0]])
    return replace(instance, requests=requests, link_us=None)


def _usual_us(instance: Instance, shape: tuple[int, ...]) -> IntArray:
    """Return the law's delay of a miss of every content in every slot, shape (M, F, T)."""
    world = world_of(instance)
    if world is None:
        raise InputError("scenario", "expected the law of a generated instance")
    age = np.maximum(np.arange(shape[2]) - instance.release[:, None], 0)
    return np.broadcast_to(np.array(world.law.miss_us)[age], shape)
