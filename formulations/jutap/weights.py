"""Which plans are optimal for which weights (w1, w2, w3): the simplex cut into polygons, exactly.

A plan costs w1 xi + w2 eta + w3 delta with the integer sums (xi, eta, delta) of its moves, linear
in the weights; the optimum is the lower envelope of these planes over the simplex. It is found from
outside, as in Benson's method (J. Global Optim. 13, 1998): keep some plans, cut the simplex into
the polygons where each of them is the cheapest, and solve JUTAP at a corner of a polygon. If that
finds a cheaper plan, it joins and takes its own polygon from the others. If it does not, the
corner is *settled*. With all corners settled the polygons are right: what another plan costs less
the plan of a polygon is linear, at least 0 at the corners, and so at least 0 in between. That is
also the proof that a stranger can check, one certificate a corner (`WeightMap.questions`).

Corners are homogeneous integers, cross products of differences of sums. Nothing is rounded.
"""

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from formulations.jutap.frontier import cheapest_within
from formulations.jutap.passes.potentials import Grid, compute_potentials, grid_of, reach_of
from formulations.jutap.passes.ranges import LARGEST, MAX_MOVES
from opt_istn.files import InputError
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.frontier import HANDOVER, Region, WeightMap, Weights
from opt_istn.jutap.graph import start_state
from opt_istn.jutap.instance import HOLE, KINDS, NO_ARC, Cost, Instance
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.scenario import unweighted

