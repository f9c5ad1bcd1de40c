"""One draw of a scenario's world: satellites, contents and network, but not yet requests."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from opt_istn.physics.chance import Chance
from opt_istn.physics.frames import Array, great_circle_m
from opt_istn.push.instance import ABSENT, IntArray
from opt_istn.push.outside import places, trace
from opt_istn.push.world.births import Births, draw_births
from opt_istn.push.world.constellation import Constellation, constellation_of, positions_m
from opt_istn.push.world.delivery import SlotNetwork, link_up, slot_delays_s, slot_network
from opt_istn.push.world.parameters import Scenario
from opt_istn.push.world.storage import Storage, store
from opt_istn.push.world.users import Users, inside, source, users_of

Entropy = tuple[int, ...]
_START, _BIRTHS, _STORAGE, _NETWORK, _LINKS, REQUESTS = range(6)  # independent streams of a draw


@dataclass(frozen=True)
class Draw:
    """What a scenario and a source of randomness determine before users ask for anything.

    Parameters
    ----------
    scenario, entropy
        The law, and the source: every draw of a scenario has its own.
    users, constellation
        The world.
    start_s
        Start of slot 0 after the constellation's epoch.
    births, storage
        Contents, and where they are stored.
    """

    scenario: Scenario
    entropy: Entropy
    users: Users
    constellation: Constellation
    start_s: float
    births: Births
    storage: Storage

    @cached_property
    def roi(self) -> NDArray[np.bool]:
        """Whether content f meets user u's region of interest, shape (M, F)."""
        if self.scenario.trace:  # it says what is asked for, not what could have been
            return np.ones((self.scenario.num_users, self.scenario.num_contents), dtype=bool)
        half = self.scenario.footprint_deg / 2
        return inside(self.users, self.births.lat_deg, self.births.lon_deg, half)

    @cached_property
    def position_m(self) -> Array:
        """Earth-fixed positions of all satellites at the slots' starts, shape (T, N, 3)."""
        starts = slot_borders_s(self.scenario)[:-1]
        return positions_m(self.constellation, self.start_s, starts)

    @cached_property
    def networks(self) -> list[SlotNetwork]:
        """The network of each slot."""
        rng = stream(self.scenario, self.entropy, _NETWORK)
        world = (self.scenario, self.constellation, self.users)
        return [slot_network(*world, position, rng) for position in self.position_m]

    @cached_property
    def link_up(self) -> NDArray[np.bool]:
        """Whether user u's access link is up in slot t, shape (M, T)."""
        return link_up(self.scenario, self.networks, stream(self.scenario, self.entropy, _LINKS))

    @cached_property
    def ground_s(self) -> Array:
        """Delay of the ground for each user, with the way to the nearest station, shape (M,)."""
        fixed = np.full(self.scenario.num_users, self.scenario.ground_s)
        if not self.scenario.ground_stations:
            return fixed
        found = places.stations(self.scenario.ground_stations)
        here = self.users.lat_deg, self.users.lon_deg
        apart = great_circle_m(*here, found.lat_deg, found.lon_deg)
        way: Array = fixed + apart.min(axis=1) / self.scenario.propagation_m_s
        return way

    def delays_us(self, wanted: NDArray[np.bool]) -> Iterator[IntArray]:
        """Yield for each slot the delays of the three modes, shape (M, F, 3).

        Satellites are no alternative when they are slower than the ground station, nor while
        the user's link is down.

        Parameters
        ----------
        wanted
            Contents whose delays matter in each slot, shape (T, F); others may be `ABSENT`.
        """
        ground_s = self.ground_s[:, None]
        for slot, network in enumerate(self.networks):
            delay_s = np.full((*self.roi.shape, 3), np.inf)
            delay_s[:, :, 2] = ground_s
            known = np.flatnonzero(wanted[slot] & self.storage.held(slot))
            holders, which = np.unique(self.storage.satellite[known], return_inverse=True)
            access, collab = slot_delays_s(network, holders, float(ground_s.max()))
            delay_s[:, known, 0] = access[:, which]
            delay_s[:, known, 1] = collab[:, which]
            delay_s[~self.link_up[:, slot], :, :2] = np.inf
            delay_s[delay_s > ground_s[:, :, None]] = np.inf
            rounded = np.rint(np.where(np.isfinite(delay_s), delay_s, 0.0) * 1e6)
            yield np.where(np.isfinite(delay_s), rounded, ABSENT).astype(np.int64)


def stream(scenario: Scenario, entropy: Entropy, purpose: int) -> Chance:
    """Return the source of randomness of one purpose of a draw."""
    return source(scenario, (*entropy, purpose))


def slot_borders_s(scenario: Scenario) -> Array:
    """Return the slots' borders after the start of slot 0, shape (T + 1,)."""
    borders: Array = np.arange(scenario.num_slots + 1, dtype=float) * scenario.slot_s
    return borders


def draw_world(scenario: Scenario, entropy: Entropy) -> Draw:
    """Draw satellites, contents and storage of a scenario."""
    users = users_of(scenario)
    constellation = constellation_of(scenario)
    start_s = round(float(stream(scenario, entropy, _START).uniform(0, scenario.start_window_s)), 3)
    remote = positions_m(constellation.remote(), start_s, slot_borders_s(scenario))
    released = trace.of(scenario).release if scenario.trace else None
    found = draw_births(scenario, remote, stream(scenario, entropy, _BIRTHS), released)
    rng = stream(scenario, entropy, _STORAGE)
    stored = store(scenario, found, constellation.cluster, remote[:-1], rng)
    return Draw(scenario, entropy, users, constellation, start_s, found, stored)
