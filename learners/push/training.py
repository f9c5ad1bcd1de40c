"""What the trainings of the paper's agents for PUSH have in common."""

import copy
import dataclasses
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from learners import agent
from learners.push.actor import Curve
from learners.push.episodes import Drawn, Fixed, Scenes
from learners.push.nets import Actor, Shape
from learners.push.vision import Images, classes_of, vision_of
from opt_istn.training import Task

WEIGHTS, PLAY, CHECK, REPLAY = range(4)  # independent streams of a training's seed
_CHECKS = 12  # rows of the training curve


class Config(Protocol):
    """What a training has to be told; see `learners.push.mappo.Mappo`."""

    @property
    def method(self) -> str: ...  # noqa: D102
    @property
    def time_s(self) -> float: ...  # noqa: D102
    @property
    def steps(self) -> int | None: ...  # noqa: D102
    @property
    def images(self) -> Images: ...  # noqa: D102
    @property
    def backbone(self) -> str: ...  # noqa: D102
    @property
    def redraws(self) -> int: ...  # noqa: D102
    @property
    def hidden(self) -> int: ...  # noqa: D102
    @property
    def device(self) -> str: ...  # noqa: D102


class PushCourse:
    """A training that can be interrupted: `state` and `restore` are exact.

    Parameters
    ----------
    config, task, seed
        As in `learners.push.mappo.Mappo.train`.
    """

    modules: dict[str, nn.Module]  # what is learned and saved
    optimizers: list[torch.optim.Optimizer]

    def __init__(self, config: Config, task: Task, seed: int) -> None:
        self._config, self.task, self.seed = config, task, seed
        self.scenes, self._backbone = _scenes(config, task)
        x, seen = self.scenes, config.images != "none"
        sizes = (x.num_users, x.num_slots, x.places, config.hidden, seen, x.num_own, x.code)
        self.shape = Shape(*sizes)
        self.weights_rng = torch.Generator().manual_seed(seed)
        self.actor = Actor(self.shape, self.weights_rng).to(config.device)
        self.step, self.spent_s = 0, 0.0
        self.history: list[dict[str, Any]] = []

    def improve(self, left: float) -> None:
        """Play and learn for one round; `left` falls from 1 to 0 over the budget."""
        raise NotImplementedError

    def run(self) -> Iterator[float]:
        """Train, yielding the part of the budget used after every round."""
        begin = time.monotonic()
        curve = Curve(self.scenes, self.rng(CHECK, 0))
        self.spent_s += time.monotonic() - begin
        while (share := self._share()) < 1:
            begin = time.monotonic()
            self.improve(1 - share)
            self.step += 1
            if share >= (len(self.history) + 1) / _CHECKS:
                self._note(curve)
            self.spent_s += time.monotonic() - begin
            yield share
        self._note(curve)

    def summary(self) -> str:
        """Return how training stands."""
        saving = f"{self.history[-1]['saving']:.3f}" if self.history else "?"
        return f"saves {saving} of what annealed plans save that know all births"

    def agent(self) -> agent.Agent:
        """Return the trained agent."""
        about = agent.described(self.task)
        config: dict[str, Any] = {
            x.name: getattr(self._config, x.name)
            for x in dataclasses.fields(self._config)  # type: ignore[arg-type]
        }
        state: dict[str, Any] = {"actor": copy.deepcopy(self.actor).cpu().state_dict()}
        state |= {"shape": dataclasses.asdict(self.shape), "images": self._config.images}
        state["backbone"] = self._backbone
        if self._config.backbone:  # another file of the same name makes another training
            config["backbone_sha256"] = agent.sha256(Path(self._config.backbone), "")
        return agent.Agent(self._config.method, config, about, self.seed, state, self.history)

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on."""
        return {
            "modules": {name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": [x.state_dict() for x in self.optimizers],
            "step": self.step,
            "spent_s": self.spent_s,
            "history": self.history,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        for name, module in self.modules.items():
            module.load_state_dict(state["modules"][name])
        for optimizer, found in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(found)
        self.step, self.spent_s = state["step"], state["spent_s"]
        self.history = list(state["history"])

    def rng(self, stream: int, number: int) -> np.random.Generator:
        """Return a source of randomness of its own for each purpose and round."""
        return np.random.default_rng([self.seed, stream, number])

    def take(self, which: int, module: nn.Module, loss: torch.Tensor, clip: float) -> None:
        """Take a step of an optimiser, the gradient's norm clipped."""
        self.optimizers[which].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        nn.utils.clip_grad_norm_(module.parameters(), clip, error_if_nonfinite=True)
        self.optimizers[which].step()

    def _share(self) -> float:
        if self._config.steps is not None:
            return self.step / self._config.steps
        return self.spent_s / self._config.time_s

    def _note(self, curve: Curve) -> None:
        """Add a row to the training curve."""
        row = {"step": self.step, "seconds": round(self.spent_s, 1)}
        self.history.append(row | {"saving": round(curve.saving(self.actor), 4)})


def _scenes(config: Config, task: Task) -> tuple[Scenes, Mapping[str, Any] | None]:
    """Return where the scenes of a task come from, and the backbone through which it is seen."""
    number = task.scenario.num_classes if task.scenario else classes_of(task.instance)
    vision = vision_of(config.images, number, config.backbone)
    if task.scenario is None:
        return Fixed(task.instance, vision), vision.backbone
    return Drawn(task.scenario, config.redraws, vision), vision.backbone
