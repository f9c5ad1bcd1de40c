"""Where a printed number lies among ours: percentiles, and what may be said of them."""

import pytest

from opt_istn.papers import agreement
from opt_istn.papers.agreement import CONSISTENT, FEW, FEWEST, NOT


def test_a_percentile_counts_what_is_below_and_half_of_what_is_equal() -> None:
    """The percentile is 0 below all, 100 above all, and 50 where all are equal."""
    assert agreement.percentile(0, [1.0, 2.0]) == 0
    assert agreement.percentile(3, [1.0, 2.0]) == 100
    assert agreement.percentile(2, [2.0] * 7) == 50
    assert agreement.percentile(2, [1.0, 2.0, 3.0, 4.0]) == 37.5


def test_lengths_are_equal_to_the_digit_that_is_printed() -> None:
    """4354.1 m is the length of 20 diagonal and 8 straight moves, 4354.11 m."""
    exact = 20 * 120 * 2**0.5 + 8 * 120
    assert agreement.percentile(4354.1, [exact] * FEWEST) == 50
    assert agreement.word_for(4354.1, [exact] * FEWEST) == CONSISTENT


@pytest.mark.parametrize(
    ("beyond", "word"), [(0, NOT), (2, NOT), (3, CONSISTENT), (50, CONSISTENT)]
)
def test_consistent_needs_more_than_the_tail_on_either_side(beyond: int, word: str) -> None:
    """Of 100 maps more than 2.5 have to give as much, or as little."""
    sample = [10.0] * beyond + [0.0] * (100 - beyond)
    assert agreement.word_for(10.0, sample) == word
    assert agreement.word_for(-10.0, [-x for x in sample]) == word
    assert agreement.word_for(5.0, [0.0] * beyond + [10.0] * (100 - beyond)) == word


def test_a_few_maps_say_nothing() -> None:
    """Below `FEWEST` no word is given, whatever the values."""
    assert agreement.word_for(7.0, [0.0] * (FEWEST - 1)) == FEW
    assert agreement.word_for(7.0, [0.0] * FEWEST) == NOT
    with pytest.raises(ValueError, match="sample"):
        agreement.percentile(1.0, [])


def test_quantiles_are_values_of_the_sample() -> None:
    """The ends are the least and the greatest value."""
    sample = [3.0, 1.0, 2.0]
    assert [agreement.quantile(sample, q) for q in (0.0, 0.5, 1.0)] == [1.0, 2.0, 3.0]
