"""Pinned randomness: the numbers themselves, and the laws they follow."""

import numpy as np
import pytest
from scipy import stats

from opt_istn.physics.chance import Pinned, named

NUMBER = 20_000
PINNED_RANDOM = [0.6704722626516632, 0.11101463666938172]
PINNED_INTEGERS = [511, 356, 704, 479]
PINNED_NORMAL = [0.5568803616737175, -0.30323804490659856]


def test_the_numbers_are_these() -> None:
    """A source gives the numbers that were written down, whatever NumPy makes of its bits."""
    found = Pinned([1, 2, 3])
    assert found.random(2).tolist() == PINNED_RANDOM
    assert found.integers(1000, size=4).tolist() == PINNED_INTEGERS
    assert found.normal(size=2) == pytest.approx(PINNED_NORMAL, rel=1e-12)


def test_the_numbers_are_those_of_raw_bits() -> None:
    """Uniform numbers are the upper 52 bits of PCG64, and nothing else is taken from it."""
    raw = np.random.PCG64(np.random.SeedSequence([7])).random_raw(6).tolist()
    exact = [((x >> 12) + 0.5) / 2**52 for x in raw]
    source = Pinned([7])
    assert [source.random(), *source.random((2, 2)).ravel(), source.random()] == exact


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (lambda x: x.random(NUMBER), stats.uniform()),
        (lambda x: x.uniform(2, 5, NUMBER), stats.uniform(2, 3)),
        (lambda x: x.normal(size=NUMBER), stats.norm()),
        (lambda x: x.gamma(1.0, size=NUMBER), stats.expon()),
        (lambda x: x.gamma(2.5, size=NUMBER), stats.gamma(2.5)),
        (lambda x: x.weibull(0.311, NUMBER), stats.weibull_min(0.311)),
    ],
)
def test_laws(draw, law) -> None:
    """Numbers follow the law they are named after, as NumPy's own do."""
    for source in (Pinned([5]), named([5])):
        assert stats.kstest(draw(source), law.cdf).pvalue > 1e-3


def test_counts() -> None:
    """Integers and multinomial counts have the frequencies asked for, and add up."""
    found = np.bincount(Pinned([9]).integers(2, 7, size=NUMBER), minlength=8)
    assert stats.chisquare(found[2:7]).pvalue > 1e-3
    assert found[[0, 1, 7]].tolist() == [0, 0, 0]
    share = np.array([0.5, 0.0, 0.2, 0.3])
    counts = Pinned([9]).multinomial(NUMBER, share)
    assert counts.sum() == NUMBER
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3]], NUMBER * share[[0, 2, 3]]).pvalue > 1e-3


def test_the_named_generator_is_the_default_one() -> None:
    """What used to be `default_rng` is PCG64 by name: files of that time are drawn again alike."""
    for seed in ([0], [3, 1, 4], [2**40 + 5, 2]):
        assert named(seed).random() == np.random.default_rng(seed).random()
