"""What the trainings of the paper's agents for PUSH have in common."""

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from learners import agent, training
from learners.push.actor import Choosing
from learners.push.networks.nets import Actor, Shape
from learners.push.networks.vision import Images, classes_of, vision_of
from learners.push.sources import DrawnProblems, KnownProblems, Source
from learners.push.stage.batch import Batch, anneal, replay
from learners.push.stage.episodes import perform
from learners.push.stage.scene import columns
from learners.training import Course, Rounds
from opt_istn.push.instance import IntArray
from opt_istn.training import Report, Task

Observed = Literal["own", "paper"]
WEIGHTS, PLAY, CHECK, REPLAY = range(4)  # independent streams of a training's seed
CHECKED = 8  # drawn instances that a training curve is measured on
HEAT = 0.1  # first temperature of annealing, see `anneal`
_SWEEPS = 120
# Switches that earlier releases did not have: name, value when off, fields that matter when on.
# Agent files leave out what is off, so that checkpoints of those releases still fit.
_LATER: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("recurrent", False, ("chunk",)),
    ("state", "own", ()),
    ("links", False, ()),
)


class PushTrainer(ABC):
    """What the trainers of PUSH agents share."""

    @abstractmethod
    def course(self, task: Task, seed: int) -> Course:
        """Return the training that `train` carries out."""

    def supports(self, task: Task) -> str | None:
        """Instances and scenarios of PUSH are supported."""
        return None if task.problem == "push" else "expected a PUSH instance or scenario"

    def train(self, task: Task, seed: int, out: Path, report: Report) -> dict[str, Any]:
        """Train, write the agent file, and return what is worth printing."""
        return training.train(self.course(task, seed), out, report)


class ActorTrainer(PushTrainer):
    """A trainer of one of the paper's agents; for its fields see `learners.push.mappo.Mappo`."""

    method: ClassVar[str]
    time_s: float
    steps: int | None
    images: Images
    backbone: str
    redraws: int
    hidden: int
    state: Observed
    links: bool
    device: str


class Curve:
    """The measure of a training curve: what plans save over annealed ones that know all births.

    Parameters
    ----------
    batch, users
        Problems apart from those of the training, and M.
    sweeps, rng
        Of the annealing.
    """

    def __init__(self, batch: Batch, users: int, sweeps: int, rng: np.random.Generator) -> None:
        self._batch, self._users = batch, users
        self._best = np.maximum(self._saved(anneal(batch, sweeps, HEAT, rng)), 1)

    def savings(self, plan: IntArray) -> list[float]:
        """Return the saving of slots of heads, shape (N,), over the best: a number an instance."""
        shares: list[float] = (self._saved(plan) / self._best).tolist()
        return shares

    def _saved(self, plan: IntArray) -> IntArray:
        total: IntArray = replay(self._batch, plan).reshape(-1, self._users).sum(axis=1)
        return total


