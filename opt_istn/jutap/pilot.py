"""Flying a policy from elsewhere through its environment, to a plan that can be judged."""

from collections.abc import Callable
from typing import Any

import numpy as np

from opt_istn.files import InputError
from opt_istn.jutap.plan import Plan

Act = Callable[[Any, Any], Any]  # what is seen and which actions are possible, to the action


def plan_from_env(env: Any, act: Act) -> Plan:
    """Fly a policy through its environment, from the instance's START, and return the plan.

    The plan has the instance's own hash and start link. Moves that are not possible leave the UAV
    where it is and are no part of it. A flight that misses END is a plan that misses END: judge it
    with `opt_istn.evaluate`, as every other.

    Parameters
    ----------
    env
        ``opt-istn/Jutap-v0``, or a Gymnasium wrapper around it; not a vector of environments.
    act
        ``act(observation, mask)`` returns an action; ``mask`` says which are possible, shape (A,).

    Raises
    ------
    InputError
        If the environment is another one, or an action is not one of its actions.
    """
    inside = getattr(env, "unwrapped", env)
    instance: Any = getattr(inside, "instance", None)
    if getattr(instance, "problem", "") != "jutap" or not hasattr(inside, "action_masks"):
        raise InputError("env", f"expected opt-istn/Jutap-v0, found {type(inside).__name__}")
    seen, info = env.reset(seed=0, options={"cell": instance.start})
    cells, links = [int(info["cell"])], [int(info["link"])]
    over = False
    while not over:
        action = act(seen, np.asarray(info["action_mask"]) > 0)
        seen, _, ended, truncated, info = env.step(action)
        if info["cell"] != cells[-1]:  # every move changes the cell
            cells.append(int(info["cell"]))
            links.append(int(info["link"]))
        over = ended or truncated
    return Plan(instance.sha256, tuple(cells), tuple(links))
