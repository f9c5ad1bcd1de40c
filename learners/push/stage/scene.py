"""Instances of PUSH as the paper's agents see them: many at once, slot by slot.

An agent is the head of a cluster of remote-sensing satellites; it sees its newborn contents, its
satellites' caches and the users' caches now and before, and plans a slot for every content and
user. Its action is factored: a *head* of the policy is a content for a user. A slot with more than
C contents of a cluster takes several *turns*. `learners.push.stage.env` shows this process to other
learners, one instance at a time.

Users share nothing, so problems of users from many instances are stepped side by side.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from learners.push.stage.draws import Problems, memorised
from learners.push.stage.view import EXTENT, META, NUM_META, Contents, Float, contents_in
from opt_istn.push.instance import Instance, IntArray

CONTENTS_PER_TURN, USERS_PER_TURN = 15, 3  # the paper's C and G
_AGE = 1  # column of `NUM_META` that a scene fills in


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


class Sight(NamedTuple):
    """What is seen of n heads and of U homes; a *home* is a user in a slot.

    Parameters
    ----------
    content
        Attributes of the content and its satellites' caches, shape (n, content_width(T, ..)).
    code
        Code of the content's image, shape (n, CODE_LENGTH).
    what
        Number of each head's content among those seen, shape (n,).
    user, own
        User, and content in its instance, of each head, shape (n,).
    home
        Home of each head, shape (n,), 0..U-1.
    mine
        Number of the decision that a head belongs to where an agent decides for one user at a
        time, shape (n,).
    agent
        The same where an agent decides for a group of users at a time, the paper's step.
    shut
        Choices that are not allowed, by slots after birth and never, shape (n, T + 1).
    caches
        A user's caches before and now, oldest content first, shape (U, 2, L * NUM_META).
    state
        Pushes planned from the slot on over the places of the cache, slot and user one-hot, share
        of the births that are known, shape (U, home_width(T, M)).
    """

    content: Tensor
    code: Tensor
    what: Tensor
    user: Tensor
    own: Tensor
    home: Tensor
    mine: Tensor
    agent: Tensor
    shut: Tensor
    caches: Tensor
    state: Tensor


def columns(whole: bool = False, links: bool = False) -> list[str]:
    """Return the names of what is seen, in order: the contract between agents and the process."""
    more = (*EXTENT, "satellite's place, 1 minus age") if whole else ()
    miss = ("delay of a miss in seconds",) if links else ()
    names = (*META, "stored by age, in tens", "number in tens", *more, *miss)
    content = [f"content.{name}" for name in names]
    caches = [f"cache, then now, oldest first.{name}" for name in META]
    state = ["planned in cachefuls from now on", "slot", "user", "part of births known"]
    return [*content, "code", *caches, *(f"home.{name}" for name in state)]


def content_width(num_slots: int, whole: tuple[int, int] | None = None, links: bool = False) -> int:
    """Return the number of columns of `Sight.content`."""
    more = len(EXTENT) + whole[0] * whole[1] if whole is not None else 0
    return NUM_META + num_slots + 1 + more + links


def home_width(num_slots: int, num_users: int) -> int:
    """Return the number of columns of `Sight.state`."""
    return 2 * num_slots + num_users + 1


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
            parts += [x.extent[row], self._held(slot, row, *scene.whole)]
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
            torch.from_numpy(self.shut(slot, heads)),
            torch.from_numpy(self.caches(slot).reshape(len(self._used), 2, -1)),
            torch.from_numpy(self._state(slot)),
        )

    def shut(self, slot: int, heads: IntArray) -> NDArray[np.bool]:
        """Return the choices that newborn heads must not take; see `Sight.shut`."""
        shut = np.tile(slot + np.arange(self.slots + 1) >= self.slots, (len(heads), 1))
        shut[:, 0] |= ~self.scene.problems.batch.link_up[self.problem[heads], slot]
        shut[:, self.slots] = False
        return shut

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

    def _held(self, slot: int, row: IntArray, satellites: int, places: int) -> Float:
        """Return what the satellites of contents' clusters hold, as in `Satellites.held`, flat."""
        x = self.scene.contents
        held = np.flatnonzero((x.release <= slot) & (x.evicted > slot) & (x.holder >= 0))
        agent = self._agents(np.arange(len(x.release)))
        keeper = agent[held] * satellites + x.holder[held]
        order = np.argsort(keeper, kind="stable")  # a satellite's contents in order of generation
        held, keeper = held[order], keeper[order]
        place = np.arange(len(held)) - np.searchsorted(keeper, keeper)
        seen = np.zeros(((int(agent.max(initial=0)) + 1) * satellites, places), dtype=np.float32)
        seen[keeper, place] = 1 - (slot - x.release[held]) / self.slots
        return seen.reshape(-1, satellites * places)[agent[row]]

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


def slot_of(sight: Sight, num_slots: int) -> int:
    """Return the slot in which something was seen, of all homes the same."""
    return int(sight.state[0, num_slots : 2 * num_slots].argmax())


def joined(sights: list[Sight], homes: int) -> Sight:
    """Return the sights of successive turns as one; home h of turn k becomes k P + h.

    Parameters
    ----------
    homes
        Homes of each sight, P.
    """
    number = dict.fromkeys(("what", "home", "mine", "agent"), 0)
    columns: dict[str, list[Tensor]] = {name: [] for name in Sight._fields}
    for sight in sights:
        for name, value in zip(Sight._fields, sight, strict=True):
            columns[name].append(value + number[name] if name in number else value)
        number["home"] += homes
        for name in ("what", "mine", "agent"):
            values = getattr(sight, name)
            number[name] += int(values.max()) + 1 if len(values) else 0
    return Sight(*(torch.cat(column) for column in columns.values()))


def part_of(sight: Sight, mine: Tensor) -> tuple[Sight, Tensor, Tensor]:
    """Return what was seen in the problems that are chosen.

    Parameters
    ----------
    mine
        Whether each problem is chosen, shape (P,); homes are the problems in turn after turn.

    Returns
    -------
    What was seen of them, whether each row is theirs, and the new numbers of homes, shape (U,).
    """
    device = sight.home.device
    homes = mine.to(device).repeat(len(sight.state) // len(mine))
    rows, place = homes[sight.home], homes.cumsum(0) - 1
    seen = {name: getattr(sight, name)[rows] for name in ("content", "code", "user", "own", "shut")}
    numbered = ("what", "mine", "agent")
    numbers = {n: getattr(sight, n)[rows].unique(return_inverse=True)[1] for n in numbered}
    kept = {"caches": sight.caches[homes], "state": sight.state[homes]}
    part = Sight(**seen, **numbers, **kept, home=place[sight.home[rows]])
    return part, rows, place.cpu()


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
