"""Images of contents: aircraft seen from above, drawn from the class and seed that name them.

Instances name the image of a content by its class and a seed; `draw` turns both into pixels. An
image shows an aircraft of one of 16 types on some ground, in an optical or a SAR-like chip. The
class shows in the shape alone (wing, tail, engines); heading, size, place, light, paint, ground
and noise are the seed's. The chips are made for experiments in learning; they imitate no sensor.

Chips are arrays of float32 in [0, 1], shape (n, channels, pixels, pixels), with 3 channels for
optical and 1 for SAR images.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError
from opt_istn.push.instance import IntArray

Pixels = NDArray[np.float32]
Modality = Literal["optical", "sar"]

CHANNELS: Mapping[Modality, int] = {"optical": 3, "sar": 1}


class Body(NamedTuple):
    """A fuselage, or a boom on each side, in lengths of the aircraft from its nose."""

    width: float  # half of it
    start: float = 0.0
    end: float = 1.0
    nose: float = 0.12  # length of the round front
    tail: float = 0.35  # length of the tapering rear
    side: float = 0.0  # distance of its axis from the middle


class Wing(NamedTuple):
    """A wing, tailplane or canard: a trapezoid on each side."""

    start: float  # where its leading edge leaves the middle
    root: float  # chord in the middle
    tip: float  # chord at the tip
    span: float  # half of it
    sweep: float  # how far the leading edge of the tip is behind that of the root


class Oval(NamedTuple):
    """An engine, propeller disc, fin or dome: an ellipse on each side."""

    centre: float
    side: float
    length: float  # half of it
    width: float  # half of it
    shade: float = 0.7  # brightness relative to the paint


Part = Body | Wing | Oval

AIRCRAFT: Mapping[str, tuple[Part, ...]] = {
    "twinjet": (
        Body(0.052),
        Wing(0.36, 0.2, 0.05, 0.48, 0.22),
        Wing(0.86, 0.1, 0.04, 0.18, 0.08),
        Oval(0.4, 0.17, 0.06, 0.03),
    ),
    "quadjet": (
        Body(0.052),
        Wing(0.3, 0.24, 0.05, 0.48, 0.28),
        Wing(0.85, 0.12, 0.04, 0.18, 0.09),
        Oval(0.37, 0.18, 0.055, 0.028),
        Oval(0.47, 0.34, 0.055, 0.028),
    ),
    "rear-jet": (
        Body(0.055),
        Wing(0.47, 0.17, 0.05, 0.4, 0.12),
        Oval(0.74, 0.095, 0.075, 0.034),
        Wing(0.9, 0.09, 0.05, 0.18, 0.06),
    ),
    "trijet": (
        Body(0.058),
        Wing(0.33, 0.25, 0.06, 0.44, 0.26),
        Wing(0.82, 0.13, 0.05, 0.19, 0.1),
        Oval(0.4, 0.17, 0.07, 0.036),
        Oval(0.9, 0.0, 0.11, 0.045, 0.45),
    ),
    "twin-propeller": (
        Body(0.06),
        Wing(0.37, 0.13, 0.07, 0.5, 0.02),
        Wing(0.86, 0.11, 0.06, 0.2, 0.02),
        Oval(0.37, 0.17, 0.1, 0.03),
        Oval(0.26, 0.17, 0.012, 0.095, 1.3),
    ),
    "quad-propeller": (
        Body(0.072),
        Wing(0.34, 0.16, 0.08, 0.66, 0.03),
        Wing(0.84, 0.13, 0.07, 0.26, 0.04),
        Oval(0.34, 0.21, 0.09, 0.028),
        Oval(0.34, 0.43, 0.09, 0.028),
        Oval(0.24, 0.21, 0.012, 0.09, 1.3),
        Oval(0.24, 0.43, 0.012, 0.09, 1.3),
    ),
    "bomber": (
        Body(0.034),
        Wing(0.24, 0.19, 0.07, 0.6, 0.42),
        Wing(0.84, 0.12, 0.05, 0.18, 0.1),
        Oval(0.36, 0.21, 0.06, 0.032),
        Oval(0.5, 0.4, 0.06, 0.032),
        Oval(0.63, 0.56, 0.06, 0.012),
    ),
    "flying-wing": (
        Wing(0.0, 0.8, 0.12, 1.2, 0.8),
        Oval(0.36, 0.0, 0.26, 0.1, 1.15),
        Oval(0.42, 0.26, 0.14, 0.06),
    ),
    "delta": (Body(0.045), Wing(0.26, 0.66, 0.03, 0.31, 0.6), Oval(0.94, 0.0, 0.07, 0.035, 0.5)),
    "fighter": (
        Body(0.065, nose=0.35, tail=0.1),
        Wing(0.4, 0.34, 0.09, 0.34, 0.22),
        Wing(0.8, 0.18, 0.07, 0.23, 0.13),
        Oval(0.42, 0.08, 0.13, 0.04, 0.85),
        Oval(0.82, 0.09, 0.1, 0.016, 0.45),
    ),
    "canard": (
        Body(0.05, nose=0.3, tail=0.1),
        Wing(0.46, 0.46, 0.05, 0.36, 0.36),
        Wing(0.22, 0.13, 0.04, 0.19, 0.1),
    ),
    "glider": (Body(0.036), Wing(0.36, 0.13, 0.05, 0.88, 0.03), Wing(0.89, 0.08, 0.05, 0.18, 0.02)),
    "attack": (
        Body(0.05),
        Wing(0.38, 0.18, 0.12, 0.54, 0.01),
        Oval(0.67, 0.095, 0.095, 0.046, 0.6),
        Wing(0.86, 0.11, 0.11, 0.2, 0.0),
        Oval(0.91, 0.2, 0.08, 0.02, 0.6),
    ),
    "radar": (
        Body(0.048),
        Wing(0.3, 0.22, 0.05, 0.47, 0.26),
        Wing(0.86, 0.11, 0.04, 0.17, 0.08),
        Oval(0.37, 0.18, 0.05, 0.024),
        Oval(0.46, 0.33, 0.05, 0.024),
        Oval(0.66, 0.0, 0.11, 0.11, 0.4),
        Oval(0.66, 0.0, 0.02, 0.11, 1.2),
    ),
    "twin-boom": (
        Body(0.065, start=0.08, end=0.58),
        Body(0.026, start=0.2, nose=0.06, side=0.2),
        Wing(0.29, 0.16, 0.08, 0.6, 0.02),
        Wing(0.9, 0.1, 0.1, 0.22, 0.0),
        Oval(0.19, 0.2, 0.012, 0.1, 1.3),
    ),
    "light": (
        Body(0.062, tail=0.6),
        Wing(0.22, 0.18, 0.14, 0.68, 0.0),
        Wing(0.87, 0.12, 0.08, 0.22, 0.02),
        Oval(-0.01, 0.0, 0.014, 0.15, 1.3),
    ),
}
CLASSES = tuple(AIRCRAFT)  # class number k of an instance is the k-th

_GROUND = np.array([(0.62, 0.60, 0.57), (0.28, 0.28, 0.30), (0.30, 0.38, 0.22), (0.70, 0.60, 0.45)])
_LIGHT, _GREY, _DARK = (0.95, 0.95, 0.95), (0.72, 0.74, 0.77), (0.20, 0.23, 0.17)
_PAINT = np.array([(_LIGHT, _DARK), (_LIGHT, _GREY), (_LIGHT, _GREY), (_LIGHT, _DARK)])  # on each
_GRIDS = ((4, 0.5), (9, 0.4), (25, 0.3))  # knots a side of the ground's texture, and their weight
_BATCH = 64  # chips painted at once: their arrays stay in the processor's cache
_GAINS = 40  # of bright points: enough for both sides of the aircraft with most parts
_PLACING = ("heading", "size", "right", "down", "sun", "long", "wide", "height", "ground", "paint")
_LIGHTS = ("border", "place", "light", "noise", "tone")
_DECIDED = _PLACING + _LIGHTS  # by the seed, as uniform numbers


def draw(
    classes: Sequence[int] | IntArray,
    seeds: Sequence[int] | IntArray,
    modality: Modality,
    pixels: int = 64,
) -> Pixels:
    """Return a chip for each class and seed, shape (n, channels, `pixels`, `pixels`).

    A chip depends on its own class and seed, the modality and the size, and on nothing else.

    Raises
    ------
    InputError
        If a class or seed is out of range.
    """
    numbers, own = np.asarray(classes, dtype=np.int64), np.asarray(seeds, dtype=np.int64)
    if np.any((numbers < 0) | (numbers >= len(CLASSES))):
        raise InputError("class", f"expected image classes from 0 to {len(CLASSES) - 1}")
    if np.any(own < 0):
        raise InputError("seed", "expected seeds of at least 0")
    paint = _optical if modality == "optical" else _sar
    chips = np.empty((len(numbers), CHANNELS[modality], pixels, pixels), dtype=np.float32)
    for number in np.unique(numbers):
        alike = np.flatnonzero(numbers == number)
        for k in range(0, len(alike), _BATCH):
            some = alike[k : k + _BATCH]
            chips[some] = paint(int(number), own[some], pixels)
    return chips


class _Scene(NamedTuple):
    """What the seeds of n chips decide, apart from the shape of the aircraft."""

    chance: Mapping[str, Pixels]  # uniform numbers by name, (n, 1, 1) each
    gains: Pixels  # of bright points, (n, _GAINS), exponential of mean 1
    texture: Pixels  # of the ground, (n, pixels, pixels), mean 0, deviation about 0.4
    grain: Pixels  # (n, channels, pixels, pixels): N(0, 1), or speckle of mean 1


class _View(NamedTuple):
    """Every pixel's place in an aircraft's frame, in its lengths, shape (n, pixels, pixels)."""

    x: Pixels  # behind the nose
    y: Pixels  # to one side
    pixel: Pixels  # size of a pixel, (n, 1, 1)


def _scene(number: int, seeds: IntArray, modality: Modality, pixels: int) -> _Scene:
    n, channels = len(seeds), CHANNELS[modality]
    chance = np.empty((n, len(_DECIDED)), dtype=np.float32)
    gains = np.empty((n, _GAINS), dtype=np.float32)
    grids = [np.empty((n, knots, knots), dtype=np.float32) for knots, _ in _GRIDS]
    grain = np.empty((n, channels, pixels, pixels), dtype=np.float32)
    for i, seed in enumerate(seeds.tolist()):
        rng = np.random.default_rng((seed, number))
        rng.random(dtype=np.float32, out=chance[i])
        rng.standard_exponential(dtype=np.float32, out=gains[i])
        for grid in grids:
            rng.standard_normal(dtype=np.float32, out=grid[i])
        if modality == "optical":  # the grain comes last: of all draws, it alone depends on size
            rng.standard_normal(dtype=np.float32, out=grain[i])
        else:  # speckle of a SAR image averaged over so many looks (Goodman 1976)
            looks = 1 + 3 * chance[i, _DECIDED.index("noise")]
            rng.standard_gamma(looks, dtype=np.float32, out=grain[i])
            grain[i] /= looks
    texture = np.zeros((n, pixels, pixels), dtype=np.float32)
    for (knots, weight), grid in zip(_GRIDS, grids, strict=True):
        rows = _bilinear(knots, pixels)
        texture += np.float32(weight) * (rows @ grid @ rows.T)
    named = {name: chance[:, k, None, None] for k, name in enumerate(_DECIDED)}
    return _Scene(named, gains, texture, grain)


def _bilinear(knots: int, pixels: int) -> Pixels:
    """Return the matrix, shape (pixels, knots), that interpolates between knots of a side."""
    place = np.linspace(0, knots - 1, pixels)[:, None]
    matrix: Pixels = np.maximum(0, 1 - np.abs(place - np.arange(knots))).astype(np.float32)
    return matrix


def _sun(scene: _Scene) -> tuple[Pixels, Pixels]:
    """Return the direction in which shadows fall, to the right and down, shape (n, 1, 1)."""
    angle = np.float32(2 * np.pi) * scene.chance["sun"]
    return np.cos(angle), np.sin(angle)


def _radius(part: Part) -> float:
    """Return how far a part reaches from the middle of the aircraft, in its lengths."""
    if isinstance(part, Wing):
        rear = abs(part.start + part.sweep + part.tip - 0.5)
        return math.hypot(max(rear, abs(part.start + part.sweep - 0.5)), part.span)
    if isinstance(part, Oval):
        return math.hypot(abs(part.centre - 0.5) + part.length, part.side + part.width)
    return 0.5


def _look(number: int, scene: _Scene, pixels: int, shadow: bool = False) -> _View:
    """Place the aircraft in the chip, or its shadow."""
    chance, parts = scene.chance, AIRCRAFT[CLASSES[number]]
    reach = np.float32(2 * max(map(_radius, parts)))
    size = (0.62 + 0.2 * chance["size"]) / reach  # chips per length of the aircraft
    grid = ((np.arange(pixels, dtype=np.float32) + 0.5) / pixels - 0.5)[None]
    right = grid[:, None, :] - 0.06 * (chance["right"] - 0.5)
    down = grid[:, :, None] - 0.06 * (chance["down"] - 0.5)
    if shadow:
        far = 0.015 + 0.035 * chance["height"]
        right, down = (v - far * sun for v, sun in zip((right, down), _sun(scene), strict=True))
    angle = np.float32(2 * np.pi) * chance["heading"]
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    long, wide = (0.96 + 0.08 * chance[name] for name in ("long", "wide"))  # no two are equal
    x = (right * cos + down * sin) * long + np.float32(0.5)
    y = (down * cos - right * sin) * wide
    return _View(x, y, np.float32(1 / pixels) / size)


def _depth(part: Part, view: _View) -> Pixels:
    """Return how deep a pixel lies within a part, in lengths; negative outside."""
    depth: Pixels
    x, side = view.x, np.abs(view.y)
    if isinstance(part, Wing):
        lead = x - (part.start + part.sweep / part.span * side)
        chord = part.root + (part.tip - part.root) / part.span * side
        depth = np.minimum(np.minimum(lead, chord - lead), part.span - side)
        return depth
    side = np.abs(side - part.side)
    if isinstance(part, Oval):
        along, across = (x - part.centre) / part.length, side / part.width
        radius = np.hypot(along, across)  # in units of the ellipse's own
        slope = np.hypot(along / part.length, across / part.width)  # its gradient, times itself
        depth = radius * (1 - radius) / np.maximum(slope, np.float32(1e-6))
        return depth
    front = np.clip((x - part.start) / part.nose, 0, 1)
    rear = np.clip((part.end - x) / part.tail, 0, 1)
    profile = part.width * np.sqrt(front * (2 - front) * rear)
    depth = np.minimum(np.minimum(profile - side, x - part.start), part.end - x)
    return depth


def _shape(number: int, view: _View) -> tuple[Pixels, Pixels]:
    """Return the share of each pixel that the aircraft covers, and its brightness there."""
    cover, shade = np.zeros_like(view.x), np.ones_like(view.x)
    for part in AIRCRAFT[CLASSES[number]]:
        own = np.clip(_depth(part, view) / view.pixel + 0.6, 0, 1)
        np.maximum(cover, own, out=cover)
        shade += own * ((part.shade if isinstance(part, Oval) else 1.0) - shade)
    return cover, shade


def _optical(number: int, seeds: IntArray, pixels: int) -> Pixels:
    scene = _scene(number, seeds, "optical", pixels)
    chance = scene.chance
    view = _look(number, scene, pixels)
    cover, shade = _shape(number, view)
    shadow, _ = _shape(number, _look(number, scene, pixels, shadow=True))
    ground = (chance["ground"][:, 0, 0] * len(_GROUND)).astype(int)
    paint = _PAINT[ground, (chance["paint"][:, 0, 0] * 2).astype(int)].astype(np.float32)
    beyond = np.sign(view.x - 2 * chance["place"] + 0.5)  # two pavements meet across its axis
    ground_tone = 1 + 0.2 * scene.texture + 0.3 * (chance["border"] - 0.5) * beyond
    ground_tone *= (1 - cover) * (1 - 0.6 * shadow)
    colour = _GROUND[ground].astype(np.float32)
    picture = colour[:, :, None, None] * ground_tone[:, None]
    picture += paint[:, :, None, None] * (shade * cover)[:, None]
    picture *= (0.65 + 0.4 * chance["light"])[:, None]
    picture += (0.01 + 0.04 * chance["noise"])[:, None] * scene.grain
    chips: Pixels = np.clip(picture, 0, 1)
    return chips


def _points(number: int) -> list[tuple[float, float]]:
    """Return where an aircraft reflects strongly: ends and joints of parts, and engines."""
    points = []
    for part in AIRCRAFT[CLASSES[number]]:
        if isinstance(part, Wing):
            points += [(part.start + part.root / 2, 0.04)]
            points += [(part.start + part.sweep + part.tip / 2, part.span)]
        elif isinstance(part, Oval):
            points += [(part.centre, part.side)]
        else:
            points += [(part.start + 0.04, part.side), (part.end - 0.04, part.side)]
    return points


def _sar(number: int, seeds: IntArray, pixels: int) -> Pixels:
    """Return chips with the parts of a SAR image that tell types apart.

    Rough ground and skin under speckle, edges that face the radar, bright points, radar shadow.
    """
    scene = _scene(number, seeds, "sar", pixels)
    view = _look(number, scene, pixels)
    cover, _ = _shape(number, view)
    shadow, _ = _shape(number, _look(number, scene, pixels, shadow=True))
    right, down = _sun(scene)
    slope = np.gradient(cover, axis=2) * right + np.gradient(cover, axis=1) * down
    ground = (0.02 + 0.06 * scene.chance["tone"]) * np.maximum(0.2, 1 + scene.texture)
    power = ground * (1 - cover) * (1 - 0.8 * shadow)
    power += (
        cover * (0.06 + 0.14 * scene.chance["paint"]) * np.maximum(0.1, 1 + 1.5 * scene.texture)
    )
    power += 1.2 * np.maximum(0, slope)
    width = np.maximum(0.9 * view.pixel, 0.012)
    for k, (centre, side) in enumerate(_points(number)):
        gain = np.where(view.y > 0, *(scene.gains[:, 2 * k + i, None, None] for i in (0, 1)))
        q = ((view.x - centre) ** 2 + (np.abs(view.y) - side) ** 2) / width**2
        power += 3 * gain / (1 + q) ** 2
    amplitude = np.sqrt(power[:, None] * scene.grain)
    chips: Pixels = np.clip((0.6 + 0.4 * scene.chance["light"])[:, None] * amplitude, 0, 1)
    return chips
