"""What networks make of images: features of contents, and training on classes of aircraft.

A backbone that does not change during reinforcement learning needs to see an image once: its
features are computed for all contents of an instance and kept. Weights of ImageNet are not
shipped; without a file of them `pretrain` teaches a backbone to tell drawn aircraft apart.

`find_images` reads collections with one folder per class: MTARSI (``TOP/CLASS/FILE``) and SAR-ACD
(``images/CLASS/NNN.jpg``) as they are distributed.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from learners.images import CLASSES, Modality, Pixels, draw
from learners.mobilenet import NUM_FEATURES, MobileNet
from opt_istn.files import InputError, read_bytes
from opt_istn.push import demand
from opt_istn.push.instance import IntArray
from opt_istn.push.users import PAYLOADS

# Means and deviations of ImageNet's images, which its weights expect; grey is their average.
_MEAN = {3: (0.485, 0.456, 0.406), 1: (0.449,)}
_DEVIATION = {3: (0.229, 0.224, 0.225), 1: (0.226,)}
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff"})
_ALIASES = {"C-135": "KC-135", "A320321": "A320/321"}  # spelling of folder -> name of class
_GREY_MODES = frozenset({"1", "L", "LA"})
_COLOUR_MODES = frozenset({"P", "RGB", "RGBA", "CMYK", "YCbCr"})


@dataclass(frozen=True)
class ImageFolder:
    """Images of a collection, in the order of their classes' names and their own.

    Parameters
    ----------
    classes
        Names, ascending.
    paths
        Files, shape (n,).
    labels
        Index of each file's class, shape (n,).
    duplicates
        Groups of files of equal content.
    """

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: IntArray
    duplicates: tuple[tuple[Path, ...], ...]


def find_images(root: str | Path) -> ImageFolder:
    """List the images of a collection whose folders of classes lie in `root` or one level below.

    Files count as images by their suffix (jpg, png, tif); hidden files do not count.

    Raises
    ------
    InputError
        If there is no such folder, no image, or more than one place to look for classes.
    """
    top = Path(root)
    if not top.is_dir():
        raise InputError("", "expected a folder", str(top))
    places = [place for place in (top, *_folders(top)) if any(map(_images, _folders(place)))]
    if len(places) != 1:
        found = ", ".join(place.name for place in places) or "none"
        rule = "expected folders of images, one per class, in the folder itself or in one below it"
        raise InputError("", f"{rule}, found {found}", str(top))
    files = sorted(
        (_ALIASES.get(folder.name, folder.name), path.as_posix(), path)
        for folder in _folders(places[0])
        for path in _images(folder)
    )
    classes = tuple(sorted({name for name, _, _ in files}))
    labels = np.array([classes.index(name) for name, _, _ in files], dtype=np.int64)
    paths = tuple(path for _, _, path in files)
    return ImageFolder(classes, paths, labels, _duplicates(paths))


def read_chips(paths: Sequence[str | Path], pixels: int = 64) -> Pixels:
    """Read images, shape (n, channels, `pixels`, `pixels`); grey ones have 1 channel, others 3.

    Images are resized as a whole, whatever their shape.

    Raises
    ------
    InputError
        If an image cannot be read or has other channels than the first; names it.
    """
    chips = [_read(Path(path), pixels) for path in paths]
    for path, chip in zip(paths, chips, strict=True):
        if len(chip) != len(chips[0]):
            rule = f"expected {len(chips[0])} channels as in {paths[0]}, found {len(chip)}"
            raise InputError("", rule, str(path))
    return np.stack(chips) if chips else np.empty((0, 1, pixels, pixels), dtype=np.float32)


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


def content_features(
    contents: Sequence[Mapping[str, Any]], nets: Mapping[Modality, MobileNet], pixels: int = 64
) -> Pixels:
    """Return the features of all contents of an instance, shape (F, NUM_FEATURES).

    Parameters
    ----------
    nets
        The backbone of each modality.
    """
    result = np.empty((len(contents), NUM_FEATURES), dtype=np.float32)
    for modality, net in nets.items():
        chosen, chips = content_chips(contents, modality, pixels)
        result[chosen] = features(chips, net)
    return result


def features(chips: Pixels, net: MobileNet, batch: int = 64) -> Pixels:
    """Return the pooled features of chips, shape (n, NUM_FEATURES), `batch` chips at a time."""
    return _apply(chips, net, batch, head=False)


def logits(chips: Pixels, net: MobileNet, batch: int = 64) -> Pixels:
    """Return the scores of all classes, shape (n, classes), `batch` chips at a time."""
    return _apply(chips, net, batch, head=True)


@dataclass(frozen=True)
class Training:
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
class Trained:
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


def train_classifier(
    net: MobileNet,
    chips: Pixels,
    labels: IntArray,
    settings: Training,
    rng: np.random.Generator,
) -> Trained:
    """Train `net`, in place, to tell classes apart; leave it in evaluation mode.

    Layers that are frozen stay as they are. `chips` and `labels` have equal length.

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
        losses = tuple(_fit(net, chips, labels, kept, settings, rng))
    hits = logits(chips[held_out], net).argmax(1) == labels[held_out]
    return Trained(float(hits.mean()), losses, num_held_out)


