"""Images: drawn chips, collections of files, features of contents, and training on classes."""

import numpy as np
import pytest
import torch
from PIL import Image

from learners.images import aircraft as images
from learners.images import features as image_features
from learners.images import folders as image_folders
from learners.images import training as image_training
from learners.images.aircraft import AIRCRAFT, CHANNELS, CLASSES, draw
from learners.images.mobilenet import MobileNet
from learners.images.training import Schedule
from opt_istn.files import InputError
from opt_istn.push.scenario import PRESETS, generate

MODALITIES = tuple(CHANNELS)


def seeded(seed=0):
    """Return a generator of torch."""
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("modality", "channels"), [("optical", 3), ("sar", 1)])
def test_chips_are_images(modality, channels):
    """Chips have the modality's channels, values in [0, 1], and are neither blank nor saturated."""
    chips = draw(np.arange(16), np.arange(16), modality, 40)
    assert chips.shape == (16, channels, 40, 40)
    assert chips.dtype == np.float32
    assert chips.min() >= 0
    assert chips.max() <= 1
    assert (chips.std((1, 2, 3)) > 0.03).all()
    assert (chips == 1).mean() < 0.1


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_chip_depends_on_itself_alone(modality):
    """The chip of a class and seed is the same alone, in company, and in any order."""
    classes, seeds = np.arange(200) % 16, np.arange(200) // 3
    chips = draw(classes, seeds, modality, 16)
    for k in (0, 77, 199):
        assert np.array_equal(draw([classes[k]], [seeds[k]], modality, 16)[0], chips[k])
    assert np.array_equal(draw(classes[::-1], seeds[::-1], modality, 16), chips[::-1])


def test_chips_differ_between_seeds_classes_and_modalities():
    """Another seed, class or modality gives another image, not only another shape in it."""
    chips = draw([3, 3, 4], [5, 6, 5], "optical", 24)
    assert len({chip.tobytes() for chip in chips}) == 3
    corners = chips[:, :, :2, :2].reshape(3, -1)
    assert len({corner.tobytes() for corner in corners}) == 3
    sar, optical = draw([3], [5], "sar", 24), chips[:1].mean(1, keepdims=True)
    assert abs(np.corrcoef(sar.ravel(), optical.ravel())[0, 1]) < 0.9


def test_classes_differ_in_shape_alone():
    """Colour, brightness and contrast of a chip do not tell its class."""
    seeds = np.arange(16 * 60)
    chips = draw(np.arange(16).repeat(60), seeds, "optical", 16)
    means = chips.mean((2, 3)).reshape(16, 60, 3)
    between = means.mean(1).std(0)
    within = means.std(1).mean(0)
    assert (between < 0.35 * within).all()  # 1 / sqrt 60 by chance alone, and different areas


def test_every_class_has_a_silhouette_of_its_own():
    """No two classes cover the same pixels: seen alike, a tenth of their area differs."""
    n = 64
    grid = (np.arange(n, dtype=np.float32) + 0.5) / n * 1.3 - 0.65
    x, y = np.broadcast_to(grid[:, None], (1, n, n)) + 0.5, np.broadcast_to(grid, (1, n, n))
    view = images._View(x, y, np.full((1, 1, 1), 1.3 / n, dtype=np.float32))
    shapes = [images._shape(k, view) for k in range(16)]
    seen = [cover * shade for cover, shade in shapes]
    for a in range(16):
        for b in range(a):
            union = np.maximum(shapes[a][0], shapes[b][0]).sum()
            assert np.abs(seen[a] - seen[b]).sum() > 0.1 * union, (CLASSES[a], CLASSES[b])


@pytest.mark.parametrize("number", range(16))
def test_aircraft_fit_into_their_chips(number):
    """Whatever the seed decides, the aircraft stays inside the chip and covers part of it."""
    scene = images._scene(number, np.arange(200), "optical", 32)
    cover, _ = images._shape(number, images._look(number, scene, 32))
    edges = (cover[:, 0], cover[:, -1], cover[:, :, 0], cover[:, :, -1])
    assert max(edge.max() for edge in edges) == 0
    assert (cover.mean((1, 2)) > 0.01).all()


def test_wing_by_hand():
    """Points inside and outside a swept wing are told apart, with their distance from its edge."""
    wing = images.Wing(start=0.4, root=0.2, tip=0.1, span=0.5, sweep=0.25)
    x = np.array([[[0.45, 0.45, 0.7, 0.39, 0.5]]], dtype=np.float32)
    y = np.array([[[0.0, -0.3, 0.5, 0.0, 0.05]]], dtype=np.float32)
    found = images._depth(wing, images._View(x, y, x))
    assert found[0, 0].tolist() == pytest.approx([0.05, -0.1, 0, -0.01, 0.075], abs=1e-6)


