"""PUSH policies from elsewhere as solvers: what they share, and PettingZoo's functions.

They play through `learners.push.stage.env.PushEnv`, so they see what the paper's agents see. The
contract ``push.heads.1`` is that environment's observation: the parts that `observation_of` lists,
with these names and shapes. A part that is empty for an instance (no satellites named) is not
there.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from learners.elsewhere import callable_of
from learners.push.stage.env import PushEnv
from opt_istn.files import InputError
from opt_istn.push.instance import Instance
from opt_istn.push.pilot import plan_from_env
from opt_istn.push.policies import claims_of
from opt_istn.solver import Budget, Claims

CONTRACT = "push.heads.1"


class Foreign:
    """What solvers that play policies from elsewhere have in common."""

    contents_per_step: int
    users_per_step: int

    knows: ClassVar[str] = "past"

    def supports(self, instance: Instance) -> str | None:  # noqa: ARG002
        """Every instance is supported."""
        return None

    def prepare(self) -> None:
        """Nothing to do."""

    def env(self, instance: Instance) -> PushEnv:
        """Return the environment that the policy plays in."""
        for name in ("contents_per_step", "users_per_step"):
            if getattr(self, name) < 1:
                raise InputError(name, f"expected at least 1, found {getattr(self, name)}")
        return PushEnv(instance, self.contents_per_step, self.users_per_step)


@dataclass(frozen=True)
class PolicyFile(Foreign):
    """Plays a policy that is a function in a Python file.

    Parameters
    ----------
    module
        ``my.py:act`` or ``package.module:act``: ``act(observation, agent)`` returns the choices of
        an agent's heads, shape (H,). A class is made first: without arguments, or where `random`
        is set with a generator of the seed.
    random
        Whether it draws.
    contents_per_step, users_per_step
        C and G, the contents of a cluster and the users that one step decides on.
    """

    module: str
    random: bool = False
    contents_per_step: int = 15
    users_per_step: int = 3

    kind: ClassVar[str] = "policy"
    distributions: ClassVar[tuple[str, ...]] = ("gymnasium", "pettingzoo")

    @property
    def stochastic(self) -> bool:
        """Whether the seed matters."""
        return self.random

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Play the instance to its end."""
        rng = (np.random.default_rng(seed),) if self.random else ()
        return claims_of(
            instance, plan_from_env(self.env(instance), callable_of(self.module, *rng))
        )


def observation_of(env: PushEnv) -> dict[str, tuple[int, ...]]:
    """Return the parts of what an agent sees, and their shapes."""
    space: Any = env.observation_space(env.possible_agents[0])
    return {name: part.shape for name, part in space.items()}
