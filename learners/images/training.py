"""Schedule of MobileNets on classes of images."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from learners.images.aircraft import CLASSES, Modality, Pixels, draw
from learners.images.features import as_input, probabilities
from learners.images.mobilenet import MobileNet
from opt_istn.files import InputError
from opt_istn.push.instance import IntArray
from opt_istn.training import Report


@dataclass(frozen=True)
class Schedule:
    """How a classifier is trained.

    Parameters
    ----------
    epochs
        Passes over the training chips.
    batch
        Chips per update.
    learning_rate
        Its peak; it rises and falls once (one-cycle schedule) under AdamW.
    held_out
        Share of the chips that are kept for measuring.
    augment
        Whether chips are turned by multiples of 90 degrees and mirrored: seen from above, all of
        these are as likely.
    """

    epochs: int = 12
    batch: int = 64
    learning_rate: float = 3e-3
    held_out: float = 0.1
    augment: bool = True


@dataclass(frozen=True)
class Score:
    """What came of training.

    Parameters
    ----------
    accuracy
        Share of the held-out chips that are classified correctly.
    losses
        Mean cross-entropy per epoch, nats.
    num_held_out
        Chips on which the accuracy was measured.
    """

    accuracy: float
    losses: tuple[float, ...]
    num_held_out: int


def _silent(share: float, text: str) -> None:
    """Report nothing."""


def train_classifier(
    net: MobileNet,
    chips: Pixels,
    labels: IntArray,
    settings: Schedule,
    rng: np.random.Generator,
    report: Report = _silent,
) -> Score:
    """Train `net`, in place, to tell classes apart; leave it in evaluation mode.

    Layers that are frozen stay as they are. `chips` and `labels` have equal length; `report` is
    called after every epoch.

    Raises
    ------
    InputError
        If a label is no class of `net`, or no chip is left to train on or to measure with.
    """
    if len(labels) and not 0 <= labels.min() <= labels.max() < net.num_classes:
        raise InputError("labels", f"expected classes from 0 to {net.num_classes - 1}")
    order = rng.permutation(len(chips))
    num_held_out = round(settings.held_out * len(chips))
    if not 0 < num_held_out < len(chips):
        raise InputError("held_out", f"expected chips on both sides, found {len(chips)} in all")
    held_out, kept = order[:num_held_out], order[num_held_out:]
    with torch.random.fork_rng(devices=[]):  # dropout knows no generator but torch's global one
        torch.manual_seed(int(rng.integers(2**62)))
        losses = tuple(_fit(net, chips, labels, kept, settings, rng, report))
    hits = probabilities(chips[held_out], net).argmax(1) == labels[held_out]
    return Score(float(hits.mean()), losses, num_held_out)


def pretrain(
    net: MobileNet,
    num_chips: int,
    settings: Schedule,
    rng: np.random.Generator,
    pixels: int = 64,
    report: Report = _silent,
) -> Score:
    """Train `net`, in place, on drawn chips of the modality that its channels say."""
    modality: Modality = "sar" if net.channels == 1 else "optical"
    labels = rng.integers(len(CLASSES), size=num_chips)
    chips = draw(labels, rng.integers(2**31, size=num_chips), modality, pixels)
    return train_classifier(net, chips, labels, settings, rng, report)


def _fit(
    net: MobileNet,
    chips: Pixels,
    labels: IntArray,
    kept: IntArray,
    settings: Schedule,
    rng: np.random.Generator,
    report: Report,
) -> Iterator[float]:
    """Yield the mean loss of each epoch."""
    steps = max(1, len(kept) // settings.batch)
    trained = [value for value in net.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, settings.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * steps
    )
    net.train()
    for epoch in range(settings.epochs):
        total = 0.0
        for chosen in np.array_split(rng.permutation(kept), steps):
            batch = as_input(chips[chosen])
            if settings.augment:
                batch = _turn(batch, int(rng.integers(8)))
            loss = nn.functional.cross_entropy(net(batch), torch.from_numpy(labels[chosen]))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item()
        report((epoch + 1) / settings.epochs, f"cross-entropy {total / steps:.3f}")
        yield total / steps
    _settle(net, (as_input(chips[k]) for k in np.array_split(rng.permutation(kept), steps)[:20]))
    net.eval()


@torch.no_grad()
def _settle(net: MobileNet, batches: Iterable[Tensor]) -> None:
    """Measure the statistics of normalisation anew, by plain averages over `batches`.

    The running ones move by 1 % per update: after few updates they still are what they were.
    """
    moving = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
    momenta = [m.momentum for m in moving]
    for m in moving:
        m.reset_running_stats()
        m.momentum = None  # a plain average
    for batch in batches:
        net.features(batch)
    for m, momentum in zip(moving, momenta, strict=True):
        m.momentum = momentum


def _turn(images: Tensor, which: int) -> Tensor:
    """Return images under one of the 8 symmetries of the square."""
    turned = torch.rot90(images, which % 4, (2, 3))
    return turned.flip(3) if which >= 4 else turned
