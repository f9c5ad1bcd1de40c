"""MobileNetV3-small: the published layout of weights, files of weights, SAR stem, frozen layers."""

import pytest
import torch
from torch.nn.functional import conv2d

from learners.images.mobilenet import MobileNet, load_weights, sar_stem, with_classes
from opt_istn.files import InputError

STEM, HEAD = "features.0.0.weight", "classifier.3.weight"
PUBLISHED = {  # names and shapes in the published file
    STEM: (16, 3, 3, 3),
    "features.0.1.running_var": (16,),
    "features.1.block.0.0.weight": (16, 1, 3, 3),  # the first block does not expand
    "features.1.block.1.fc1.weight": (8, 16, 1, 1),
    "features.2.block.1.0.weight": (72, 1, 3, 3),
    "features.2.block.2.1.num_batches_tracked": (),  # no squeeze in this block
    "features.4.block.2.fc1.bias": (24,),
    "features.5.block.1.0.weight": (240, 1, 5, 5),
    "features.7.block.2.fc2.weight": (120, 32, 1, 1),
    "features.11.block.3.0.weight": (96, 576, 1, 1),
    "features.12.1.weight": (576,),
    "classifier.0.weight": (1024, 576),
    HEAD: (1000, 1024),
    "classifier.3.bias": (1000,),
}


def seeded(seed=0):
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def lively(net):
    """Give the normalisations statistics and scales that an error in them would show up in."""
    rng = seeded(9)
    for name, value in net.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            value.normal_(generator=rng).mul_(0.3)
        elif name.endswith("running_var") or value.dim() == 1:
            value.uniform_(0.5, 2, generator=rng)
    return net.eval()


@pytest.fixture(scope="module")
def net():
    return lively(MobileNet(1000, 3, seeded()))


@pytest.fixture(scope="module")
def images():
    return torch.randn(3, 3, 64, 80, generator=seeded(1))


# Table 2 of the paper: kernel, expansion, output, squeeze and excite, hard swish, stride.
PRINTED = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)


def normalised(x, w, name):
    """Return a batch normalisation by the statistics that the weights hold."""
    mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    scale = w[f"{name}.weight"] / (var + 1e-3).sqrt()
    return (x - mean[:, None, None]) * scale[:, None, None] + w[f"{name}.bias"][:, None, None]


def hard_sigmoid(x):
    return (x + 3).clamp(0, 6) / 6


def hard_swish(x):
    return x * hard_sigmoid(x)