def pretrain(
    net: MobileNet,
    num_chips: int,
    settings: Training,
    rng: np.random.Generator,
    pixels: int = 64,
) -> Trained:
    """Train `net`, in place, on drawn chips of the modality that its channels say."""
    modality: Modality = "sar" if net.channels == 1 else "optical"
    labels = rng.integers(len(CLASSES), size=num_chips)
    chips = draw(labels, rng.integers(2**31, size=num_chips), modality, pixels)
    return train_classifier(net, chips, labels, settings, rng)


def _fit(
    net: MobileNet,
    chips: Pixels,
    labels: IntArray,
    kept: IntArray,
    settings: Training,
    rng: np.random.Generator,
) -> Iterator[float]:
    """Yield the mean loss of each epoch."""
    steps = max(1, len(kept) // settings.batch)
    trained = [value for value in net.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, settings.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * steps
    )
    net.train()
    for _ in range(settings.epochs):
        total = 0.0
        for chosen in np.array_split(rng.permutation(kept), steps):
            batch = _tensor(chips[chosen])
            if settings.augment:
                batch = _turn(batch, int(rng.integers(8)))
            loss = nn.functional.cross_entropy(net(batch), torch.from_numpy(labels[chosen]))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.item()
        yield total / steps
    _settle(net, (_tensor(chips[k]) for k in np.array_split(rng.permutation(kept), steps)[:20]))
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


def _apply(chips: Pixels, net: MobileNet, batch: int, head: bool) -> Pixels:
    if len(chips) and chips.shape[1] != net.channels:
        rule = f"expected {net.channels} channels, as the network, found {chips.shape[1]}"
        raise InputError("chips", rule)
    mode = net.training
    net.eval()
    function = net if head else net.embed
    with torch.inference_mode():
        width = net.num_classes if head else NUM_FEATURES
        parts = [function(_tensor(chips[k : k + batch])) for k in range(0, len(chips), batch)]
        result: Pixels = torch.cat([torch.empty(0, width), *parts]).numpy()
    net.train(mode)
    return result


def _tensor(chips: Pixels) -> Tensor:
    """Return chips as a network's input: normalised, and channels last, which is faster."""
    channels = chips.shape[1]
    mean, deviation = (torch.tensor(x[channels])[:, None, None] for x in (_MEAN, _DEVIATION))
    images: Tensor = (torch.from_numpy(chips) - mean) / deviation
    return images.contiguous(memory_format=torch.channels_last)


def _folders(place: Path) -> list[Path]:
    """Return the folders in `place`; archives made on a Mac carry one of no interest."""
    hidden = (".", "__MACOSX")
    return sorted(x for x in place.iterdir() if x.is_dir() and not x.name.startswith(hidden))


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in _SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def _duplicates(paths: Sequence[Path]) -> tuple[tuple[Path, ...], ...]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(hashlib.sha256(read_bytes(path)).hexdigest(), []).append(path)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _read(path: Path, pixels: int) -> Pixels:
    try:
        with Image.open(path) as image:
            mode = image.mode
            if mode in _GREY_MODES or mode in _COLOUR_MODES:
                picture = image.convert("L" if mode in _GREY_MODES else "RGB")
                small = picture.resize((pixels, pixels), Image.Resampling.BILINEAR)
                values: Pixels = np.asarray(small, dtype=np.float32) / np.float32(255)
                return values[None] if values.ndim == 2 else np.moveaxis(values, 2, 0)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError("", f"expected a readable image ({error})", str(path)) from None
    raise InputError(
        "", f"expected 8 bits per channel, grey or colour, found mode {mode}", str(path)
    )
