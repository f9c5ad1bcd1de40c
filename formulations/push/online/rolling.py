"""Solver ``push.rolling``: in every slot, the best pushes on expected requests and sampled births.

The law of requests is known, so the known contents' requests are replaced by their expectation,
which is exact: requests do not depend on pushes. Births to come are sampled from the scenario's
law given how many there were. A content known and not yet pushed has one slot for all futures, one
that is born in a future has one there; simulated annealing chooses the slots for the best mean, and
the pushes of the current slot are made. Everything else is decided again in the next.
Links are taken to stay up. A miss is taken to cost what the law says on average; with ``links``
what it costs now, fading towards that (`opt_istn.push.belief.link_factor`). Contents that hardly
anybody would push are left out of the annealing.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from formulations.push.online.futures import Futures, anneal
from formulations.push.online.heuristics import from_birth, pairs, thresholds
from opt_istn.physics.frames import Array
from opt_istn.push.belief import every_kind, expected_saving_us, link_factor, see
from opt_istn.push.instance import IntArray
from opt_istn.push.play import Context, Observation, Policy, Pushes, World
from opt_istn.push.policies import Linked, known_world
from opt_istn.push.world.draw import draw_world

_DRAWS = 4  # of births, from which the regions of births to come are taken
_TURNOVER = 2.0  # slots; kinds that are not pushed though caches turn over this fast are left out
_HEAT = 0.05  # first temperature in mean savings of a content and slot


class Birth(NamedTuple):
    """A sampled future: slots and kinds of births, shape (b,), and whose regions, shape (M, b)."""

    release: IntArray
    kind: IntArray
    region: NDArray[np.bool]


class RollingPolicy:
    """Plans against sampled births and pushes what the plan pushes now."""

    def __init__(self, futures: int, moves: int, links: bool) -> None:
        self._futures, self._moves, self._links = futures, moves, links

    def start(self, context: Context) -> None:
        """Tabulate what every kind of content saves, and where births fall."""
        self._context, self._world = context, known_world(context)
        self._rng = context.rng
        kinds = from_birth(self._world, every_kind(self._world))
        fast = np.full(context.num_users, _TURNOVER)
        self._least = thresholds(context, kinds.sum(axis=2), fast)[:, None]
        self._kinds = accumulated(kinds)
        self._good = kinds.sum(axis=2) >= self._least
        self._regions = regions(self._world, self._rng)
        users, slots = context.num_users, context.num_slots
        self._weight = np.zeros((users, 0, slots))
        self._saved = np.zeros((users, 0, slots + 1), dtype=np.int64)
        self._plan = np.zeros((users, 0), dtype=np.int64)
        self._worthy = np.zeros((users, 0), dtype=bool)

    def act(self, observation: Observation) -> Pushes:
        """Plan each user's pushes, and make those of this slot."""
        self._add(observation)
        futures = [self._sample(observation) for _ in range(self._futures)]
        for u in range(self._context.num_users):
            self._decide(observation, u, futures)
        return pairs((self._plan == observation.slot) & observation.pushable)

    def _add(self, observation: Observation) -> None:
        """Append the newborn contents, planned for no slot yet, and look at the links."""
        new = list(observation.newborn)
        belief = see(self._world, observation, new)
        known = observation.release[new], observation.roi[:, new]
        weight = expected_saving_us(self._world, belief, *known)
        never = np.full(weight.shape[:2], self._context.num_slots)
        good = from_birth(self._world, belief).sum(axis=2) >= self._least
        self._weight = np.concatenate([self._weight, weight], axis=1)
        if self._links:
            self._saved = accumulated(self._weight * link_factor(self._world, observation))
        else:
            self._saved = np.concatenate([self._saved, accumulated(weight)], axis=1)
        self._plan = np.concatenate([self._plan, never], axis=1)
        self._worthy = np.concatenate([self._worthy, good], axis=1)

    def _sample(self, observation: Observation) -> Birth:
        """Return a sample of the births to come.

        The slots' shares of births are independent gamma variates over their sum, so those of the
        slots to come do not depend on how the births so far were spread.
        """
        scenario, rng = self._world.scenario, self._rng
        left = scenario.num_slots - 1 - observation.slot
        number = scenario.num_contents - len(observation.release)
        burst = scenario.burst
        rate = rng.gamma(1 / burst, size=left) + 1e-12 if burst > 0 else np.ones(left)
        counts = rng.multinomial(number, rate / rate.sum()) if left else np.zeros(0, dtype=int)
        release = np.repeat(observation.slot + 1 + np.arange(left), counts)
        kind = rng.integers(self._kinds.shape[1], size=len(release))
        region = self._regions[:, rng.integers(self._regions.shape[1], size=len(release))]
        return Birth(release, kind, region)

    def _decide(self, observation: Observation, user: int, futures: list[Birth]) -> None:
        """Anneal one user's plan."""
        slot, slots = observation.slot, self._context.num_slots
        plan, size = self._plan[user], int(self._context.cache_size[user])
        done = [f for _, f in observation.pushed[user]]
        useful = self._saved[user, :, slots] > self._saved[user, :, slot]
        free = observation.roi[user] & self._worthy[user] & useful
        free[done] = False
        plan[free & (plan <= slot) & ~observation.link_up[user]] = slots
        rows = np.sort(np.concatenate([np.flatnonzero(free), done[-size:]]).astype(np.int64))
        if not free.any():
            return
        first = np.where(free[rows], slot + (not observation.link_up[user]), slots)
        problem = self._problem(user, rows, first, futures)
        slot_of = np.full(problem.first.shape, slots)
        slot_of[:, : len(rows)] = plan[rows]
        heat = _HEAT * float(problem.saved[problem.saved[:, :, -1] > 0, -1].mean())
        draws = self._rng.random((self._moves * problem.first.shape[1], 4))
        anneal(problem, slot_of, draws, heat)
        plan[rows] = slot_of[0, : len(rows)]

    def _problem(self, user: int, rows: IntArray, first: IntArray, births: list[Birth]) -> Futures:
        """Line known contents and births up, all futures to the same length."""
        slots, known = self._context.num_slots, len(rows)
        wanted = [x.region[user] & self._good[user, x.kind] for x in births]
        shape = (len(births), known + max(int(mine.sum()) for mine in wanted))
        saved = np.zeros((*shape, slots + 1), dtype=np.int64)
        begin = np.full(shape, slots)
        saved[:, :known], begin[:, :known] = self._saved[user, rows], first
        for k, (x, mine) in enumerate(zip(births, wanted, strict=True)):
            end = known + int(mine.sum())
            begin[k, known:end] = x.release[mine]
            age = np.maximum(np.arange(slots + 1) - x.release[mine, None], 0)
            saved[k, known:end] = self._kinds[user, x.kind[mine, None], age]
        return Futures(saved, begin, int(self._context.cache_size[user]), known)


@dataclass(frozen=True)
class Rolling(Linked):
    """Rolling horizon on expected requests.

    Parameters
    ----------
    futures
        K, futures sampled in a slot.
    moves
        Moves of the annealing for each content known or to be born.
    links
        Whether this slot's delays of a miss are looked at.
    """

    futures: int = 4
    moves: int = 60
    links: bool = False

    stochastic = True

    def make(self) -> Policy:
        """Return the policy."""
        return RollingPolicy(self.futures, self.moves, self.links)


def regions(world: World, rng: np.random.Generator) -> NDArray[np.bool]:
    """Return whose regions of interest contents of other draws of the world meet, shape (M, n)."""
    seeds = rng.integers(2**62, size=(_DRAWS, 3)).tolist()
    return np.concatenate([draw_world(world.scenario, tuple(s)).roi for s in seeds], axis=1)


def accumulated(saved: Array) -> IntArray:
    """Return savings of slots 0..t-1 at t in whole microseconds along the last axis."""
    whole = np.cumsum(np.rint(saved).astype(np.int64), axis=-1)
    return np.concatenate([np.zeros((*whole.shape[:-1], 1), dtype=np.int64), whole], axis=-1)
