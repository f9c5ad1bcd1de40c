"""PUSH heuristics: simple online policies, for the gap tables. None of them proves anything.

Three of them push what scores above a threshold. It is set so that a cache of L places is turned
over once in `keep` + L / 4 slots on average: with b births a slot in a user's region, the best
L / (b (keep + L / 4)) of all kinds of contents are pushed. So one number serves all cache sizes.
The defaults of `keep`, whole slots, have the least expected delay on four instances each of
``push-paper`` and ``push-paper-wide``, seeds 1000 to 1003.
"""

from dataclasses import dataclass

import numpy as np

from formulations.push.anneal import saving
from opt_istn.compiling import compiled
from opt_istn.physics.frames import Array
from opt_istn.push.belief import (
    Belief,
    affinity,
    every_kind,
    expected_saving_us,
    link_factor,
    see,
)
from opt_istn.push.instance import IntArray
from opt_istn.push.play import Context, Observation, Policy, Pushes, World
from opt_istn.push.policies import Informed, Linked, Online, known_world

_FLAT = 1e-9  # least beta reckoned with, for it is divided by


class NeverPolicy:
    """Pushes nothing."""

    def start(self, context: Context) -> None:
        """Nothing to remember."""

    def act(self, observation: Observation) -> Pushes:  # noqa: ARG002
        """Push nothing."""
        return []


class ReleasePolicy:
    """Pushes whatever is in the region of interest, at once."""

    def start(self, context: Context) -> None:
        """Nothing to remember."""

    def act(self, observation: Observation) -> Pushes:
        """Push everything that can be."""
        return pairs(observation.pushable)


class RandomPolicy:
    """Pushes whatever is in the region of interest, each in any slot with a probability."""

    def __init__(self, probability: float) -> None:
        self._probability = probability

    def start(self, context: Context) -> None:
        """Keep the source of randomness."""
        self._rng = context.rng

    def act(self, observation: Observation) -> Pushes:
        """Draw for everything that can be pushed."""
        allowed = observation.pushable
        return pairs(allowed & (self._rng.random(allowed.shape) < self._probability))


class ThresholdPolicy:
    """Pushes contents that score above a threshold, as soon as they exist and the link is up."""

    def __init__(self, keep: float, links: bool = False) -> None:
        self._keep, self._links = keep, links

    def start(self, context: Context) -> None:
        """Set each user's threshold from the scores of all kinds of contents."""
        self._world = known_world(context)
        scores, stay = (
            self.score(self._world, every_kind(self._world)),
            turnover(context, self._keep),
        )
        self._least, self._stay = thresholds(context, scores, stay), stay
        self._liked = np.zeros((context.num_users, 0), dtype=bool)

    def act(self, observation: Observation) -> Pushes:
        """Score the newborn contents and push what is above the threshold and can be pushed."""
        belief = see(self._world, observation, observation.newborn)
        score = self.score(self._world, belief)
        if self._links:
            score = score + self._worth(observation)[:, list(observation.newborn)]
        liked = score >= self._least[:, None]
        self._liked = np.concatenate([self._liked, liked], axis=1)
        return pairs(self._liked & observation.pushable)

    def score(self, world: World, belief: Belief) -> Array:
        """Return the scores of contents for users, shape (M, n)."""
        raise NotImplementedError

    def _worth(self, observation: Observation) -> Array:
        """Return what the links add to preferences, shape (M, n).

        Requests grow with exp(beta z), savings with delays. So delays of k times the law's, while
        a content stays cached, count like a preference z that is log(k) / beta higher.
        """
        ahead = np.arange(self._world.scenario.num_slots) - observation.slot
        stays = (ahead >= 0) & (ahead < self._stay[:, None])
        factor = link_factor(self._world, observation)
        dearer = (factor * stays[:, None]).sum(axis=2) / stays.sum(axis=1)[:, None]
        worth: Array = np.log(dearer) / max(self._world.scenario.beta, _FLAT)
        return worth


class MatchPolicy(ThresholdPolicy):
    """Scores a content by the user's own preferences."""

    def score(self, world: World, belief: Belief) -> Array:
        """Return the affinities z."""
        return affinity(world, belief)


class PopularPolicy(ThresholdPolicy):
    """Scores a content by the delay it would save an average user."""

    def score(self, world: World, belief: Belief) -> Array:
        """Return the mean over users of the expected saving of holding it from birth on."""
        total = from_birth(world, belief).sum(axis=2)
        return np.broadcast_to(total.mean(axis=0), total.shape)


