"""Lagrangian multiplier on the energy budget: a bound and a feasible walk, in integers.

For any lambda >= 0, min over walks of ``cost + lambda * (energy - budget)`` is a lower bound on
the constrained optimum. Costs and lambda are both scaled by S and rounded to integers, so the
bound ``ceil((value - lambda * budget) / S)`` is exact. The multiplier is found on the lower
envelope of (energy, cost) points as by Handler & Zang (Networks 10, 1980): each trial takes the
slope between the cheapest feasible and the cheapest infeasible walk known. Where cost alone has
a negative cycle, multipliers are first bisected towards the smallest one without any.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from formulations.jutap.passes.potentials import (
    Grid,
    OutOfTimeError,
    Potentials,
    compute_potentials,
    reach_of,
)
from opt_istn.jutap.instance import Instance

MAX_TRIALS = 24
NO_BOUND = -(2**61)  # below the cost of any walk


@dataclass
class Relaxation:
    """State and outcome of the multiplier search.

    Parameters
    ----------
    start, budget
        State of START and the energy budget in millijoules.
    incumbent
        Potentials whose walk from START is the cheapest known within the budget.
    tightest
        Potentials that give the bound: ``cost_scale`` is S, ``energy_scale`` is S * lambda. While
        none is known, ``cost_scale`` is 0.
    bound
        Lower bound on the cost of every walk within the budget; `NO_BOUND` if none is known.
    outside
        Potentials whose walk is the cheapest known in excess of the budget, if any.
    trials
        Number of multipliers tried.
    """

    start: int
    budget: int
    incumbent: Potentials
    tightest: Potentials
    bound: int = NO_BOUND
    outside: Potentials | None = None
    trials: int = 0

    def learn(self, trial: Potentials) -> bool:
        """Take in the pass of one multiplier; return whether its walk is within the budget."""
        value, weight = int(trial.value[self.start]), trial.energy_scale
        bound = -((weight * self.budget - value) // trial.cost_scale)
        if bound > self.bound:
            self.bound, self.tightest = bound, trial
        inside = trial.energy(self.start) <= self.budget
        if not inside:
            self.outside = trial
        elif trial.cost(self.start) <= self.incumbent.cost(self.start):
            self.incumbent = trial
        return inside


def relax(
    instance: Instance,
    grid: Grid,
    start: int,
    budget: int,
    cheapest: Potentials,
    frugal: Potentials,
    expired: Callable[[], bool],
) -> Relaxation:
    """Search the multiplier; one backward pass a trial, at most `MAX_TRIALS`.

    Where 64 bits leave no room for a multiplier without a negative cycle, there is no bound.

    Parameters
    ----------
    cheapest
        Pass with scales (1, 0); it may report a negative cycle.
    frugal
        Pass with scales (0, 1); its walk from `start` must keep the budget.
    expired
        Asked in every trial whether to stop.
    """
    found = Relaxation(start, budget, frugal, frugal)
    if not cheapest.negative_cycle:
        found.learn(cheapest)
    with suppress(OutOfTimeError):
        if cheapest.negative_cycle:
            _bisect(instance, grid, found, expired)
        _intersect(instance, grid, found, expired)
    return found


def _bisect(instance: Instance, grid: Grid, found: Relaxation, expired: Callable[[], bool]) -> None:
    """Lower the multiplier from one that makes every arc positive, until a walk overspends."""
    worst = int(grid.move.min() + grid.enter.min() + min(grid.transition.min(), 0))
    least = int(grid.energy.min())
    scale, most = reach_of(grid).scales(-worst, least)
    weight = sound = min(scale * -worst // least + 1, most)
    cyclic = 0
    while found.trials == 0 or (sound - cyclic > 1 and found.trials < MAX_TRIALS):
        trial = compute_potentials(instance, scale, weight, grid, expired)
        found.trials += 1
        if trial.negative_cycle:
            cyclic = weight
        elif found.learn(trial):
            sound = weight
        else:
            return
        if expired():
            return
        weight = (sound + cyclic) // 2


def _intersect(
    instance: Instance, grid: Grid, found: Relaxation, expired: Callable[[], bool]
) -> None:
    """Try the slope between the two walks on either side of the budget until none is below."""
    start = found.start
    while found.outside is not None and found.trials < MAX_TRIALS and not expired():
        rise = found.incumbent.cost(start) - found.outside.cost(start)
        run = found.outside.energy(start) - found.incumbent.energy(start)
        rise = max(rise, 0)
        scale, most = reach_of(grid).scales(rise, run)
        weight = min((2 * scale * rise + run) // (2 * run), most)  # to the nearest
        trial = compute_potentials(instance, scale, weight, grid, expired)
        found.trials += 1
        known = min(
            scale * walk.cost(start) + weight * walk.energy(start)
            for walk in (found.incumbent, found.outside)
        )
        if trial.negative_cycle:  # rounding fell below the smallest sound multiplier
            return
        found.learn(trial)
        if int(trial.value[start]) >= known:
            return
