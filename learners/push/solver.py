"""What the solvers that play a trained agent for PUSH have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from learners import agent
from learners.plateau import Trained
from opt_istn.push.instance import Instance
from opt_istn.push.world.parameters import OUTSIDE


@dataclass(frozen=True)
class PushAgent(Trained):
    """A solver that plays a trained agent."""

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
