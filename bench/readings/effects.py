"""What a reading of the papers does to instances and their optima, in a few numbers.

Each measure takes a scenario, draws its instances 0, 1, ... and returns means over them.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from bench.readings import free_order
from opt_istn import problems, registry
from opt_istn.jutap import Plan as Walk
from opt_istn.jutap import evaluate as judge_walk
from opt_istn.physics.propulsion import power_w
from opt_istn.push.evaluate import evaluate as judge_pushes
from opt_istn.push.instance import ABSENT, MAX_DELAY_US
from opt_istn.push.world.law import law_of
from opt_istn.solver import Budget, Claims, Status

INSTANCES = 10
LIMIT_S = 120.0
AGES = (0, 5, 10, 14, 17)  # of contents, in slots: where the law of delays is shown
Numbers = dict[str, float | None]  # None: there is no such thing


class UnprovenError(RuntimeError):
    """`labels` has not proven the optimum of an instance, so there is no number to print."""


@cache
def _labels(problem: str) -> Any:
    solver = registry.make("labels", problem, {})
    solver.prepare()
    return solver


def optimum(instance: Any) -> Claims:
    """Return the proven optimum of an instance.

    Raises
    ------
    UnprovenError
        If the limit ends the proof.
    """
    claims: Claims = _labels(instance.problem).solve(instance, Budget(time_s=LIMIT_S), 0)
    if claims.status != Status.OPTIMAL:
        raise UnprovenError(f"{instance.name}: {claims.status} after {LIMIT_S:g} s")
    return claims


def drawn(scenario: Any, problem: str, count: int = INSTANCES) -> Iterator[Any]:
    """Yield the instances of the seeds 0..count-1."""
    made = problems.get(problem)
    for seed in range(count):
        yield made.generate(scenario, seed, f"{problem}-{seed}")


@cache
def delivery(scenario: Any) -> Numbers:
    """Return how misses of PUSH are served, and what one costs."""
    rows = []
    for x in drawn(scenario, "push"):
        delays = x.requests[:, 3:]
        mode = np.where(delays == ABSENT, MAX_DELAY_US + 1, delays).argmin(axis=1)
        rows.append(
            {
                "requests": len(x.requests),
                "clusters": len(np.unique(x.cluster)),
                "miss, s": x.miss_us.mean() / 1e6,
                "access %": 100 * (mode == 0).mean(),
                "collab. %": 100 * (mode == 1).mean(),
                "ground %": 100 * (mode == 2).mean(),
            }
        )
    return _mean(rows)


@cache
def pushes(scenario: Any) -> Numbers:
    """Return what `delivery` does, and the optimum of PUSH."""
    rows = []
    for x in drawn(scenario, "push"):
        best = judge_pushes(x, optimum(x).plan)
        rows.append(
            {
                "optimum, s": best.mean_delay_s,
                "hit ratio": best.hit_ratio,
                "cut %": 100 * (1 - best.cost / best.no_push_us),
            }
        )
    return delivery(scenario) | _mean(rows)


def law(scenario: Any) -> Numbers:
    """Return the mean delay of a miss that policies reckon with, by the content's age in slots."""
    known = law_of(scenario).miss_us
    return {f"age {age}, s": known[age] / 1e6 for age in AGES}


def order(scenario: Any) -> Numbers:
    """Return the optimum in the order of the contract, and with a free order inside slots.

    Of three instances: the other problem takes ten seconds and more each.
    """
    rows = []
    for x in drawn(scenario, "push", 3):
        ours = judge_pushes(x, optimum(x).plan).cost
        free = free_order.optimum_us(x)
        rows.append(
            {
                "optimum, s": ours / len(x.requests) / 1e6,
                "with a free order, s": free / len(x.requests) / 1e6,
                "less %": 100 * (1 - free / ours),
            }
        )
    return _mean(rows)


@cache
def jutap(scenario: Any) -> Numbers:
    """Return holes of the map, SNR of GEO, and what the optimum flies."""
    rows = []
    for x in drawn(scenario, "jutap"):
        best = judge_walk(x, optimum(x).plan)
        holes = np.mean([x.hole in x.links(cell) for cell in range(x.grid**2)])
        budget = x.energy_budget_mj
        rows.append(
            {
                "holes of the map %": 100 * holes,
                "GEO SNR, dB": scenario.geo_snr_db,
                "budget, kJ": None if budget is None else budget / 1e6,
                "cost": best.cost / 1e6,
                "length, m": best.length_m,
                "energy, kJ": best.energy_mj / 1e6,
                "handover": best.handover,
                "holes": best.holes,
                "GEO cells": best.geo,
            }
        )
    return _mean(rows)


def reward(scenario: Any) -> Numbers:
    """Return what the policy that is exact under ``reward`` flies, priced by problem (4)."""
    objective = replace(scenario, reward="objective")
    rows = []
    for x, trained in zip(drawn(objective, "jutap"), drawn(scenario, "jutap"), strict=True):
        walk = optimum(trained).plan
        flown = judge_walk(x, Walk(x.sha256, walk.cells, walk.links))
        best = judge_walk(x, optimum(x).plan)
        rows.append(
            {
                "cost under (4)": flown.cost / 1e6,
                "above the optimum %": 100 * (flown.cost / best.cost - 1),
                "length, m": flown.length_m,
                "handover": flown.handover,
                "holes": flown.holes,
                "GEO cells": flown.geo,
            }
        )
    return _mean(rows)


def energy(scenario: Any) -> Numbers:
    """Return E(v, d) of a straight move as P(v) d / v, and as printed, (P(v) / d) v."""
    power, speed, cell = float(power_w(scenario.speed_m_s)), scenario.speed_m_s, scenario.cell_m
    diagonal = cell * 2**0.5
    return {
        "P d / v, straight": power * cell / speed,
        "diagonal": power * diagonal / speed,
        "(P / d) v, straight": power / cell * speed,
        "diagonal as printed": power / diagonal * speed,
    }


def _mean(rows: list[dict[str, Any]]) -> Numbers:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {name: None if None in x else float(np.mean(x)) for name, x in columns.items()}
