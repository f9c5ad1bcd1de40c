"""The plateau rule and the status that is derived from agent files, on planted curves."""

import math
from typing import Any

from learners.agent import Agent
from learners.plateau import MINIMUM, OTHERS, find_plateau, progress

METHOD = "push.mappo"
ENOUGH = MINIMUM[METHOD]


def curve(savings: list[float], steps: int) -> list[dict[str, Any]]:
    """Return the rows of a curve whose last row comes after some steps of the optimiser."""
    last = max(len(savings) - 1, 1)
    rows = enumerate(savings)
    return [{"gradient_steps": k * steps // last, "saving": s} for k, s in rows]


def planted(savings: list[float], steps: int, last: list[float], method: str = METHOD) -> Agent:
    """Return an agent with this curve that saved nothing untrained, and `last` at its end."""
    measured = {"untrained": [0.0] * len(last), "last": last, "best": last}
    return Agent(method, {}, {}, 0, {}, curve(savings, steps), measured=measured)


FLAT = [0.2] * 30
RISING = [k / 30 for k in range(30)]
SETTLED = [min(k / 10, 1.0) for k in range(30)]


def test_one_step_is_undertrained() -> None:
    """A flat line before the minimum is no plateau, however flat."""
    found = progress([planted(FLAT, 1, [0.2, 0.2])])
    assert found.status == "undertrained"
    assert found.why == (f"1 of at least {ENOUGH} steps of the optimiser",)
    assert progress([planted(FLAT, ENOUGH - 1, [0.2])]).status == "undertrained"


def test_a_flat_plateau_that_gained_nothing_is_no_gain() -> None:
    """The plateau counts from the minimum on; gains whose interval includes 0 are none."""
    assert progress([planted(FLAT, ENOUGH, [0.1, -0.1, 0.02])]).status == "no gain"
    seeds = [planted(FLAT, ENOUGH, [x]) for x in (0.1, -0.1, 0.02)]
    assert progress(seeds).status == "no gain"


def test_a_plateau_above_untrained_is_trained() -> None:
    """All seeds settled and gained."""
    found = progress([planted(SETTLED, ENOUGH, [x]) for x in (0.9, 1.0, 0.95)])
    assert found.status == "trained"
    assert 0 < found.low < found.gain < found.high


def test_one_seed_that_still_rises_leaves_all_undertrained() -> None:
    """The status speaks of all seeds."""
    agents = [planted(SETTLED, ENOUGH, [1.0]), planted(RISING, 9 * ENOUGH, [1.0])]
    assert progress(agents).status == "undertrained"


def test_the_last_third_decides() -> None:
    """A gain of 1 % of the saving in the last third is no plateau, of less it is one."""
    for gain, reached in ((0.0099, True), (0.0101, False)):
        late = [0.5] * 20 + [0.5 + gain] * 11
        assert find_plateau(METHOD, curve(late, ENOUGH)).reached is reached


def test_a_fall_is_a_plateau() -> None:
    """What is lost at the end is no gain; the best weights are kept beside the last."""
    assert find_plateau(METHOD, curve([0.5] * 20 + [0.1] * 10, ENOUGH)).reached


def test_too_few_rows_tell_nothing() -> None:
    """A curve of a few points is not judged."""
    assert not find_plateau(METHOD, curve([0.1, 0.1, 0.1], ENOUGH)).reached
    assert not find_plateau(METHOD, []).reached


def test_other_agents_have_a_minimum_too() -> None:
    """Methods without an entry of their own need `OTHERS` steps."""
    assert find_plateau("push.counterfactual", curve(FLAT, OTHERS)).reached
    assert not find_plateau("push.counterfactual", curve(FLAT, OTHERS - 1)).reached


def test_files_of_version_1_are_undertrained() -> None:
    """They do not say what the untrained network saved."""
    found = progress([Agent(METHOD, {}, {}, 0, {}, curve(SETTLED, ENOUGH))])
    assert found.status == "undertrained"
    assert math.isnan(found.gain)


def test_a_single_number_needs_a_whole_percent() -> None:
    """One seed on one instance has no interval."""
    assert progress([planted(SETTLED, ENOUGH, [0.009])]).status == "no gain"
    assert progress([planted(SETTLED, ENOUGH, [0.011])]).status == "trained"