def test_sar_chips_have_speckle():
    """Ground in a SAR-like chip varies as multiplicative noise does, in an optical one far less."""
    corners = [draw([0] * 50, np.arange(50), m, 64)[:, 0, :8, :8] for m in ("sar", "optical")]
    spread = [np.median(c.std((1, 2)) / c.mean((1, 2))) for c in corners]
    assert spread[0] > 0.25  # amplitude of one to four looks: 0.52 to 0.26
    assert spread[0] > 2 * spread[1]


def test_no_chips():
    """Drawing nothing gives an empty array of the right shape."""
    assert draw([], [], "sar", 8).shape == (0, 1, 8, 8)


@pytest.mark.parametrize(("number", "seed"), [(16, 0), (-1, 0), (0, -1)])
def test_unknown_images_are_refused(number, seed):
    """Classes without an aircraft and negative seeds are bad input."""
    with pytest.raises(InputError, match="expected"):
        draw([number], [seed], "optical")


def test_sixteen_types():
    """The scenario's classes all have an aircraft."""
    assert len(AIRCRAFT) == PRESETS["push-paper"].num_classes == 16


def picture(path, size=(20, 10), mode="L", value=100):
    """Write an image of one grey or colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)
    return path


def test_layout_with_top_folder(tmp_path):
    """The layout TOP/CLASS/FILE is read in the order of names; a misspelt class is corrected."""
    picture(tmp_path / "MTARSI" / "C-135" / "b.JPG", value=1)
    picture(tmp_path / "MTARSI" / "KC-135" / "a.png", value=2)
    picture(tmp_path / "MTARSI" / "B-1" / "z.tif", value=3)
    (tmp_path / "MTARSI" / "B-1" / "notes.txt").write_text("not an image")
    (tmp_path / "MTARSI.csv").write_text("x")
    with pytest.warns(UserWarning, match=r"MTARSI: skipped 1 files .*/B-1/notes\.txt$") as warned:
        found = image_folders.find_images(tmp_path)
    assert len(warned) == 1
    assert found.classes == ("B-1", "KC-135")
    assert [path.name for path in found.paths] == ["z.tif", "b.JPG", "a.png"]
    assert found.labels.tolist() == [0, 1, 1]
    assert found.duplicates == ()


def test_layout_with_images_folder(tmp_path):
    """The layout images/CLASS/NNN.jpg is read from its root and from the folder of images alike."""
    for k, name in enumerate(("Boeing737", "A320321")):
        picture(tmp_path / "images" / name / "001.jpg", value=10 * k)
        picture(tmp_path / "images" / name / "002.jpg", value=10 * k + 50)
    (tmp_path / "README.md").write_text("x")
    found = image_folders.find_images(tmp_path)
    assert found.classes == ("A320/321", "Boeing737")
    assert found.labels.tolist() == [0, 0, 1, 1]
    again = image_folders.find_images(str(tmp_path / "images"))
    assert again.paths == found.paths


@pytest.mark.parametrize("kind", [".bmp", ""])
def test_a_class_without_images_is_refused(tmp_path, kind):
    """A class whose files are none that are read, or that has no file, does not vanish."""
    picture(tmp_path / "A" / "1.png")
    (tmp_path / "B").mkdir()
    if kind:
        (tmp_path / "B" / f"1{kind}").write_bytes(b"BM")
    with pytest.raises(InputError, match=f"B: expected images of .* found {kind or 'nothing'}$"):
        image_folders.find_images(tmp_path)


def test_duplicates_are_reported(tmp_path):
    """Files of equal content, in one class or two, are grouped; all remain."""
    data = picture(tmp_path / "A" / "1.png").read_bytes()
    (tmp_path / "A" / "2.png").write_bytes(data)
    picture(tmp_path / "B" / "3.png", value=7)
    (tmp_path / "B" / "4.png").write_bytes(data)
    found = image_folders.find_images(tmp_path)
    assert [[path.name for path in group] for group in found.duplicates] == [
        ["1.png", "2.png", "4.png"]
    ]
    assert len(found.paths) == 4


def test_leftovers_of_archives_are_no_images(tmp_path):
    """Hidden files and the folder that archives made on a Mac carry do not count."""
    picture(tmp_path / "TOP" / "A" / "1.png")
    (tmp_path / "TOP" / "A" / "._1.png").write_bytes(b"resource fork")
    (tmp_path / "__MACOSX" / "A").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "A" / "2.png").write_bytes(b"resource fork")
    assert [path.name for path in image_folders.find_images(tmp_path).paths] == ["1.png"]


def test_missing_folders_are_named(tmp_path):
    """No folder, no images, or several places with classes: the message names the folder."""
    (tmp_path / "empty").mkdir()
    for place in ("nowhere", "empty"):
        with pytest.raises(InputError, match=place):
            image_folders.find_images(tmp_path / place)
    for part in ("train", "test"):
        picture(tmp_path / "both" / part / "A" / "1.png")
    with pytest.raises(InputError, match=r"one below it, found test, train"):
        image_folders.find_images(tmp_path / "both")


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 51, [0.2]),
        ("1", 1, [1.0]),
        ("LA", (51, 9), [0.2]),
        ("RGB", (0, 51, 255), [0.0, 0.2, 1.0]),
        ("RGBA", (0, 51, 255, 128), [0.0, 0.2, 1.0]),
    ],
)
def test_channels_are_kept(tmp_path, mode, value, expected):
    """Grey images have one channel, colour images three; values go from [0, 255] to [0, 1]."""
    chips = image_folders.read_chips([picture(tmp_path / "x.png", (30, 17), mode, value)], 12)
    assert chips.shape == (1, len(expected), 12, 12)
    assert chips.dtype == np.float32
    assert chips[0, :, 5, 5].tolist() == pytest.approx(expected)


def test_images_keep_their_orientation(tmp_path):
    """A bright lower left corner stays at the lower left after resizing, in grey and in colour."""
    values = np.zeros((40, 80), dtype=np.uint8)
    values[20:, :40] = 255
    for picture_values in (values, np.stack([values] * 3, axis=2)):
        Image.fromarray(picture_values).save(tmp_path / "x.png")
        chip = image_folders.read_chips([tmp_path / "x.png"], 8)[0, 0]
        assert [chip[1, 1], chip[1, 6], chip[6, 1], chip[6, 6]] == [0, 0, 1, 0]


def test_unreadable_images_are_named(tmp_path):
    """A damaged, foreign or missing image, and one of other channels, is named."""
    good = picture(tmp_path / "good.png", mode="RGB", value=(1, 2, 3))
    cut = tmp_path / "cut.png"
    cut.write_bytes(good.read_bytes()[:50])
    foreign = tmp_path / "foreign.jpg"
    foreign.write_bytes(b"no image")
    deep = picture(tmp_path / "deep.tif", mode="F", value=1.5)
    grey = picture(tmp_path / "grey.png")
    for path in (cut, foreign, deep, grey, tmp_path / "missing.png"):
        with pytest.raises(InputError, match=path.name):
            image_folders.read_chips([good, path])


@pytest.fixture(scope="module")
def nets():
    return {m: MobileNet(16, CHANNELS[m], seeded()).eval() for m in MODALITIES}


def test_probabilities_are_those_of_single_chips(nets):
    """Probabilities do not depend on how chips are batched, and the network's mode is kept."""
    net = nets["optical"]
    chips = draw([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], "optical", 32)
    found = image_features.probabilities(chips, net, batch=2)
    assert found.shape == (5, 16)
    single = np.concatenate([image_features.probabilities(chip[None], net) for chip in chips])
    assert found == pytest.approx(single, abs=1e-5)
    net.train()
    assert image_features.probabilities(chips, net, batch=5) == pytest.approx(found, abs=1e-5)
    assert net.training
    net.eval()
    assert image_features.probabilities(chips[:0], net).shape == (0, 16)


