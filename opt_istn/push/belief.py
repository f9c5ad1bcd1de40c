"""What a policy that knows the law expects of the contents it sees.

The class of an image is not observed; its code is. Under the law a code is the code of its class
plus noise, so the classes' probabilities given the code follow from Bayes' rule and requests are
expected under their mixture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opt_istn.physics.frames import Array
from opt_istn.push.instance import IntArray
from opt_istn.push.link_states import OUTSIDE
from opt_istn.push.play import Observation, World
from opt_istn.push.world import demand
from opt_istn.push.world.demand import Features
from opt_istn.push.world.users import PAYLOADS, RESOLUTIONS_M

PERSISTENCE = 0.85  # autocorrelation of delays from a slot to the next
_CLEAR = 1e-3  # least noise reckoned with, so that the code of its class is no division by zero


@dataclass(frozen=True, eq=False)
class Belief:
    """What a policy sees of some contents.

    Parameters
    ----------
    traits
        Visible attributes, as indices, shape (n,); the classes are not known.
    chance
        P(class | code of the image), shape (n, classes).
    """

    traits: Features
    chance: Array


def see(world: World, observation: Observation, contents: Sequence[int]) -> Belief:
    """Return what is seen of some of the contents known."""
    rows = [_with_class(observation.attributes[f], 0) for f in contents]
    traits = demand.features(rows).without_images()
    return Belief(traits, class_probability(world, observation.codes[list(contents)]))


def class_probability(world: World, codes: Array) -> Array:
    """Return P(class | code) for equally likely classes, shape (n, classes).

    Codes of length 0 tell nothing.
    """
    number = world.scenario.num_classes
    if codes.shape[1] == 0:
        return np.full((len(codes), number), 1 / number)
    pure = [_with_class({}, c) for c in range(number)]
    book = demand.image_codes(pure, number, 0.0)
    distance = ((codes[:, None, :] - book) ** 2).sum(axis=2)
    score = -distance / (2 * max(world.scenario.code_noise, _CLEAR) ** 2)
    odds = np.exp(score - score.max(axis=1, keepdims=True))
    chance: Array = odds / odds.sum(axis=1, keepdims=True)
    return chance


def expected_saving_us(
    world: World, belief: Belief, release: IntArray, roi: NDArray[np.bool]
) -> Array:
    """Return the delay that having a content cached in a slot saves on average, shape (M, n, T).

    Parameters
    ----------
    release, roi
        Of the contents seen, shapes (n,) and (M, n).
    """
    law, slots = world.law, world.scenario.num_slots
    asked = np.zeros((*roi.shape, slots))
    for number, chance in enumerate(belief.chance.T):
        some = np.flatnonzero(chance > 1e-9)
        if len(some) == 0:
            continue
        guess = Features(
            belief.traits.payload[some],
            belief.traits.resolution[some],
            belief.traits.level[some],
            np.full(len(some), number),
        )
        given = demand.request_probability(law.demand, guess, release[some], roi[:, some], slots)
        asked[:, some] += chance[some, None] * given
    age = np.arange(slots) - release[:, None]
    saving: Array = asked * np.array(law.miss_us)[np.maximum(age, 0)]
    return saving


def link_factor(world: World, observation: Observation) -> Array:
    """Return how much dearer than by the law a miss is believed to be, by slot, shape (M, n, T).

    A content's delay in this slot is observed, and what it is more or less than the law's mean at
    its age is taken to fade: 1 + r^(s - t) (observed / mean - 1) for slots s >= t, r being
    `PERSISTENCE`. It is 1 for slots that are over and outside a user's region of interest.

    Raises
    ------
    ValueError
        If the instance shows no link states.
    """
    if observation.miss_us is None:
        raise ValueError("expected an instance that shows its link states")
    age = observation.slot - observation.release
    ratio = observation.miss_us / np.array(world.law.miss_us)[age]
    excess = np.where(observation.miss_us == OUTSIDE, 0.0, ratio - 1)
    ahead = np.arange(world.scenario.num_slots) - observation.slot
    fading = np.where(ahead >= 0, PERSISTENCE ** np.maximum(ahead, 0), 0.0)
    factor: Array = 1 + excess[:, :, None] * fading
    return factor


def affinity(world: World, belief: Belief) -> Array:
    """Return z[u, f], the preference of users for contents, averaged over classes, (M, n)."""
    law, traits = world.law.demand, belief.traits
    share = law.image_share
    visible = law.payload[:, traits.payload] + law.resolution[:, traits.resolution]
    visible = visible + law.level[:, traits.level]
    z: Array = np.sqrt((1 - share) / 3) * visible + np.sqrt(share) * (law.image @ belief.chance.T)
    return z


def every_kind(world: World) -> Belief:
    """Return one content of each kind there is: all attributes with all classes."""
    law = world.law.demand
    sizes = [table.shape[1] for table in (law.payload, law.resolution, law.level, law.image)]
    grid = [axis.ravel() for axis in np.indices(sizes)]
    chance = np.eye(sizes[3])[grid[3]]
    return Belief(replace(Features(*grid), image_class=None), chance)


def _with_class(attributes: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return a content of the file format: missing attributes are filled with any value."""
    any_value = {"payload": PAYLOADS[0], "resolution_m": RESOLUTIONS_M[0], "product_level": 0}
    return {**any_value, **attributes, "image": {"class": number, "seed": 0}}
