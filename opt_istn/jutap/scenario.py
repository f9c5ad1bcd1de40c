"""JUTAP from physics: presets, and the step from a radio map to an integer instance.

A budget is what a battery leaves for the flight, E_A of the paper, or relative to the straightest
path, because a real battery never binds on 3 km.
"""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opt_istn import origin
from opt_istn.files import InputError
from opt_istn.jutap.instance import Battery, Cost, Instance, IntArray
from opt_istn.jutap.world import measured
from opt_istn.jutap.world.parameters import Scenario, from_parameters
from opt_istn.physics import pathloss
from opt_istn.physics.layout import sequential_inhibition
from opt_istn.physics.propulsion import energy_j
from opt_istn.physics.radio import Coverage, Stations, coverage

__all__ = ["KAPPAS", "PRESETS", "Scenario", "from_parameters", "generate"]

MILLION = 1_000_000
BATTERY_J = 321_000.0  # E_C: 89 Wh, a common battery of a 1.4 kg quadcopter; the paper gives none
RESERVE_J = 64_200.0  # E_S: a fifth of it
KAPPAS = (1.02, 1.05, 1.10, 1.25)


def _presets() -> dict[str, Scenario]:
    paper = Scenario()
    density = paper.num_mbs / (paper.grid * paper.cell_m) ** 2
    base = {
        "jutap-tiny": replace(paper, grid=4, num_mbs=3, cell_m=400.0),
        "jutap-paper": paper,
        "jutap-paper-terrestrial": replace(paper, geo=False),
    }
    # The paper's density of stations. At 150 m all of them are in sight, so with full load the
    # larger areas would drown in interference; the load keeps about the paper's share of holes.
    larger = (("jutap-city", 200, 40, 0.38), ("jutap-region", 1000, 400, 0.078))
    for name, grid, stations, load in larger:
        side = math.sqrt(stations / density)
        cell = round(side / grid, 2)
        base[name] = replace(paper, grid=grid, num_mbs=stations, cell_m=cell, load=load)
    budgets = {
        f"{name}-k{kappa:.2f}": replace(scenario, kappa=kappa)
        for name, scenario in base.items()
        for kappa in KAPPAS
    }
    final = {
        f"{name}-v2": replace(base[name], battery_j=BATTERY_J, reserve_j=RESERVE_J)
        for name in ("jutap-paper", "jutap-paper-terrestrial")
    }
    final["jutap-small-v2"] = replace(final["jutap-paper-v2"], grid=10, cell_m=300.0)
    return dict(sorted((base | budgets | final).items()))


def meaning(scenario: Scenario) -> str:
    """Return a scenario in one line."""
    x = scenario
    side = x.grid * x.cell_m / 1000
    budget = "no energy budget" if x.kappa is None else f"{x.kappa:g} x the straightest's energy"
    if x.battery_j is not None:
        budget = f"a battery of {x.battery_j:g} J"
    network = f"{x.num_mbs} MBSs {'and GEO' if x.geo else 'alone'}"
    grid = f"{x.grid} x {x.grid} cells of {x.cell_m:g} m ({side:g} km)"
    return f"{grid}, {network}, {budget}"


def generate(
    scenario: Scenario,
    seed: int,
    name: str = "",
    progress: Callable[[float], None] | None = None,
) -> Instance:
    """Draw the instance of a scenario and a seed.

    Drawn in this order from ``numpy.random.default_rng(seed)``: positions, rural or urban, sector
    azimuths, then line of sight and shadowing where they are random.

    Parameters
    ----------
    progress
        Called with the share of the radio map done, 0..1.

    Raises
    ------
    InputError
        If the seed is negative or the stations do not fit into the area.
    """
    if seed < 0:
        raise InputError("seed", f"expected a number >= 0, found {seed}")
    rng = np.random.default_rng(seed)
    stations = None if scenario.radio_map and not scenario.stations else _stations(scenario, rng)
    radio = _radio(scenario, stations, rng, progress)
    ptr, ids, strongest = _links(scenario, radio)
    start = 0 if scenario.start is None else scenario.start
    end = scenario.grid**2 - 1 if scenario.end is None else scenario.end
    energy, battery = _energy_mj(scenario), _battery(scenario)
    facts = {"seed": seed, **_facts(scenario, stations, radio)}
    return Instance(
        name=name,
        grid=scenario.grid,
        num_mbs=scenario.num_mbs,
        start=start,
        end=end,
        start_link=int(strongest[start]),
        link_ptr=ptr,
        link_ids=ids,
        strongest=strongest,
        cost=_cost(scenario, end),
        energy_mj=energy,
        energy_budget_mj=_budget(scenario, start, end, energy, battery),
        cell_m=scenario.cell_m,
        association=scenario.association,
        scenario={**scenario.document(), **facts},
        origin=origin.of(scenario, PRESETS, seed),
        battery=battery,
    )


