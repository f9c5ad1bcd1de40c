"""Episodes of PUSH for the paper's agents: where scenes come from, and how they are played."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import torch

from learners.push.draws import Drawer, DrawnBirths, LawSaving, memorised, together
from learners.push.scene import Contents, Scene, Sight, Stage, joined, rows_of, scene_of
from learners.push.view import NUM_META, Float
from learners.push.vision import Vision
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.play import Game, Observation, leaves
from opt_istn.push.world.demand import CODE_LENGTH, features
from opt_istn.push.world.parameters import Scenario

_NO_IMAGE = {"image": {"class": 0, "seed": 0}}  # images show in their codes alone
Choose = Callable[[Sight, IntArray], IntArray]  # what is seen, heads -> slots after birth, T: never


class Episode(NamedTuple):
    """A scene that was played.

    Parameters
    ----------
    scene
        The scene.
    sight
        What was seen of all heads, turn by turn; its homes are all users in all turns.
    heads
        Head of each row of `sight`, shape (n,).
    after
        Choice of each row: slots after birth, T for never, shape (n,).
    opening
        Home of each user when a slot began, shape (T, P).
    plan
        Planned slots of the heads, shape (N,).
    delay
        Delay of each user in each slot, microseconds, shape (T, P).
    """

    scene: Scene
    sight: Sight
    heads: IntArray
    after: IntArray
    opening: IntArray
    plan: IntArray
    delay: IntArray


def perform(scene: Scene, choose: Choose) -> Episode:
    """Play a scene to the end."""
    stage, users = Stage(scene), len(scene.problems.user)
    sights: list[Sight] = []
    order, choices, opening, delay = [], [], [], []
    for slot in range(stage.slots):
        opening.append(len(sights) * users + np.arange(users))
        for heads in stage.turns(slot) or [np.zeros(0, dtype=np.int64)]:
            sights.append(stage.sight(slot, heads))
            choices.append(choose(sights[-1], heads))
            order.append(heads)
            stage.enter(heads, choices[-1])
        delay.append(stage.serve(slot))
    columns = (np.concatenate(order), np.concatenate(choices), np.stack(opening))
    return Episode(scene, joined(sights, users), *columns, stage.plan, np.stack(delay))


def again(scene: Scene, plan: IntArray) -> Episode:
    """Play a scene as it was played before."""
    slots, release = scene.problems.batch.num_slots, scene.problems.batch.release
    after = np.where(plan < slots, plan - release, slots)
    return perform(scene, lambda _, heads: after[heads])


class Scenes(Protocol):
    """Where the scenes of a training come from."""

    num_users: int
    num_slots: int
    num_own: int  # contents that have logits of their own
    places: int  # largest cache
    code: int  # numbers that are seen of an image
    unit_us: float  # delay that counts as 1, microseconds

    def scene(self, number: int, rng: np.random.Generator) -> Scene:
        """Return a scene of some instances."""
        ...


class DrawnScenes:
    """Protocol ``generalise``: instances drawn from a scenario; delays are those expected.

    Parameters
    ----------
    scenario
        The scenario.
    redraws
        How often births get other attributes and images before new ones are drawn.
    vision
        What is seen of images.
    """

    num_own = 0

    def __init__(self, scenario: Scenario, redraws: int, vision: Vision) -> None:
        self._vision, self.code = vision, vision.width
        self.num_users, self.num_slots = scenario.num_users, scenario.num_slots
        self.places, self._redraws = scenario.cache_items, redraws
        self._drawer = Drawer(scenario, stored=True)
        self._saving = LawSaving(self._drawer.world)
        self.unit_us = self._saving.unit_us

    def scene(self, number: int, rng: np.random.Generator) -> Scene:
        """Draw births, and attributes and images for them, until there are enough instances."""
        found: list[DrawnBirths] = []
        while len(found) < number:
            found.append(self._drawer.draw(rng))
            more = min(self._redraws - 1, number - len(found))
            found += [self._drawer.redrawn(found[-1], rng) for _ in range(more)]
        problems = together([self._drawer.problems(x, self._saving) for x in found])
        contents = _joined([self._contents(x, rng) for x in found])
        return scene_of(contents, problems, self.num_users)

    def _contents(self, x: DrawnBirths, rng: np.random.Generator) -> Contents:
        rows: Float = rows_of(x.traits, x.lat_deg, x.lon_deg)
        none, codes = np.zeros(len(x.release), dtype=np.int64), self._vision.of_drawn(x, rng)
        return Contents(none, x.release, x.cluster, x.evicted, rows, codes)


class KnownScenes:
    """Protocol ``memorise``: one instance, with its requests as they fell.

    Parameters
    ----------
    instance
        The instance.
    vision
        What is seen of images.
    """

    def __init__(self, instance: Instance, vision: Vision) -> None:
        self.num_users, self.num_slots = instance.num_users, instance.num_slots
        self.num_own, self.places = instance.num_contents, int(instance.cache_size.max(initial=1))
        self._problems = memorised(instance)
        total = self._problems.batch.saved[:, -1]
        self.unit_us = float(total[total > 0].mean()) if total.any() else 1.0
        game = Game(instance)
        while game.slot < instance.num_slots - 1:
            game.step([])
        seen = contents_of(game.observe())._replace(evicted=leaves(instance))
        codes = vision.of_instance(instance)
        self._contents = seen if codes is None else seen._replace(codes=codes)
        self.code = self._contents.codes.shape[1]

    def scene(self, number: int, rng: np.random.Generator) -> Scene:  # noqa: ARG002
        """Return the instance `number` times."""
        problems = together([self._problems] * number)
        return scene_of(_joined([self._contents] * number), problems, self.num_users)


def contents_of(observation: Observation) -> Contents:
    """Return the contents known in an instance, as far as they are stored now."""
    number, slot, seen = len(observation.release), observation.slot, observation.attributes
    rows = np.zeros((number, NUM_META), dtype=np.float32)
    codes = np.zeros((number, CODE_LENGTH), dtype=np.float32)
    if seen:
        lat, lon = (
            np.array([(x[f"{axis}_start"] + x[f"{axis}_end"]) / 2 for x in seen])
            for axis in ("lat", "lon")
        )
        rows = rows_of(features([{**x, **_NO_IMAGE} for x in seen]), lat, lon)
    if observation.codes.shape[1]:
        codes = observation.codes.astype(np.float32)
    evicted = np.where(observation.stored, slot + 1, slot)
    none = np.zeros(number, dtype=np.int64)
    return Contents(none, observation.release, observation.cluster, evicted, rows, codes)


def _joined(contents: list[Contents]) -> Contents:
    """Return the contents of several instances as one."""
    instance = np.repeat(np.arange(len(contents)), [len(x.release) for x in contents])
    columns = zip(*(x[1:] for x in contents), strict=True)
    return Contents(instance, *map(np.concatenate, columns))


def choose_at_random(rng: np.random.Generator) -> Choose:
    """Return a policy that takes any choice allowed."""

    def choose(sight: Sight, heads: IntArray) -> IntArray:  # noqa: ARG001
        score = torch.from_numpy(rng.random(sight.shut.shape)).masked_fill(sight.shut, -1.0)
        after: IntArray = score.argmax(-1).numpy()
        return after

    return choose
