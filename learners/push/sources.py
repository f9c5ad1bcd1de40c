"""Where the training problems of PUSH agents come from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from learners.push.demand import DemandModel, fit
from learners.push.networks.vision import Vision
from learners.push.stage.batch import realised
from learners.push.stage.draws import (
    Drawer,
    DrawnBirths,
    LawSaving,
    Problems,
    Saving,
    memorised,
    together,
)
from learners.push.stage.scene import Scene, scene_of
from learners.push.stage.view import (
    Float,
    contents_drawn,
    contents_in,
    gathered,
    members,
    satellites_in,
)
from opt_istn.files import InputError
from opt_istn.push import link_states
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.world.parameters import Scenario


class Source(ABC):
    """Where training problems come from, and the scenes that they are seen in."""

    num_users: int
    num_slots: int
    num_own: int  # contents that have logits of their own
    places: int  # largest cache
    code: int  # numbers that are seen of an image, 0 without a `Vision`
    held: tuple[int, int] | None  # see `Scene.whole`
    unit_us: float  # delay that counts as 1, microseconds

    def learn(self, rng: np.random.Generator) -> None:  # noqa: B027 - there may be nothing
        """Learn what has to be known before problems can be drawn."""

    @abstractmethod
    def problems(self, number: int, rng: np.random.Generator) -> Problems:
        """Return the problems of some instances."""

    @abstractmethod
    def scene(self, number: int, rng: np.random.Generator) -> Scene:
        """Return a scene of some instances; there has to be a vision."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what `knowledge_of` needs."""

    def restore(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - there may be nothing
        """Take over what was learned."""


class KnownProblems(Source):
    """Protocol ``memorise``: one instance, whose requests are known from having been served once.

    Parameters
    ----------
    instance
        The instance.
    vision
        What is seen of images; None if nobody looks at scenes.
    whole, links
        Whether the paper's whole state, and link states, are seen.

    Raises
    ------
    InputError
        If link states are to be seen and the instance does not show any.
    """

    def __init__(
        self,
        instance: Instance,
        vision: Vision | None = None,
        whole: bool = False,
        links: bool = False,
    ) -> None:
        self.num_users, self.num_slots = instance.num_users, instance.num_slots
        self.num_own, self.places = instance.num_contents, int(instance.cache_size.max(initial=1))
        self._instance, self._problems = instance, memorised(instance)
        total = self._problems.batch.saved[:, -1]
        self.unit_us = float(total[total > 0].mean()) if total.any() else 1.0
        self._contents, self.code = contents_in(instance), 0
        self.held = satellites_in(instance) if whole else None
        self._miss_s = miss_at_birth_s(instance) if links else None
        if vision is not None:
            codes = vision.of_instance(instance)
            if codes is not None:
                self._contents = self._contents._replace(codes=codes)
            self.code = self._contents.codes.shape[1]

    def problems(self, number: int, rng: np.random.Generator) -> Problems:  # noqa: ARG002
        """Return the instance once, however many are asked for."""
        return self._problems

    def scene(self, number: int, rng: np.random.Generator) -> Scene:  # noqa: ARG002
        """Return the instance `number` times."""
        problems = together([self._problems] * number)
        contents, miss = gathered([self._contents] * number), self._miss_s
        every = None if miss is None else np.tile(miss, number)
        return scene_of(contents, problems, self.num_users, self.held, every)

    def state(self) -> dict[str, Any]:
        """Return the savings."""
        weight = torch.from_numpy(realised(self._instance))
        return {"unit_us": self.unit_us, "births": self.num_own, "weight": weight}


class DrawnProblems(Source):
    """Protocol ``generalise``: instances drawn from a scenario; delays are those expected.

    Parameters
    ----------
    scenario
        The scenario.
    redraws
        How often births get other attributes and images before new ones are drawn.
    vision
        What is seen of images; None if nobody looks at scenes.
    demand_steps
        Steps in which a model of demand is learned from requests; 0 to follow the law instead.
    whole, links
        Whether the paper's whole state, and link states, are seen.

    Raises
    ------
    InputError
        If link states are to be seen and the scenario's instances do not show any.
    """

    num_own = 0

    def __init__(
        self,
        scenario: Scenario,
        redraws: int,
        vision: Vision | None = None,
        demand_steps: int = 0,
        whole: bool = False,
        links: bool = False,
    ) -> None:
        if links and not scenario.link_states:
            raise InputError("links", "expected a scenario with link_states=true")
        self.num_users, self.num_slots = scenario.num_users, scenario.num_slots
        self.places, self.code = scenario.cache_items, vision.width if vision else 0
        self._vision, self._redraws, self._births = vision, redraws, scenario.num_contents
        self._drawer = Drawer(scenario, stored=vision is not None, links=links)
        world = self._drawer.world
        law = LawSaving(world)
        self.unit_us = law.unit_us
        self._member = members(world)
        most = int(self._member.max()) + 1
        self.held = (most, scenario.satellite_items) if whole else None
        self._model = DemandModel(self.num_users, world.law.miss_us) if demand_steps else None
        self._saving: Saving = self._model.saving if self._model else law
        self._demand_steps, self._known = demand_steps, demand_steps == 0

    def learn(self, rng: np.random.Generator) -> None:
        """Learn the model of demand, unless the law is known or it was learned before."""
        if self._model and not self._known:
            fit(self._model, self._drawer, self._demand_steps, rng)
        self._known = True

    def problems(self, number: int, rng: np.random.Generator) -> Problems:
        """Draw the problems of some instances."""
        return self._of(self._draw(number, rng))

    def scene(self, number: int, rng: np.random.Generator) -> Scene:
        """Draw a scene of some instances."""
        if self._vision is None:
            raise RuntimeError("a scene is to be seen, and there is no vision")
        found = self._draw(number, rng)
        problems, side = self._of(found), self._drawer.scenario.footprint_deg
        codes = [self._vision.of_drawn(x, rng) for x in found]
        pairs = zip(found, codes, strict=True)
        contents = gathered([contents_drawn(x, code, side, self._member) for x, code in pairs])
        miss = [_at_birth_s(x.miss_us, x.roi, x.release) for x in found if x.miss_us is not None]
        seen = np.concatenate(miss) if miss else None
        return scene_of(contents, problems, self.num_users, self.held, seen)

    def state(self) -> dict[str, Any]:
        """Return unit, number of births, and the model; the law comes with the instance."""
        state: dict[str, Any] = {"unit_us": self.unit_us, "births": self._births}
        return state | ({"demand": self._model.state()} if self._model else {})

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over the model."""
        if self._model:
            self._model.load_state_dict(state["demand"]["tensors"])
            self._known = True

    def _draw(self, number: int, rng: np.random.Generator) -> list[DrawnBirths]:
        """Draw births, and attributes and images for them, until there are enough instances."""
        found: list[DrawnBirths] = []
        while len(found) < number:
            drawn = self._drawer.draw(rng)
            more = min(self._redraws - 1, number - len(found) - 1)
            found += [drawn, *(self._drawer.redrawn(drawn, rng) for _ in range(more))]
        return found

    def _of(self, found: list[DrawnBirths]) -> Problems:
        return together([self._drawer.problems(x, self._saving) for x in found])


def miss_at_birth_s(instance: Instance) -> Float:
    """Return the delay of a miss of each head's content in its slot of birth, seconds, (N,)."""
    if instance.link_us is None:
        raise InputError("links", "expected an instance with link states (miss_us)")
    start = link_states.starts(instance.roi, instance.release, instance.num_slots)
    delay: Float = (instance.link_us[start[instance.roi]] / 1e6).astype(np.float32)
    return delay


def _at_birth_s(miss_us: IntArray, roi: NDArray[np.bool], release: IntArray) -> Float:
    born = miss_us[:, np.arange(len(release)), release]
    delay: Float = (born[roi] / 1e6).astype(np.float32)
    return delay