def _radio(
    scenario: Scenario,
    stations: Stations | None,
    rng: np.random.Generator,
    progress: Callable[[float], None] | None,
) -> Coverage:
    """Compute the radio map, or read it."""
    if stations is None or scenario.radio_map:
        known = measured.stations(scenario.stations).names if scenario.stations else ()
        found = measured.radio_map(scenario.radio_map, scenario.grid, known)
        _check_number(scenario, len(found.names))
        return found.coverage(scenario.grid**2, scenario.beta_db)
    axis = _axis_m(scenario)
    cells = np.stack([np.tile(axis, scenario.grid), np.repeat(axis, scenario.grid)], axis=1)
    return coverage(stations, cells, scenario.downlink, scenario.beta_db, rng, progress)


def _check_number(scenario: Scenario, number: int) -> None:
    if number != scenario.num_mbs:
        rule = f"expected {number}, as in {' and '.join(scenario.files.values())}"
        raise InputError("num_mbs", f"{rule}, found {scenario.num_mbs}")


def _stations(scenario: Scenario, rng: np.random.Generator) -> Stations:
    """Draw the stations, or take from their file what it says of them."""
    if scenario.stations:
        sites = measured.stations(scenario.stations)
        _check_number(scenario, len(sites.names))
        drawn = rng.random(scenario.num_mbs) < scenario.rural_share
        turned = rng.uniform(0, 360, scenario.num_mbs)
        rural = np.where(np.isnan(sites.rural), drawn, sites.rural == 1)
        turn = np.where(np.isnan(sites.boresight_deg), turned, sites.boresight_deg)
        return Stations(sites.xy_m, rural, turn)
    side = scenario.grid * scenario.cell_m
    try:
        xy = sequential_inhibition(scenario.num_mbs, side, scenario.separation_m, rng)
    except ValueError as error:
        raise InputError("separation_m", str(error)) from None
    rural = rng.random(scenario.num_mbs) < scenario.rural_share
    return Stations(xy, rural, rng.uniform(0, 360, scenario.num_mbs))


def _axis_m(scenario: Scenario) -> NDArray[np.float64]:
    """Return the centres of the cells along either axis, shape (N,)."""
    return np.asarray((np.arange(scenario.grid) + 0.5) * scenario.cell_m, dtype=np.float64)


def _facts(scenario: Scenario, stations: Stations | None, radio: Coverage) -> dict[str, Any]:
    """Return what was drawn and what came of it, for the reader of the instance's file."""
    best = radio.best_sinr_db[np.isfinite(radio.best_sinr_db)]  # no number where nothing reaches
    facts: dict[str, Any] = {
        "geo_snr_db": round(scenario.geo_snr_db, 4),
        "hole_share": round(float((np.diff(radio.ptr) == 0).mean()), 6),
        "median_best_sinr_db": round(float(np.median(best)), 4),
    }
    if scenario.files:
        facts["files"] = measured.digests(scenario.files)
    if stations is None:
        return facts
    return {
        "mbs_xy_m": stations.xy_m.round(3).tolist(),
        "mbs_height_m": stations.height_m.tolist(),
        "mbs_boresight_deg": stations.boresight_deg.round(3).tolist(),
        **facts,
        "extrapolated_share": round(_extrapolated(stations, _axis_m(scenario)), 6),
    }


def _links(scenario: Scenario, radio: Coverage) -> tuple[IntArray, IntArray, IntArray]:
    """Return the instance's links (compressed rows) and the strongest MBS, B in a hole."""
    cells = np.arange(scenario.grid**2)
    counts = np.diff(radio.ptr)
    owner = [np.repeat(cells, counts), cells[counts == 0]]
    link = [radio.ids, np.full(len(owner[1]), scenario.num_mbs)]
    if scenario.geo and scenario.geo_snr_db >= scenario.beta_db:
        owner.append(cells)
        link.append(np.full(len(cells), scenario.num_mbs + 1))
    owners, links = np.concatenate(owner), np.concatenate(link)
    order = np.lexsort((links, owners))
    ptr = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(cells)))])
    return ptr, links[order], np.where(counts == 0, scenario.num_mbs, radio.strongest)


def _energy_mj(scenario: Scenario) -> tuple[int, int]:
    lengths = np.array([1, math.sqrt(2)]) * scenario.cell_m
    straight, diagonal = np.rint(energy_j(scenario.speed_m_s, lengths) * 1000).astype(int)
    return int(straight), int(diagonal)


def _battery(scenario: Scenario) -> Battery | None:
    """Return E_C, E_S and 2 E(v, h_UAV) in integers, rounded so that the budget is not exceeded."""
    if scenario.battery_j is None:
        return None
    climb = float(energy_j(scenario.speed_m_s, scenario.altitude_m))
    return Battery(
        model="zeng-2019-eq12",
        capacity_mj=math.floor(1000 * scenario.battery_j),
        reserve_mj=math.ceil(1000 * scenario.reserve_j),
        vertical_mj=math.ceil(2 * 1000 * climb),
    )


