"""Playing a policy: an instance slot by slot, shown only as far as it is known.

A policy never holds the instance. In every slot it gets an `Observation`, built here from what has
happened so far, and returns the pushes of the slot. `Game` is the stepping; `play` runs a policy
to the end and returns its plan; environments for learners step through the same `Game`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError
from opt_istn.physics.frames import Array
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.plan import Plan
from opt_istn.push.world import demand, parameters
from opt_istn.push.world.law import Law
from opt_istn.push.world.parameters import Scenario
from opt_istn.push.world.storage import NEVER

Pushes = Iterable[tuple[int, int]]  # (user, content) to push now


@dataclass(frozen=True, eq=False)
class World:
    """What is known before any instance of a scenario is: the scenario and its law.

    Parameters
    ----------
    scenario
        The parameters; not the seed of the instance at hand.
    law
        The law of requests and of delays.
    """

    scenario: Scenario
    law: Law


@dataclass(frozen=True, eq=False)
class Context:
    """What a policy is told before the first slot.

    Parameters
    ----------
    num_users, num_slots, slot_s
        M, T and the length of a slot in seconds.
    cache_size
        L_u items, shape (M,).
    world
        Scenario and law; None if the instance does not come from a scenario.
    rng
        Source of the policy's randomness.
    """

    num_users: int
    num_slots: int
    slot_s: float
    cache_size: IntArray
    world: World | None
    rng: np.random.Generator


@dataclass(frozen=True, eq=False)
class Observation:
    """What is known in a slot, before its pushes. n contents are born by now.

    Parameters
    ----------
    slot
        t, the slot to decide.
    release, cluster
        Slot of birth and cluster of the contents known, shape (n,).
    roi
        Whether a content meets a user's region of interest, shape (M, n).
    link_up
        Whether each user's access link is up in this slot, shape (M,).
    stored
        Whether a satellite stores each content known, shape (n,); False if the instance does
        not say.
    holder
        Which remote-sensing satellite stores it, shape (n,); -1 if none does, or the instance
        does not say.
    attributes
        Attributes of the contents known, without their images; empty if there are none.
    codes
        Codes of the contents' images, shape (n, CODE_LENGTH); (n, 0) if there are none.
    miss_us
        Delay of a miss of each content known in this slot, microseconds, shape (M, n);
        `link_states.OUTSIDE` outside a user's region of interest, and None if the instance has
        no link states. What it will be in later slots is not known.
    requests
        Rows of the instance's requests in slots before this one.
    pushed
        (slot, content) of the pushes so far of each user, in order of insertion. The last L_u
        of them are in the cache.
    """

    slot: int
    release: IntArray
    cluster: IntArray
    roi: NDArray[np.bool]
    link_up: NDArray[np.bool]
    stored: NDArray[np.bool]
    holder: IntArray
    attributes: tuple[Mapping[str, Any], ...]
    codes: Array
    miss_us: IntArray | None
    requests: IntArray
    pushed: tuple[tuple[tuple[int, int], ...], ...]

    @property
    def newborn(self) -> range:
        """Contents born in this slot."""
        return range(int(np.searchsorted(self.release, self.slot)), len(self.release))

    @property
    def pushable(self) -> NDArray[np.bool]:
        """Whether each content may be pushed to each user now, shape (M, n)."""
        allowed = self.roi & self.link_up[:, None]
        for user, pushes in enumerate(self.pushed):
            allowed[user, [f for _, f in pushes]] = False
        return allowed


class Policy(Protocol):
    """Decides slot by slot what to push."""

    def start(self, context: Context) -> None:
        """Begin a new instance: forget the last one."""
        ...

    def act(self, observation: Observation) -> Pushes:
        """Return the pushes of this slot, in any order."""
        ...


class Game:
    """An instance being played.

    Parameters
    ----------
    instance
        Stays inside; what may be known of it comes out of `context` and `observe`.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._world = world_of(instance)
        self._attributes, self._codes = _looks(instance, self._world)
        self._leaves, self._holder = leaves(instance), holders(instance)
        self._by_slot = np.argsort(instance.requests[:, 2], kind="stable")
        slots = np.arange(instance.num_slots + 1)
        self._first = np.searchsorted(instance.requests[self._by_slot, 2], slots)
        self._pushed: list[list[tuple[int, int]]] = [[] for _ in range(instance.num_users)]
        self._made: set[tuple[int, int]] = set()  # (user, content)
        self.slot = 0

    @property
    def done(self) -> bool:
        """Whether all slots are over."""
        return self.slot == self._instance.num_slots

    def context(self, rng: np.random.Generator) -> Context:
        """Return what is known before the first slot."""
        x = self._instance
        size = _frozen(x.cache_size)
        return Context(x.num_users, x.num_slots, x.slot_s, size, self._world, rng)

    def observe(self) -> Observation:
        """Return what is known in the current slot. Arrays are copies: nothing hides behind."""
        x, slot = self._instance, self.slot
        known = int(np.searchsorted(x.release, slot, side="right"))
        miss_us = x.miss_in_slot_us(slot)
        return Observation(
            slot=slot,
            release=_frozen(x.release[:known]),
            cluster=_frozen(x.cluster[:known]),
            roi=_frozen(x.roi[:, :known]),
            link_up=_frozen(x.link_up[:, slot]),
            stored=_frozen(self._leaves[:known] > slot),
            holder=_frozen(np.where(self._leaves > slot, self._holder, NEVER)[:known]),
            attributes=self._attributes[:known],
            codes=_frozen(self._codes[:known]),
            miss_us=None if miss_us is None else _frozen(miss_us),
            requests=_frozen(x.requests[x.requests[:, 2] < slot]),
            pushed=tuple(tuple(pushes) for pushes in self._pushed),
        )

    def step(self, pushes: Pushes) -> IntArray:
        """Push, serve the slot's requests, and go on to the next slot.

        Returns
        -------
        Delay of each user's requests in the slot in microseconds, shape (M,).

        Raises
        ------
        ValueError
            If a push is not possible; says which and why. The game stays where it was.
        """
        chosen = sorted((int(u), int(f)) for u, f in pushes)
        for u, f in chosen:
            if fault := self._fault(u, f):
                raise ValueError(f"push of content {f} to user {u} in slot {self.slot}: {fault}")
        if len(set(chosen)) < len(chosen):
            raise ValueError(f"slot {self.slot}: a content is pushed to a user twice (C3)")
        for u, f in chosen:
            self._pushed[u].append((self.slot, f))
        self._made.update(chosen)
        delay = self._serve()
        self.slot += 1
        return delay

    def plan(self) -> Plan:
        """Return the plan of the pushes so far."""
        rows = [(u, f, t) for u, pushes in enumerate(self._pushed) for t, f in pushes]
        return Plan(self._instance.sha256, tuple(sorted(rows)))

    def _serve(self) -> IntArray:
        x = self._instance
        rows = self._by_slot[self._first[self.slot] : self._first[self.slot + 1]]
        sizes = x.cache_size.tolist()
        cached = [
            {f for _, f in pushes[-size:]} for pushes, size in zip(self._pushed, sizes, strict=True)
        ]
        delay = np.zeros(x.num_users, dtype=np.int64)
        for (u, f), miss in zip(x.requests[rows, :2].tolist(), x.miss_us[rows], strict=True):
            delay[u] += 0 if f in cached[u] else miss
        return delay

    def _fault(self, u: int, f: int) -> str:
        """Return what forbids a push, in the words of the evaluator; empty if nothing does."""
        x = self._instance
        if self.done:
            return "all slots are over"
        if not (0 <= u < x.num_users and 0 <= f < x.num_contents):
            return "there is no such user or content"
        if x.release[f] > self.slot:
            return "it does not exist yet"
        if not x.roi[u, f]:
            return "it is outside the user's region of interest"
        if not x.link_up[u, self.slot]:
            return "the user's link is down"
        return "it was pushed before (C3)" if (u, f) in self._made else ""


