"""Where push agents' training problems come from, and what is known of savings in play."""

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
    by_slot,
    memorised,
    together,
)
from learners.push.stage.scene import Scene, scene_of
from learners.push.stage.view import (
    Contents,
    Float,
    Satellites,
    contents_in,
    extent_of,
    joined,
    members,
    rows_of,
)
from opt_istn.files import InputError
from opt_istn.push import link_states
from opt_istn.push.belief import see
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.play import Observation, World
from opt_istn.push.world.demand import features
from opt_istn.push.world.parameters import Scenario


class Knowledge(ABC):
    """What an agent knows of savings when it plays.

    Parameters
    ----------
    state
        Of the agent: ``unit_us``, savings that count as 1 in microseconds, ``births``, the contents
        of an instance, and more.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.unit_us, self.births = float(state["unit_us"]), int(state["births"])

    @abstractmethod
    def supports(self, instance: Instance) -> str | None:
        """Return None if the agent can play an instance, else one sentence saying why not."""

    def start(self, world: World | None) -> None:  # noqa: B027 - most know all from the start
        """Begin an instance."""

    @abstractmethod
    def weight_us(self, observation: Observation, contents: IntArray) -> IntArray:
        """Return what contents save by slot, whole microseconds, shape (M, n, T)."""


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
        self.held = Satellites(instance).places if whole else None
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
        contents, miss = joined([self._contents] * number), self._miss_s
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
        self._member = members(world)
        most = int(self._member.max()) + 1
        self.held = (most, scenario.satellite_items) if whole else None
        law = LawSaving(world)
        self.unit_us = law.unit_us
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
        found = self._draw(number, rng)
        contents = joined([self._seen(x, rng) for x in found])
        miss = [x.miss_us for x in found if x.miss_us is not None]
        born = zip(miss, found, strict=False)
        every = [_at_birth_s(delay, x.roi, x.release) for delay, x in born]
        seen = np.concatenate(every) if every else None
        return scene_of(contents, self._of(found), self.num_users, self.held, seen)

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

    def _seen(self, x: DrawnBirths, rng: np.random.Generator) -> Contents:
        if self._vision is None:
            raise RuntimeError("a scene is to be seen, and there is no vision")
        rows: Float = rows_of(x.traits, x.lat_deg, x.lon_deg)
        none, codes = np.zeros(len(x.release), dtype=np.int64), self._vision.of_drawn(x, rng)
        half = self._drawer.scenario.footprint_deg / 2
        extent = extent_of(
            (x.lat_deg + half, x.lat_deg - half), (x.lon_deg - half, x.lon_deg + half)
        )
        born = (none, x.release, x.cluster, x.evicted)
        return Contents(*born, rows, codes, extent, self._member[x.holder])


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


class _ByLaw(Knowledge):
    """Savings that the law of the instance's world expects."""

    _saving: Saving

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


class _ByHeart(Knowledge):
    """Savings that were noted when an instance was served."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        super().__init__(state)
        self._weight = state["weight"].numpy()

    def supports(self, instance: Instance) -> str | None:
        """Return a reason unless it can be the instance that the agent learned."""
        same = instance.num_contents == self.births
        return None if same else "expected the instance that the agent was trained on"

    def weight_us(self, observation: Observation, contents: IntArray) -> IntArray:  # noqa: ARG002
        """Return what was noted."""
        weight: IntArray = self._weight[:, contents]
        return weight


def knowledge_of(state: Mapping[str, Any]) -> Knowledge:
    """Return what the agent with a state knows."""
    if "weight" in state:
        return _ByHeart(state)
    return _ByModel(state) if "demand" in state else _ByLaw(state)
