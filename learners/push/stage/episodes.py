"""Episodes of PUSH for the paper's agents: scenes that were played."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from learners.push.stage.scene import Scene, Sight, Stage, joined
from opt_istn.push.instance import IntArray

Choose = Callable[[Sight, IntArray], IntArray]  # what is seen, heads -> slots after birth, T: never


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


def choose_at_random(rng: np.random.Generator) -> Choose:
    """Return a policy that takes any choice allowed."""

    def choose(sight: Sight, heads: IntArray) -> IntArray:  # noqa: ARG001
        score = torch.from_numpy(rng.random(sight.shut.shape)).masked_fill(sight.shut, -1.0)
        after: IntArray = score.argmax(-1).numpy()
        return after

    return choose
