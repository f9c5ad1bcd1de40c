"""PUSH as a PettingZoo environment: cluster heads decide on their newborn contents.

The Markov decision process is that of Remote Sens. 2025, 17(11), 1905, section 5.3. An agent is the
head of a cluster of remote-sensing satellites. A step shows every head up to C of the contents its
cluster made in the slot, and G users; for each of the C x G pairs it chooses the slot in which the
content is pushed to the user, or never. A slot with more contents in a cluster, or more users,
takes several steps, so nothing is dropped. With the paper's C = 15, G = 3 and 6 users that is two
steps a slot. After a slot's last step the pushes due are made and its requests are served.

The process itself is `learners.push.stage.scene.Stage`, on which the project's own agents learn.

Where the paper is silent:

1. Heads that stand for no content, or for a user whose region of interest the content does not
   meet, allow "never" alone. Past slots are masked, and the current one while the link is down.
2. Future links are not known, so a push may be planned for a slot in which the link turns out to
   be down. It is then made in the next slot in which it is up, if there is one.
3. A choice that the mask forbids counts as "never".
4. The state gets the pushes planned so far and the users' number: without them it is not Markov.
5. The reward is minus the slot's delay in seconds; ``reward_log`` gives the paper's
   -log2(1 + delay). The paper prints it without the sign.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from numpy.typing import NDArray
from pettingzoo import ParallelEnv  # type: ignore[import-untyped]

from learners.push.stage.batch import plan_of
from learners.push.stage.scene import Stage, ranks, scene_in
from learners.push.stage.view import NUM_META, Float, clusters_in, satellites_in
from opt_istn.files import InputError
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.plan import Plan
from opt_istn.push.scenario import generate
from opt_istn.push.world.demand import CODE_LENGTH
from opt_istn.push.world.parameters import Scenario

Observations = dict[str, dict[str, Any]]
FIRST_SEED = 2**20  # smaller seeds are for judging: training never draws them


class Heads(spaces.MultiDiscrete):
    """H heads with T + 1 choices each, whose masks are one array of shape (H, T + 1)."""

    def sample(self, mask: Any = None, probability: Any = None) -> Any:
        """Draw a choice for each head, uniformly among those the mask allows."""
        rows = None if mask is None else tuple(np.asarray(mask, dtype=np.int8))
        return super().sample(mask=rows, probability=probability)


class Group(NamedTuple):
    """What one step decides: columns of contents and rows of users.

    Parameters
    ----------
    contents
        Contents of each cluster, -1 where there is none, shape (K, C).
    users
        Users, -1 where there is none, shape (G,).
    number
        Which of the groups of users it is.
    """

    contents: IntArray
    users: IntArray
    number: int


@dataclass(frozen=True)
class Sizes:
    """What the spaces depend on.

    Parameters
    ----------
    clusters, users, slots, items
        K, M, T and the largest cache of a user.
    contents_per_step, users_per_step
        C and G.
    satellites, satellite_items
        Most satellites in a cluster, and places on each; 0 if the instance does not name them.
    """

    clusters: int
    users: int
    slots: int
    items: int
    contents_per_step: int
    users_per_step: int
    satellites: int
    satellite_items: int

    @property
    def heads(self) -> int:
        """H = C G heads of an agent; head c G + g is content c for user g of the group."""
        return self.contents_per_step * self.users_per_step

    @property
    def groups(self) -> int:
        """Groups of users."""
        return -(-self.users // self.users_per_step)

    def own(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of what each agent sees of its own."""
        C, G = self.contents_per_step, self.users_per_step
        satellites = (self.satellites, self.satellite_items)
        content = {"meta": (C, NUM_META), "codes": (C, CODE_LENGTH), "roi": (C, G)}
        return {**content, "satellites": satellites}

    def shared(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of what all agents see."""
        G = self.users_per_step
        caches = (G, self.items, NUM_META)
        users = {"caches_before": caches, "caches": caches, "planned": (G, self.slots)}
        return {**users, "slot": (self.slots,), "group": (self.groups,)}


class PushEnv(ParallelEnv[str, dict[str, Any], IntArray]):  # type: ignore[misc]  # untyped base
    """Cluster heads push contents to users.

    Parameters
    ----------
    source
        The instance that is played again and again, or the scenario that a new one is drawn from
        at every reset.
    contents_per_step, users_per_step
        C and G, the contents of a cluster and the users that one step decides on.
    reward_log
        Whether the reward is the paper's -log2(1 + delay) instead of minus the delay in seconds.
    """

    metadata: ClassVar[dict[str, Any]] = {"name": "push_v0", "render_modes": []}

    def __init__(
        self,
        source: Instance | Scenario,
        contents_per_step: int = 15,
        users_per_step: int = 3,
        *,
        reward_log: bool = False,
    ) -> None:
        self._source, self._log = source, reward_log
        self._rng: np.random.Generator | None = None
        example = source if isinstance(source, Instance) else generate(source, 0, "example")
        self.sizes = Sizes(
            clusters_in(example),
            example.num_users,
            example.num_slots,
            int(example.cache_size.max(initial=1)),
            contents_per_step,
            users_per_step,
            *satellites_in(example),
        )
        self.possible_agents = [f"head_{k}" for k in range(self.sizes.clusters)]
        self.agents: list[str] = []
        self.render_mode = None

    @cached_property
    def observation_spaces(self) -> dict[str, spaces.Space[Any]]:
        """Space of each agent's observations."""
        x = self.sizes
        shapes = {name: s for name, s in (x.own() | x.shared()).items() if np.prod(s) > 0}
        boxes = {n: spaces.Box(-np.inf, np.inf, s, np.float32) for n, s in shapes.items()}
        mask = spaces.Box(0, 1, (x.heads, x.slots + 1), np.int8)
        return {a: spaces.Dict({**boxes, "action_mask": mask}) for a in self.possible_agents}

    @cached_property
    def action_spaces(self) -> dict[str, spaces.Space[Any]]:
        """Space of each agent's choices: slots 0..T-1, or T for never."""
        nvec = np.full(self.sizes.heads, self.sizes.slots + 1)
        return {a: Heads(nvec) for a in self.possible_agents}

    @cached_property
    def state_space(self) -> spaces.Box:
        """Space of `state`."""
        x = self.sizes
        own = sum(int(np.prod(s)) for s in x.own().values())
        shared = sum(int(np.prod(s)) for s in x.shared().values())
        return spaces.Box(-np.inf, np.inf, (x.clusters * own + shared,), np.float32)

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return the space of an agent's observations."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return the space of an agent's choices."""
        return self.action_spaces[agent]

    def reset(
        self,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an instance; `options` are ignored.

        Parameters
        ----------
        seed
            Of the instances drawn from a scenario from now on; None goes on with the last one.
        """
        if seed is not None or self._rng is None:
            self._rng = seeding.np_random(seed)[0]
        self.instance = self._next(self._rng)
        self._stage = Stage(scene_in(self.instance), self.sizes.contents_per_step)
        self._rank = ranks(self._stage.scene.contents)
        self._head = _heads(self.instance)
        self._lost_us = _outside_us(self.instance)
        self.slot = 0
        self.agents = list(self.possible_agents)
        self._open_slot()
        return self._observe(), self._infos(0)

    def step(
        self, actions: dict[str, IntArray]
    ) -> tuple[
        Observations, dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """Plan the agents' pushes; after a slot's last group push what is due and serve requests.

        Returns
        -------
        Observations, rewards (the same for all), terminations, truncations, and infos with
        ``delay_us``, the delay of the slots served by this step in integer microseconds.

        Raises
        ------
        InputError
            If an agent's choices are missing or outside its space, or nothing is left to decide.
        """
        choices = self._checked(actions)
        self._enter(self._groups.pop(0), choices)
        delay, served = 0, not self._groups
        if served:
            delay = int(self._stage.serve(self.slot).sum() + self._lost_us[self.slot])
            self.slot += 1
            if self.slot < self.sizes.slots:
                self._open_slot()
        done, agents = self.slot == self.sizes.slots, self.agents
        reward = self._reward(delay) if served else 0.0
        observations = self._observe()
        infos = self._infos(delay)
        self.agents = [] if done else agents
        every = dict.fromkeys(agents, reward), dict.fromkeys(agents, done)
        return observations, *every, dict.fromkeys(agents, False), infos

    def state(self) -> Float:
        """Return the state for a centralised critic: every agent's own part, then the shared."""
        own = [x.ravel() for name, x in self._parts.items() if name in self.sizes.own()]
        shared = [x.ravel() for name, x in self._parts.items() if name in self.sizes.shared()]
        return np.concatenate([*own, *shared], dtype=np.float32)

    def plan(self) -> Plan:
        """Return the plan of the pushes made so far."""
        return plan_of(self.instance, self._stage.made)

    def _next(self, rng: np.random.Generator) -> Instance:
        if isinstance(self._source, Instance):
            return self._source
        return generate(self._source, int(rng.integers(FIRST_SEED, 2**31)), "drawn")

    def _open_slot(self) -> None:
        """Line up what the slot's steps decide."""
        x, contents = self.sizes, self._stage.scene.contents
        new = np.flatnonzero(contents.release == self.slot)
        rounds = int(self._rank[new].max(initial=0)) // x.contents_per_step + 1
        padded = np.full((x.clusters, rounds * x.contents_per_step), -1)
        padded[contents.cluster[new], self._rank[new]] = new
        users = np.arange(x.groups * x.users_per_step)
        blocks = np.where(users < x.users, users, -1).reshape(x.groups, -1)
        columns = np.split(padded, rounds, axis=1)
        self._groups = [Group(c, u, i) for c in columns for i, u in enumerate(blocks)]

    def action_masks(self) -> dict[str, NDArray[np.bool]]:
        """Return which choices of each agent are possible, shape (heads * (T + 1),) each."""
        return {a: self._mask[k].ravel() == 1 for k, a in enumerate(self.possible_agents)}

    def _checked(self, actions: Mapping[str, Any]) -> dict[str, IntArray]:
        """Return the agents' choices as integers inside their spaces."""
        if not self.agents:
            raise InputError("actions", "expected none: the instance is over, or reset() is due")
        heads, last = self.sizes.heads, self.sizes.slots
        rule = f"expected {heads} integers 0..{last}, a slot or {last} for never, one for each head"
        if unknown := sorted(set(actions) - set(self.agents)):
            names = ", ".join(self.agents)
            raise InputError("actions", f"expected those of {names}, found one of {unknown[0]!r}")
        choices = {}
        for agent in self.agents:
            if agent not in actions:
                raise InputError(f"actions.{agent}", f"{rule}, found none")
            found = np.asarray(actions[agent])
            right = found.shape == (heads,) and found.dtype.kind in "iu"
            if not right or found.min() < 0 or found.max() > last:
                raise InputError(f"actions.{agent}", f"{rule}, found {actions[agent]!r}")
            choices[agent] = found.astype(np.int64)
        return choices

    def _enter(self, group: Group, actions: dict[str, IntArray]) -> None:
        """Enter the agents' choices into the stage."""
        x, heads = self.sizes, self._heads_of(group)
        choice = np.stack([actions[a] for a in self.agents])
        allowed = np.take_along_axis(self._mask, choice[..., None], axis=2)[..., 0] == 1
        after = np.where(allowed & (choice < x.slots), choice - self.slot, x.slots)
        there = heads >= 0
        self._stage.enter(heads[there], after.reshape(heads.shape)[there])

    def _heads_of(self, group: Group) -> IntArray:
        """Return the heads of a group, -1 for none, shape (K, C, G)."""
        heads: IntArray = self._head[group.users, group.contents[:, :, None]]
        return heads

    def _reward(self, delay_us: int) -> float:
        return -float(np.log2(1 + delay_us / 1e6)) if self._log else -delay_us / 1e6

    def _infos(self, delay_us: int) -> dict[str, dict[str, Any]]:
        """Return the delay served, and for each agent the contents that its heads stand for."""
        none = np.full((len(self.possible_agents), self.sizes.contents_per_step), -1)
        contents = self._groups[0].contents if self._groups else none
        rows = zip(self.agents, contents, strict=True)
        return {a: {"delay_us": delay_us, "contents": row.copy()} for a, row in rows}

    def _observe(self) -> Observations:
        """Return what the agents see of the next group; zeros at the end."""
        x = self.sizes
        if self._groups:
            self._parts, self._mask = self._seen(self._groups[0])
        else:
            shapes = {n: (x.clusters, *s) for n, s in x.own().items()} | x.shared()
            self._parts = {n: np.zeros(s, dtype=np.float32) for n, s in shapes.items()}
            self._mask = np.zeros((x.clusters, x.heads, x.slots + 1), dtype=np.int8)
            self._mask[:, :, x.slots] = 1
        return {a: self._of_agent(k) for k, a in enumerate(self.agents)}

    def _of_agent(self, k: int) -> dict[str, Any]:
        parts = {n: v for n, v in self._parts.items() if v.size}
        own = {n: v[k] if n in self.sizes.own() else v for n, v in parts.items()}
        return {**own, "action_mask": self._mask[k]}

    def _seen(self, group: Group) -> tuple[dict[str, Float], NDArray[np.int8]]:
        """Return the parts of the observation and the masks, shape (K, H, T + 1)."""
        x, stage, slot = self.sizes, self._stage, self.slot
        contents, heads = stage.scene.contents, self._heads_of(group)
        there = heads >= 0
        caches, held = self._caches(group), stage.held(slot, x.satellites, x.satellite_items)
        idle = x.clusters - len(held)  # the last clusters, if they make no contents
        parts = {
            "meta": _rows(contents.rows, group.contents),
            "codes": _rows(contents.codes, group.contents),
            "roi": there.astype(np.float32),
            "satellites": np.pad(held, ((0, idle), (0, 0), (0, 0))),
            "caches_before": caches[:, 0],
            "caches": caches[:, 1],
            "planned": _rows(self._planned(), group.users),
            "slot": np.eye(x.slots, dtype=np.float32)[slot],
            "group": np.eye(x.groups, dtype=np.float32)[group.number],
        }
        mask = np.zeros((*heads.shape, x.slots + 1), dtype=np.int8)
        mask[..., x.slots] = 1
        shut = stage.scene.problems.shut(heads[there], stage.problem[heads[there]])
        mask[there, slot : x.slots] = ~shut[:, : x.slots - slot]
        return parts, mask.reshape(x.clusters, x.heads, x.slots + 1)

    def _caches(self, group: Group) -> Float:
        """Return the group's caches before and now, empty places last, (G, 2, L, NUM_META)."""
        seen = _rows(self._stage.caches(self.slot), group.users)
        empty = seen[..., :1] == 0
        return np.take_along_axis(seen, np.argsort(empty, axis=2, kind="stable"), axis=2)

    def _planned(self) -> Float:
        """Return the pushes planned for each slot over the places of the cache, shape (M, T)."""
        planned: Float = np.zeros((self.sizes.users, self.sizes.slots + 1), dtype=np.float32)
        np.add.at(planned, (self._stage.problem, self._stage.plan), 1)
        planned /= self.instance.cache_size[:, None]
        return planned[:, :-1]


def _rows(array: Float, index: IntArray) -> Float:
    """Return rows of an array, zeros where the index is -1."""
    return np.concatenate([array, np.zeros((1, *array.shape[1:]), dtype=array.dtype)])[index]


def _heads(instance: Instance) -> IntArray:
    """Return the head of each user and content, -1 for none and in the last row and column."""
    head = np.full(np.add(instance.roi.shape, 1), -1)
    head[:-1, :-1][instance.roi] = np.arange(instance.roi.sum())
    return head


def _outside_us(instance: Instance) -> IntArray:
    """Return the delay of requests for contents outside regions of interest, us, shape (T,)."""
    user, content, slot = instance.requests[:, :3].T
    lost = np.zeros(instance.num_slots, dtype=np.int64)
    outside = ~instance.roi[user, content]
    np.add.at(lost, slot[outside], instance.miss_us[outside])
    return lost
