"""Confidence intervals of means that hold what they promise, and ranges where nothing can.

Which method serves which number of units was decided by measured coverage at 95 %: of a normal and
of an exponential mean, Student's t covers 95 and 89 % with 5 units, BCa 82 and 81 %, the percentile
bootstrap 84 and 79 %, the bootstrap-t 94 and 95 %. BCa is at least 92 % from 50 units on, and from
1000 on the same as its limit ABC. `bench/coverage.md` has what is in use, measured.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 1999
FEWEST = 5  # units below which no interval is given
MANY = 50  # units from which BCa is
HOSTS = 1000  # units from which resamples tell no more than the limit of many


class Method(StrEnum):
    """How an interval came about."""

    RANGE = "range"  # no interval: least and largest of the units
    BOOTSTRAP_T = "bootstrap-t"
    TWO_WAY = "two-way bootstrap-t"
    BCA = "BCa"
    ABC = "ABC"


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval of a mean, or the range of its units.

    Parameters
    ----------
    low, high
        Its ends, in the unit of the values.
    method
        How it came about.
    units
        Number of independent units behind it: the fewer of seeds and instances if both vary.
    """

    low: float
    high: float
    method: Method
    units: int

    def within(self, least: float, most: float) -> "Interval":
        """Return the part that the mean of values from `least` to `most` can have."""
        return replace(self, low=max(least, self.low), high=min(most, self.high))


