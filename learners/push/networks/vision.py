"""What the paper's agents for PUSH see of images.

``codes`` are a scenario's stand-in for what a pre-trained network makes of an image: a vector of
its class, and noise. ``pixels`` draws the image itself and shows the probability of every class
that a MobileNetV3 of the trainer ``push.backbone`` gives it. ``label`` shows the true class,
``shuffled`` the codes of other contents, ``none`` nothing.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from learners import agent
from learners.images.aircraft import CHANNELS, CLASSES, Modality
from learners.images.features import content_classes
from learners.images.mobilenet import MobileNet
from learners.push.stage.draws import DrawnBirths
from learners.push.stage.view import Float
from opt_istn.files import InputError
from opt_istn.physics.frames import Array
from opt_istn.push.instance import Instance
from opt_istn.push.play import world_of
from opt_istn.push.world.demand import CODE_LENGTH, features, image_codes
from opt_istn.push.world.users import PAYLOADS

BACKBONE = "push.backbone"  # method of its files
Images = Literal["none", "codes", "pixels", "shuffled", "label"]
_SHUFFLE = 20250320  # seed of the order in which images are shuffled for play


class Backbone(NamedTuple):
    """Networks that classify images.

    Parameters
    ----------
    nets
        Of optical and of SAR images, in evaluation mode.
    answers
        Their probabilities of classes for images that they were not trained on: by class of the
        image, shape (classes, n, classes).
    pixels
        Side of the images.
    """

    nets: Mapping[Modality, MobileNet]
    answers: Mapping[Modality, Float]
    pixels: int


def backbone_of(state: Mapping[str, Any], source: str) -> Backbone:
    """Return the networks in the `state` of a file of ``push.backbone``.

    Raises
    ------
    InputError
        If its tensors are not theirs.
    """
    nets, answers = {}, {}
    for modality, channels in CHANNELS.items():
        nets[modality] = MobileNet(len(CLASSES), channels, torch.Generator()).eval()
        agent.load_state(nets[modality], state[modality]["net"], source)
        answers[modality] = state[modality]["answers"].numpy()
    return Backbone(nets, answers, state["pixels"])


class Vision:
    """What an agent sees of images.

    Parameters
    ----------
    images
        See the module.
    num_classes
        Classes of images there are.
    backbone
        State of a file of ``push.backbone``; only ``pixels`` needs it.
    source
        Name of that file, for messages.

    Raises
    ------
    InputError
        If images cannot be drawn of so many classes, or the backbone is damaged.
    """

    def __init__(
        self, images: Images, num_classes: int, backbone: Mapping[str, Any] | None, source: str
    ) -> None:
        self._images, self._num_classes = images, num_classes
        self.backbone = backbone  # for the agent's file, so that it can play by itself
        self._eyes = backbone_of(backbone, source) if backbone is not None else None
        if self._eyes is not None and num_classes > len(CLASSES):
            raise InputError("images", f"only {len(CLASSES)} classes can be drawn as pixels")
        widths = {"label": num_classes, "pixels": len(CLASSES)}
        self.width = widths.get(images, CODE_LENGTH)  # numbers seen of an image

    def of_drawn(self, x: DrawnBirths, rng: np.random.Generator) -> Float:
        """Return what is seen of contents of a training, shape (F, width).

        Pixels are not drawn anew: the networks' answers to images of a class come from a store.
        """
        classes = np.asarray(x.traits.image_class)
        if self._eyes is None:
            return self._shown(x.codes, classes, rng)
        is_sar = x.traits.payload == PAYLOADS.index("sar")
        seen = np.empty((len(classes), self.width), dtype=np.float32)
        for modality, answers in self._eyes.answers.items():
            chosen = np.flatnonzero(is_sar == (modality == "sar"))
            which = rng.integers(answers.shape[1], size=len(chosen))
            seen[chosen] = answers[classes[chosen], which]
        return seen

    def of_instance(self, instance: Instance) -> Float | None:
        """Return what is seen of an instance's images; None for their codes as they are observed.

        Raises
        ------
        InputError
            If the instance does not say what its images show.
        """
        if self._images in ("none", "codes"):
            return None
        world = world_of(instance)
        if world is None or not instance.contents:
            raise InputError("contents", "expected an instance that names its images")
        if self._eyes is not None:
            return content_classes(instance.contents, self._eyes.nets, self._eyes.pixels)
        codes = image_codes(instance.contents, self._num_classes, world.scenario.code_noise)
        classes = np.asarray(features(instance.contents).image_class)
        return self._shown(codes, classes, np.random.default_rng(_SHUFFLE))

    def _shown(self, codes: Array, classes: Array, rng: np.random.Generator) -> Float:
        if self._images == "label":
            label: Float = np.eye(self._num_classes, dtype=np.float32)[classes]
            return label
        order = rng.permutation(len(codes)) if self._images == "shuffled" else slice(None)
        seen: Float = codes[order].astype(np.float32)
        return seen


def classes_of(instance: Instance) -> int:
    """Return how many classes of images there are in an instance's scenario, 0 if it has none."""
    world = world_of(instance)
    return world.scenario.num_classes if world else 0


def vision_of(images: Images, num_classes: int, backbone: str) -> Vision:
    """Return what an agent is to see, from the file of a backbone if it needs one.

    Raises
    ------
    InputError
        If it needs one and there is none, or the other way round.
    """
    if images == "pixels" and not backbone:
        raise InputError("backbone", f"expected a file of {BACKBONE}, for images=pixels")
    if images != "pixels" and backbone:
        raise InputError("backbone", f"it is for images=pixels, found images={images}")
    state = agent.load(backbone, BACKBONE).state if backbone else None
    return Vision(images, num_classes, state, backbone)