def test_chips_are_normalised_as_imagenet_is(nets):
    """A grey of ImageNet's mean is 0 to a network; other channels than its own are refused."""
    mean = np.array([0.485, 0.456, 0.406], dtype=np.float32)
    chips = np.broadcast_to(mean[:, None, None], (1, 3, 32, 32)).copy()
    with torch.inference_mode():
        expected = nets["optical"](torch.zeros(1, 3, 32, 32)).softmax(dim=1).numpy()
    assert image_features.probabilities(chips, nets["optical"]) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(InputError, match="expected 1 channels"):
        image_features.probabilities(chips, nets["sar"])


def test_modality_follows_the_payload(nets):
    """Contents of a SAR payload have SAR chips and classes of the SAR network, others optical."""
    contents = generate(PRESETS["push-paper"], 1, "").contents[:12]
    payloads = [content["payload"] for content in contents]
    assert 0 < payloads.count("sar") < 12
    found = image_features.content_classes(contents, nets, 32)
    for content, row in zip(contents, found, strict=True):
        modality = "sar" if content["payload"] == "sar" else "optical"
        name = content["image"]
        chip = draw([name["class"]], [name["seed"]], modality, 32)
        expected = image_features.probabilities(chip, nets[modality])[0]
        assert row == pytest.approx(expected, abs=1e-5)


def test_seeds_beyond_64_bits_are_refused():
    """An instance may name any seed; one too large for an array is bad input, not a crash."""
    content = dict(generate(PRESETS["push-paper"], 1, "").contents[0])
    content["image"] = {"class": 0, "seed": 2**63}
    with pytest.raises(InputError, match="seeds"):
        image_features.content_chips([{**content, "payload": "sar"}], "sar")


