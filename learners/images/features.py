"""What networks make of images: classes of chips and of the contents of an instance."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learners.images.aircraft import Modality, Pixels, draw
from learners.images.mobilenet import MobileNet
from opt_istn.files import InputError
from opt_istn.push.instance import IntArray
from opt_istn.push.world import demand
from opt_istn.push.world.users import PAYLOADS

# Means and deviations of ImageNet's images, which its weights expect; grey is their average.
_MEAN = {3: (0.485, 0.456, 0.406), 1: (0.449,)}
_DEVIATION = {3: (0.229, 0.224, 0.225), 1: (0.226,)}


def content_chips(
    contents: Sequence[Mapping[str, Any]], modality: Modality, pixels: int = 64
) -> tuple[IntArray, Pixels]:
    """Return which contents of an instance have images of `modality`, and their chips.

    Images of contents with payload ``sar`` are SAR images, all others optical ones.

    Raises
    ------
    InputError
        If a content lacks an attribute, or its image's class or seed is out of range.
    """
    is_sar = demand.features(contents).payload == PAYLOADS.index("sar")
    chosen = np.flatnonzero(is_sar == (modality == "sar"))
    names = [contents[int(f)]["image"] for f in chosen]
    if any(name["seed"] >= 2**63 for name in names):
        raise InputError("contents", "expected seeds of images below 2^63")
    classes, seeds = ([name[key] for name in names] for key in ("class", "seed"))
    return chosen, draw(classes, seeds, modality, pixels)


def content_classes(
    contents: Sequence[Mapping[str, Any]], nets: Mapping[Modality, MobileNet], pixels: int = 64
) -> Pixels:
    """Return the probability of every class for all contents of an instance, shape (F, classes).

    Parameters
    ----------
    nets
        The network of each modality; all know equally many classes.
    """
    width = {net.num_classes for net in nets.values()}.pop()
    result = np.empty((len(contents), width), dtype=np.float32)
    for modality, net in nets.items():
        chosen, chips = content_chips(contents, modality, pixels)
        result[chosen] = probabilities(chips, net)
    return result


def probabilities(chips: Pixels, net: MobileNet, batch: int = 64) -> Pixels:
    """Return the probability of every class, shape (n, classes), `batch` chips at a time."""
    if len(chips) and chips.shape[1] != net.channels:
        rule = f"expected {net.channels} channels, as the network, found {chips.shape[1]}"
        raise InputError("chips", rule)
    mode = net.training
    net.eval()
    with torch.inference_mode():
        found = [
            net(as_input(chips[k : k + batch])).softmax(dim=1) for k in range(0, len(chips), batch)
        ]
        result: Pixels = torch.cat([torch.empty(0, net.num_classes), *found]).numpy()
    net.train(mode)
    return result


def as_input(chips: Pixels) -> Tensor:
    """Return chips as a network's input: normalised, and channels last, which is faster."""
    channels = chips.shape[1]
    mean, deviation = (torch.tensor(x[channels])[:, None, None] for x in (_MEAN, _DEVIATION))
    images: Tensor = (torch.from_numpy(chips) - mean) / deviation
    return images.contiguous(memory_format=torch.channels_last)
