"""Small RELAY instances and their true outcomes, for `opt_istn.testing.check_solver`."""

from itertools import product

import numpy as np

from opt_istn.solver import Status
from opt_istn.testing.truth import Truth
from toy_relay.evaluate import evaluate
from toy_relay.instance import Instance
from toy_relay.plan import Plan


def draw(seed: int, index: int) -> Instance:
    """Return instance `index` of the family of `seed`: up to 6 slots, 3 satellites, many ties."""
    rng = np.random.default_rng([seed, index])
    slots, satellites = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    delay_us = rng.integers(0, 6, (slots, satellites)).tolist()
    return Instance(f"relay-{seed}-{index}", tuple(map(tuple, delay_us)), int(rng.integers(0, 4)))


def truth(instance: Instance) -> Truth:
    """Return the true outcome: all plans are tried."""
    shape = [range(len(row)) for row in instance.delay_us]
    plans = (Plan(instance.sha256, satellite) for satellite in product(*shape))
    return Truth(Status.OPTIMAL, min(evaluate(instance, plan).cost or 0 for plan in plans))
