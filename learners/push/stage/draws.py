"""Training problems of PUSH: births drawn from a scenario, and what caching a content saves.

Instances for judging are generated with their network and requests. To learn, births, regions of
interest and images are enough: with them the law of requests and the mean delay by age give what
caching a content saves on average. Requests do not react to pushes, so training on expectations
removes their noise and keeps the optimum. Delays are means by age, unless they are drawn, too.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from learners.push.stage.batch import Batch, joined, realised
from opt_istn.physics.frames import Array
from opt_istn.push.belief import class_probability, every_kind, expected_saving_us
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.play import World
from opt_istn.push.world.births import Births, draw_births
from opt_istn.push.world.constellation import constellation_of, positions_m
from opt_istn.push.world.demand import CODE_LENGTH, Features, image_codes
from opt_istn.push.world.draw import draw_world, slot_borders_s
from opt_istn.push.world.law import law_of, miss_us
from opt_istn.push.world.parameters import Scenario
from opt_istn.push.world.storage import NEVER, store
from opt_istn.push.world.users import inside, users_of

Saving = Callable[[Features, Array], Array]  # traits, codes -> microseconds by age, (M, n, T)
_TRAINING = 5  # keeps training draws apart from those of instances, whose second number is 0


class Problems(NamedTuple):
    """Users' problems, and what a policy knows beside them.

    Parameters
    ----------
    batch
        The problems; savings are those expected of what can be seen of the contents.
    user
        User of each problem, shape (P,).
    known
        Part of all births that is known by the end of each slot, shape (P, T).
    content
        Content of each head in its instance, shape (N,).
    """

    batch: Batch
    user: IntArray
    known: NDArray[np.float32]
    content: IntArray

    def shut(self, heads: IntArray, owner: IntArray) -> NDArray[np.bool]:
        """Return which choices are not allowed: past the horizon, or now while the link is down.

        Shape (n, T + 1), by slots after birth, and never.

        Parameters
        ----------
        heads, owner
            Heads that are decided in their slot of birth, and their problems, shape (n,).
        """
        slots, release = self.batch.num_slots, self.batch.release[heads]
        shut: NDArray[np.bool] = release[:, None] + np.arange(slots + 1) >= slots
        shut[:, 0] |= ~self.batch.link_up[owner, release]
        shut[:, slots] = False
        return shut


class LawSaving:
    """What caching contents saves on average under the law of a world, given their images' codes.

    Parameters
    ----------
    world
        Scenario and law.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        law, belief = world.law.demand, every_kind(world)
        number, users = len(belief.chance), len(law.payload)
        everywhere, at_once = np.ones((users, number), dtype=bool), np.zeros(number, dtype=np.int64)
        saving = expected_saving_us(world, belief, at_once, everywhere)
        tables = (law.payload, law.resolution, law.level, law.image)
        self._kinds = saving.reshape(users, *(x.shape[1] for x in tables), -1)

    @property
    def unit_us(self) -> float:
        """Mean saving of a content that is cached from its birth on, over all kinds and users."""
        return float(self._kinds.sum(axis=-1).mean())

    def __call__(self, traits: Features, codes: Array) -> Array:
        """Return the saving of a slot by the content's age, microseconds, shape (M, n, T)."""
        chance = class_probability(self._world, codes)
        kind = self._kinds[:, traits.payload, traits.resolution, traits.level]
        saving: Array = np.einsum("uncg,nc->ung", kind, chance, optimize=True)
        return saving


class DrawnBirths(NamedTuple):
    """The births of an instance.

    Parameters
    ----------
    release, traits, codes
        Slots of birth, attributes and classes, and codes of the images, F rows each.
    roi, link_up
        As in `Instance`.
    lat_deg, lon_deg
        Centres of the contents.
    cluster, evicted, holder
        Cluster that made each content, first slot in which none of its satellites stores it (T if
        there is none), and the satellite that stores it until then; empty unless asked for.
    miss_us
        Delay of a miss of every content in every slot, shape (M, F, T); None unless asked for.
    """

    release: IntArray
    traits: Features
    codes: Array
    roi: NDArray[np.bool]
    link_up: NDArray[np.bool]
    lat_deg: Array
    lon_deg: Array
    cluster: IntArray
    evicted: IntArray
    holder: IntArray
    miss_us: IntArray | None = None


