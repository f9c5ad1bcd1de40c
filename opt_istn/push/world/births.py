"""Births of contents: what the remote-sensing satellites see of the region, slot by slot.

A content is a square centred below the satellite that took it (the paper's is one degree wide).
Slots have random rates, for passes come in bursts; in a slot every satellite over the region is
equally likely to be the one, and any moment of the slot.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError
from opt_istn.physics.chance import Chance
from opt_istn.physics.frames import Array
from opt_istn.push.instance import IntArray
from opt_istn.push.world.constellation import ground_track
from opt_istn.push.world.demand import Features
from opt_istn.push.world.parameters import Scenario
from opt_istn.push.world.users import PAYLOADS, RESOLUTIONS_M, kinds


@dataclass(frozen=True)
class Births:
    """Contents in order of generation, shape (F,) each.

    Parameters
    ----------
    release, time_s
        Slot, and moment since the start of slot 0.
    satellite
        The remote-sensing satellite that took it.
    lat_deg, lon_deg
        Centre of the square.
    traits
        Attributes and image class, as indices.
    image_seed
        From which the image's pixels, or its code, are made.
    """

    release: IntArray
    time_s: Array
    satellite: IntArray
    lat_deg: Array
    lon_deg: Array
    traits: Features
    image_seed: IntArray


def draw_births(
    scenario: Scenario, position_m: Array, rng: Chance, released: IntArray | None = None
) -> Births:
    """Draw the contents of an instance.

    Parameters
    ----------
    position_m
        Earth-fixed positions of the remote-sensing satellites at the slots' borders, shape
        (T + 1, p, 3).
    released
        Slots of birth, ascending; drawn if None.

    Raises
    ------
    InputError
        If no satellite passes over the region.
    """
    F = scenario.num_contents
    over = _over_region(scenario, (position_m[:-1] + position_m[1:]) / 2)
    possible = np.any(over, axis=1)
    release = _releases(scenario, possible, rng) if released is None else released
    if not possible[release].all():
        slot = int(release[np.argmin(possible[release])])
        rule = "expected satellites over the region whenever an object is new"
        raise InputError("trace", f"{rule}, found none in slot {slot}")
    within = rng.random(F)
    order = np.lexsort((within, release))
    within = within[order]
    lot = rng.random(F)
    choices = [np.flatnonzero(over[t]) for t in release]
    satellite = np.array([c[int(x * len(c))] for c, x in zip(choices, lot, strict=True)])
    # A slot is so short that the chord is as good as the orbit: 0.1 km lower in the middle.
    a, b = position_m[release, satellite], position_m[release + 1, satellite]
    lat, lon = ground_track(a + within[:, None] * (b - a))
    traits = Features(*(rng.integers(n, size=F) for n in kinds(scenario)))
    time_s = (release + within) * scenario.slot_s
    seeds = rng.integers(2**31, size=F)
    return Births(release, time_s, satellite, lat, lon, traits, seeds)


def contents(found: Births, footprint_deg: float) -> tuple[dict[str, Any], ...]:
    """Return the contents of an instance: the paper's nine attributes and the image's name."""
    half = footprint_deg / 2
    attributes = {
        "id": np.arange(len(found.release)),
        "shoot_time_s": found.time_s.round(3),
        "lat_start": (found.lat_deg + half).round(4),
        "lat_end": (found.lat_deg - half).round(4),
        "lon_start": (found.lon_deg - half).round(4),
        "lon_end": (found.lon_deg + half).round(4),
        "payload": np.array(PAYLOADS, dtype=object)[found.traits.payload],
        "resolution_m": np.array(RESOLUTIONS_M)[found.traits.resolution],
        "product_level": found.traits.level,
    }
    rows = zip(*(column.tolist() for column in attributes.values()), strict=True)
    classes = () if found.traits.image_class is None else found.traits.image_class.tolist()
    images = zip(classes, found.image_seed.tolist(), strict=True)
    return tuple(
        {**dict(zip(attributes, row, strict=True)), "image": {"class": c, "seed": s}}
        for row, (c, s) in zip(rows, images, strict=True)
    )


def _over_region(scenario: Scenario, position_m: Array) -> NDArray[np.bool]:
    lat, lon = ground_track(position_m)
    width = scenario.east_deg - scenario.west_deg
    east_of = (lon - scenario.west_deg) % 360
    over: NDArray[np.bool] = (
        (lat >= scenario.south_deg) & (lat <= scenario.north_deg) & (east_of <= width)
    )
    return over


def _releases(scenario: Scenario, possible: NDArray[np.bool], rng: Chance) -> IntArray:
    """Draw the slots of birth, ascending: multinomial with gamma-distributed rates."""
    if not possible.any():
        raise InputError("south_deg", "expected a region that remote-sensing satellites pass over")
    T, F, burst = scenario.num_slots, scenario.num_contents, scenario.burst
    rate = rng.gamma(1 / burst, size=T) if burst > 0 else np.ones(T)
    rate = np.where(possible, np.maximum(rate, 1e-12), 0.0)
    return np.repeat(np.arange(T), rng.multinomial(F, rate / rate.sum()))
