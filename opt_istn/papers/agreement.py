"""Where a printed number lies among ours, and the only words that are said of it."""

from collections.abc import Sequence

CONSISTENT, NOT = "consistent", "not consistent"
FEW = "too few maps"
TAIL = 2.5  # per cent on either side that are not consistent
FEWEST = 40  # with fewer values than this, one of them is more than that share already
NEAR = 0.05  # half a unit of the last digit that is printed of the lengths in metres


def percentile(value: float, sample: Sequence[float]) -> float:
    """Return the share of `sample` below `value` in per cent, values equal to it counting half.

    Raises
    ------
    ValueError
        If the sample is empty.
    """
    if not sample:
        raise ValueError("percentile: expected a sample")
    below = sum(x < value - NEAR for x in sample)
    equal = sum(abs(x - value) <= NEAR for x in sample)
    return 100 * (below + equal / 2) / len(sample)


def word_for(value: float, sample: Sequence[float]) -> str:
    """Return whether a printed number is one that a draw of ours may give.

    It is *consistent* if more than `TAIL` per cent of the sample are at or below it, and as many
    at or above it. That says that it may come from the same law, and nothing more.
    """
    if len(sample) < FEWEST:
        return FEW
    at_most = sum(x <= value + NEAR for x in sample)
    at_least = sum(x >= value - NEAR for x in sample)
    enough = TAIL / 100 * len(sample)
    return CONSISTENT if min(at_most, at_least) > enough else NOT


def quantile(sample: Sequence[float], share: float) -> float:
    """Return the value at `share` of the sorted sample, an element of it."""
    ordered = sorted(sample)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