class PushCourse(Rounds):
    """A course of one of the paper's agents.

    Parameters
    ----------
    config, task, seed
        As in `learners.push.mappo.Mappo.train`; all fields given.
    chunk
        Slots of a chunk of the actor's memory, see `learners.push.networks.nets.Shape`.
    """

    def __init__(self, config: ActorTrainer, task: Task, seed: int, chunk: int = 0) -> None:
        super().__init__(config, task, seed)
        self._config = config
        self.entropy: float | None = None
        self.explained: float | None = None
        self.scenes, self._backbone = _scenes(config, task)
        x, seen = self.scenes, config.images != "none"
        sizes = (x.num_users, x.num_slots, x.places, config.hidden, seen, x.num_own, x.code)
        held = (x.held is not None, *(x.held or (0, 0)))
        self.shape = Shape(*sizes, chunk, *held, config.links)
        self.fused = True if torch.device(config.device).type == "cpu" else None  # steps of Adam
        self.weights_rng = torch.Generator().manual_seed(seed)
        self.actor = Actor(self.shape, self.weights_rng).to(config.device)

    def prepare(self) -> None:
        """Draw what the agent is measured on."""
        rng, number = self.rng(CHECK, 0), 1 if self.scenes.num_own else CHECKED
        self._checked = self.scenes.scene(number, rng)
        self._curve = Curve(self._checked.problems.batch, self.scenes.num_users, _SWEEPS, rng)

    def measure(self) -> list[float]:
        """Return the agent's saving over that of annealed plans that know all births."""
        return self._curve.savings(perform(self._checked, Choosing(self.actor)).plan)

    def told(self) -> dict[str, float | None]:
        """Return the mean entropy of heads, and the share of the returns' variance explained."""
        return {"entropy": self.entropy, "explained": self.explained}

    def weights(self) -> dict[str, Any]:
        """Return the actor's tensors."""
        return {"actor": self.actor.state_dict()}

    def agent(self) -> agent.Agent:
        """Return the trained agent."""
        about = agent.described(self.task)
        config: dict[str, Any] = {
            x.name: getattr(self._config, x.name)
            for x in dataclasses.fields(self._config)  # type: ignore[arg-type]
        }
        state: dict[str, Any] = {"actor": copy.deepcopy(self.actor).cpu().state_dict()}
        state |= {"shape": dataclasses.asdict(self.shape), "images": self._config.images}
        state |= {"backbone": self._backbone, "best": self.best}
        for switch, off, also in _LATER:
            if config.get(switch) == off:
                config = {k: v for k, v in config.items() if k not in (switch, *also)}
        if self._config.backbone:  # another file of the same name makes another training
            config["backbone_sha256"] = agent.sha256(Path(self._config.backbone), "")
        known = (self._config.method, config, about, self.seed, state, self.history)
        contract = agent.contract(columns(self.shape.whole, self.shape.links))
        told: dict[str, Any] = {
            "counts": self.counts,
            "measured": self.measured,
            "contract": contract,
        }
        return agent.Agent(*known, **told)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, which says nothing of `fused` if an earlier release wrote it."""
        steps = [
            {**x, "param_groups": [{**group, "fused": self.fused} for group in x["param_groups"]]}
            for x in state["optimizers"]
        ]
        super().restore({**state, "optimizers": steps})

    def played(self, episodes: int) -> None:
        """Count a rollout of some episodes."""
        self.counts["rollouts"] += 1
        self.counts["environment_steps"] += episodes * self.shape.slots

    def take(self, which: int, module: nn.Module, loss: torch.Tensor, clip: float) -> None:
        """Take a step of an optimiser, the gradient's norm clipped."""
        self.optimizers[which].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch ships it untyped
        parameters = list(module.parameters())
        gradients = [x.grad for x in parameters if x.grad is not None]
        norm = nn.utils.get_total_norm(gradients, error_if_nonfinite=True)
        if norm > clip:
            nn.utils.clip_grads_with_norm_(parameters, clip, norm)
        self.optimizers[which].step()
        if module is self.actor:
            self.counts["gradient_steps"] += 1


def explained(target: torch.Tensor, value: torch.Tensor) -> float:
    """Return 1 - var(target - value) / var(target), 0 for targets that do not vary."""
    spread = float(target.var())
    return round(1 - float((target - value).var()) / spread, 4) if spread > 0 else 0.0


def _scenes(config: ActorTrainer, task: Task) -> tuple[Source, Mapping[str, Any] | None]:
    """Return where the scenes of a task come from, and the backbone through which it is seen."""
    number = task.scenario.num_classes if task.scenario else classes_of(task.instance)
    vision = vision_of(config.images, number, config.backbone)
    seen = (config.state == "paper", config.links)
    if task.scenario is None:
        return KnownProblems(task.instance, vision, *seen), vision.backbone
    drawn = (task.scenario, config.redraws, vision, 0, *seen)
    return DrawnProblems(*drawn), vision.backbone