class Drawer:
    """Draws births of a scenario.

    Parameters
    ----------
    scenario
        The law.
    stored
        Whether to draw where contents are stored.
    links
        Whether to draw what misses cost: savings are then expectations over requests alone, at the
        delays of the drawn instance.
    """

    def __init__(self, scenario: Scenario, stored: bool = False, links: bool = False) -> None:
        self.scenario, self._stored, self._links = scenario, stored, links
        self.world = World(scenario, law_of(scenario))
        self._users = users_of(scenario)
        self._remote = constellation_of(scenario).remote()
        pure = [_pure(c) for c in range(scenario.num_classes)]
        self._book = image_codes(pure, scenario.num_classes, 0.0)

    def draw(self, rng: np.random.Generator) -> DrawnBirths:
        """Draw the births of an instance, as `opt_istn.push.world.draw` does."""
        scenario = self.scenario
        miss = None
        if scenario.link_up_share < 1 or self._links:  # link states need the whole network
            whole = draw_world(scenario, (*rng.integers(2**31, size=2).tolist(), _TRAINING))
            found, links, start_s = whole.births, whole.link_up, whole.start_s
            miss = miss_us(whole) if self._links else None
        else:
            start_s = rng.uniform(0, scenario.start_window_s)
            links = np.ones((scenario.num_users, scenario.num_slots), dtype=bool)
        track = positions_m(self._remote, start_s, slot_borders_s(scenario))
        if scenario.link_up_share == 1 and not self._links:
            found = draw_births(scenario, track, rng)
        roi = inside(self._users, found.lat_deg, found.lon_deg, scenario.footprint_deg / 2)
        codes = self._codes(found.traits, rng)
        places = found.lat_deg, found.lon_deg
        stored = self._storage(found, track, rng)
        return DrawnBirths(found.release, found.traits, codes, roi, links, *places, *stored, miss)

    def redrawn(self, drawn: DrawnBirths, rng: np.random.Generator) -> DrawnBirths:
        """Return the same births with attributes and images drawn anew, independently of them."""
        law, number = self.world.law.demand, len(drawn.release)
        sizes = (t.shape[1] for t in (law.payload, law.resolution, law.level, law.image))
        traits = Features(*(rng.integers(n, size=number) for n in sizes))
        return drawn._replace(traits=traits, codes=self._codes(traits, rng))

    def problems(self, drawn: DrawnBirths, saving: Saving) -> Problems:
        """Return the problems of all users of an instance."""
        scenario = self.scenario
        weight = by_slot(saving(drawn.traits, drawn.codes), drawn.release)
        if drawn.miss_us is not None:
            age = np.maximum(np.arange(scenario.num_slots) - drawn.release[:, None], 0)
            usual = np.array(self.world.law.miss_us)[age]
            weight = np.rint(weight * (drawn.miss_us / usual)).astype(np.int64)
        places = np.full(scenario.num_users, scenario.cache_items)
        return problems_of(weight, drawn.release, drawn.roi, places, drawn.link_up)

    def _storage(
        self, found: Births, track: Array, rng: np.random.Generator
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return cluster, slot of eviction and satellite of contents; empty if not asked for."""
        if not self._stored:
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, nothing
        clusters = self._remote.cluster
        storage = store(self.scenario, found, clusters, track[:-1], rng)
        kept = np.where(storage.evicted == NEVER, self.scenario.num_slots, storage.evicted)
        return clusters[found.satellite], kept, storage.satellite

    def _codes(self, traits: Features, rng: np.random.Generator) -> Array:
        noise = rng.normal(size=(len(traits.level), CODE_LENGTH))
        codes: Array = self._book[traits.image_class] + self.scenario.code_noise * noise
        return codes


def memorised(instance: Instance) -> Problems:
    """Return the problems of one instance whose requests are known."""
    x = instance
    return problems_of(realised(x), x.release, x.roi, x.cache_size, x.link_up)


def problems_of(
    weight: IntArray,
    release: IntArray,
    roi: NDArray[np.bool],
    cache_size: IntArray,
    link_up: NDArray[np.bool],
    births: int | None = None,
) -> Problems:
    """Return the problems of all users of an instance.

    Parameters
    ----------
    weight
        Delay saved by having content f in u's cache in slot t, microseconds, shape (M, F, T).
    release, roi, cache_size, link_up
        As in `Instance`.
    births
        Number of all births, if those given are the ones known so far.
    """
    users, slots = link_up.shape
    if births is None:
        born = np.searchsorted(release, np.arange(slots), side="right") / max(len(release), 1)
    else:
        born = np.full(slots, len(release) / births)
    known = np.tile(born.astype(np.float32), (users, 1))
    user, content = np.nonzero(roi)
    zero = np.zeros((len(user), 1), dtype=np.int64)
    saved = np.concatenate([zero, np.cumsum(weight[user, content], axis=1)], axis=1)
    start = np.concatenate([[0], np.cumsum(roi.sum(axis=1))]).astype(np.int64)
    batch = Batch(start, cache_size.astype(np.int64), release[content], saved, link_up)
    return Problems(batch, np.arange(users), known, content)


def together(problems: list[Problems]) -> Problems:
    """Return the problems of several instances as one."""
    columns = zip(*(x[1:] for x in problems), strict=True)
    return Problems(joined([x.batch for x in problems]), *map(np.concatenate, columns))


def by_slot(saving: Array, release: IntArray) -> IntArray:
    """Return savings by slot, whole microseconds, from savings by age, both (M, n, T)."""
    slots = saving.shape[2]
    age = np.arange(slots) - release[:, None]
    index = np.broadcast_to(np.maximum(age, 0), saving.shape)
    weight = np.rint(np.take_along_axis(saving, index, axis=2)).astype(np.int64)
    return np.where(age >= 0, weight, 0)


def _pure(number: int) -> dict[str, object]:
    """Return a content of a class; its other attributes do not matter."""
    image = {"class": number, "seed": 0}
    return {"payload": "", "resolution_m": 0.0, "product_level": 0, "image": image}
