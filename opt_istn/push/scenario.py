"""PUSH scenarios: presets, and instances drawn from them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from opt_istn import origin
from opt_istn.files import InputError, words
from opt_istn.physics.frames import Array
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.link_states import row
from opt_istn.push.outside import settle, trace
from opt_istn.push.world import parameters
from opt_istn.push.world.births import contents
from opt_istn.push.world.constellation import heads, utc
from opt_istn.push.world.demand import request_probability
from opt_istn.push.world.draw import REQUESTS, Draw, draw_world, stream
from opt_istn.push.world.law import Law, entropy_of, fastest_us, law_of
from opt_istn.push.world.parameters import Scenario


def _flat(scenario: Scenario) -> Scenario:
    """Return `scenario` with demand that peaks at birth: no reason to wait with a push."""
    return replace(scenario, freshness=0.7, lag_slots=0, burst=0.0)


def _family(paper: Scenario) -> dict[str, Scenario]:
    """Return the presets that are built on a reading of the paper."""
    wide = replace(paper, cache_items=30)
    tiny = replace(paper, num_users=2, num_contents=6, num_slots=4, cache_items=2)
    day = replace(paper, num_users=1, num_slots=180, requests_per_user=547.0)
    caches, crowds = range(20, 46, 5), range(6, 19, 3)
    return {
        "push-tiny": replace(tiny, requests_per_user=6.0, roi_fraction=0.8, lag_slots=0, burst=0.0),
        "push-paper": paper,
        "push-paper-flat": _flat(paper),
        "push-paper-wide": wide,
        "push-paper-wide-flat": _flat(wide),
        **{f"push-cache-{items}": replace(paper, cache_items=items) for items in caches},
        **{f"push-users-{users}": replace(wide, num_users=users) for users in crowds},
        "push-day": replace(day, roi_fraction=1.0),
        "push-fleet": replace(paper, num_users=600),
    }


def _presets() -> dict[str, Scenario]:
    """Return all presets: the families of the first reading and of the second one."""
    first = Scenario()
    second = replace(
        first, access="single", payloads="visible-sar", miss_draws=12, randomness="pinned"
    )
    links = replace(second, link_states=True, outage=0.1, link_up_share=0.8, link_down_slots=2.0)
    again = {f"{name}-v2": scenario for name, scenario in _family(second).items()}
    return {**_family(first), **again, "push-paper-links-v2": links}


PRESETS: dict[str, Scenario] = _presets()


def meaning(scenario: Scenario) -> str:
    """Return a scenario in one line."""
    x = scenario
    users = "1 user" if x.num_users == 1 else f"{x.num_users} users"
    parts = [
        f"{users}, {x.num_contents} contents, {x.num_slots} slots of {x.slot_s:g} s",
        f"caches of {x.cache_items}",
        f"{x.requests_per_user:g} requests a user expected",
    ]
    parts += ["demand peaks at birth"] if x == _flat(x) else []
    parts += ["link states"] if x.link_states else []
    return ", ".join([*parts, f"{'second' if x.randomness == 'pinned' else 'first'} reading"])


def from_parameters(base: Scenario, overrides: Mapping[str, str]) -> Scenario:
    """Return `base` with some parameters replaced, given as texts.

    Raises
    ------
    InputError
        If a parameter does not exist or its value is out of range; names it.
    """
    values: dict[str, Any] = asdict(base)
    for name in overrides:
        if name not in values:
            raise InputError(name, f"unknown parameter; {words.meant(name, values)}")
    return settle.settled(parameters.parse({**values, **overrides}), overrides)


def generate(
    scenario: Scenario,
    seed: int,
    name: str,
    progress: Callable[[float], None] | None = None,
) -> Instance:
    """Generate an instance: the same scenario and seed give the same instance.

    Parameters
    ----------
    name
        Name of the instance.
    progress
        Called with the share of the slots done, 0..1.
    """
    drawn = draw_world(scenario, entropy_of(seed))
    births = drawn.births
    law = None if scenario.trace else law_of(scenario)
    asked = trace.of(scenario).in_slot if law is None else _drawn_requests(drawn, law)
    requests, delay_us = _requests(drawn, asked, progress)
    link_us = row(delay_us, drawn.roi, births.release) if scenario.link_states else None
    return Instance(
        name=name,
        num_slots=scenario.num_slots,
        slot_s=scenario.slot_s,
        cache_size=np.full(scenario.num_users, scenario.cache_items),
        release=births.release,
        cluster=drawn.constellation.cluster[births.satellite],
        roi=drawn.roi,
        link_up=drawn.link_up,
        requests=requests,
        contents=() if law is None else contents(births, scenario.footprint_deg),
        scenario=_document(drawn, law, seed),
        link_us=link_us,
        origin=origin.of(scenario, PRESETS, seed),
    )


def _drawn_requests(drawn: Draw, law: Law) -> Callable[[int], IntArray]:
    """Draw the requests of a law; return what gives those of a slot: user and content."""
    scenario, births = drawn.scenario, drawn.births
    known = (births.traits, births.release, drawn.roi, scenario.num_slots)
    probability = request_probability(law.demand, *known)
    lot = stream(scenario, drawn.entropy, REQUESTS).random(probability.shape)
    asked = np.less(lot, probability)
    return lambda slot: np.argwhere(asked[:, :, slot])


def _requests(
    drawn: Draw, asked: Callable[[int], IntArray], progress: Callable[[float], None] | None
) -> tuple[IntArray, IntArray]:
    """Return the rows of an instance's requests for those asked, and link states if wanted.

    Returns
    -------
    The rows, shape (R, 6), and the delays of a miss, shape (M, F, T), or (M, F, 0) unless the
    scenario has link states.
    """
    scenario = drawn.scenario
    rows, misses = [np.zeros((0, 6), dtype=np.int64)], [np.zeros((*drawn.roi.shape, 0), dtype=int)]
    wanted = np.full((scenario.num_slots, scenario.num_contents), scenario.link_states)
    for slot in range(scenario.num_slots):
        wanted[slot, asked(slot)[:, 1]] = True
    for slot, delay in enumerate(drawn.delays_us(wanted)):
        u, f = asked(slot).T
        rows.append(np.column_stack([u, f, np.full_like(u, slot), delay[u, f]]))
        if scenario.link_states:
            misses.append(fastest_us(delay)[:, :, None])
        if progress:
            progress((slot + 1) / scenario.num_slots)
    return np.concatenate(rows), np.concatenate(misses, axis=2)


def _document(drawn: Draw, law: Law | None, seed: int) -> dict[str, Any]:
    """Return the parameters, the seed and what policies and learners may know of the world."""
    users, storage, scenario = drawn.users, drawn.storage, drawn.scenario
    told: dict[str, Any] = {} if law is None else {"law": law.document()}
    if law is None:
        told["trace_of"] = trace.of(scenario).document()
    if behind := settle.digests(scenario):
        told["files"] = behind
    return {
        **scenario.document(),
        "seed": seed,
        "start_utc": utc(drawn.constellation, drawn.start_s),
        "users": {
            "lat_deg": _rounded(users.lat_deg),
            "lon_deg": _rounded(users.lon_deg),
            "box_deg": _rounded(users.box_deg),
        },
        **told,
        "satellites": {
            "heads": heads(drawn.constellation).tolist(),
            "origin": drawn.births.satellite.tolist(),
            "holder": storage.satellite.tolist(),
            "evicted": storage.evicted.tolist(),
        },
    }


def _rounded(values: Array) -> Any:
    return values.round(4).tolist()
