"""Which dense relaxation of a user's problem to search: by profiles or by content tuples.

Tuples (see `tuples`) bound much better, and are few where few contents are alive at a time;
profiles (see `profile`) are few where claims are short.
"""

from dataclasses import dataclass
from math import comb
from typing import Protocol

import numpy as np

from formulations.push.labels import diagram as dd
from formulations.push.labels import profile, tuples
from formulations.push.labels.diagram import Diagram, Path
from formulations.push.labels.profile import SmallArray
from opt_istn.push.instance import IntArray, UserProblem

NARROW_US = 1 << 30  # tables hold savings up to here in 32 bits, larger ones in 64
MAX_US = 1 << 60  # of a user
FEW_PROFILES = 50_000  # up to here the diagram needs no prices to start from
MAX_PROFILES = 20_000_000  # of the tallest slot
MAX_STATES = 200_000_000  # over all slots together, 32 bits each; half as many of 64 bits
MAX_STAGES = 400_000_000  # of a slot, over its layers
MAX_NODES = 1 << 24  # nodes of a diagram
_WORTH = 4  # tuples are searched if there are at most so many for each profile
_RATE = 1e8  # pushes tried a second
_EFFORT = 10_000_000_000  # pushes tried in all dense tables
_FEW_STEPS, _MOST_STEPS = 30, 120


class Dense(Protocol):
    """A relaxation held in tables of all its states."""

    @property
    def costly(self) -> bool:
        """Whether the tables are so large that good prices are needed first."""

    @property
    def seconds(self) -> float:
        """About how long it takes to fill the tables, which nothing interrupts."""

    def unfold(self, prices: IntArray, threshold: int) -> tuple[int, Diagram | None]:
        """Return the bound, and all paths worth more than `threshold`; None if too many."""


@dataclass(frozen=True)
class ByTuples:
    """The relaxation by content tuples.

    Parameters
    ----------
    alive
        What the tables are made of.
    steps
        How many prices to try on the tables before unfolding them.
    costly
        See `Dense`.
    kind
        An empty array of the integers that the tables hold.
    """

    alive: tuples.Alive
    steps: int
    costly: bool
    kind: SmallArray | IntArray

    @property
    def seconds(self) -> float:
        """See `Dense`."""
        return tuples.num_pushes(self.alive) / _RATE

    def best(self, prices: IntArray) -> Path:
        """Return the best path at these prices."""
        return tuples.best(self.alive, prices, self.kind)

    def unfold(self, prices: IntArray, threshold: int) -> tuple[int, Diagram | None]:
        """See `Dense`."""
        values, offsets = tuples.backward(self.alive, prices, self.kind)
        root = tuples.build(self.alive, values, offsets, prices, threshold, MAX_NODES)
        return int(values[0] + prices.sum()), root


@dataclass(frozen=True)
class ByProfiles:
    """The relaxation by FIFO profiles; no prices are tried before its tables are unfolded.

    Parameters
    ----------
    relaxed
        What the tables are made of.
    costly, kind
        See `ByTuples`.
    """

    relaxed: profile.Relaxation
    costly: bool
    kind: SmallArray | IntArray

    @property
    def seconds(self) -> float:
        """See `Dense`."""
        layers, places = self.relaxed.layers, self.relaxed.problem.cache_size
        # profiles that let a push in: those whose oldest entry is 0
        open_profiles = [comb(int(h) + places - 1, places - 1) for h in layers.height]
        claims = np.diff(layers.claim_ptr)
        return float(claims @ np.array(open_profiles, dtype=float)[layers.slot]) / _RATE

    def unfold(self, prices: IntArray, threshold: int) -> tuple[int, Diagram | None]:
        """See `Dense`."""
        relaxed = self.relaxed
        values, offsets = profile.backward(relaxed.layers, relaxed.profiles, prices, self.kind)
        root = dd.build(self.relaxed, values, offsets, prices, threshold, MAX_NODES)
        return int(values[0] + prices.sum()), root


def choose(problem: UserProblem) -> Dense | None:
    """Return the relaxation to search; None if neither fits the memory."""
    found, layers = by_tuples(problem), profile.make_layers(problem)
    if found is not None:
        profiles = sum(_profiles(problem, layers))
        if tuples.num_tuples(found.alive)[0] <= _WORTH * profiles:
            return found
    return by_profiles(problem, layers)


def by_profiles(problem: UserProblem, layers: profile.Layers) -> ByProfiles | None:
    """Return the relaxation by profiles, None if it does not fit the memory."""
    sizes = _profiles(problem, layers)
    # profiles do not tell contents apart: each of L places may save what the best one does
    most = problem.cache_size * int(problem.weight.max(axis=0, initial=0).sum())
    if most >= MAX_US or sum(sizes) > _states(most) or max(sizes) > MAX_PROFILES:
        return None
    relaxed = profile.relaxation(problem, layers)
    return ByProfiles(relaxed, max(sizes) > FEW_PROFILES, integers(most))


def _profiles(problem: UserProblem, layers: profile.Layers) -> list[int]:
    """Return the number of profiles of each slot."""
    places = problem.cache_size
    return [comb(int(height) + places, places) for height in layers.height]


def by_tuples(problem: UserProblem) -> ByTuples | None:
    """Return the relaxation by tuples, None if it does not fit the memory."""
    alive = tuples.make_alive(problem)
    states, stages = tuples.num_tuples(alive)
    most = int(problem.weight.sum())  # a tuple holds no content twice, so nothing counts twice
    if states > _states(most) or stages > MAX_STAGES:
        return None
    steps = int(min(_EFFORT / max(tuples.num_pushes(alive), 1), _MOST_STEPS))
    return ByTuples(alive, steps, steps < _FEW_STEPS, integers(most))


def integers(most_us: int) -> SmallArray | IntArray:
    """Return an empty array of integers that hold savings up to `most_us`.

    A price and what is evicted are subtracted, each at most `most_us`: -2 `most_us` has to fit.
    """
    if most_us <= NARROW_US:
        return np.empty(0, dtype=np.int32)
    return np.empty(0, dtype=np.int64)


def _states(most_us: int) -> int:
    return MAX_STATES if most_us <= NARROW_US else MAX_STATES // 2
