"""Small random PUSH instances of every sort, and their true outcomes by a slow, plain method."""

from itertools import combinations
from typing import Any

import numpy as np

from opt_istn.push.instance import Instance
from opt_istn.push.random import random_push
from opt_istn.solver import Status
from opt_istn.testing.truth import Truth

__all__ = ["draw", "random_push", "truth"]

State = tuple[tuple[int, ...], frozenset[int]]  # cache, oldest first; contents pushed so far

_SECONDS = (140_000, 1_000_000)

# one feature each that solvers get wrong; the rest of the instance is drawn
_FAMILY: tuple[dict[str, Any], ...] = (
    {},
    {"delays_us": _SECONDS},
    {"cache_sizes": (1, 1), "num_requests": 14},
    {"cache_sizes": (2, 2), "num_slots": 3, "num_requests": 16},
    {"cache_sizes": (4, 5), "num_contents": 7, "num_slots": 3, "num_requests": 20},
    {"num_slots": 1, "num_requests": 8},
    {"link_up": 0.3},
    {"link_up": 1.0, "in_roi": 1.0, "freshness": 0.2},
    {"freshness": 0.95, "num_requests": 14},
    {"in_roi": 0.4},
    {"num_requests": 0},
    {"num_users": 0},
    {"num_contents": 0},
    {"num_users": 5, "num_requests": 12},
    {"delays_us": (1, 2), "num_requests": 14},
    {"delays_us": (10**9 - 1, 10**9), "num_requests": 14},
)


def draw(seed: int, index: int) -> Instance:
    """Return instance `index` of the family of `seed`: one awkward feature each, in turn."""
    rng = np.random.default_rng([seed, index])
    return random_push(rng, **_FAMILY[index % len(_FAMILY)])


def truth(instance: Instance) -> Truth:
    """Return the true outcome: every reachable cache content, slot by slot and user by user."""
    return Truth(Status.OPTIMAL, sum(_least_delay(instance, u) for u in range(instance.num_users)))


def _least_delay(instance: Instance, user: int) -> int:
    rows = [row for row in instance.requests.tolist() if row[0] == user]
    miss = {(f, t): min(x for x in delays if x >= 0) for _, f, t, *delays in rows}
    pushable = instance.pushable(user)
    size = int(instance.cache_size[user])
    states: dict[State, int] = {((), frozenset()): 0}
    for slot in range(instance.num_slots):
        asked = {f: delay for (f, t), delay in miss.items() if t == slot}
        useful = [f for f in sorted({f for f, t in miss if t >= slot}) if pushable[f, slot]]
        following: dict[State, int] = {}
        for (cache, pushed), spent in states.items():
            free = [f for f in useful if f not in pushed]
            for count in range(len(free) + 1):
                for batch in combinations(free, count):
                    kept = (*cache, *batch)[-size:]
                    delay = spent + sum(d for f, d in asked.items() if f not in kept)
                    state = (kept, pushed | set(batch))
                    following[state] = min(delay, following.get(state, delay))
        states = following
    return min(states.values())