def _budget(
    scenario: Scenario, start: int, end: int, energy: tuple[int, int], battery: Battery | None
) -> int | None:
    """Return the least of what the battery leaves, E_A, and of kappa times the straightest path."""
    limits = []
    if battery is not None:
        left = battery.capacity_mj - battery.reserve_mj - battery.vertical_mj
        if left < 0:
            needed = f"expected at least {(battery.reserve_mj + battery.vertical_mj) / 1000} J"
            raise InputError("battery_j", f"{needed} for the reserve, climb and descent")
        limits.append(left)
    if scenario.kappa is not None:
        apart = np.abs(np.subtract(divmod(start, scenario.grid), divmod(end, scenario.grid)))
        straightest = int(apart.min()) * energy[1] + int(apart.max() - apart.min()) * energy[0]
        limits.append(math.floor(scenario.kappa * straightest))
    return min(limits, default=None)


def eta(scenario: Scenario) -> dict[str, float]:
    """Return the handover costs, equation (8), under the scenario's readings of leaving a hole."""
    reconnect = 0.0 if scenario.hole_bonus == "none" else scenario.eta_reconnect
    to_geo = reconnect if scenario.hole_to_geo == "reconnect" else scenario.eta_mbs_to_geo
    return {
        "mbs_to_mbs": scenario.eta_mbs_to_mbs,
        "geo_to_mbs": scenario.eta_geo_to_mbs,
        "mbs_to_geo": scenario.eta_mbs_to_geo,
        "geo_stay": scenario.eta_geo_stay,
        "hole_to_mbs": reconnect,
        "hole_to_geo": to_geo,
    }


def _cost(scenario: Scenario, end: int) -> Cost:
    """Weigh and round each term: xi of (4) or (7), eta of (8), delta of (9)."""
    handover = {key: round(MILLION * scenario.w2 * value) for key, value in eta(scenario).items()}
    xi = (math.sqrt(0.5), 1.0) if scenario.reward == "objective" else (1.0, math.sqrt(0.5))
    enter = None
    if scenario.reward == "paper":
        enter = _distance_cost(scenario.grid, end, MILLION * scenario.w1)
    return Cost(
        move=(round(MILLION * scenario.w1 * xi[0]), round(MILLION * scenario.w1 * xi[1])),
        hole=round(MILLION * scenario.w3),
        enter=enter,
        hole_bonus="once" if scenario.hole_bonus == "once" else "printed",
        **handover,
    )


def unweighted(instance: Instance) -> Instance:
    """Return the instance with w1 = w2 = w3 = 1: xi, eta and delta themselves, in millionths.

    Raises
    ------
    InputError
        If the instance's scenario does not tell them, or its costs are not those of its scenario.
    """
    known = {item.name for item in fields(Scenario)}
    given = {key: value for key, value in instance.scenario.items() if key in known}
    try:
        scenario = Scenario(**given)
        told = _cost(scenario, instance.end)
        apart = _cost(replace(scenario, w1=1.0, w2=1.0, w3=1.0), instance.end)
    except (TypeError, ValueError):  # a scenario is free text as far as the format goes
        told = None
    if told != instance.cost or not {"w1", "w2", "w3"} <= set(given):
        raise InputError("scenario", "expected the parameters that the instance's costs come from")
    return replace(instance, cost=apart, name=f"{instance.name}, unweighted")


def paper_reward(instance: Instance) -> Cost:
    """Return the costs of an instance with (7) in place of the energy term of (4).

    The paper's printed reward charges straight moves more than diagonal ones, and every move the
    distance to END that is left after it.
    """
    weight = instance.cost.move[1]  # w1 * xi of a diagonal move, whose xi is 1
    enter = _distance_cost(instance.grid, instance.end, weight)
    return replace(instance.cost, move=(weight, round(weight * math.sqrt(0.5))), enter=enter)


def _distance_cost(grid: int, end: int, weight: float) -> tuple[int, ...]:
    """Return `weight` times each cell's distance to END over the grid's diagonal."""
    row, column = np.divmod(np.arange(grid**2), grid)
    target = divmod(end, grid)
    distance = np.hypot(row - target[0], column - target[1]) / (max(grid - 1, 1) * math.sqrt(2))
    return tuple(np.rint(weight * distance).astype(int).tolist())


def _extrapolated(stations: Stations, axis_m: NDArray[np.float64]) -> float:
    """Return the share of cell-station pairs beyond the path-loss model's distances.

    Parameters
    ----------
    axis_m
        Centres of the cells along either axis, shape (N,).
    """
    far = 0
    for (x, y), rural in zip(stations.xy_m, stations.rural, strict=True):
        limit = pathloss.VALID_TO_M["rma" if rural else "uma"]
        squared = (axis_m - x) ** 2 + (axis_m - y)[:, None] ** 2
        far += int(np.count_nonzero(squared > limit**2))
    return far / (len(stations.rural) * len(axis_m) ** 2)


PRESETS = _presets()