def play(instance: Instance, policy: Policy, seed: int) -> Plan:
    """Let `policy` play `instance` to the end and return its plan.

    Raises
    ------
    ValueError
        If the policy pushes what cannot be pushed.
    """
    game = Game(instance)
    policy.start(game.context(np.random.default_rng(seed)))
    while not game.done:
        game.step(policy.act(game.observe()))
    return game.plan()


def world_of(instance: Instance) -> World | None:
    """Return the scenario and the law an instance came from, None if it names none.

    Raises
    ------
    InputError
        If the instance names a law that is malformed or not of its size.
    """
    document = instance.scenario
    if "law" not in document:
        return None
    law, delays = demand.from_document(document["law"]), document["law"].get("miss_us", [])
    whole = all(isinstance(x, int) for x in delays)
    if len(delays) != instance.num_slots or not whole:
        rule = f"expected a delay in microseconds for each of {instance.num_slots} ages"
        raise InputError("scenario.law.miss_us", rule)
    if len(law.payload) != instance.num_users:
        rule = f"expected a row for each of {instance.num_users} users"
        raise InputError("scenario.law.payload", rule)
    return World(parameters.from_document(document), Law(law, tuple(delays)))


def _looks(instance: Instance, world: World | None) -> tuple[tuple[Mapping[str, Any], ...], Array]:
    """Return the attributes of all contents without their images, and the images' codes."""
    seen = tuple(
        MappingProxyType({name: value for name, value in content.items() if name != "image"})
        for content in instance.contents
    )
    if world is None or not instance.contents:
        return seen, np.zeros((instance.num_contents, 0))
    scenario = world.scenario
    return seen, demand.image_codes(instance.contents, scenario.num_classes, scenario.code_noise)


def leaves(instance: Instance) -> IntArray:
    """Return the slot from which on no satellite stores each content, T for never, shape (F,).

    It is 0 if the instance does not say.

    Raises
    ------
    InputError
        If the instance names something else.
    """
    evicted = _of_satellites(instance, "evicted", "slot")
    if evicted is None:
        return np.zeros(instance.num_contents, dtype=np.int64)
    slot: IntArray = np.where(evicted == NEVER, instance.num_slots, evicted)
    return slot


def holders(instance: Instance) -> IntArray:
    """Return the satellite that stores each content until it leaves, shape (F,).

    It is -1 if the instance does not say.

    Raises
    ------
    InputError
        If the instance names something else.
    """
    holder = _of_satellites(instance, "holder", "satellite")
    return np.full(instance.num_contents, NEVER) if holder is None else holder


def _of_satellites(instance: Instance, name: str, what: str) -> IntArray | None:
    """Return a number for each content from the scenario's ``satellites``, None if it has none."""
    named = instance.scenario.get("satellites")
    if not isinstance(named, Mapping) or name not in named:
        return None
    try:
        found = np.array(msgspec.convert(named[name], list[int]), dtype=np.int64)
    except (msgspec.ValidationError, OverflowError):
        found = np.zeros(0, dtype=np.int64)
    if len(found) != instance.num_contents:
        rule = f"expected a {what} for each of {instance.num_contents} contents"
        raise InputError(f"scenario.satellites.{name}", rule)
    return found


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    copy = array.copy()
    copy.flags.writeable = False
    return copy
