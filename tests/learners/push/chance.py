"""A policy that leaves its choices to chance."""

import numpy as np
import torch

from learners.push.stage.scene import Choose
from learners.push.stage.view import Sight
from opt_istn.push.instance import IntArray


def choose_at_random(rng: np.random.Generator) -> Choose:
    """Return a policy that takes any choice allowed."""

    def choose(sight: Sight, heads: IntArray) -> IntArray:  # noqa: ARG001
        score = torch.from_numpy(rng.random(sight.shut.shape)).masked_fill(sight.shut, -1.0)
        after: IntArray = score.argmax(-1).numpy()
        return after

    return choose
