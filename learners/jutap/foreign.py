"""JUTAP agents from elsewhere as solvers: what they share, and a policy that is a Python function.

Whatever trained it, an agent is a function of what it sees. What it sees has a name
(`opt_istn.jutap.flights.observation`), which its file says or its user gives; an agent is never fed
columns that it was not trained on. Nor is it flown over another map than the one its file names,
unless ``elsewhere=true`` asks for it.
"""

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from learners.agent import FromFile
from learners.elsewhere import callable_of
from learners.jutap.env import JutapEnv
from learners.jutap.solver import Flyer
from opt_istn.files import InputError
from opt_istn.jutap.flights.observation import Layout, layout_of
from opt_istn.jutap.flights.table import Float, Mask
from opt_istn.jutap.instance import Instance, IntArray
from opt_istn.jutap.pilot import plan_from_env
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.starts import Acts


class Foreign(Flyer):
    """A solver that flies an agent from elsewhere."""

    distributions: ClassVar[tuple[str, ...]] = ("gymnasium",)

    @abstractmethod
    def pilot(self, instance: Instance, seed: int) -> tuple[Layout, Acts]:
        """Return what the agent sees, and the agent as a function of many flights at once."""

    def fly(self, instance: Instance, seed: int) -> Plan:
        """Return the agent's flight from START."""
        layout, acts = self.pilot(instance, seed)
        if layout.spent and instance.energy_budget_mj is None:
            rule = f"it sees the share of a budget that is spent ({layout.name}), found no budget"
            raise InputError("energy_budget_mj", rule, instance.name)
        env = JutapEnv(instance, features=layout.features, energy_penalty=float(layout.spent))
        return plan_from_env(env, lambda seen, mask: acts(seen[None], mask[None])[0])


@dataclass(frozen=True)
class AgentFile(FromFile, Foreign):
    """An agent from elsewhere that is a file.

    Parameters
    ----------
    agent
        The file; ``{seed}`` in its name is filled in with the solver's seed.
    observation
        Name of what it sees, such as ``jutap.fourier.1``, where the file does not say it.
    elsewhere
        Whether it may fly another map than the one it was trained on.
    """

    agent: Path
    observation: str = ""
    elsewhere: bool = False


def check_map(trained_on: str | None, instance: Instance, *, elsewhere: bool, source: str) -> None:
    """Check that an agent is flown over its own map, as far as its file names one.

    Raises
    ------
    InputError
        If it is another one, and that was not asked for.
    """
    if trained_on and trained_on != instance.sha256 and not elsewhere:
        rule = f"trained on {trained_on[:12]}, not on this map"
        raise InputError("trained_on", f"{rule}; elsewhere=true flies it all the same", source)


def check_widths(layout: Layout, instance: Instance, seen: int | None, source: str) -> None:
    """Check that an agent takes as many columns as there are.

    Parameters
    ----------
    seen
        Columns that it takes; None if it does not say.

    Raises
    ------
    InputError
        If it takes another number.
    """
    shape = JutapEnv(
        instance, features=layout.features, energy_penalty=float(layout.spent)
    ).observation_space.shape
    if seen is not None and shape != (seen,):
        rule = f"{layout.name} has {shape[0] if shape else 0} columns here, the agent takes {seen}"
        raise InputError("observation", rule, source)


@dataclass(frozen=True)
class PolicyFile(Foreign):
    """Flies a policy that is a function in a Python file.

    Parameters
    ----------
    module
        ``my.py:act`` or ``package.module:act``: ``act(observation, mask)`` returns the action of
        one flight. A class is made first, without arguments.
    observation
        Name of what it sees, such as ``jutap.raw.1``.
    """

    module: str
    observation: str = "jutap.raw.1"

    stochastic: ClassVar[bool] = False
    kind: ClassVar[str] = "policy"

    def pilot(self, instance: Instance, seed: int) -> tuple[Layout, Acts]:  # noqa: ARG002
        """Return what the policy sees, and the policy of many flights, called for each."""
        act = callable_of(self.module)

        def acts(seen: Float, mask: Mask) -> IntArray:
            chosen = [int(act(s, m)) for s, m in zip(seen, mask, strict=True)]
            return np.array(chosen, dtype=np.int64)

        return layout_of(None, self.observation, self.module), acts
