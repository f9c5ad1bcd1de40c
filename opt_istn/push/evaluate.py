"""The judge of PUSH plans: replays the FIFO caches slot by slot, in integers.

A user's requests and a plan's pushes are far fewer than 2**33, and delays are at most 10**9 us, so
64 bits hold every sum.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from opt_istn.files import InputError, words
from opt_istn.push.instance import ABSENT, MAX_DELAY_US, MODES, Instance
from opt_istn.push.plan import Plan


@dataclass(frozen=True)
class Evaluation:
    """What a plan is worth.

    Parameters
    ----------
    violations
        What makes the plan infeasible, one sentence each; empty if it is feasible.
    cost
        Total delay in microseconds; None if the plan is infeasible.
    mean_delay_s, d_log2
        Mean delay of a request in seconds, and the paper's D = log2(1 + mean), equation (13).
    hit_ratio
        Mean over the slots with requests of the share served from the cache.
    modes
        Number of requests served directly, by access, collaboratively, and from the ground.
    pushes
        Number of pushes.
    no_push_us
        What pushing nothing costs: the reference of a saving.
    instance, plan
        What was judged.
    """

    violations: tuple[str, ...]
    cost: int | None
    mean_delay_s: float | None
    d_log2: float | None
    hit_ratio: float | None
    modes: dict[str, int]
    pushes: int
    no_push_us: int
    instance: Instance = field(repr=False, compare=False)
    plan: Plan = field(repr=False, compare=False)

    @property
    def feasible(self) -> bool:
        """Whether the plan satisfies every constraint."""
        return not self.violations

    def terms(self) -> dict[str, Any]:
        """Return the problem's own terms for records and ``--json`` output.

        ``expected_us``, the plan's delay on average over the requests that might have been, is
        taken here, where it is asked for, and not by `evaluate`, which solvers call as well: the
        first time for an instance that names its law and seed it takes as long as drawing them.
        """
        from opt_istn.push.expected import expected_us  # it is built on this module

        names = ("mean_delay_s", "d_log2", "hit_ratio", "modes", "pushes", "no_push_us")
        expected = expected_us(self.instance, self.plan) if self.feasible else None
        return {**{name: getattr(self, name) for name in names}, "expected_us": expected}


def lifetimes(pushes: list[tuple[int, int]], cache_size: int) -> dict[int, tuple[int, float]]:
    """Return the slots [first, end) in which each pushed content is in the cache.

    Parameters
    ----------
    pushes
        ``(slot, content)`` of one user. They enter the cache slot by slot, in a slot by
        increasing content, and the (i + L)-th insertion evicts the i-th.
    """
    order = sorted(pushes)
    ends = [slot for slot, _ in order[cache_size:]] + [math.inf] * cache_size
    return {f: (slot, end) for (slot, f), end in zip(order, ends, strict=False)}


def evaluate(instance: Instance, plan: Plan) -> Evaluation:
    """Replay `plan` on `instance`; O(pushes log pushes + requests).

    Raises
    ------
    InputError
        If the plan was made for another instance.
    """
    if plan.instance != instance.sha256:
        found, own = words.apart(plan.instance, instance.sha256)
        raise InputError("instance", f"expected a plan for {own} (sha256), found one for {found}")
    violations = tuple(_violations(instance, plan))
    if violations:
        base = instance.base_us
        number = len(plan.push)
        return Evaluation(violations, None, None, None, None, {}, number, base, instance, plan)
    hits = served_from_cache(instance, plan)
    delay = np.where(hits, 0, instance.miss_us)
    cost = int(delay.sum())
    mean = cost / len(hits) / 1e6 if len(hits) else None
    return Evaluation(
        violations=(),
        cost=cost,
        mean_delay_s=mean,
        d_log2=None if mean is None else math.log2(1 + mean),
        hit_ratio=_hit_ratio(instance, hits),
        modes=_modes(instance, hits),
        pushes=len(plan.push),
        no_push_us=instance.base_us,
        instance=instance,
        plan=plan,
    )


def served_from_cache(instance: Instance, plan: Plan) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return for every request of a feasible plan whether it is a cache hit, shape (R,)."""
    pushes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for u, f, slot in plan.push:
        pushes[u].append((slot, f))
    rows = [(-1, 0.0, 0.0)]  # (user and content as one number, first slot, end), ascending
    for u in sorted(pushes):
        lives = lifetimes(pushes[u], int(instance.cache_size[u]))
        rows += [(u * instance.num_contents + f, *lives[f]) for f in sorted(lives)]
    keys = np.array([row[0] for row in rows], dtype=np.int64)
    users, contents, slots = instance.requests[:, :3].T
    wanted = users * instance.num_contents + contents
    found = np.searchsorted(keys, wanted, side="right") - 1
    first, end = np.array([row[1:] for row in rows])[found].T
    hits: np.ndarray[Any, np.dtype[np.bool_]] = (
        (keys[found] == wanted) & (first <= slots) & (slots < end)
    )
    return hits


def _hit_ratio(instance: Instance, hits: np.ndarray[Any, np.dtype[np.bool_]]) -> float | None:
    slots = instance.requests[:, 2]
    total = np.bincount(slots, minlength=instance.num_slots)
    hit = np.bincount(slots, weights=hits, minlength=instance.num_slots)
    busy = total > 0
    return float((hit[busy] / total[busy]).mean()) if busy.any() else None


def _modes(instance: Instance, hits: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, int]:
    delays = instance.requests[:, 3:]
    fastest = np.where(delays == ABSENT, MAX_DELAY_US + 1, delays).argmin(axis=1)
    counts = {mode: int((~hits & (fastest == i)).sum()) for i, mode in enumerate(MODES)}
    return {"direct": int(hits.sum()), **counts}


def _violations(instance: Instance, plan: Plan) -> list[str]:
    """Return what is wrong with the plan: the first fault of each sort."""
    limits = (instance.num_users, instance.num_contents, instance.num_slots)
    for triple in plan.push:
        if not all(0 <= x < limit for x, limit in zip(triple, limits, strict=True)):
            return [f"push {triple} is outside {limits} (users, contents, slots)"]
    faults, seen = list[str](), set[tuple[int, int]]()
    for u, f, _ in plan.push:
        if (u, f) in seen:
            faults.append(f"content {f} is pushed twice to user {u} (C3)")
            break
        seen.add((u, f))
    for u, f, slot in plan.push:
        if slot < instance.release[f]:
            faults.append(f"content {f} is pushed in slot {slot}, before it exists")
        elif not instance.roi[u, f]:
            faults.append(f"content {f} is outside the region of interest of user {u}")
        elif not instance.link_up[u, slot]:
            faults.append(f"the link of user {u} is down in slot {slot}")
        if len(faults) > 1:
            break
    return faults
