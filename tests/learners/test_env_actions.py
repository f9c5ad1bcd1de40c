"""What an environment is told to do: inside its space it is done, anything else is named."""

from typing import Any

import numpy as np
import pytest

from learners.jutap.env import JutapEnv
from learners.push.stage.env import PushEnv
from opt_istn import InputError, generate

WRONG = [-1, 10**6, "1", 1.0, None, True, [1], np.array([1]), np.nan]


@pytest.fixture
def flight() -> JutapEnv:
    env = JutapEnv(generate("jutap-tiny", seed=0))
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("action", WRONG, ids=repr)
def test_an_action_outside_the_space_is_named(flight: JutapEnv, action: Any) -> None:
    """An action that is none is refused with its range, and nothing happened."""
    last = flight.action_space.n - 1
    before = flight._seen().tolist(), flight._steps
    with pytest.raises(InputError, match=f"^action: expected an integer 0..{last}, found "):
        flight.step(action)
    assert (flight._seen().tolist(), flight._steps) == before


@pytest.mark.parametrize("kind", [int, np.int64, np.int32, np.uint8, np.array])
def test_an_integer_of_any_kind_is_an_action(flight: JutapEnv, kind: Any) -> None:
    """Whatever a library hands over as an integer is one."""
    action = int(np.flatnonzero(flight.action_masks())[0])
    assert flight.step(kind(action))[4]["cost"] != 0


def test_masks_are_those_of_the_step(flight: JutapEnv) -> None:
    """`action_masks` is the mask that `step` tells."""
    for _ in range(3):
        masks = flight.action_masks()
        assert masks.dtype == bool
        info = flight.step(int(np.flatnonzero(masks)[0]))[4]
        assert np.array_equal(flight.action_masks(), info["action_mask"] == 1)


@pytest.fixture
def heads() -> PushEnv:
    env = PushEnv(generate("push-tiny", seed=0))
    env.reset(seed=0)
    return env


def _never(env: PushEnv) -> dict[str, Any]:
    return {a: np.full(env.sizes.heads, env.sizes.slots) for a in env.agents}


STRANGE: dict[str, Any] = {
    "below": lambda x: x * 0 - 1,
    "above": lambda x: x + 1,
    "float": lambda x: x * 1.0,
    "short": lambda x: x[:-1],
    **{repr(value): lambda _, value=value: value for value in (-1, "1", None, np.nan)},
}


@pytest.mark.parametrize("kind", STRANGE)
def test_choices_outside_the_space_are_named(heads: PushEnv, kind: str) -> None:
    """Choices that are none are refused with the agent and the range, and nothing happened."""
    full = _never(heads)
    agent, left = heads.agents[-1], len(heads._groups)
    with pytest.raises(InputError, match=f"^actions.{agent}: .* 0..{heads.sizes.slots}, .* found"):
        heads.step(full | {agent: STRANGE[kind](full[agent])})
    assert len(heads._groups) == left
    heads.step(full)


def test_missing_and_unknown_heads_are_named(heads: PushEnv) -> None:
    """A head without choices and one that is not there are refused by name."""
    full = _never(heads)
    agent = heads.agents[0]
    with pytest.raises(InputError, match=f"^actions.{agent}: .* found none"):
        heads.step({a: x for a, x in full.items() if a != agent})
    with pytest.raises(InputError, match="found one of 'head_x'"):
        heads.step(full | {"head_x": full[agent]})


def test_an_instance_that_is_over_takes_no_choices(heads: PushEnv) -> None:
    """After the last slot, and before the first reset, a step is refused."""
    full = _never(heads)
    with pytest.raises(InputError, match="the instance is over"):
        PushEnv(generate("push-tiny", seed=0)).step(full)
    while heads.agents:
        heads.step(_never(heads))
    with pytest.raises(InputError, match="the instance is over"):
        heads.step(full)


def test_masks_of_heads_are_those_observed(heads: PushEnv) -> None:
    """`action_masks` is the mask of the observations, head after head."""
    observed = heads.reset(seed=0)[0]
    for agent, mask in heads.action_masks().items():
        assert np.array_equal(mask, observed[agent]["action_mask"].ravel() == 1)
