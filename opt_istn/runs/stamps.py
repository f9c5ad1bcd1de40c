"""What a record says of the comparison in shards that it came from, in its `extra`.

A record that several comparisons share says so of each of them.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec

FIELD = "shard"  # of a record's `extra`
MAX_COUNT = 999_999_999  # shards of a comparison
_MAX_STAMPS = 16  # comparisons that a record tells of, the last ones

_Number = Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)]


class Stamp(msgspec.Struct, frozen=True):
    """One comparison in shards.

    Parameters
    ----------
    comparison
        Hash of the runs that it asks for.
    index, count
        The shard that the record is of, from 1, and how many there are.
    runs
        How many runs the comparison has.
    """

    comparison: Annotated[str, msgspec.Meta(max_length=64)]
    index: _Number
    count: _Number
    runs: Annotated[int, msgspec.Meta(ge=1, le=10**15)]

    def __post_init__(self) -> None:
        if self.index > self.count:
            raise ValueError(f"expected an index of at most {self.count}")


def of(extra: Mapping[str, Any]) -> tuple[Stamp, ...]:
    """Return the stamps in a record's `extra`; what is none is somebody else's word."""
    told = extra.get(FIELD, ())
    try:
        return msgspec.convert((told,) if isinstance(told, dict) else told, tuple[Stamp, ...])
    except msgspec.ValidationError:
        return ()


def united(extra: Mapping[str, Any], more: Iterable[Stamp]) -> dict[str, Any]:
    """Return `extra` with more stamps; one of a comparison that is there already replaces it."""
    every = {stamp.comparison: stamp for stamp in of(extra)}
    for stamp in more:
        if every.get(stamp.comparison) != stamp:
            every.pop(stamp.comparison, None)
            every[stamp.comparison] = stamp
    told = [msgspec.to_builtins(stamp) for stamp in list(every.values())[-_MAX_STAMPS:]]
    return {**extra, FIELD: told[0] if len(told) == 1 else told} if told else dict(extra)
