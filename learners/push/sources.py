"""Where a push agent's training problems come from, and what it knows of savings when it plays."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch

from learners.push.batch import realised
from learners.push.demand import DemandModel, fit
from learners.push.draws import Drawer, LawSaving, Problems, Saving, by_slot, memorised, together
from opt_istn.push.belief import see
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.play import Observation, World
from opt_istn.push.world.demand import features
from opt_istn.push.world.parameters import Scenario


class Knowledge(Protocol):
    """What an agent knows of savings when it plays."""

    unit_us: float  # savings that count as 1, microseconds
    births: int  # contents of an instance

    def supports(self, instance: Instance) -> str | None:
        """Return None if the agent can play an instance, else one sentence saying why not."""
        ...

    def start(self, world: World | None) -> None:
        """Begin an instance."""
        ...

    def weight_us(self, observation: Observation, contents: IntArray) -> IntArray:
        """Return what contents save by slot, whole microseconds, shape (M, n, T)."""
        ...


class Source(Protocol):
    """Where training problems come from."""

    num_users: int
    num_slots: int
    num_own: int  # contents that have logits of their own
    unit_us: float

    def learn(self, rng: np.random.Generator) -> None:
        """Learn what has to be known before problems can be drawn."""
        ...

    def problems(self, number: int, rng: np.random.Generator) -> Problems:
        """Draw the problems of some instances."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what `knowledge_of` needs."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what was learned."""
        ...


class KnownProblems:
    """Protocol ``memorise``: one instance, whose requests are known from having been served once.

    Parameters
    ----------
    instance
        The instance.
    """

    def __init__(self, instance: Instance) -> None:
        self.num_users, self.num_slots = instance.num_users, instance.num_slots
        self.num_own = instance.num_contents
        self._instance, self._problems = instance, memorised(instance)
        total = self._problems.batch.saved[:, -1]
        self.unit_us = float(total[total > 0].mean()) if total.any() else 1.0

    def learn(self, rng: np.random.Generator) -> None:
        """Nothing is left to learn."""

    def problems(self, number: int, rng: np.random.Generator) -> Problems:  # noqa: ARG002
        """Return the instance once, however many are asked for."""
        return self._problems

    def state(self) -> dict[str, Any]:
        """Return the savings."""
        weight = torch.from_numpy(realised(self._instance))
        return {"unit_us": self.unit_us, "births": self.num_own, "weight": weight}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing was learned."""


class DrawnProblems:
    """Protocol ``generalise``: instances drawn from a scenario.

    Parameters
    ----------
    scenario
        The scenario.
    redraws
        How often births get other attributes and images before new ones are drawn.
    demand_steps
        Steps in which a model of demand is learned from requests; 0 to follow the law instead.
    """

    def __init__(self, scenario: Scenario, redraws: int, demand_steps: int) -> None:
        self.num_users, self.num_slots, self.num_own = scenario.num_users, scenario.num_slots, 0
        self._drawer, self._redraws, self._births = Drawer(scenario), redraws, scenario.num_contents
        law = LawSaving(self._drawer.world)
        self.unit_us = law.unit_us
        self._model = (
            DemandModel(scenario.num_users, self._drawer.world.law.miss_us)
            if demand_steps
            else None
        )
        self._saving: Saving = self._model.saving if self._model else law
        self._demand_steps, self._known = demand_steps, demand_steps == 0

    def learn(self, rng: np.random.Generator) -> None:
        """Learn the model of demand, unless the law is known or it was learned before."""
        if self._model and not self._known:
            fit(self._model, self._drawer, self._demand_steps, rng)
        self._known = True

    def problems(self, number: int, rng: np.random.Generator) -> Problems:
        """Draw births, and attributes and images for them, until there are enough instances."""
        found: list[Problems] = []
        while len(found) < number:
            drawn = self._drawer.draw(rng)
            found.append(self._drawer.problems(drawn, self._saving))
            for _ in range(min(self._redraws - 1, number - len(found))):
                again = self._drawer.redrawn(drawn, rng)
                found.append(self._drawer.problems(again, self._saving))
        return together(found)

    def state(self) -> dict[str, Any]:
        """Return unit, number of births, and the model; the law comes with the instance."""
        state: dict[str, Any] = {"unit_us": self.unit_us, "births": self._births}
        return state | ({"demand": self._model.state()} if self._model else {})

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the model."""
        if self._model:
            self._model.load_state_dict(state["demand"]["tensors"])
            self._known = True


class _ByLaw:
    """Savings that the law of the instance's world expects."""

    _saving: Saving

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.unit_us, self.births = float(state["unit_us"]), int(state["births"])

    def supports(self, instance: Instance) -> str | None:
        """Instances that name their law are supported."""
        if "law" in instance.scenario and len(instance.contents) == instance.num_contents:
            return None
        return "expected an instance that names its law of requests (scenario.law)"

    def start(self, world: World | None) -> None:
        """Tabulate the law."""
        if world is None:
            raise ValueError("this agent has to know the law of requests; the instance names none")
        self._world, self._saving = world, LawSaving(world)

    def weight_us(self, observation: Observation, contents: IntArray) -> IntArray:
        """Return the savings expected of attributes and images."""
        traits = see(self._world, observation, contents.tolist()).traits
        saving = self._saving(traits, observation.codes[contents])
        return by_slot(saving, observation.release[contents])


class _ByModel(_ByLaw):
    """Savings that a learned model of demand expects; of the law nothing is used."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        super().__init__(state)
        self._saving = DemandModel.restored(state["demand"]).saving

    def start(self, world: World | None) -> None:
        """All is known."""

    def weight_us(self, observation: Observation, contents: IntArray) -> IntArray:
        """Return the savings expected of attributes and images."""
        anything = {"image": {"class": 0, "seed": 0}}  # images show in their codes alone
        rows = [{**observation.attributes[f], **anything} for f in contents]
        saving = self._saving(features(rows), observation.codes[contents])
        return by_slot(saving, observation.release[contents])


class _ByHeart:
    """Savings that were noted when an instance was served."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.unit_us, self.births = float(state["unit_us"]), int(state["births"])
        self._weight = state["weight"].numpy()

    def supports(self, instance: Instance) -> str | None:
        """Return a reason unless it can be the instance that the agent learned."""
        same = instance.num_contents == self.births
        return None if same else "expected the instance that the agent was trained on"

    def start(self, world: World | None) -> None:
        """All is known."""

    def weight_us(self, observation: Observation, contents: IntArray) -> IntArray:  # noqa: ARG002
        """Return what was noted."""
        weight: IntArray = self._weight[:, contents]
        return weight


def knowledge_of(state: Mapping[str, Any]) -> Knowledge:
    """Return what the agent with a state knows."""
    if "weight" in state:
        return _ByHeart(state)
    return _ByModel(state) if "demand" in state else _ByLaw(state)