class GreedyPolicy:
    """Gives every content at birth the slot that saves most, if that pays for the eviction.

    The gain of a slot is exact for the pushes decided so far: what the content saves until it is
    evicted by them, less what it evicts. For births to come every push has a price: what a
    content at the threshold saves while a cache is turned over.
    """

    def __init__(self, keep: float, links: bool) -> None:
        self._keep, self._links = keep, links

    def start(self, context: Context) -> None:
        """Set each user's price."""
        self._context, self._world = context, known_world(context)
        kinds = from_birth(self._world, every_kind(self._world))
        slots_kept = turnover(context, self._keep)
        stays = np.maximum(np.rint(slots_kept).astype(int), 1)
        worth = np.array([best_window(x, stay) for x, stay in zip(kinds, stays, strict=True)])
        self._price = np.maximum(thresholds(context, worth, slots_kept), 0.0)
        self._weight = np.zeros((context.num_users, 0, context.num_slots))
        self._plan = np.zeros((context.num_users, 0), dtype=np.int64)

    def act(self, observation: Observation) -> Pushes:
        """Decide on the newborn contents, then push what is due."""
        self._add(observation)
        slot, slots = observation.slot, self._context.num_slots
        new = np.array(observation.newborn, dtype=np.int64)
        for u, plan in enumerate(self._plan):
            earliest = slot if observation.link_up[u] else slot + 1
            late = (plan == slot) & (earliest > slot)
            plan[late] = earliest
            mine = new[observation.roi[u, new]]
            worth = self._saved[u, mine, slots]
            size, price = int(self._context.cache_size[u]), float(self._price[u])
            for f in mine[np.argsort(-worth, kind="stable")]:
                place_best(self._saved[u], size, plan, f, earliest, price)
        return pairs(self._plan == slot)

    def _add(self, observation: Observation) -> None:
        """Append the newborn contents, planned for no slot yet, and look at the links."""
        new = observation.newborn
        belief = see(self._world, observation, new)
        known = observation.release[list(new)], observation.roi[:, list(new)]
        fresh = expected_saving_us(self._world, belief, *known)
        never = np.full(fresh.shape[:2], self._context.num_slots)
        self._weight = np.concatenate([self._weight, fresh], axis=1)
        believed = self._weight
        if self._links:
            believed = believed * link_factor(self._world, observation)
        weight = np.rint(believed).astype(np.int64)
        self._saved = np.pad(np.cumsum(weight, axis=2), ((0, 0), (0, 0), (1, 0)))
        self._plan = np.concatenate([self._plan, never], axis=1)


@dataclass(frozen=True)
class Never(Online):
    """Solver ``push.never``: pushes nothing; every request is a miss."""

    def make(self) -> Policy:
        """Return the policy."""
        return NeverPolicy()


@dataclass(frozen=True)
class Release(Online):
    """Solver ``push.release``: pushes everything in the region of interest at once."""

    def make(self) -> Policy:
        """Return the policy."""
        return ReleasePolicy()


@dataclass(frozen=True)
class Random(Online):
    """Solver ``push.random``: pushes any content in any slot with a probability.

    Parameters
    ----------
    probability
        Of a push, for each user, content that can be pushed, and slot.
    """

    probability: float = 0.02

    stochastic = True

    def make(self) -> Policy:
        """Return the policy."""
        return RandomPolicy(self.probability)


@dataclass(frozen=True)
class Popular(Informed):
    """Solver ``push.popular``: pushes at birth what everybody likes, within the region.

    Parameters
    ----------
    keep
        A cache of L places is turned over once in `keep` + L / 4 slots, on average.
    """

    keep: float = 4.0

    def make(self) -> Policy:
        """Return the policy."""
        return PopularPolicy(self.keep)


@dataclass(frozen=True)
class Match(Linked):
    """Solver ``push.match``: pushes at birth what the user prefers, within the region.

    Parameters
    ----------
    keep
        A cache of L places is turned over once in `keep` + L / 4 slots, on average.
    links
        Whether this slot's delays of a miss are looked at.
    """

    keep: float = 9.0
    links: bool = False

    def make(self) -> Policy:
        """Return the policy."""
        return MatchPolicy(self.keep, self.links)


@dataclass(frozen=True)
class Greedy(Linked):
    """Solver ``push.greedy``: each content in its best slot, if that outweighs the evictions.

    Parameters
    ----------
    keep
        A cache of L places is taken to be turned over once in `keep` + L / 4 slots; the larger, the
        dearer a push.
    links
        Whether this slot's delays of a miss are looked at.
    """

    keep: float = 5.0
    links: bool = False

    def make(self) -> Policy:
        """Return the policy."""
        return GreedyPolicy(self.keep, self.links)


def pairs(chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool]]) -> Pushes:
    """Return the (user, content) pairs that are true."""
    return [(int(u), int(f)) for u, f in np.argwhere(chosen)]


def from_birth(world: World, belief: Belief) -> Array:
    """Return what contents born in slot 0 in everybody's region save, shape (M, n, T)."""
    number = len(belief.traits.level)
    everywhere = np.ones((len(world.law.demand.payload), number), dtype=bool)
    return expected_saving_us(world, belief, np.zeros(number, dtype=np.int64), everywhere)


def best_window(saved: Array, length: int) -> Array:
    """Return the largest sum of `length` consecutive slots, shape (n,) from (n, T)."""
    total = np.pad(np.cumsum(saved, axis=1), ((0, 0), (1, 0)))
    total = np.pad(total, ((0, 0), (0, length)), mode="edge")
    best: Array = (total[:, length:] - total[:, :-length]).max(axis=1)
    return best


def turnover(context: Context, keep: float) -> Array:
    """Return the slots in which each user's cache is to be turned over once, shape (M,)."""
    slots: Array = keep + context.cache_size / 4
    return slots


def thresholds(context: Context, scores: Array, slots: Array) -> Array:
    """Return the score above which each user's contents are pushed, shape (M,).

    Parameters
    ----------
    scores
        Of all kinds of contents, equally likely, shape (M, kinds).
    slots
        In which each user's cache is turned over once, shape (M,).
    """
    scenario = known_world(context).scenario
    births = scenario.num_contents / scenario.num_slots * scenario.roi_fraction
    part = np.minimum(context.cache_size / (births * slots), 1.0)
    rows = zip(scores, part.tolist(), strict=True)
    return np.array([np.quantile(row, 1 - x) if x < 1 else -np.inf for row, x in rows])


@compiled
def place_best(
    saved: IntArray, places: int, plan: IntArray, f: int, first: int, price: int
) -> None:
    """Set ``plan[f]`` to the slot from `first` on that gains most, if any gains above `price`."""
    slots = saved.shape[1] - 1
    without = saving(saved, places, plan)
    best, gain = slots, price
    for slot in range(first, slots):
        plan[f] = slot
        value = saving(saved, places, plan) - without
        if value > gain:
            best, gain = slot, value
    plan[f] = best
