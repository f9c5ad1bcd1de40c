"""What is known of a scenario before any of its instances: the law of requests and of delays.

The law is a property of the scenario's world, so that a policy may know it without seeing the
future of the instance at hand. `expectation` is for judges: it knows the instance's births and
network, and prices a plan by what its requests would cost on average.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from opt_istn.files import InputError, hashing
from opt_istn.physics.frames import Array
from opt_istn.push.instance import ABSENT, Instance, IntArray
from opt_istn.push.world import demand, parameters
from opt_istn.push.world.demand import Demand, demand_of, request_probability
from opt_istn.push.world.draw import Draw, Entropy, draw_world
from opt_istn.push.world.parameters import Scenario, files_of
from opt_istn.push.world.users import users_of


@dataclass(frozen=True)
class Law:
    """The law of a world.

    Parameters
    ----------
    demand
        The law of requests, calibrated to the scenario's number of requests.
    miss_us
        Mean delay of a miss by the content's age in slots, shape (T,).
    """

    demand: Demand
    miss_us: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """Return the law as a JSON object, the ``law`` of an instance's ``scenario``."""
        return {**self.demand.document(), "miss_us": list(self.miss_us)}


@dataclass(frozen=True, eq=False)
class Expectation:
    """An instance before its requests are drawn.

    Parameters
    ----------
    probability
        P(user u requests content f in slot t), shape (M, F, T).
    miss_us
        Delay of such a request if it misses, shape (M, F, T).
    """

    probability: Array
    miss_us: IntArray

    @property
    def weight_us(self) -> IntArray:
        """Expected delay saved by having f in u's cache in slot t, whole microseconds."""
        weight: IntArray = np.rint(self.probability * self.miss_us).astype(np.int64)
        return weight


def law_of(scenario: Scenario) -> Law:
    """Calibrate the law of a scenario's world on reference draws of births.

    Raises
    ------
    InputError
        If its requests are those of a trace, which is no law.
    """
    if scenario.trace:
        raise InputError("trace", "expected a scenario whose requests are drawn, not a trace's")
    return _calibrated(scenario, hashing.stamps(files_of(scenario)))


@lru_cache(maxsize=8)
def _calibrated(scenario: Scenario, _stamps: tuple[tuple[str, int, int], ...]) -> Law:
    """Return the law of a scenario whose files are of a size and a time."""
    users = users_of(scenario)
    uncalibrated = demand_of(scenario, users, base=1.0)
    # Bursts change how births cluster, not how many a slot has on average: leave out the noise.
    even = replace(scenario, burst=0.0)
    draws = [
        draw_world(even, (scenario.world_seed, 2, i)) for i in range(parameters.REFERENCE_DRAWS)
    ]
    slots = scenario.num_slots
    exposures = [
        demand.exposure(uncalibrated, x.births.traits, x.births.release, x.roi, slots)
        for x in draws
    ]
    base = demand.base_for(exposures, scenario.requests_per_user * scenario.num_users)
    return Law(demand_of(scenario, users, base), _miss_by_age(draws[: scenario.miss_draws]))


def expectation(instance: Instance) -> Expectation:
    """Return what an instance's requests could have been, from its ``scenario`` field.

    Raises
    ------
    InputError
        If the instance was not generated from a scenario.
    """
    document = instance.scenario
    if not {"seed", "law"} <= set(document):
        raise InputError("scenario", "expected the seed and the law of a generated instance")
    drawn = redrawn(document)
    law = demand.from_document(document["law"])
    traits = demand.features(instance.contents)
    known = (instance.release, instance.roi, instance.num_slots)
    probability = request_probability(law, traits, *known)
    return Expectation(probability, miss_us(drawn))


def redrawn(document: dict[str, Any]) -> Draw:
    """Draw the world of an instance once more, from its ``scenario`` with a seed.

    Raises
    ------
    InputError
        If a file behind it has changed, or the seed is none.
    """
    scenario, seed = parameters.from_document(document), document["seed"]
    if not isinstance(seed, int) or seed < 0:
        raise InputError("scenario.seed", f"expected a whole number of at least 0, found {seed!r}")
    behind = document.get("files", {})
    if not isinstance(behind, dict):  # a scenario is free text as far as the format goes
        raise InputError("scenario.files", "expected an object of hashes by parameter")
    hashing.check(files_of(scenario), behind)
    return draw_world(scenario, entropy_of(seed))


def entropy_of(seed: int) -> Entropy:
    """Return the source of randomness of the instance with a seed."""
    return (seed, 0)


def miss_us(drawn: Draw) -> IntArray:
    """Return the delay of a miss of every content in every slot, shape (M, F, T)."""
    every = np.ones((drawn.scenario.num_slots, drawn.scenario.num_contents), dtype=bool)
    return np.stack([fastest_us(x) for x in drawn.delays_us(every)], axis=2)


def fastest_us(delay_us: IntArray) -> IntArray:
    """Return the fastest of the modes on the last axis, of which the ground is always there."""
    fastest: IntArray = np.where(delay_us == ABSENT, delay_us.max(), delay_us).min(axis=-1)
    return fastest


def _miss_by_age(draws: Sequence[Draw]) -> tuple[int, ...]:
    """Return mean delays over users' regions; an age that does not occur counts as the ground."""
    scenario = draws[0].scenario
    total, number = np.zeros(scenario.num_slots), np.zeros(scenario.num_slots, dtype=np.int64)
    for drawn in draws:
        delay = miss_us(drawn)
        ages = np.broadcast_to(_ages(drawn), delay.shape)
        counted = drawn.roi[:, :, None] & (ages >= 0)
        total += np.bincount(ages[counted], delay[counted], minlength=len(total))
        number += np.bincount(ages[counted], minlength=len(total))
    mean = np.where(number > 0, total / np.maximum(number, 1), scenario.ground_s * 1e6)
    return tuple(np.rint(mean).astype(int).tolist())


def _ages(drawn: Draw) -> IntArray:
    """Return the age of each content in each slot, negative before its birth, shape (F, T)."""
    ages: IntArray = np.arange(drawn.scenario.num_slots) - drawn.births.release[:, None]
    return ages
