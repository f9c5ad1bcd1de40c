"""MobileNetV3-small for optical and SAR images.

The network of Howard et al., Searching for MobileNetV3, ICCV 2019 (table 2), with the names of
parameters that torchvision uses, so that its ImageNet weights (``mobilenet_v3_small-047dcff4.pth``)
load as they are. None are shipped: without a file the weights are random. Why torchvision itself
is no dependency stands in docs/decisions.

Images are float tensors of shape (n, channels, height, width), 32 pixels or more on a side:
3 channels for optical images, 1 for SAR images.
"""

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch
from torch import Generator, Tensor, nn

from opt_istn.files import InputError, unusable

NUM_FEATURES = 576  # channels of the last convolution, pooled over the image
NUM_HIDDEN = 1024  # of the classifier
_DROPOUT = 0.2
_BN_EPS, _BN_MOMENTUM = 1e-3, 1e-2  # of the published weights
_STEM = "features.0.0.weight"
_HEAD = "classifier.3.weight"


class _Block(NamedTuple):
    """One row of the table: an inverted residual."""

    kernel: int
    expanded: int
    outputs: int
    squeeze: bool
    hard: bool  # hard-swish rather than ReLU
    stride: int


_STEM_CHANNELS = 16
_TABLE = (
    _Block(3, 16, 16, True, False, 2),
    _Block(3, 72, 24, False, False, 2),
    _Block(3, 88, 24, False, False, 1),
    _Block(5, 96, 40, True, True, 2),
    _Block(5, 240, 40, True, True, 1),
    _Block(5, 240, 40, True, True, 1),
    _Block(5, 120, 48, True, True, 1),
    _Block(5, 144, 48, True, True, 1),
    _Block(5, 288, 96, True, True, 2),
    _Block(5, 576, 96, True, True, 1),
    _Block(5, 576, 96, True, True, 1),
)


