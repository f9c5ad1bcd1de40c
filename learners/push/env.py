"""PUSH as a PettingZoo environment: cluster heads decide on their newborn contents.

The Markov decision process is that of Remote Sens. 2025, 17(11), 1905, section 5.3. An agent is the
head of a cluster of remote-sensing satellites. A step shows every head up to C of the contents its
cluster made in the slot, and G users; for each of the C x G pairs it chooses the slot in which the
content is pushed to the user, or never. A slot with more contents in a cluster, or more users,
takes several steps, so nothing is dropped. With the paper's C = 15, G = 3 and 6 users that is two
steps a slot. After a slot's last step the pushes due are made and its requests are served.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from numpy.typing import NDArray
from pettingzoo import ParallelEnv  # type: ignore[import-untyped]

from learners.push.view import NUM_META, View, caches_of, meta
from opt_istn.files import InputError
from opt_istn.push.instance import Instance, IntArray
from opt_istn.push.plan import Plan
from opt_istn.push.play import Game
from opt_istn.push.scenario import generate
from opt_istn.push.world.demand import CODE_LENGTH
from opt_istn.push.world.parameters import Scenario

Float = NDArray[np.float32]
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
        self._view = View(example)
        self.sizes = Sizes(
            self._view.num_clusters,
            example.num_users,
            example.num_slots,
            int(example.cache_size.max(initial=1)),
            contents_per_step,
            users_per_step,
            *self._view.satellite_places,
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
        self._view = View(self.instance)
        self._game = Game(self.instance)
        self._planned = np.full(self.instance.roi.shape, self.sizes.slots)
        self._before = self._cached()
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
        self._plan(self._groups.pop(0), self._mask, choices)
        delay, served = 0, not self._groups
        if served:
            self._before = self._cached()
            delay = int(self._game.step(self._due()).sum())
            if not self._game.done:
                self._open_slot()
        done, agents = self._game.done, self.agents
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
        return self._game.plan()

    def _next(self, rng: np.random.Generator) -> Instance:
        if isinstance(self._source, Instance):
            return self._source
        return generate(self._source, int(rng.integers(FIRST_SEED, 2**31)), "drawn")

    def _open_slot(self) -> None:
        """Line up what the slot's steps decide."""
        x, observation = self.sizes, self._game.observe()
        self._observation = observation
        new = np.array(observation.newborn, dtype=np.int64)
        mine = [new[observation.cluster[new] == k] for k in range(x.clusters)]
        rounds = max(1, *(-(-len(m) // x.contents_per_step) for m in mine))
        padded = np.full((x.clusters, rounds * x.contents_per_step), -1)
        for row, m in zip(padded, mine, strict=True):
            row[: len(m)] = m
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

    def _plan(self, group: Group, mask: NDArray[np.int8], actions: dict[str, IntArray]) -> None:
        """Write the agents' choices down."""
        x = self.sizes
        for k, agent in enumerate(self.agents):
            choice = np.asarray(actions[agent], dtype=np.int64)
            allowed = mask[k, np.arange(x.heads), choice] == 1
            chosen = np.where(allowed, choice, x.slots).reshape(x.contents_per_step, -1)
            there = np.ix_(group.contents[k] >= 0, group.users >= 0)
            rows = group.contents[k][group.contents[k] >= 0]
            self._planned[np.ix_(group.users[group.users >= 0], rows)] = chosen[there].T

    def _due(self) -> list[tuple[int, int]]:
        """Return what was planned for this slot, or earlier while the link was down."""
        now = self._observation
        known = self._planned[:, : len(now.release)]
        return [(int(u), int(f)) for u, f in np.argwhere((known <= now.slot) & now.pushable)]

    def _reward(self, delay_us: int) -> float:
        return -float(np.log2(1 + delay_us / 1e6)) if self._log else -delay_us / 1e6

    def _cached(self) -> list[list[int]]:
        """Return the contents in each user's cache, oldest first."""
        return caches_of(self._game.observe(), self.instance.cache_size)

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
        x, now, view = self.sizes, self._observation, self._view
        roi = (group.contents >= 0)[:, :, None] & (group.users >= 0)
        k, c, g = np.nonzero(roi)
        roi[k, c, g] = now.roi[group.users[g], group.contents[k, c]]
        cached = self._cached()
        parts = {
            "meta": view.rows(now, group.contents),
            "codes": view.codes(now, group.contents),
            "roi": roi.astype(np.float32),
            "satellites": view.satellites(now.slot),
            "caches_before": self._of_users(group, self._before),
            "caches": self._of_users(group, cached),
            "planned": self._counts(group),
            "slot": np.eye(x.slots, dtype=np.float32)[now.slot],
            "group": np.eye(x.groups, dtype=np.float32)[group.number],
        }
        open_slots = np.repeat(np.arange(x.slots)[None] >= now.slot, x.users_per_step, axis=0)
        open_slots[:, now.slot] &= now.link_up[np.maximum(group.users, 0)]
        mask = np.ones((*roi.shape, x.slots + 1), dtype=np.int8)
        mask[..., : x.slots] = roi[..., None] & open_slots
        return parts, mask.reshape(x.clusters, x.heads, x.slots + 1)

    def _of_users(self, group: Group, cached: Sequence[Sequence[int]]) -> Float:
        """Return the contents of the group's caches, shape (G, L, NUM_META)."""
        x, now = self.sizes, self._observation
        places = np.full((x.users_per_step, x.items), -1)
        for row, user in zip(places, group.users.tolist(), strict=True):
            mine = cached[user] if user >= 0 else []
            row[: len(mine)] = mine
        return meta(now, places, self.instance.num_slots)

    def _counts(self, group: Group) -> Float:
        """Return how many pushes are planned for each slot, in cachefuls, shape (G, T)."""
        x = self.sizes
        counts = np.zeros((x.users_per_step, x.slots), dtype=np.float32)
        for row, user in zip(counts, group.users.tolist(), strict=True):
            if user >= 0:
                row += np.bincount(self._planned[user], minlength=x.slots + 1)[: x.slots]
                row /= self.instance.cache_size[user]
        return counts
