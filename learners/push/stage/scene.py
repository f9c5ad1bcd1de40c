"""The process that the paper's agents for PUSH learn on: many instances at once, slot by slot.

An agent is the head of a cluster of remote-sensing satellites; it sees its newborn contents, its
satellites' caches and the users' caches now and before, and plans a slot for every content and
user. Its action is factored: a *head* of the policy is a content for a user. A slot with more than
C contents of a cluster takes several *turns*. `learners.push.stage.env` shows this process to other
learners, one instance at a time.

Users share nothing, so problems of users from many instances are stepped side by side.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from learners.push.stage.draws import Problems, memorised
from learners.push.stage.view import NUM_META, Contents, Float, Sight, contents_in, joined
from opt_istn.push.instance import Instance, IntArray

CONTENTS_PER_TURN, USERS_PER_TURN = 15, 3  # the paper's C and G
_AGE = 1  # column of `NUM_META` that a scene fills in
Choose = Callable[[Sight, IntArray], IntArray]  # what is seen, heads -> slots after birth, T: never


class Scene(NamedTuple):
    """Problems of users of some instances, and the contents that their heads stand for.

    Parameters
    ----------
    contents, problems
        See there; savings need not be known to play.
    head
        Row in `contents` of each head, shape (N,).
    users
        M; problem p is user p mod M of instance p // M.
    whole
        Most satellites in a cluster and places on each, if the paper's whole state is to be seen;
        None for the project's own.
    miss_s
        Delay of a miss of each head's content in its slot of birth, seconds, shape (N,); None if
        link states are not looked at.
    """

    contents: Contents
    problems: Problems
    head: IntArray
    users: int
    whole: tuple[int, int] | None = None
    miss_s: Float | None = None


def scene_of(
    contents: Contents,
    problems: Problems,
    users: int,
    whole: tuple[int, int] | None = None,
    miss_s: Float | None = None,
) -> Scene:
    """Return the scene of problems whose `content` counts from 0 in each instance."""
    first = np.searchsorted(contents.instance, problems.batch.problem // users)
    return Scene(contents, problems, first + problems.content, users, whole, miss_s)


def scene_in(instance: Instance) -> Scene:
    """Return the scene of an instance with its requests as they fell."""
    return scene_of(contents_in(instance), memorised(instance), instance.num_users)


class Stage:
    """The plans of a scene in the making.

    Parameters
    ----------
    scene
        The scene.
    contents_per_turn
        C.

    Attributes
    ----------
    plan, made
        Slot for which each head is planned, and in which it was pushed, T for none, shape (N,).
    """

    def __init__(self, scene: Scene, contents_per_turn: int = CONTENTS_PER_TURN) -> None:
        batch = scene.problems.batch
        most = int(np.diff(batch.start).max(initial=1))
        self.scene, self.slots = scene, batch.num_slots
        self.problem = batch.problem
        self.plan = np.full(len(batch.release), self.slots)
        self.made = self.plan.copy()
        self._log = np.full((len(batch.places), most), -1)
        self._used = np.zeros(len(batch.places), dtype=np.int64)
        self._used_before = self._used.copy()
        self._turn = ranks(scene.contents)[scene.head] // contents_per_turn

    def turns(self, slot: int) -> list[IntArray]:
        """Return the heads to be decided in a slot, turn by turn."""
        new = np.flatnonzero(self.scene.problems.batch.release == slot)
        turn = self._turn[new]
        return [new[turn == k] for k in range(int(turn.max(initial=-1)) + 1)]

    def enter(self, heads: IntArray, after: IntArray) -> None:
        """Enter decisions: slots after birth, T for never."""
        release = self.scene.problems.batch.release[heads]
        self.plan[heads] = np.where(after < self.slots, release + after, self.slots)

    def remember(self, problem: int, pushes: list[tuple[int, int]], slot: int) -> None:
        """Take over a user's pushes before `slot`: slots and heads, in order."""
        for place, (made, head) in enumerate(pushes):
            self._log[problem, place], self.made[head] = head, made
        self._used[problem] = len(pushes)
        self._used_before[problem] = sum(made < slot - 1 for made, _ in pushes)

    def due(self, slot: int) -> IntArray:
        """Return the heads whose push is made in a slot: planned for it, or late for a link."""
        up = self.scene.problems.batch.link_up[self.problem, slot]
        return np.flatnonzero((self.plan <= slot) & up & (self.made == self.slots))

    def serve(self, slot: int) -> IntArray:
        """Push what is due and return each user's delay in the slot, microseconds, shape (P,)."""
        batch, due = self.scene.problems.batch, self.due(slot)
        owner = self.problem[due]
        self._used_before = self._used.copy()
        number = np.bincount(owner, minlength=len(self._used))
        rank = np.arange(len(due)) - (np.cumsum(number) - number)[owner]
        self._log[owner, self._used[owner] + rank] = due
        self._used = self._used + number
        self.made[due] = slot
        saved = batch.saved[:, slot + 1] - batch.saved[:, slot]
        cached = self._cached(self._used)
        hits = np.zeros(cached.shape, dtype=np.int64)
        hits[cached >= 0] = saved[cached[cached >= 0]]
        asked = np.bincount(self.problem, saved, minlength=len(self._used))
        delay: IntArray = np.rint(asked).astype(np.int64) - hits.sum(axis=1)
        return delay

    def sight(self, slot: int, heads: IntArray) -> Sight:
        """Return what is seen of heads that are decided in a slot, and of all users in it."""
        scene = self.scene
        x, row, owner = scene.contents, scene.head[heads], self.problem[heads]
        agent = self._agents(row)
        mine = np.unique(agent * scene.users + scene.problems.user[owner], return_inverse=True)[1]
        groups = -(-scene.users // USERS_PER_TURN)
        group = scene.problems.user[owner] // USERS_PER_TURN
        together = np.unique(agent * groups + group, return_inverse=True)[1]
        number = np.bincount(mine)[mine] / 10 if len(mine) else np.zeros(0)
        parts: list[NDArray[Any]] = [x.rows[row], self._stored(slot, row), number[:, None]]
        if scene.whole is not None:
            held = self.held(slot, *scene.whole)
            parts += [x.extent[row], held.reshape(len(held), -1)[agent]]
        if scene.miss_s is not None:
            parts.append(scene.miss_s[heads, None])
        content = np.concatenate(parts, axis=1)
        return Sight(
            torch.from_numpy(content.astype(np.float32)),
            torch.from_numpy(x.codes[row]),
            torch.from_numpy(np.unique(row, return_inverse=True)[1]),
            torch.from_numpy(scene.problems.user[owner]),
            torch.from_numpy(scene.problems.content[heads]),
            torch.from_numpy(owner),
            torch.from_numpy(mine),
            torch.from_numpy(together),
            torch.from_numpy(scene.problems.shut(heads, owner)),
            torch.from_numpy(self.caches(slot).reshape(len(self._used), 2, -1)),
            torch.from_numpy(self._state(slot)),
        )

    def caches(self, slot: int) -> Float:
        """Return what the users' caches held one slot before, and hold now.

        Shape (P, 2, L, NUM_META), oldest content first, after empty places.
        """
        x = self.scene.contents
        cached = np.stack([self._cached(self._used_before), self._cached(self._used)], axis=1)
        there = cached >= 0
        row = self.scene.head[cached[there]]
        seen = np.zeros((*cached.shape, NUM_META), dtype=np.float32)
        seen[there] = x.rows[row]
        seen[there, _AGE] = (slot - x.release[row]) / self.slots
        return seen

    def _agents(self, row: IntArray) -> IntArray:
        """Return a number for the instance and cluster of contents."""
        x = self.scene.contents
        number: IntArray = x.instance[row] * (int(x.cluster.max(initial=0)) + 1) + x.cluster[row]
        return number

    def _stored(self, slot: int, row: IntArray) -> NDArray[np.float64]:
        """Return how many contents the satellites of contents' clusters store, by age, in tens."""
        x = self.scene.contents
        held = np.flatnonzero((x.release < slot) & (x.evicted > slot))
        key = self._agents(np.arange(len(x.release)))
        count = np.zeros((int(key.max(initial=0)) + 1, self.slots))
        np.add.at(count, (key[held], slot - x.release[held]), 0.1)
        return count[key[row]]

    def held(self, slot: int, satellites: int, places: int) -> Float:
        """Return what the satellites of clusters hold in a slot, shape (C, satellites, places).

        A place shows 1 minus the age of its content in horizons; 0 if it is empty. Contents of a
        satellite are in order of generation.

        Parameters
        ----------
        satellites, places
            Most satellites of a cluster, and places on each.
        """
        x = self.scene.contents
        held = np.flatnonzero((x.release <= slot) & (x.evicted > slot) & (x.holder >= 0))
        agent = self._agents(np.arange(len(x.release)))
        keeper = agent[held] * satellites + x.holder[held]
        order = np.argsort(keeper, kind="stable")  # a satellite's contents in order of generation
        held, keeper = held[order], keeper[order]
        place = np.arange(len(held)) - np.searchsorted(keeper, keeper)
        seen = np.zeros((int(agent.max(initial=0)) + 1, satellites, places), dtype=np.float32)
        seen[agent[held], x.holder[held], place] = 1 - (slot - x.release[held]) / self.slots
        return seen

    def _cached(self, used: IntArray) -> IntArray:
        """Return the heads in the caches after `used` pushes, oldest first, -1 for none, (P, L)."""
        places = self.scene.problems.batch.places
        most = int(places.max(initial=1))
        back = np.arange(most, 0, -1)
        index = used[:, None] - back
        there = (index >= 0) & (back <= places[:, None])
        cached: IntArray = np.where(
            there, np.take_along_axis(self._log, np.maximum(index, 0), axis=1), -1
        )
        return cached

    def _state(self, slot: int) -> Float:
        """Return what is planned for the users and known of the births."""
        scene, slots = self.scene, self.slots
        number, places = len(self._used), scene.problems.batch.places
        planned = np.zeros((number, 2 * slots + 1), dtype=np.float32)
        late = np.where(self.made < slots, slots, np.maximum(self.plan, slot))
        ahead = np.flatnonzero(late < slots)
        np.add.at(planned, (self.problem[ahead], late[ahead] - slot), 1)
        clock = np.zeros((number, slots), dtype=np.float32)
        clock[:, slot] = 1
        who = np.eye(scene.users, dtype=np.float32)[scene.problems.user]
        known = scene.problems.known[:, slot : slot + 1]
        part = planned[:, :slots] / places[:, None].astype(np.float32)
        return np.concatenate([part, clock, who, known], axis=1)


def ranks(x: Contents) -> IntArray:
    """Return which of the newborn contents of its cluster and slot a content is, shape (F,)."""
    order = np.lexsort((np.arange(len(x.release)), x.release, x.cluster, x.instance))
    key = np.stack([x.instance, x.cluster, x.release])[:, order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (key[:, 1:] != key[:, :-1]).any(axis=0)
    places = np.arange(len(order))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = places - np.maximum.accumulate(np.where(first, places, 0))
    return rank


class Episode(NamedTuple):
    """A scene that was played.

    Parameters
    ----------
    scene
        The scene.
    sight
        What was seen of all heads, turn by turn; its homes are all users in all turns.
    heads
        Head of each row of `sight`, shape (n,).
    after
        Choice of each row: slots after birth, T for never, shape (n,).
    opening
        Home of each user when a slot began, shape (T, P).
    plan
        Planned slots of the heads, shape (N,).
    delay
        Delay of each user in each slot, microseconds, shape (T, P).
    """

    scene: Scene
    sight: Sight
    heads: IntArray
    after: IntArray
    opening: IntArray
    plan: IntArray
    delay: IntArray


def perform(scene: Scene, choose: Choose) -> Episode:
    """Play a scene to the end."""
    stage, users = Stage(scene), len(scene.problems.user)
    sights: list[Sight] = []
    order, choices, opening, delay = [], [], [], []
    for slot in range(stage.slots):
        opening.append(len(sights) * users + np.arange(users))
        for heads in stage.turns(slot) or [np.zeros(0, dtype=np.int64)]:
            sights.append(stage.sight(slot, heads))
            choices.append(choose(sights[-1], heads))
            order.append(heads)
            stage.enter(heads, choices[-1])
        delay.append(stage.serve(slot))
    columns = (np.concatenate(order), np.concatenate(choices), np.stack(opening))
    return Episode(scene, joined(sights, users), *columns, stage.plan, np.stack(delay))


def again(scene: Scene, plan: IntArray) -> Episode:
    """Play a scene once more, each head in its slot of `plan`, T for never."""
    slots, release = scene.problems.batch.num_slots, scene.problems.batch.release
    after = np.where(plan < slots, plan - release, slots)
    return perform(scene, lambda _, heads: after[heads])
