"""Delays of serving a request from the satellites, equations (5)-(11) of the paper.

    access         dis(u, s0) / v_a + C_f / R_(s0,u)                     s0 stores f and sees u
    collaborative  dis(u, s0) / v_a + C_f / R_(s0,u) + sum over hops dis / v_b + C_f / R

A collaborative delivery takes the fastest path from the satellite that stores the content over
any inter-satellite links to s0. Every hop receives the whole content before it sends it on.

Which satellite is s0 is the parameter ``access``. The paper has one a user, the "access remote
sensing satellite", and does not say which: with ``single`` it is the nearest one that the user
sees over a working link. With ``any`` every satellite of either shell that the user sees may
be the last one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from opt_istn.physics.chance import Chance
from opt_istn.physics.frames import Array, distance_m, elevation_rad, geodetic_to_ecef
from opt_istn.physics.rain import rain_db
from opt_istn.physics.space_links import slot_rates_bps
from opt_istn.push.instance import IntArray
from opt_istn.push.world.constellation import Constellation, links_at
from opt_istn.push.world.parameters import Scenario
from opt_istn.push.world.users import Users


@dataclass(frozen=True)
class SlotNetwork:
    """The network of one slot, links as delays of one content in seconds.

    Parameters
    ----------
    between_s
        Inter-satellite links, both directions, shape (N, N).
    seen
        Satellites with a working link that may serve each user.
    down_s
        Delays of these links.
    single
        Whether that is at most one satellite a user.
    """

    between_s: csr_array
    seen: tuple[IntArray, ...]
    down_s: tuple[Array, ...]
    single: bool = False


def slot_network(
    scenario: Scenario,
    constellation: Constellation,
    users: Users,
    position_m: Array,
    rng: Chance,
) -> SlotNetwork:
    """Draw the rates of one slot's links.

    Parameters
    ----------
    position_m
        Earth-fixed positions of all satellites, shape (N, 3).
    """
    radio, bits, n = scenario.radio(), scenario.content_bytes * 8, len(position_m)
    a, b = links_at(constellation, scenario, position_m).T
    apart = np.linalg.norm(position_m[a] - position_m[b], axis=1)
    rate = slot_rates_bps(radio.rate_bps(radio.isl_gain(apart)), scenario.outage, rng)
    up = rate > 0
    a, b = a[up], b[up]
    delay = apart[up] / scenario.propagation_m_s + bits / rate[up]
    both = (np.concatenate([a, b]), np.concatenate([b, a]))
    between = csr_array((np.concatenate([delay, delay]), both), shape=(n, n))
    seen, down = _user_links(scenario, constellation, users, position_m, rng)
    return SlotNetwork(between, seen, down, scenario.access == "single")


def slot_delays_s(network: SlotNetwork, holders: IntArray, limit_s: float) -> tuple[Array, Array]:
    """Return access and collaborative delays, shape (M, len(holders)); inf if there is none.

    Parameters
    ----------
    holders
        Satellites that store contents, distinct.
    limit_s
        Paths between satellites longer than this are not looked for.
    """
    shape = (len(network.seen), len(holders))
    access, collab = np.full(shape, np.inf), np.full(shape, np.inf)
    if not len(holders):
        return access, collab
    reach = _reach_s(network, holders, limit_s)
    for u, (seen, down) in enumerate(zip(network.seen, network.down_s, strict=True)):
        own = holders[:, None] == seen
        direct = np.where(own, down, np.inf)
        relayed = np.where(own, np.inf, reach[:, seen] + down)
        access[u] = direct.min(axis=1, initial=np.inf)
        collab[u] = relayed.min(axis=1, initial=np.inf)
    return access, collab


def _reach_s(network: SlotNetwork, holders: IntArray, limit_s: float) -> Array:
    """Return delays from holders to satellites, shape (len(holders), N); links go both ways."""
    n = network.between_s.shape[0]
    if not network.single:  # any satellite may be the last one: as many searches as holders
        return np.atleast_2d(dijkstra(network.between_s, indices=holders, limit=limit_s))
    ends = np.unique(np.concatenate(network.seen))
    reach = np.full((len(holders), n), np.inf)
    if len(ends):
        found = np.atleast_2d(dijkstra(network.between_s, indices=ends, limit=limit_s))
        reach[:, ends] = found[:, holders].T
    return reach


def link_up(scenario: Scenario, networks: list[SlotNetwork], rng: Chance) -> NDArray[np.bool]:
    """Return whether each user has an access link in each slot, shape (M, T).

    A link that works a share of the time and fails for `link_down_slots` on average is a Markov
    chain; apart from that a user has none while no satellite is in sight.
    """
    share = scenario.link_up_share
    repair = 1 / scenario.link_down_slots
    fail = min(1.0, repair * (1 - share) / share)
    lot = rng.random((scenario.num_users, scenario.num_slots))
    up = np.empty(lot.shape, dtype=bool)
    up[:, 0] = lot[:, 0] < share
    for t in range(1, scenario.num_slots):
        up[:, t] = np.where(up[:, t - 1], lot[:, t] >= fail, lot[:, t] < repair)
    sighted = np.array([[len(seen) > 0 for seen in net.seen] for net in networks]).T
    usable: NDArray[np.bool] = up & sighted
    return usable


def _user_links(
    scenario: Scenario,
    constellation: Constellation,
    users: Users,
    position_m: Array,
    rng: Chance,
) -> tuple[tuple[IntArray, ...], tuple[Array, ...]]:
    p = constellation.num_remote
    if scenario.access == "single":
        position_m = position_m[:p]  # the access satellite is a remote-sensing one
    place = geodetic_to_ecef(users.lat_deg, users.lon_deg)
    mask = np.full(len(position_m), np.radians(scenario.comm_mask_deg))
    mask[:p] = np.radians(scenario.remote_mask_deg)
    u, s = np.nonzero(elevation_rad(place, position_m) >= mask)
    apart = distance_m(place, position_m)[u, s]
    if scenario.slant == "altitude":
        span = np.where(s < p, scenario.remote_altitude_m, scenario.comm_altitude_m)
        if scenario.remote_constellation:  # satellites of a file have no one altitude
            span = np.where(s < p, apart, span)
    else:
        span = apart
    radio = scenario.radio()
    fade = rain_db(scenario.rain, scenario.rain_mean_db, apart.shape, rng)
    rate = slot_rates_bps(radio.rate_bps(radio.user_gain(span, fade)), scenario.outage, rng)
    up = rate > 0
    if scenario.access == "single":
        up &= _nearest(u, np.where(up, apart, np.inf))
    delay = apart[up] / scenario.propagation_m_s + scenario.content_bytes * 8 / rate[up]
    borders = np.searchsorted(u[up], np.arange(1, len(place)))
    return tuple(np.split(s[up], borders)), tuple(np.split(delay, borders))


def _nearest(user: IntArray, apart_m: Array) -> NDArray[np.bool]:
    """Return which links are the shortest of their user, shape (links,)."""
    order = np.lexsort((apart_m, user))
    first = np.ones(len(user), dtype=bool)
    first[1:] = np.diff(user[order]) > 0
    chosen = np.zeros(len(user), dtype=bool)
    chosen[order[first]] = True
    return chosen
