"""The users of a scenario: places, regions of interest and preferences.

They belong to the scenario's world, not to an instance: user u of a world is the same in every
instance, and however many users there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError
from opt_istn.physics.chance import Chance, Pinned, named
from opt_istn.physics.frames import Array
from opt_istn.push.outside import places
from opt_istn.push.world.parameters import Scenario

PAYLOADS = ("visible", "sar", "infrared", "multispectral", "hyperspectral")
RESOLUTIONS_M = (0.1, 0.3, 0.5, 1.0, 2.0)
NUM_LEVELS = 4  # product levels 0..3
_STREAM = 1  # keeps the users' draws apart from everything else drawn from the world's seed


@dataclass(frozen=True)
class Users:
    """Users in arrays.

    Parameters
    ----------
    lat_deg, lon_deg
        Places, shape (M,).
    box_deg
        Region of interest: south, north, west, east, shape (M, 4).
    payload, resolution, level, image
        Preferences over the payloads that occur, resolutions, product levels and image classes;
        each row has mean 0 and variance 1.
    """

    lat_deg: Array
    lon_deg: Array
    box_deg: Array
    payload: Array
    resolution: Array
    level: Array
    image: Array


def kinds(scenario: Scenario) -> tuple[int, int, int, int]:
    """Return how many payloads, resolutions, product levels and image classes occur."""
    payloads = {"all": len(PAYLOADS), "visible-sar": 2}[scenario.payloads]
    return payloads, len(RESOLUTIONS_M), NUM_LEVELS, scenario.num_classes


def source(scenario: Scenario, seed: Sequence[int]) -> Chance:
    """Return the source of randomness that a scenario draws from."""
    return Pinned(seed) if scenario.randomness == "pinned" else named(seed)


def users_of(scenario: Scenario) -> Users:
    """Return the users of a scenario's world: drawn, at the places of its file if it has one."""
    drawn = _drawn(scenario)
    if not scenario.user_places:
        return drawn
    found = places.users(scenario.user_places)
    if len(found) != scenario.num_users:
        rule = f"expected the number of users in {scenario.user_places}, {len(found)}"
        raise InputError("num_users", f"{rule}, found {scenario.num_users}")
    half = np.sqrt(scenario.roi_fraction) / 2
    high = half * (scenario.north_deg - scenario.south_deg)
    wide = half * (scenario.east_deg - scenario.west_deg)
    lat, lon = found.lat_deg, found.lon_deg
    usual = np.stack([lat - high, lat + high, lon - wide, lon + wide], axis=1)
    box = np.where(np.isnan(found.box_deg), usual, found.box_deg)
    return replace(drawn, lat_deg=lat, lon_deg=lon, box_deg=box)


@lru_cache(maxsize=4)
def _drawn(scenario: Scenario) -> Users:
    """Draw places, regions of interest and preferences; they depend on no file."""
    rows = [_user(scenario, u) for u in range(scenario.num_users)]
    return Users(*(np.array(column) for column in zip(*rows, strict=True)))


def inside(users: Users, lat_deg: Array, lon_deg: Array, half_deg: float) -> NDArray[np.bool]:
    """Return whether squares meet the users' regions of interest, shape (M, F).

    Parameters
    ----------
    lat_deg, lon_deg, half_deg
        Centres of the squares, shape (F,), and half their side.
    """
    south, north, west, east = (users.box_deg[:, i, None] for i in range(4))
    in_lat = (lat_deg + half_deg >= south) & (lat_deg - half_deg <= north)
    off = (lon_deg - (west + east) / 2 + 180) % 360 - 180
    meets: NDArray[np.bool] = in_lat & (np.abs(off) <= (east - west) / 2 + half_deg)
    return meets


def _user(scenario: Scenario, number: int) -> tuple[object, ...]:
    """Draw one user: place, region of interest around it, tables."""
    rng = source(scenario, (scenario.world_seed, _STREAM, number))
    height = scenario.north_deg - scenario.south_deg
    width = scenario.east_deg - scenario.west_deg
    side = np.sqrt(scenario.roi_fraction)
    u = rng.random(2)
    south = scenario.south_deg + u[0] * height * (1 - side)
    west = scenario.west_deg + u[1] * width * (1 - side)
    box = (south, south + side * height, west, west + side * width)
    lat, lon = south + side * height / 2, west + side * width / 2
    return (lat, lon, box, *(_standard(rng.normal(size=n)) for n in kinds(scenario)))


def _standard(values: Array) -> Array:
    """Return values with mean 0 and variance 1 (a single one becomes 0)."""
    centred = values - values.mean()
    spread = centred.std()
    standard: Array = centred / (spread if spread > 0 else 1.0)
    return standard
