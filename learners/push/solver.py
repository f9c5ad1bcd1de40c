"""What the solvers that play a trained agent for PUSH have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from learners import agent
from learners.elsewhere import FromFile, of_seed
from learners.plateau import Told
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.plan import Plan
from opt_istn.push.world.parameters import OUTSIDE
from opt_istn.solver import Claims, Status


@dataclass(frozen=True)
class PushAgent(FromFile, Told):
    """A solver that plays a trained agent.

    Parameters
    ----------
    agent
        Its file, written by ``opt-istn train``; ``{seed}`` in its name is filled in with the
        solver's seed.
    elsewhere
        Whether it may play what it was not trained on.
    sha256
        Hash of the file; by default taken from it, see `learners.agent.sha256`.
    """

    agent: Path
    elsewhere: bool = False
    sha256: str = ""

    kind: ClassVar[str] = "agent"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", agent.sha256(self.agent, self.sha256))

    @property
    def knows(self) -> str:
        """What it knows of an instance when it decides."""
        return "past"

    def path(self, seed: int | None = None) -> Path:
        """Return the agent file of a seed; without a seed, the first file there is."""
        if seed is None and self.stochastic:
            pattern = of_seed(self.agent, "*")
            return min(pattern.parent.glob(pattern.name))
        return of_seed(self.agent, 0 if seed is None else seed)

    def refusal(
        self,
        instance: Instance,
        trained_on: Mapping[str, Any],
        users: int,
        slots: int,
        places: int | None = None,
    ) -> str | None:
        """Return why an agent for so many users, slots and places cannot play, None if it can."""
        if (instance.num_users, instance.num_slots) != (users, slots):
            return f"expected {users} users and {slots} slots"
        if places is not None and int(instance.cache_size.max(initial=1)) != places:
            return f"expected caches of {places} contents"
        none = dict.fromkeys(OUTSIDE, "")  # files that documents name only where there are any
        if self.elsewhere or agent.is_of(instance, trained_on, none):
            return None
        return f"trained on {trained_on['name']}; elsewhere=true plays it all the same"


def claims_of(instance: Instance, plan: Plan) -> Claims:
    """Return a feasible plan's claims."""
    return Claims(Status.FEASIBLE, plan, evaluate(instance, plan).cost)
