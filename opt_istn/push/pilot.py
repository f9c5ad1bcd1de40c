"""Playing a policy from elsewhere through its environment, to a plan that can be judged."""

from collections.abc import Callable
from typing import Any

from opt_istn.files import InputError
from opt_istn.push.plan import Plan

Act = Callable[[Any, str], Any]  # what an agent sees and its name, to its choices


def plan_from_env(env: Any, act: Act) -> Plan:
    """Play a policy through its environment, one instance to its end, and return the plan.

    Choices that the mask forbids count as "never", as in the environment.

    Parameters
    ----------
    env
        `learners.push.stage.env.PushEnv` of one instance, or a PettingZoo wrapper around it.
    act
        ``act(observation, agent)`` returns the choices of an agent's heads, shape (H,); the
        observation holds ``action_mask``, shape (H, T + 1).

    Raises
    ------
    InputError
        If the environment is another one, or choices are outside its space.
    """
    inside = getattr(env, "unwrapped", env)
    if not callable(getattr(inside, "plan", None)) or not hasattr(inside, "possible_agents"):
        raise InputError("env", f"expected a PushEnv, found {type(inside).__name__}")
    observations, _ = env.reset(seed=0)
    while env.agents:
        choices = {agent: act(observations[agent], agent) for agent in env.agents}
        observations, *_ = env.step(choices)
    plan: Plan = inside.plan()
    return plan
