"""The law of requests: what makes a user ask for a content, and when.

    z[u,f]   = sqrt(1 - share) (payload + resolution + level) / sqrt 3 + sqrt(share) image
    rate     = base [f meets the region of u] exp(beta z[u,f]) g(t - release - lag level)
    g(a)     = (1 - q) q^a for a >= 0, and pre_lag (1 - q) before (from the release on)
    P(u asks for f in t) = 1 - exp(-rate)

The four addends of z are the user's preferences. Payload, resolution and level are attributes
that everybody sees; the class of the image shows in the image alone. Requests are independent of
each other and of pushes, so past requests say nothing about future ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError, explain
from opt_istn.physics.chance import named
from opt_istn.physics.frames import Array
from opt_istn.push.instance import IntArray
from opt_istn.push.world.parameters import Scenario
from opt_istn.push.world.users import NUM_LEVELS, PAYLOADS, RESOLUTIONS_M, Users

T = TypeVar("T")

CODE_LENGTH = 16  # numbers in the code of an image
_CODE_BOOK = 20250320  # images of one class look alike in every world
_TABLES = ("payload", "resolution", "level", "image")


@dataclass(frozen=True)
class Demand:
    """The law of requests of a world.

    Parameters
    ----------
    payload, resolution, level, image
        Preferences, one row a user; of payloads those that occur.
    beta, image_share, freshness, lag_slots, pre_lag
        As in `Scenario`.
    base
        Rate of requests of an indifferent user over all slots after the lag.
    """

    payload: Array
    resolution: Array
    level: Array
    image: Array
    beta: float
    image_share: float
    freshness: float
    lag_slots: int
    pre_lag: float
    base: float

    def document(self) -> dict[str, Any]:
        """Return the law as a JSON object, the ``law`` of an instance's ``scenario``."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }


@dataclass(frozen=True)
class Features:
    """What requests depend on, as indices, shape (F,) each.

    Parameters
    ----------
    payload, resolution, level
        The visible attributes.
    image_class
        Class of the image; None if it is not known.
    """

    payload: IntArray
    resolution: IntArray
    level: IntArray
    image_class: IntArray | None

    def without_images(self) -> "Features":
        """Return the features of somebody who cannot see images."""
        return replace(self, image_class=None)


def demand_of(scenario: Scenario, users: Users, base: float) -> Demand:
    """Return the law of a scenario's world."""
    names = ("beta", "image_share", "freshness", "lag_slots", "pre_lag")
    tables = {name: getattr(users, name) for name in _TABLES}
    return Demand(**tables, **{name: getattr(scenario, name) for name in names}, base=base)


class _Law(msgspec.Struct):
    payload: list[list[float]]
    resolution: list[list[float]]
    level: list[list[float]]
    image: list[list[float]]
    beta: float
    image_share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    freshness: Annotated[float, msgspec.Meta(ge=0, le=1)]
    lag_slots: Annotated[int, msgspec.Meta(ge=0)]
    pre_lag: Annotated[float, msgspec.Meta(ge=0, le=1)]
    base: Annotated[float, msgspec.Meta(gt=0)]


class _Image(msgspec.Struct):
    """An image that is drawn from its class and seed, or a file known by its hash."""

    number: Annotated[int, msgspec.Meta(ge=0)] | None = msgspec.field(name="class", default=None)
    seed: Annotated[int, msgspec.Meta(ge=0)] | None = None
    path: str | None = None
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None

    def __post_init__(self) -> None:
        missing = {name for name in self.__struct_fields__ if getattr(self, name) is None}
        if missing not in ({"number", "seed"}, {"path", "sha256"}):
            raise ValueError("Expected either class and seed, or path and sha256")


class _Content(msgspec.Struct):
    payload: str
    resolution_m: float
    product_level: Annotated[int, msgspec.Meta(ge=0, lt=NUM_LEVELS)]
    image: _Image


def from_document(law: Mapping[str, Any]) -> Demand:
    """Return the law of requests from the ``law`` of an instance's ``scenario``."""
    raw = _convert(law, _Law, "scenario.law")
    sizes = {"payload": len(PAYLOADS), "resolution": len(RESOLUTIONS_M), "level": NUM_LEVELS}
    sizes["image"] = len(raw.image[0]) if raw.image else 0
    if raw.payload and 0 < len(raw.payload[0]) < len(PAYLOADS):
        sizes["payload"] = len(raw.payload[0])  # a law of the first few payloads
    for name, size in sizes.items():
        rows = getattr(raw, name)
        if len(rows) != len(raw.payload) or any(len(row) != size for row in rows):
            rule = f"expected a row of {size} numbers for each of {len(raw.payload)} users"
            raise InputError(f"scenario.law.{name}", rule)
    values = msgspec.structs.asdict(raw)
    tables = {n: np.array(values[n], dtype=float).reshape(-1, size) for n, size in sizes.items()}
    return Demand(**(values | tables))


def features(contents: Sequence[Mapping[str, Any]]) -> Features:
    """Return the features of an instance's contents; of image files no class is known."""
    raw = _convert(list(contents), list[_Content], "contents")
    classes = [x.image.number for x in raw]
    return Features(
        payload=_index([x.payload for x in raw], PAYLOADS, "payload"),
        resolution=_index([x.resolution_m for x in raw], RESOLUTIONS_M, "resolution_m"),
        level=np.array([x.product_level for x in raw], dtype=np.int64),
        image_class=None if None in classes else np.array(classes, dtype=np.int64),
    )


