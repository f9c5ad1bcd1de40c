"""The status of an agent, derived from the files of its seeds.

``undertrained``
    a seed has not come to its plateau (`learners.plateau`);
``no gain``
    all have, and the interval of what they save more than untrained includes 0;
``trained``
    all have, and it lies above 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy import stats

from learners.agent import Agent
from learners.plateau import GAIN, find_plateau

Status = Literal["undertrained", "no gain", "trained"]
Weights = Literal["last", "best"]


@dataclass(frozen=True)
class Progress:
    """What training an agent with several seeds came to.

    Parameters
    ----------
    status
        See the module.
    gain
        Mean of what it saves more than its own untrained network on the curve's instances.
    low, high
        95 % interval of that over seeds, or with one seed over instances; NaN if there is but one
        number.
    why
        Of each seed, why it has or has not come to its plateau.
    """

    status: Status
    gain: float
    low: float
    high: float
    why: tuple[str, ...]


def progress(agents: Sequence[Agent], weights: Weights = "last") -> Progress:
    """Derive an agent's status from the files of its seeds.

    Files of version 1 say nothing of what the untrained network saved: they are `undertrained`.
    A single number, of one seed on one instance, has no interval; less than 1 % counts as no gain.

    Parameters
    ----------
    weights
        Which weights are compared with the untrained ones.
    """
    found = [find_plateau(x.method, x.history) for x in agents]
    why = tuple(x.why for x in found)
    if not agents or not all(weights in x.measured for x in agents):
        return Progress("undertrained", math.nan, math.nan, math.nan, why)
    pairs = [zip(x.measured[weights], x.measured["untrained"], strict=True) for x in agents]
    by_seed = [[a - b for a, b in pair] for pair in pairs]
    numbers = [sum(x) / len(x) for x in by_seed] if len(by_seed) > 1 else by_seed[0]
    gain, low, high = interval(numbers)
    if not all(x.reached for x in found):
        return Progress("undertrained", gain, low, high, why)
    better = gain >= GAIN if math.isnan(low) else low > 0
    return Progress("trained" if better else "no gain", gain, low, high, why)


def interval(numbers: Sequence[float]) -> tuple[float, float, float]:
    """Return mean and 95 % t interval; NaN ends for a single number."""
    count, mean = len(numbers), sum(numbers) / len(numbers)
    if count < 2:
        return mean, math.nan, math.nan
    spread = math.sqrt(sum((x - mean) ** 2 for x in numbers) / (count - 1) / count)
    half = float(stats.t.ppf(0.975, count - 1)) * spread
    return mean, mean - half, mean + half
