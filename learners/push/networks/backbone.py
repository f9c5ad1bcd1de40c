"""Trainer ``push.backbone``: MobileNets that tell the aircraft in drawn images apart.

Agents with ``images=pixels`` look at images through its file. It holds a MobileNetV3-small for
optical and one for SAR images, and their answers to images that they were not trained on. Trainings
of agents draw from these answers, so an image is classified once and not in every rollout.

Without weights of ImageNet the networks start at random. With them (``weights``, a file of
torchvision's) they are adapted as the push paper does in section 5.1: the first three layers stay
frozen, the SAR stem is the mean over colours, the last layer is new.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from learners import agent
from learners.agent import Agent
from learners.images.aircraft import CHANNELS, CLASSES, Modality, draw
from learners.images.features import probabilities
from learners.images.mobilenet import MobileNet, load_weights, sar_stem, with_classes
from learners.images.training import Schedule, pretrain
from learners.push.networks.vision import BACKBONE
from learners.training import COUNT, RATE, check_ranges
from opt_istn.files import InputError
from opt_istn.training import Report, Task

_FROZEN = 3  # layers of ImageNet's that do not change


@dataclass(frozen=True)
class BackboneTrainer:
    """Trains the networks that read images, for agents with `images=pixels`.

    Parameters
    ----------
    images
        Chips drawn for each network; a tenth is held out to measure it.
    pixels
        Side of the chips.
    epochs, batch
        Passes over the training chips, and chips of an update.
    learning_rate
        Its peak; it rises and falls once.
    answers
        Chips of each class whose classification is kept for trainings.
    weights
        File of ImageNet weights to start from.
    """

    images: int = 6000
    pixels: int = 64
    epochs: int = 12
    batch: int = 64
    learning_rate: float = 3e-3
    answers: int = 100
    weights: str = ""

    method: ClassVar[str] = BACKBONE

    def __post_init__(self) -> None:
        counts = dict.fromkeys(("epochs", "batch", "answers"), COUNT)
        check_ranges(self, **counts, images=(20, 1e6), pixels=(32, 512), learning_rate=RATE)

    def supports(self, task: Task) -> str | None:
        """Scenarios and instances of PUSH are supported."""
        return None if task.problem == "push" else "expected a PUSH instance or scenario"

    def train(self, task: Task, seed: int, out: Path, report: Report) -> dict[str, Any]:
        """Train both networks, write the file, and return their accuracies.

        A run that was killed goes on after the last network that it finished.
        """
        config, about = dataclasses.asdict(self), agent.described(task)
        key = {"method": self.method, "config": config, "task": about, "seed": seed}
        done = agent.load_checkpoint(out, key) or {}
        for k, modality in enumerate(CHANNELS):
            if modality not in done:

                def told(share: float, text: str, k: int = k, name: str = modality) -> None:
                    report((k + share) / len(CHANNELS), f"{name}: {text}")

                done[modality] = self._trained(modality, [seed, k], told)
                agent.save_checkpoint(out, key, done)
        history = [{f"{name} accuracy": part["accuracy"] for name, part in done.items()}]
        state = {"pixels": self.pixels, **done}
        agent.save(out, Agent(self.method, config, about, seed, state, history))
        agent.drop_checkpoint(out)
        return history[0]

    def _trained(self, modality: Modality, seed: list[int], report: Report) -> Mapping[str, Any]:
        """Return a network's weights, its accuracy, and its answers to images of every class."""
        rng = np.random.default_rng(seed)
        net = self._new(modality, torch.Generator().manual_seed(int(rng.integers(2**62))))
        settings = Schedule(self.epochs, self.batch, self.learning_rate)
        trained = pretrain(net, self.images, settings, rng, self.pixels, report)
        classes = np.arange(len(CLASSES)).repeat(self.answers)
        chips = draw(classes, rng.integers(2**31, size=len(classes)), modality, self.pixels)
        answers = probabilities(chips, net).reshape(len(CLASSES), self.answers, len(CLASSES))
        return {
            "net": net.state_dict(),
            "answers": torch.from_numpy(answers),
            "accuracy": round(trained.accuracy, 4),
        }

    def _new(self, modality: Modality, rng: torch.Generator) -> MobileNet:
        if not self.weights:
            return MobileNet(len(CLASSES), CHANNELS[modality], rng)
        net = load_weights(self.weights)
        if net.channels != CHANNELS["optical"]:
            raise InputError("weights", "expected those of a network for colour", self.weights)
        net = with_classes(net, len(CLASSES), rng)
        return (sar_stem(net) if modality == "sar" else net).freeze(_FROZEN)