def layer(x, w, name, kernel, stride=1, groups=1):
    """Return a convolution with its normalisation."""
    y = conv2d(x, w[f"{name}.0.weight"], None, stride, (kernel - 1) // 2, groups=groups)
    return normalised(y, w, f"{name}.1")


def squeezed(x, w, name):
    """Return channels scaled by squeeze and excite: pool, ReLU, hard sigmoid."""
    pooled = x.flatten(2).sum(2) / x[0, 0].numel()
    gate = pooled @ w[f"{name}.fc1.weight"].flatten(1).T + w[f"{name}.fc1.bias"]
    gate = gate.clamp(min=0) @ w[f"{name}.fc2.weight"].flatten(1).T + w[f"{name}.fc2.bias"]
    return x * hard_sigmoid(gate)[:, :, None, None]


def published(x, w):
    """Return what each layer of the paper's table gives, and the logits at the end.

    Weights go by their published names.
    """
    x = hard_swish(layer(x, w, "features.0", 3, stride=2))
    maps = [x]
    for k, (kernel, wide, out, squeeze, hard, stride) in enumerate(PRINTED, 1):
        y, act, names = x, hard_swish if hard else torch.relu, iter(range(4))
        if wide != x.shape[1]:
            y = act(layer(y, w, f"features.{k}.block.{next(names)}", 1))
        y = act(layer(y, w, f"features.{k}.block.{next(names)}", kernel, stride, groups=wide))
        if squeeze:
            y = squeezed(y, w, f"features.{k}.block.{next(names)}")
        y = layer(y, w, f"features.{k}.block.{next(names)}", 1)
        assert y.shape[1] == out
        x = x + y if stride == 1 and x.shape == y.shape else y
        maps.append(x)
    maps.append(hard_swish(layer(x, w, "features.12", 1)))
    x = maps[-1].flatten(2).mean(2)
    x = hard_swish(x @ w["classifier.0.weight"].T + w["classifier.0.bias"])
    return [*maps, x @ w["classifier.3.weight"].T + w["classifier.3.bias"]]


def close(a, b):
    """Return whether two tensors agree to 1e-4 of what is largest in them."""
    a, b = a.detach(), b.detach()
    return a.shape == b.shape and bool((a - b).abs().max() <= 1e-4 * b.abs().max())


def test_outputs_are_those_of_the_printed_table(net, images):
    """For the same weights every layer, the logits and gradients are those of the paper's table."""
    weights = {k: v.detach().clone() for k, v in net.state_dict().items()}
    weights[STEM].requires_grad_()
    *maps, expected = published(images, weights)
    found = images
    assert len(maps) == len(net.features)
    for ours, theirs in zip(net.features, maps, strict=True):
        found = ours(found)
        assert theirs.abs().max() > 0
        assert close(found, theirs)
    net.zero_grad()
    found = net(images)
    assert close(found, expected)
    for each in (found, expected):
        each.square().mean().backward()
    ours = net.get_parameter(STEM).grad
    assert ours.abs().max() > 0
    assert close(ours, weights[STEM].grad)


def test_layout_is_the_published_one(net):
    """Number of parameters and of names, and chosen names and shapes, are the published file's."""
    state = net.state_dict()
    assert len(state) == 244
    assert sum(value.numel() for value in net.parameters()) == 2_542_856
    assert sum(value.numel() for value in net.features.parameters()) == 927_008
    assert {name: tuple(state[name].shape) for name in PUBLISHED} == PUBLISHED


def test_features_and_logits(net, images):
    """576 features per image feed the classifier; images of other sizes work as well."""
    features = net.embed(images)
    assert features.shape == (3, 576)
    assert torch.equal(net.classifier(features), net(images))
    assert net.embed(images[..., :33, :47]).shape == (3, 576)


def test_weights_come_from_the_generator_alone():
    """Equal seeds give equal weights, others others, and torch's own state is not touched."""
    before = torch.random.get_rng_state()
    a, b, c = (MobileNet(4, 3, seeded(s)).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a[STEM], c[STEM])
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(("classes", "channels"), [(1000, 3), (6, 1)])
def test_round_trip(tmp_path, classes, channels):
    """A saved network is loaded as it was, in evaluation mode, with its classes and channels."""
    saved = lively(MobileNet(classes, channels, seeded()))
    torch.save(saved.state_dict(), tmp_path / "net.pth")
    found = load_weights(tmp_path / "net.pth")
    assert (found.num_classes, found.channels, found.training) == (classes, channels, False)
    before, after = saved.state_dict(), found.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


def without_stem(state):
    del state[STEM]


def with_more(state):
    state["head.weight"] = torch.ones(3)


def with_wrong_shape(state):
    state["features.5.block.1.0.weight"] = torch.ones(240, 1, 3, 3)


def with_nan(state):
    state["features.12.0.weight"][0] = torch.nan


def with_scalar_head(state):
    state[HEAD] = torch.tensor(1.0)


@pytest.mark.parametrize(
    ("damage", "field", "expected"),
    [
        (without_stem, STEM, "found none"),
        (with_more, "head.weight", "no such parameter"),
        (with_wrong_shape, "features.5.block.1.0.weight", "(240, 1, 5, 5), found (240, 1, 3, 3)"),
        (with_nan, "features.12.0.weight", "finite"),
        (with_scalar_head, HEAD, "2 axes of length 1 or more, found ()"),
    ],
)
def test_wrong_weights_are_named(tmp_path, damage, field, expected):
    """Weights of another network are refused; the message names file, parameter and expectation."""
    state = MobileNet(4, 3, seeded()).state_dict()
    damage(state)
    path = tmp_path / "net.pth"
    torch.save(state, path)
    with pytest.raises(InputError) as caught:
        load_weights(path)
    assert caught.value.field == field
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


class Trap:
    """Runs a command when unpickled."""

    def __reduce__(self):
        """Return what a careless reader would run."""
        return (__import__("os").mkdir, (self.path,))


def test_files_cannot_run_code(tmp_path):
    """A pickle that would run a command is refused, and the command is not run."""
    trap = Trap()
    trap.path = str(tmp_path / "sprung")
    torch.save({"a": trap}, tmp_path / "net.pth")
    with pytest.raises(InputError, match="saved by torch"):
        load_weights(tmp_path / "net.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [None, b"", b"not weights at all", b"PK\x03\x04 half a zip"])
def test_other_files_are_refused(tmp_path, content):
    """A missing, empty or foreign file is one line that names the file."""
    path = tmp_path / "net.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[torch.ones(2)], {"a": 1}, {3: torch.ones(2)}])
def test_other_contents_are_refused(tmp_path, content):
    """A file of torch that is not a dictionary of named tensors is refused."""
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(InputError, match="dictionary of tensors"):
        load_weights(tmp_path / "net.pth")


def test_sar_stem_is_the_mean_over_colours(net):
    """A SAR stem has the mean of the kernels, the paper's choice; nothing else differs."""
    mean, optical = sar_stem(net).state_dict(), net.state_dict()
    assert torch.allclose(mean[STEM], optical[STEM].mean(1, keepdim=True))
    assert list(mean) == list(optical)
    assert all(torch.equal(mean[name], optical[name]) for name in optical if name != STEM)


def test_adapted_networks_are_copies(net):
    """A SAR stem or a new head leaves the original as it was."""
    sar, other = sar_stem(net), with_classes(net, 6, seeded())
    assert (sar.channels, sar.num_classes) == (1, 1000)
    assert (other.channels, other.num_classes) == (3, 6)
    assert (net.channels, net.num_classes) == (3, 1000)
    deviation = other.get_parameter(HEAD).std().item()
    assert deviation == pytest.approx((2 / 1024) ** 0.5, rel=0.05)  # Kaiming normal


def test_frozen_layers_do_not_move(images):
    """After updates in training mode, frozen layers and their statistics are what they were."""
    net = MobileNet(4, 3, seeded()).freeze(3).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    net(images).square().sum().backward()
    optimizer.step()
    frozen = ("features.0.", "features.1.", "features.2.")
    for name, value in net.state_dict().items():
        moved = not torch.equal(value, before[name])
        if name.startswith(frozen):
            assert not moved, name
        elif name.endswith(("running_mean", "0.weight")):
            assert moved, name


def test_freezing_can_be_undone():
    """Freezing no layer makes all trainable again, statistics included."""
    net = MobileNet(4, 3, seeded()).freeze(3).train()
    assert [layer.training for layer in net.features][:4] == [False, False, False, True]
    net.freeze(0)
    assert all(layer.training for layer in net.features)
    assert all(value.requires_grad for value in net.parameters())


def test_frozen_layers_stay_frozen_in_copies(net):
    """A SAR stem made from a frozen network is frozen as well."""
    sar = sar_stem(with_classes(net, 4, seeded()).freeze(3)).train()
    assert not sar.get_parameter(STEM).requires_grad
    assert not sar.features[0].training