def halves(n):
    """Return chips of two classes: the bright half is above or on the left."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    chips = rng.random((n, 1, 32, 32), dtype=np.float32) * 0.2
    chips[labels == 0, :, :16] += 0.7
    chips[labels == 1, :, :, :16] += 0.7
    return chips, labels


QUICK = Schedule(epochs=3, batch=16, augment=False)


def test_training_learns():
    """Two classes that differ clearly are told apart on chips that were held out."""
    chips, labels = halves(120)
    net = MobileNet(2, 1, seeded())
    found = image_training.train_classifier(net, chips, labels, QUICK, np.random.default_rng(0))
    assert found.num_held_out == 12
    assert len(found.losses) == 3
    assert found.losses[-1] < 0.5 * found.losses[0]
    assert found.accuracy >= 0.9
    assert not net.training
    hits = image_features.probabilities(chips, net).argmax(1) == labels
    assert hits.mean() >= 0.9


def test_training_depends_on_its_generator():
    """Equal generators give equal weights; torch's own state is not touched; frozen layers stay."""
    chips, labels = halves(48)
    before = torch.random.get_rng_state()
    settings = Schedule(epochs=1, batch=16)
    results = []
    for seed in (0, 0, 1):
        net = MobileNet(2, 1, seeded()).freeze(3)
        stem = {k: v.clone() for k, v in net.features[:3].state_dict().items()}
        image_training.train_classifier(net, chips, labels, settings, np.random.default_rng(seed))
        assert all(torch.equal(v, stem[k]) for k, v in net.features[:3].state_dict().items())
        results.append(net.get_parameter("features.12.0.weight").detach())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert torch.equal(before, torch.random.get_rng_state())


def test_augmentation_turns_batches(monkeypatch):
    """With augmentation, batches are turned in nearly all eight ways; without, none is."""
    chips, labels = halves(30)
    asked = []
    turn = image_training._turn
    monkeypatch.setattr(
        image_training, "_turn", lambda batch, k: (asked.append(k), turn(batch, k))[1]
    )
    for augment in (False, True):
        assert not asked
        settings = Schedule(epochs=4, batch=4, augment=augment)
        net = MobileNet(2, 1, seeded()).freeze(12)
        image_training.train_classifier(net, chips, labels, settings, np.random.default_rng(0))
    assert len(set(asked)) >= 6


def test_statistics_are_settled_after_training():
    """After a single update the statistics are those of the chips, not of the initial network."""
    chips, labels = halves(64)
    net = MobileNet(2, 1, seeded())
    settings = Schedule(epochs=1, batch=64, augment=False, learning_rate=1e-9)
    image_training.train_classifier(net, chips, labels, settings, np.random.default_rng(0))
    maps = net.features[0][0](image_features.as_input(chips))
    ratio = net.features[0][1].running_var / maps.var((0, 2, 3))
    assert ((ratio > 0.8) & (ratio < 1.25)).all()
    assert net.features[0][1].momentum == 0.01


def test_turns_are_the_symmetries_of_the_square():
    """The eight turns of an image are all different, and the first leaves it as it is."""
    image = torch.arange(9.0).view(1, 1, 3, 3)
    turned = [image_training._turn(image, k) for k in range(8)]
    assert torch.equal(turned[0], image)
    assert len({tuple(t.flatten().tolist()) for t in turned}) == 8


@pytest.mark.parametrize(
    ("labels", "held_out"), [([0, 1, 2, 1], 0.25), ([0, -1, 1, 1], 0.25), ([0, 1, 1, 1], 0.0)]
)
def test_training_refuses_what_it_cannot_use(labels, held_out):
    """Labels that are no class, and a split without chips on both sides, are bad input."""
    chips, _ = halves(4)
    settings = Schedule(epochs=1, held_out=held_out)
    with pytest.raises(InputError):
        image_training.train_classifier(
            MobileNet(2, 1, seeded()), chips, np.array(labels), settings, np.random.default_rng(0)
        )


@pytest.mark.parametrize("channels", [3, 1])
def test_pretraining_follows_the_channels(channels, monkeypatch):
    """A network of one channel trains on SAR chips, one of three on optical chips."""
    asked = []

    def spy(labels, seeds, modality, pixels):
        asked.append((len(labels), modality, pixels))
        return draw(labels, seeds, modality, pixels)

    monkeypatch.setattr(image_training, "draw", spy)
    found = image_training.pretrain(
        MobileNet(16, channels, seeded()), 40, Schedule(epochs=1), np.random.default_rng(0), 32
    )
    assert asked == [(40, "sar" if channels == 1 else "optical", 32)]
    assert found.num_held_out == 4