def request_probability(
    demand: Demand,
    traits: Features,
    release: IntArray,
    roi: NDArray[np.bool],
    num_slots: int,
) -> Array:
    """Return P(user u requests content f in slot t), shape (M, F, T).

    If the classes are not known the probability is the mean over equally likely classes.

    Parameters
    ----------
    traits, release, roi
        Of contents known by now: any subset of an instance's, shapes (F,) and (M, F).
    """
    if traits.image_class is not None:
        return _asked(demand, exposure(demand, traits, release, roi, num_slots))
    total = np.zeros((*roi.shape, num_slots))
    for number in range(demand.image.shape[1]):
        guess = replace(traits, image_class=np.full(len(release), number))
        total += _asked(demand, exposure(demand, guess, release, roi, num_slots))
    return np.divide(total, demand.image.shape[1])


def exposure(
    demand: Demand,
    traits: Features,
    release: IntArray,
    roi: NDArray[np.bool],
    num_slots: int,
) -> Array:
    """Return the rate of requests in units of the base rate, shape (M, F, T).

    Raises
    ------
    InputError
        If the classes of the images are not known.
    """
    if traits.image_class is None:
        raise InputError("image_class", "expected known classes")
    if np.any(traits.image_class >= demand.image.shape[1]):
        most = demand.image.shape[1]
        raise InputError("contents", f"expected image classes below {most}, as in the law")
    if np.any(traits.payload >= demand.payload.shape[1]):
        known = ", ".join(PAYLOADS[: demand.payload.shape[1]])
        raise InputError("contents", f"expected payloads of the law: {known}")
    visible = (
        demand.payload[:, traits.payload]
        + demand.resolution[:, traits.resolution]
        + demand.level[:, traits.level]
    )
    share = demand.image_share
    image = demand.image[:, traits.image_class]
    affinity = np.sqrt((1 - share) / 3) * visible + np.sqrt(share) * image
    strength = np.where(roi, np.exp(demand.beta * affinity), 0.0)
    rate: Array = strength[:, :, None] * timing(demand, traits.level, release, num_slots)
    return rate


def timing(demand: Demand, level: IntArray, release: IntArray, num_slots: int) -> Array:
    """Return g, the part of a content's demand that falls into each slot, shape (F, T)."""
    age = np.arange(num_slots) - release[:, None]
    since = age - demand.lag_slots * level[:, None]
    q = demand.freshness
    weight = np.where(since >= 0, q ** np.maximum(since, 0), demand.pre_lag) * (1 - q)
    timed: Array = np.where(age >= 0, weight, 0.0)
    return timed


def base_for(exposures: Sequence[Array], expected: float) -> float:
    """Return the base rate that gives `expected` requests on average over typical instances.

    Expected requests increase with the base, so there is one such rate.

    Parameters
    ----------
    exposures
        The instances' exposures.
    """
    from scipy.optimize import brentq  # slow to import, and runs never draw

    rates = [x[x > 0] for x in exposures]

    def excess(log_base: float) -> float:
        base = math.exp(log_base)
        requests = sum(float(-np.expm1(-base * rate).sum()) for rate in rates)
        return requests / len(rates) - expected

    low, high = math.log(1e-6), math.log(1e6)
    if excess(high) < 0:
        most = excess(high) + expected
        rule = f"expected at most {most:.0f} requests in all, found {expected:.0f}"
        raise InputError("requests_per_user", rule)
    return round(math.exp(brentq(excess, low, high, xtol=1e-4)), 6)


def image_codes(contents: Sequence[Mapping[str, Any]], num_classes: int, noise: float) -> Array:
    """Return a short code of each content's image, shape (F, CODE_LENGTH).

    It stands for what a pre-trained network extracts from the image: the code of its class,
    N(0, 1), plus the image's own N(0, noise^2). Where an image is a file it takes a real network
    to tell, and the codes have length 0.
    """
    images = [x.image for x in _convert(list(contents), list[_Content], "contents")]
    drawn = [(x.number, x.seed) for x in images if x.number is not None and x.seed is not None]
    if len(drawn) < len(images):
        return np.zeros((len(images), 0))
    book = named([_CODE_BOOK]).normal(size=(num_classes, CODE_LENGTH))
    own = [named([seed]).normal(size=CODE_LENGTH) for _, seed in drawn]
    codes = [book[number] + noise * y for (number, _), y in zip(drawn, own, strict=True)]
    return np.array(codes).reshape(-1, CODE_LENGTH)


def _index(values: Sequence[Any], known: tuple[Any, ...], name: str) -> IntArray:
    for f, value in enumerate(values):
        if value not in known:
            raise InputError(f"contents[{f}].{name}", f"expected one of {known}, found {value!r}")
    return np.array([known.index(value) for value in values], dtype=np.int64)


def _convert(value: Any, schema: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, schema)
    except msgspec.ValidationError as error:
        field, expected = explain(error)
        joint = "." if field and not field.startswith("[") else ""
        raise InputError(f"{where}{joint}{field}", expected) from None


def _asked(demand: Demand, rate: Array) -> Array:
    asked: Array = -np.expm1(-demand.base * rate)
    return asked
