"""Trainings on another device than the CPU, without one: see `elsewhere`."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves, tree_map

from learners import agent
from learners.push.counterfactual import Counterfactual, CounterfactualCourse
from learners.push.maac import Maac, MaacCourse
from learners.push.mappo import Mappo, MappoCourse, MultiModal
from opt_istn.push.scenario import PRESETS
from opt_istn.training import Task
from tests.learners.elsewhere import DEVICE, Elsewhere, There

DRAWN = Task("push", "push-tiny", scenario=PRESETS["push-tiny"])
KINDS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "shared": (Mappo, MappoCourse, {"reward_credit": "shared", "reward_log": True}),
    "user": (Mappo, MappoCourse, {"reward_credit": "user"}),
    "joint": (Mappo, MappoCourse, {"ratio": "joint", "reward_credit": "user"}),
    "multi-modal": (MultiModal, MappoCourse, {}),
    "maac": (Maac, MaacCourse, {}),
    "gumbel": (Maac, MaacCourse, {"actor_grad": "gumbel_st"}),
    "counterfactual": (Counterfactual, CounterfactualCourse, {}),
    "learned-demand": (
        Counterfactual,
        CounterfactualCourse,
        {"demand": "learned", "demand_steps": 5},
    ),
}


LONG = ("user", "joint", "multi-modal", "maac", "gumbel")


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")  # it is not one
@pytest.mark.parametrize(
    "kind", [pytest.param(x, marks=pytest.mark.slow) if x in LONG else x for x in KINDS]
)
def test_trains_elsewhere_as_here(kind: str, tmp_path: Path) -> None:
    """A training elsewhere, interrupted and gone on with, makes the agent that one here makes."""
    make, training, given = KINDS[kind]
    here = training(make(steps=4, **given), DRAWN, 3)
    list(here.run())
    config = make(steps=4, device=DEVICE, **given)
    with Elsewhere():
        first, second = training(config, DRAWN, 3), training(config, DRAWN, 3)
        running = first.run()
        next(running), next(running), next(running)
        there = [x for x in parameters(first) if isinstance(x, There)]
        assert len(there) == len(parameters(first)) > 0
        kept = tree_map(lambda x: x.cpu() if isinstance(x, torch.Tensor) else x, first.state())
        second.restore(kept)
        list(second.run())
        made = second.agent()
    assert [row["saving"] for row in made.history] == [row["saving"] for row in here.history]
    learned = [tree_leaves(x.state) for x in (made, here.agent())]
    for x, y in zip(*learned, strict=True):
        if isinstance(y, torch.Tensor):
            torch.testing.assert_close(x, y, rtol=0, atol=1e-5)  # kernels differ in rounding
        else:
            assert x == y
    agent.save(tmp_path / "agent.pt", made)
    assert agent.load(tmp_path / "agent.pt", made.method).seed == 3


def parameters(training: Any) -> list[torch.Tensor]:
    """Return what a training learns."""
    planner = getattr(training, "planner", None)
    modules = training.learned.values() if planner is None else [planner]
    return [x for module in modules for x in module.parameters()]


def test_the_pretended_device_is_as_strict_as_a_real_one() -> None:
    """Tensors of two places do not meet, but as indices; numpy and CPU generators are refused."""
    near = torch.arange(3)
    with Elsewhere():
        far = near.to(DEVICE)
        assert isinstance(far, There)
        assert isinstance(far + 1, There)
        assert (far[near] + torch.tensor(2)).cpu().tolist() == [2, 3, 4]
        with pytest.raises(RuntimeError, match="same device"):
            far + near
        with pytest.raises(RuntimeError, match="same device"):
            far.index_add(0, near, far)
        with pytest.raises(RuntimeError, match="generator"):
            far.float().exponential_(generator=torch.Generator())
        with pytest.raises((TypeError, RuntimeError)):
            far.numpy()
    assert near.tolist() == [0, 1, 2]