Triple = tuple[int, int, int]
_SIMPLEX: tuple[Triple, ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def weights(instance: Instance) -> WeightMap:
    """Return the plans that are optimal for some weights, and for which; its own do not matter.

    One solve a corner; O(plans^2) cuts of polygons.

    Raises
    ------
    InputError
        If the instance's scenario does not tell xi, eta and delta, no plan keeps the budget,
        numbers could leave 64 bits, or costs fall without limit at some weights.
    """
    terms = _Terms(instance)
    plans: list[Triple] = []
    walks: dict[Triple, Plan] = {}
    polygons: list[list[Triple]] = []
    settled: set[Triple] = set()
    todo = list(_SIMPLEX)
    while todo:
        corner = todo.pop()
        walk = terms.optimum(corner)
        sums = terms.sums(walk)
        settled.add(corner)
        if not plans or _dot(corner, sums) < min(_dot(corner, x) for x in plans):
            walks[sums] = walk
            polygons = [_cut(p, _minus(x, sums)) for p, x in zip(polygons, plans, strict=True)]
            own = list(_SIMPLEX)
            for other in plans:
                own = _cut(own, _minus(sums, other))
            plans, polygons = [*plans, sums], [*polygons, own]
        todo = sorted({c for polygon in polygons for c in polygon} - settled)
    regions = [
        Region(walks[x], _times(x, terms.units), tuple(terms.weights(c) for c in polygon))
        for x, polygon in zip(plans, polygons, strict=True)
        if len(polygon) > 2
    ]
    regions.sort(key=lambda region: (-region.share, region.terms))
    return WeightMap(instance, tuple(regions))


class _Terms:
    """JUTAP with its weights left open.

    Sums and weights are *reduced*: xi, eta and delta are divided by `units`, the greatest numbers
    that all their values are multiples of, so that corners stay small.
    """

    def __init__(self, instance: Instance) -> None:
        plain = unweighted(instance)
        c = plain.cost
        zero: dict[str, Any] = dict.fromkeys(HANDOVER, 0)
        eta = {name: getattr(c, name) for name in HANDOVER}
        u1 = math.gcd(*c.move, *(c.enter or ())) or 1
        u2, u3 = math.gcd(*eta.values()) or 1, abs(c.hole) or 1
        small = Cost(
            move=(c.move[0] // u1, c.move[1] // u1),
            hole=c.hole // u3,
            enter=None if c.enter is None else tuple(x // u1 for x in c.enter),
            hole_bonus=c.hole_bonus,
            **{name: value // u2 for name, value in eta.items()},
        )
        self.given, self.units = instance, (u1, u2, u3)
        self.instance = replace(plain, cost=small)
        self.grid = grid_of(self.instance)
        self.parts = [
            replace(plain, cost=replace(small, hole=0, **zero)),
            replace(plain, cost=replace(small, move=(0, 0), enter=None, hole=0)),
            replace(plain, cost=replace(small, move=(0, 0), enter=None, **zero)),
        ]
        if not self.grid.active[instance.end]:
            raise InputError("links", "expected an instance with a plan: END cannot be reached")

    def sums(self, walk: Plan) -> Triple:
        """Return the reduced sums of a walk, by the judge."""
        a, b, c = (evaluate(x, replace(walk, instance=x.sha256)).cost for x in self.parts)
        if a is None or b is None or c is None:
            raise ValueError("weights: a walk that is none")
        return a, b, c

    def weights(self, corner: Triple) -> Weights:
        """Return the weights (w1, w2, w3), of sum 1, of reduced homogeneous ones."""
        parts = [Fraction(x, unit) for x, unit in zip(corner, self.units, strict=True)]
        a, b, c = (part / sum(parts) for part in parts)
        return a, b, c

    def optimum(self, corner: Triple) -> Plan:
        """Return an optimal plan at these weights."""
        grid, budget = self._grid(corner), self.instance.energy_budget_mj
        start = start_state(self.instance)
        cheapest = compute_potentials(self.instance, 1, 0, grid)
        if not cheapest.negative_cycle and (budget is None or cheapest.energy(start) <= budget):
            states = cheapest.walk(start)
        elif budget is None or budget // min(self.instance.energy_mj) > MAX_MOVES:
            rule = f"expected an energy budget of at most {MAX_MOVES} moves"
            raise InputError("energy_budget_mj", f"{rule}: at some weights costs fall without end")
        else:
            states = cheapest_within(self.instance, grid, budget)
        cells, links = grid.cell[states].tolist(), grid.link[states].tolist()
        return Plan(self.given.sha256, tuple(cells), tuple(links))

    def _grid(self, corner: Triple) -> Grid:
        """Return the kernels' view at these weights; refuse what could leave 64 bits."""
        grid, (k1, k2, k3) = self.grid, corner
        c = self.instance.cost
        dearest = (*c.move, *(c.enter or ()), c.hole, *(getattr(c, name) for name in HANDOVER))
        if max(corner) * max(map(abs, dearest)) < LARGEST:
            hole = np.arange(len(grid.transition)) % KINDS == HOLE
            change = np.where(hole, k3, k2) * np.where(grid.transition < NO_ARC, grid.transition, 0)
            made = grid._replace(
                move=k1 * grid.move,
                enter=k1 * grid.enter,
                transition=np.where(grid.transition < NO_ARC, change, NO_ARC),
            )
            if reach_of(made).of(1, 0) < LARGEST:
                return made
        raise InputError("grid", f"weights of {max(corner)} beside each other leave 64 bits")


def _cut(polygon: list[Triple], side: Triple) -> list[Triple]:
    """Return the part of a polygon where ``side . w <= 0``, corners in order; it may be empty."""
    kept: list[Triple] = []
    for a, b in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        at_a, at_b = _dot(a, side), _dot(b, side)
        if at_a <= 0:
            kept.append(a)
        if at_a * at_b < 0:
            between = _minus(_scale(at_b, a), _scale(at_a, b))
            kept.append(_lowest(_scale(1 if at_b > 0 else -1, between)))
    once = list(dict.fromkeys(kept))
    return once if len(once) > 2 else []


def _dot(a: Triple, b: Triple) -> int:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _minus(a: Triple, b: Triple) -> Triple:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _scale(k: int, a: Triple) -> Triple:
    return k * a[0], k * a[1], k * a[2]


def _times(a: Triple, b: Triple) -> Triple:
    return a[0] * b[0], a[1] * b[1], a[2] * b[2]


def _lowest(a: Triple) -> Triple:
    common = math.gcd(*a)
    return a[0] // common, a[1] // common, a[2] // common