def _conv(
    inputs: int,
    outputs: int,
    kernel: int,
    activation: type[nn.Module] | None,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Return a convolution, its normalisation and activation; `kernel` // 2 zeros of padding."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    parts: list[nn.Module] = [convolution, nn.BatchNorm2d(outputs, _BN_EPS, _BN_MOMENTUM)]
    if activation is not None:
        parts.append(activation(inplace=True))
    return nn.Sequential(*parts)


class _Squeeze(nn.Module):
    """Squeeze and excitation: every channel is scaled by a gate that sees all channels' means.

    Parameters
    ----------
    channels
        Number of channels; the gate's hidden layer has a quarter, rounded to a multiple of 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(8, (channels // 4 + 4) // 8 * 8)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled channels, of the shape of `x`."""
        hidden: Tensor = self.fc1(x.mean((2, 3), keepdim=True))
        gate: Tensor = self.fc2(hidden.relu())
        return x * nn.functional.hardsigmoid(gate)


class _InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, squeeze and excitation, projection.

    Parameters
    ----------
    inputs
        Channels of the input.
    row
        The row of the table.
    """

    def __init__(self, inputs: int, row: _Block) -> None:
        super().__init__()
        activation = nn.Hardswish if row.hard else nn.ReLU
        wide = row.expanded
        parts: list[nn.Module] = []
        if wide != inputs:
            parts.append(_conv(inputs, wide, 1, activation))
        parts.append(_conv(wide, wide, row.kernel, activation, row.stride, groups=wide))
        if row.squeeze:
            parts.append(_Squeeze(wide))
        parts.append(_conv(wide, row.outputs, 1, None))
        self.block = nn.Sequential(*parts)
        self.shortcut = row.stride == 1 and inputs == row.outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, plus its input where both have the same shape."""
        y: Tensor = self.block(x)
        return x + y if self.shortcut else y


class MobileNet(nn.Module):
    """MobileNetV3-small.

    Parameters
    ----------
    num_classes
        Outputs of the classifier.
    channels
        Of the images.
    rng
        Source of the weights: Kaiming normal convolutions, N(0, 0.01^2) linear layers.
    """

    def __init__(self, num_classes: int, channels: int, rng: Generator) -> None:
        super().__init__()
        with torch.device("meta"):  # spares torch's global generator
            parts: list[nn.Module] = [_conv(channels, _STEM_CHANNELS, 3, nn.Hardswish, stride=2)]
            inputs = _STEM_CHANNELS
            for row in _TABLE:
                parts.append(_InvertedResidual(inputs, row))
                inputs = row.outputs
            parts.append(_conv(inputs, NUM_FEATURES, 1, nn.Hardswish))
            self.features = nn.Sequential(*parts)
            self.classifier = nn.Sequential(
                nn.Linear(NUM_FEATURES, NUM_HIDDEN),
                nn.Hardswish(inplace=True),
                nn.Dropout(_DROPOUT),
                nn.Linear(NUM_HIDDEN, num_classes),
            )
        self.to_empty(device="cpu")
        self.num_frozen = 0
        _initialise(self, rng)

    @property
    def channels(self) -> int:
        """Channels of the images it takes."""
        return int(self.get_parameter(_STEM).shape[1])

    @property
    def num_classes(self) -> int:
        """Outputs of the classifier."""
        return int(self.get_parameter(_HEAD).shape[0])

    def embed(self, images: Tensor) -> Tensor:
        """Return the pooled features of images, shape (n, NUM_FEATURES)."""
        maps: Tensor = self.features(images)
        return maps.mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images, shape (n, num_classes)."""
        logits: Tensor = self.classifier(self.embed(images))
        return logits

    def freeze(self, layers: int = 3) -> Self:
        """Freeze the first `layers` of ``features``, their running statistics included.

        The push paper (section 5.1) freezes three. They no longer train, and they stay in
        evaluation mode when the rest of the network is put in training mode.
        """
        self.num_frozen = layers
        for k, layer in enumerate(self.features):
            layer.requires_grad_(k >= layers)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all layers that are not frozen."""
        super().train(mode)
        for layer in list(self.features)[: self.num_frozen]:
            layer.eval()
        return self


def with_classes(net: MobileNet, num_classes: int, rng: Generator) -> MobileNet:
    """Return a copy of `net` with a new last layer: Kaiming normal weights, bias 0.

    So does the push paper (section 5.1) when it adapts ImageNet weights.
    """
    result = copy.deepcopy(net)
    head = nn.Linear(NUM_HIDDEN, num_classes, device="meta").to_empty(device="cpu")
    nn.init.kaiming_normal_(head.weight, generator=rng)
    nn.init.zeros_(head.bias)
    result.classifier[3] = head
    return result


def sar_stem(net: MobileNet) -> MobileNet:
    """Return a copy of an optical network that takes images of one channel.

    Its kernels are means over the three colours, as in the push paper (section 5.1): the
    statistics of the following layer are fed a third of what they were made for.
    """
    result = copy.deepcopy(net)
    stem = result.get_parameter(_STEM)
    kernel = stem.detach().mean(1, keepdim=True)
    convolution = nn.Conv2d(
        1, _STEM_CHANNELS, 3, stride=2, padding=1, bias=False, device="meta"
    ).to_empty(device="cpu")
    convolution.weight = nn.Parameter(kernel, requires_grad=stem.requires_grad)
    result.get_submodule("features.0").register_module("0", convolution)
    return result


def load_weights(path: str | Path) -> MobileNet:
    """Return the network whose weights `path` holds, in evaluation mode.

    The file is a ``state_dict`` as torchvision ships it; numbers of classes and channels are
    read off the weights. Only tensors are read from it: it cannot run code.

    Raises
    ------
    InputError
        If the file cannot be read or does not hold exactly this network's weights; names the
        first parameter that does not fit.
    """
    source = str(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # about files that are refused below
            state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise unusable("cannot be read", error, path) from None
    except Exception as error:  # a damaged file makes the reader fail in any way there is
        reason = str(error).partition("\n")[0].partition(".")[0]
        raise InputError("", f"expected weights saved by torch ({reason})", source) from None
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise InputError("", "expected a dictionary of tensors, a state_dict", source)
    num_classes = _parameter(state, _HEAD, 2, source).shape[0]
    channels = _parameter(state, _STEM, 4, source).shape[1]
    net = MobileNet(num_classes, channels, Generator())
    _check(state, net.state_dict(), source)
    net.load_state_dict(dict(state))
    return net.eval()


def _parameter(state: Mapping[str, Tensor], key: str, axes: int, source: str) -> Tensor:
    if key not in state:
        raise InputError(key, "expected this parameter of MobileNetV3-small, found none", source)
    found = state[key]
    if found.dim() != axes or 0 in found.shape:
        shape = tuple(found.shape)
        raise InputError(key, f"expected {axes} axes of length 1 or more, found {shape}", source)
    return found


def _check(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str) -> None:
    for key, value in wanted.items():
        found = _parameter(state, key, value.dim(), source)
        if found.shape != value.shape:
            shapes = f"expected shape {tuple(value.shape)}, found {tuple(found.shape)}"
            raise InputError(key, shapes, source)
        if not bool(torch.isfinite(found).all()):
            raise InputError(key, "expected finite numbers", source)
    for key in state:
        if key not in wanted:
            raise InputError(key, "expected no such parameter in MobileNetV3-small", source)


def _initialise(net: MobileNet, rng: Generator) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=rng)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01, generator=rng)
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        bias: Any = getattr(module, "bias", None)
        if isinstance(bias, Tensor):
            nn.init.zeros_(bias)