def student(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean and the ends of its 95 % interval by Student's t; NaN ends of one value.

    It says whether a few seeds gained anything, where `one_way` shows their range: three that are
    all above 0 may still be chance.
    """
    from scipy import stats  # half a second, and most tables need it not

    count, mean = len(values), math.fsum(values) / len(values)
    if count < 2:
        return mean, math.nan, math.nan
    spread = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (count - 1) / count)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * spread
    return mean, mean - half, mean + half


def one_way(values: Sequence[float], seed: int) -> Interval | None:
    """Return the interval of the mean of independent values, None of fewer than two.

    Fewer than `FEWEST` values, and values so uneven that a good part of their resamples are all
    alike, have a range only. From `MANY` on the interval is BCa (Efron, Better bootstrap
    confidence intervals, JASA 82, 1987), below the bootstrap-t (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, section 12.5), and from `HOSTS` on the limit of BCa in
    closed form, ABC (DiCiccio and Efron, Biometrika 79, 1992). Equal seeds draw equal resamples.
    """
    table = np.asarray(values, dtype=np.float64)
    if len(table) < 2:
        return None
    whole = Interval(float(table.min()), float(table.max()), Method.RANGE, len(table))
    if len(table) < FEWEST or whole.low == whole.high:
        return whole
    low, high = one_way_ends(table, seed)
    if not np.isfinite([low, high]).all():
        return whole
    return Interval(float(low), float(high), method_of(len(table)), len(table))


def method_of(units: int) -> Method:
    """Return the method of so many independent values."""
    if units < FEWEST:
        return Method.RANGE
    if units < MANY:
        return Method.BOOTSTRAP_T
    return Method.BCA if units < HOSTS else Method.ABC


def one_way_ends(values: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the intervals of many samples at once, drawn anew by the same numbers.

    Not finite where nothing can be told. Shape (..., n) to (...), with n `FEWEST` or more.
    """
    method = method_of(values.shape[-1])
    if method == Method.ABC:
        return _abc(values)
    rng = np.random.default_rng(seed)
    return _bca(values, rng) if method == Method.BCA else _bootstrap_t(values[..., None], rng)


def units(table: FloatArray) -> FloatArray:
    """Return the means of instances, or of seeds where there are fewer of them.

    Shape (instances, seeds) to (min(instances, seeds),); every value where one of the two is 1.
    """
    few = int(np.argmin(table.shape))
    return table.ravel() if table.shape[few] == 1 else table.mean(axis=1 - few)


def two_way(table: FloatArray, seed: int) -> Interval | None:
    """Return the interval of the mean over seeds and instances, both being samples.

    The hull of three bootstrap-t intervals: seeds and instances drawn anew together (the pigeonhole
    bootstrap: Owen, Annals of Applied Statistics 1(2), 2007), seeds alone, instances alone. The
    first alone falls to 91 % where one of a few seeds decides.

    Parameters
    ----------
    table
        Values by instance and seed, shape (instances, seeds).
    """
    means = units(table)
    if min(table.shape) == 1:
        return one_way(means.tolist(), seed)
    whole = Interval(float(means.min()), float(means.max()), Method.RANGE, len(means))
    if len(means) < FEWEST or table.min() == table.max():
        return whole
    low, high = two_way_ends(table, seed)
    if not np.isfinite([low, high]).all():
        return whole
    return Interval(float(low), float(high), Method.TWO_WAY, len(means))


def two_way_ends(table: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return the ends of the intervals of many tables at once; as `one_way_ends`.

    Shape (..., instances, seeds) to (...), both `FEWEST` or more.
    """
    each = [table, *(table.mean(axis=axis)[..., None] for axis in (-2, -1))]
    ends = [_bootstrap_t(one, np.random.default_rng(seed)) for one in each]
    low, high = (np.array(end) for end in zip(*ends, strict=True))
    return low.min(axis=0), high.max(axis=0)


def _bca(values: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    from scipy import stats  # half a second, and no other method needs it

    result = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=max(1, 10**6 // values.size),  # bounds the memory of the resamples
        axis=-1,
        method="BCa",
        rng=rng,
    )
    low, high = result.confidence_interval
    return np.asarray(low), np.asarray(high)


def _abc(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the limit of BCa of a mean for many resamples, without drawing any.

    For a mean, z0 = a = sum d^3 / (6 (sum d^2)^1.5) with the deviations d, and there is neither
    bias nor curvature: the ends are mean + s w / (1 - a w)^2, w = a + z, s = sqrt(sum d^2) / n.
    """
    mean = values.mean(axis=-1)
    off = values - mean[..., None]
    scale = np.abs(off).max(axis=-1)
    off = off / scale[..., None]
    squares = (off**2).sum(axis=-1)
    skew = (off**3).sum(axis=-1) / (6 * squares**1.5)
    error = scale * np.sqrt(squares) / values.shape[-1]
    normal = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    low, high = (w / (1 - skew * w) ** 2 for w in (skew - normal, skew + normal))
    return mean + low * error, mean + high * error


def _bootstrap_t(table: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return mean - q s for the quantiles q of (mean* - mean) / s* over resamples of both axes.

    An axis of length 1 is not drawn anew. Infinite where too many resamples have no spread.
    Shape (..., R, C) to (...); all tables are drawn anew by the same numbers.
    """
    shape = table.shape[-2:]
    mean = table.mean(axis=(-2, -1))[..., None]
    error = _error(table, *(np.ones((1, length)) for length in shape))
    drawn: list[FloatArray] = []
    batch = max(1, 10**6 // max(shape))  # bounds the memory of the resamples
    for first in range(0, RESAMPLES, batch):
        count = min(batch, RESAMPLES - first)
        row, column = (_drawn(length, count, rng) for length in shape)
        off, spread = _mean(table, row, column) - mean, _error(table, row, column)
        some = spread > 1e-9 * error  # below, it is the rounding of resamples that are all alike
        far = np.where(np.abs(off) > 1e-9 * error, np.copysign(np.inf, off), 0.0)
        drawn.append(np.divide(off, spread, out=far, where=some))
    tail, every = (1 - CONFIDENCE) / 2, np.concatenate(drawn, axis=-1)
    ends = np.quantile(every, [1 - tail, tail], axis=-1, method="inverted_cdf")
    steps = np.where(error[..., 0] > 0, ends, 0.0) * error[..., 0]
    return mean[..., 0] - steps[0], mean[..., 0] - steps[1]


def _drawn(length: int, count: int, rng: np.random.Generator) -> FloatArray:
    """Return how often each of `length` units is in each resample, shape (count, length)."""
    chosen = rng.integers(length, size=(count, length)) + length * np.arange(count)[:, None]
    often = np.bincount(chosen.ravel(), minlength=count * length)
    return often.reshape(count, length).astype(np.float64)


def _mean(table: FloatArray, row: FloatArray, column: FloatArray) -> FloatArray:
    """Return the means of resamples of a table that hold each row and column so often.

    Shapes (..., R, C), (B, R) and (B, C) to (..., B).
    """
    found: FloatArray = ((row @ table) * column).sum(axis=-1) / math.prod(table.shape[-2:])
    return found


def _error(table: FloatArray, row: FloatArray, column: FloatArray) -> FloatArray:
    """Return the standard errors of the means in which rows and columns are samples.

    Without taking off what both have in common, so they are rather too large. Shapes as in `_mean`.
    """
    mean = _mean(table, row, column)[..., None]
    of_rows = column @ np.swapaxes(table, -1, -2) / table.shape[-1] - mean
    of_columns = row @ table / table.shape[-2] - mean
    total = np.zeros(mean.shape[:-1])
    for means, often in ((of_rows, row), (of_columns, column)):
        length = often.shape[-1]
        if length > 1:
            total = total + (often * means**2).sum(axis=-1) / (length - 1) / length
    root: FloatArray = np.sqrt(total)
    return root
