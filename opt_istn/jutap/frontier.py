"""What there is to choose from on one map: budgets, STARTs and weights, as plain data.

Methods that find these are entry points of the group ``opt_istn.studies``, see `registry.study`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from opt_istn.jutap import graph
from opt_istn.jutap.instance import Cost, Instance, IntArray
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.scenario import unweighted

NO_FLIGHT = 2**61  # the cost from where no walk keeps the budget
HANDOVER = (
    *("mbs_to_mbs", "geo_to_mbs", "mbs_to_geo"),
    *("geo_stay", "hole_to_mbs", "hole_to_geo"),
)
Weights = tuple[Fraction, Fraction, Fraction]


@dataclass(frozen=True)
class Question:
    """An instance with the answer to be proven: `cost`, or None where there is no plan.

    Parameters
    ----------
    plan
        A plan of `instance` that costs that much, None where there is none or none was kept.
    """

    instance: Instance
    cost: int | None
    plan: Plan | None


@dataclass(frozen=True)
class Point:
    """A plan that is cheaper than all that need no more energy.

    Parameters
    ----------
    energy_mj, cost
        Least energy at which this cost can be had, and the cost, in the instance's unit.
    plan
        A plan with both.
    """

    energy_mj: int
    cost: int
    plan: Plan


@dataclass(frozen=True)
class Front:
    """The Pareto front of cost and energy from one START, within the instance's energy budget.

    Parameters
    ----------
    points
        In order of energy; costs fall strictly. None if no plan keeps the budget.
    """

    instance: Instance
    points: tuple[Point, ...]

    def questions(self) -> Iterator[Question]:
        """Yield what proves the front: one instance below it, and one for each point.

        With less energy than the first point needs there is no plan; with less than the next
        point needs, none is cheaper than this one. Together that leaves no room for other points.
        """
        x, points = self.instance, self.points
        ends = [*(point.energy_mj - 1 for point in points), x.energy_budget_mj]
        if ends[0] is None or ends[0] >= 0:
            yield Question(replace(x, energy_budget_mj=ends[0]), None, None)
        for point, end in zip(points, ends[1:], strict=True):
            limited = replace(x, energy_budget_mj=end)
            yield Question(limited, point.cost, replace(point.plan, instance=limited.sha256))


@dataclass(frozen=True)
class StartTable:
    """The optimum from every START under several energy budgets.

    Parameters
    ----------
    instance
        The map; its own START and energy budget do not matter here.
    links
        Link held at first in each cell: the strongest MBS, or HOLE where none reaches the
        threshold; shape (N*N,), -1 where no walk to END begins.
    budget_mj
        Energy budgets, shape (N*N, K); `NO_FLIGHT` is none.
    cost, energy_mj
        Cost of an optimum and the least energy of one, same shape; `NO_FLIGHT` where there is no
        plan.
    """

    instance: Instance
    links: IntArray
    budget_mj: IntArray
    cost: IntArray
    energy_mj: IntArray

    @property
    def cells(self) -> IntArray:
        """Cells that a walk to END begins in."""
        return np.flatnonzero(self.links >= 0)

    def at(self, cell: int, k: int) -> Instance:
        """Return the instance that begins in `cell` with budget `k`."""
        budget = int(self.budget_mj[cell, k])
        return replace(
            self.instance,
            start=cell,
            start_link=int(self.links[cell]),
            energy_budget_mj=None if budget == NO_FLIGHT else budget,
        )

    def questions(self) -> Iterator[Question]:
        """Yield one instance for every entry of the table."""
        for cell in self.cells.tolist():
            for k, cost in enumerate(self.cost[cell].tolist()):
                yield Question(self.at(cell, k), None if cost == NO_FLIGHT else cost, None)


@dataclass(frozen=True)
class Region:
    """A plan and the weights (w1, w2, w3) for which nothing is cheaper.

    Parameters
    ----------
    plan
        A plan of the instance.
    terms
        Sums of xi, eta and delta, in millionths, before weighting.
    corners
        Corners of the polygon of weights, in order around it, exact; w1 + w2 + w3 = 1.
    """

    plan: Plan
    terms: tuple[int, int, int]
    corners: tuple[Weights, ...]

    @property
    def share(self) -> Fraction:
        """Share of the simplex of weights that the polygon takes."""
        area, corners = Fraction(0), self.corners
        for a, b in zip(corners, [*corners[1:], *corners[:1]], strict=True):
            area += a[0] * b[1] - b[0] * a[1]
        return abs(area)  # half of it, over the half that the simplex takes in these coordinates


@dataclass(frozen=True)
class WeightMap:
    """Which plans are optimal for which weights.

    Parameters
    ----------
    instance
        The map; the weights in its own costs do not matter here.
    regions
        Polygons that cover the simplex, the largest first.
    """

    instance: Instance
    regions: tuple[Region, ...]

    def least(self, weights: Weights) -> Fraction:
        """Return the optimal cost at these weights, in millionths of the objective."""
        return min(cost_at(region.terms, weights) for region in self.regions)

    def questions(self) -> Iterator[Question]:
        """Yield what proves the map: one instance for each corner of a polygon.

        What another plan costs less the plan of a polygon is linear in the weights: at least 0 at
        all corners, it is at least 0 in between. Weights are scaled to integers without a common
        divisor, which changes no optimum.

        Raises
        ------
        InputError
            If that makes costs that are beyond the file format.
        """
        plain, seen = unweighted(self.instance), set()
        for region in self.regions:
            for weights in region.corners:
                if weights not in seen:
                    seen.add(weights)
                    cost, scale = weighted(plain.cost, weights)
                    made = replace(plain, cost=cost, name=f"{plain.name}, corner {len(seen)}")
                    plan = replace(region.plan, instance=made.sha256)
                    yield Question(made, int(scale * cost_at(region.terms, weights)), plan)


def cost_at(terms: tuple[int, int, int], weights: Weights) -> Fraction:
    """Return w1 * xi + w2 * eta + w3 * delta of a plan's sums."""
    return sum((w * term for w, term in zip(weights, terms, strict=True)), Fraction(0))


def weighted(cost: Cost, weights: Weights) -> tuple[Cost, Fraction]:
    """Return costs with energy, handovers and disconnectivity weighted, as small integers.

    Returns
    -------
    cost, scale
        What the weighted numbers were multiplied by to become integers without a common divisor.
    """
    w1, w2, w3 = weights
    eta = {name: w2 * getattr(cost, name) for name in HANDOVER}
    numbers = [*(w1 * x for x in (*cost.move, *(cost.enter or ()))), w3 * cost.hole, *eta.values()]
    common = math.lcm(*(x.denominator for x in numbers))
    scale = Fraction(common, math.gcd(*(int(common * x) for x in numbers)) or 1)
    made = Cost(
        move=(int(scale * w1 * cost.move[0]), int(scale * w1 * cost.move[1])),
        hole=int(scale * w3 * cost.hole),
        enter=None if cost.enter is None else tuple(int(scale * w1 * x) for x in cost.enter),
        hole_bonus=cost.hole_bonus,
        **{name: int(scale * value) for name, value in eta.items()},
    )
    return made, scale


def first_links(instance: Instance) -> IntArray:
    """Return the link held at first in each cell that reaches END, -1 elsewhere, shape (N*N,)."""
    reached = graph.reaching_cells(instance)
    return np.where(reached, instance.strongest, -1)
