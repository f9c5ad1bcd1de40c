"""What the trainings of the paper's agents for PUSH have in common."""

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import nn

from learners import agent, training
from learners.push.actor import Choosing
from learners.push.networks.nets import Actor, Shape
from learners.push.networks.vision import Images, classes_of, vision_of
from learners.push.sources import DrawnProblems, KnownProblems, Source
from learners.push.stage.batch import Yardstick
from learners.push.stage.scene import perform
from learners.push.stage.view import columns
from learners.training import (
    BY_PROFILE,
    COUNT,
    POSITIVE,
    RATE,
    SECONDS,
    SHARE,
    WIDTH,
    Course,
    Rounds,
    check_device,
    check_one,
    check_ranges,
)
from opt_istn.training import Report, Task

Observed = Literal["own", "paper"]
WEIGHTS, PLAY, CHECK, REPLAY = range(4)  # independent streams of a training's seed
CHECKED = 8  # drawn instances that a training curve is measured on
_SWEEPS = 120
# Switches that earlier releases did not have: name, value when off, fields that matter when on.
# Agent files leave out what is off, so that checkpoints of those releases still fit.
_LATER: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("recurrent", False, ("chunk",)),
    ("state", "own", ()),
    ("links", False, ()),
)


# What fields of trainers may be, by their names.
_RANGES = (
    dict.fromkeys(("steps", "episodes", "epochs", "minibatches", "chunk", "redraws"), COUNT)
    | dict.fromkeys(("updates", "replay", "attend", "batch", "sweeps", "reuse"), COUNT)
    | dict.fromkeys(("gamma", "gae_lambda", "clip", "tau", "imitation"), SHARE)
    | dict.fromkeys(("huber", "grad_norm", "scale"), POSITIVE)
    | dict.fromkeys(("actor_rate", "critic_rate", "learning_rate", "play_rate"), RATE)
    | {"entropy": (0.0, 1e3), "anchor": (0.0, 1e3), "hidden": WIDTH, "time_s": SECONDS}
    | {"demand_steps": COUNT}
)


class PushTrainer(ABC):
    """What the trainers of PUSH agents share."""

    device: str

    def __post_init__(self) -> None:
        check_device(self.device)
        check_ranges(self, **{name: _RANGES[name] for name in vars(self) if name in _RANGES})
        check_one(self, "time_s", "steps")

    @abstractmethod
    def course(self, task: Task, seed: int) -> Course:
        """Return the training that `train` carries out."""

    def supports(self, task: Task) -> str | None:
        """Instances and scenarios of PUSH are supported."""
        return None if task.problem == "push" else "expected a PUSH instance or scenario"

    def train(self, task: Task, seed: int, out: Path, report: Report) -> dict[str, Any]:
        """Train, write the agent file, and return what is worth printing."""
        return training.train(self.course(task, seed), out, report)


@dataclass(frozen=True)
class ActorTrainer(PushTrainer):
    """A trainer of one of the paper's agents.

    Parameters
    ----------
    profile
        ``fair``, the project's own, or ``paper``.
    time_s
        Seconds of training, drawing included; 300 if `steps` are not given.
    steps
        Rounds of playing and learning instead of seconds: a training that repeats exactly.
    state
        ``own``, or ``paper``: besides, contents' numbers, both ends of their footprints and their
        cluster's caches place by place.
    links
        Whether the delay of a miss in a content's slot of birth is seen; drawn instances then
        reward with the delays of their own network.
    images
        What is seen of images, see `learners.push.networks.vision`.
    backbone
        File of ``push.backbone``, for ``images = pixels``.
    hidden
        Width of all layers.
    redraws
        How often births get other attributes and images before new ones are drawn.
    device
        Where networks are trained, such as ``cpu`` or ``cuda``.
    """

    profile: Literal["fair", "paper"] = "fair"
    time_s: float = BY_PROFILE
    steps: int | None = None
    state: Observed = BY_PROFILE
    links: bool = False
    images: Images = "none"
    backbone: str = ""
    hidden: int = BY_PROFILE
    redraws: int = BY_PROFILE
    device: str = "cpu"

    method: ClassVar[str]


class PushCourse(Rounds):
    """A course of one of the paper's agents.

    Its curve tells the mean entropy of heads, and the explained share of the returns' variance.

    Parameters
    ----------
    config, task, seed
        As in `learners.push.mappo.Mappo.train`; all fields given.
    chunk
        Slots of a chunk of the actor's memory, see `learners.push.networks.nets.Shape`.
    """

    def __init__(self, config: ActorTrainer, task: Task, seed: int, chunk: int = 0) -> None:
        super().__init__(config, task, seed)
        self.config = config
        self.told = {"entropy": None, "explained": None}
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
        batch = self._checked.problems.batch
        self._yardstick = Yardstick(batch, self.scenes.num_users, _SWEEPS, rng)

    def measure(self) -> list[float]:
        """Return the agent's saving over that of annealed plans that know all births."""
        return self._yardstick.savings(perform(self._checked, Choosing(self.actor)).plan)

    def weights(self) -> dict[str, Any]:
        """Return the actor's tensors."""
        return {"actor": self.actor.state_dict()}

    def agent(self) -> agent.Agent:
        """Return the trained agent."""
        contract = agent.contract(columns(self.shape.whole, self.shape.links))
        about = agent.described(self.task)
        config: dict[str, Any] = {
            x.name: getattr(self.config, x.name) for x in dataclasses.fields(self.config)
        }
        state: dict[str, Any] = {"actor": copy.deepcopy(self.actor).cpu().state_dict()}
        state |= {"shape": dataclasses.asdict(self.shape), "images": self.config.images}
        state |= {"backbone": self._backbone, "best": self.best}
        for switch, off, also in _LATER:
            if config.get(switch) == off:
                config = {k: v for k, v in config.items() if k not in (switch, *also)}
        if self.config.backbone:  # another file of the same name makes another training
            config["backbone_sha256"] = agent.sha256(Path(self.config.backbone), "")
        known = (self.config.method, config, about, self.seed, state, self.history)
        told: dict[str, Any] = {"counts": self.counts, "measured": self.measured}
        return agent.Agent(*known, **told, contract=contract)

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
