"""Random numbers that stay the same: named bits, and transforms of our own.

NumPy promises that its bit generators' streams stay as they are, but not what its `Generator`
makes of them. What has to be drawn again in years therefore comes from `Pinned`, which takes raw
bits of PCG64 and nothing else. `Chance` is what both have in common.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtri

Size = int | Sequence[int] | None


class Chance(Protocol):
    """What scenarios ask of a source of randomness: the part of `numpy.random.Generator` used.

    Every method has NumPy's parameters; `size` is the shape of the result, None for a number.
    """

    def random(self, size: Any = None) -> Any:
        """Return numbers of U[0, 1)."""
        ...

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Return numbers of U[low, high)."""
        ...

    def integers(self, low: Any, high: Any = None, size: Any = None) -> Any:
        """Return integers 0..low-1, or low..high-1."""
        ...

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Return numbers of N(loc, scale^2)."""
        ...

    def gamma(self, shape: Any, scale: Any = 1.0, size: Any = None) -> Any:
        """Return gamma-distributed numbers."""
        ...

    def weibull(self, a: Any, size: Any = None) -> Any:
        """Return numbers with P(X > x) = exp(-x^a)."""
        ...

    def multinomial(self, n: Any, pvals: Any) -> Any:
        """Return how often each of the outcomes occurs in n trials."""
        ...


def named(seed: Sequence[int]) -> np.random.Generator:
    """Return NumPy's generator over PCG64, which is what ``default_rng`` means today."""
    return np.random.Generator(_pcg64(seed))


class Pinned:
    """A source whose numbers depend on PCG64's bits alone, the inverse of each law applied to them.

    Parameters
    ----------
    seed
        Whole numbers >= 0.
    """

    def __init__(self, seed: Sequence[int]) -> None:
        self._bits = _pcg64(seed)

    def random(self, size: Size = None) -> Any:
        """Return numbers of U(0, 1), the middles of 2^52 equal parts: never 0 or 1."""
        raw = self._bits.random_raw(1 if size is None else int(np.prod(size)))
        middle = ((raw >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52
        return float(middle[0]) if size is None else middle.reshape(size)

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Size = None) -> Any:
        """Return numbers of U(low, high)."""
        return low + (high - low) * self.random(size)

    def integers(self, low: int, high: int | None = None, size: Size = None) -> Any:
        """Return integers 0..low-1, or low..high-1; below 2^32 as good as evenly distributed."""
        first, number = (0, low) if high is None else (low, high - low)
        drawn: NDArray[np.int64] = (np.asarray(self.random(size)) * number).astype(np.int64)
        return first + (int(drawn) if size is None else drawn)

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Size = None) -> Any:
        """Return numbers of N(loc, scale^2)."""
        return loc + scale * ndtri(self.random(size))

    def gamma(self, shape: float, scale: float = 1.0, size: Size = None) -> Any:
        """Return gamma-distributed numbers; of shape 1 they are exponential ones."""
        lot = self.random(size)
        return scale * (-np.log(lot) if shape == 1 else gammaincinv(shape, lot))

    def weibull(self, a: float, size: Size = None) -> Any:
        """Return numbers with P(X > x) = exp(-x^a)."""
        return (-np.log(self.random(size))) ** (1 / a)

    def multinomial(self, n: int, pvals: NDArray[np.float64]) -> Any:
        """Return how often each of the outcomes occurs in n trials."""
        borders = np.cumsum(pvals)
        found = np.searchsorted(borders, self.random(n) * borders[-1], side="right")
        return np.bincount(found, minlength=len(borders))


def _pcg64(seed: Sequence[int]) -> np.random.PCG64:
    return np.random.PCG64(np.random.SeedSequence(list(seed)))
