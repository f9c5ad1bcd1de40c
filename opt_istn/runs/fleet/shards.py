"""A comparison in parts: which runs a shard does, and which shards are missing from its files.

Shard i of n does the runs whose key has a hash that leaves i - 1 when it is divided by n. Nothing
is shared between shards, so they can run anywhere and in any order. Every record of a shard says in
its `extra` which one of how many it came from and how many runs the whole comparison has: that is
what is missing told from, whatever the files are called.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from opt_istn.files import InputError
from opt_istn.runs import ledger
from opt_istn.runs.ledger import Record

FIELD = "shard"  # of a record's `extra`


class Shard(msgspec.Struct, frozen=True):
    """One part of a comparison.

    Parameters
    ----------
    index, count
        Its number, from 1, and how many there are.
    """

    index: int
    count: int

    def has(self, digest: bytes) -> bool:
        """Return whether the run of a key with this digest is part of it."""
        return int.from_bytes(digest) % self.count == self.index - 1

    def stamp(self, comparison: str, runs: int) -> dict[str, Any]:
        """Return what its records keep in `extra`: the comparison, this shard, all runs."""
        told = {"comparison": comparison, "index": self.index, "count": self.count, "runs": runs}
        return {FIELD: told}

    def of(self, items: int) -> int:
        """Return about how many of `items` runs are its own."""
        return -(-items // self.count)


class _Stamp(msgspec.Struct, frozen=True):
    comparison: str
    index: int
    count: int
    runs: int


def parse(text: str, option: str = "--shard") -> Shard:
    """Read ``i/n``, i from 1 to n.

    Raises
    ------
    InputError
        If it is none; names the option.
    """
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise InputError(option, f"expected i/n, such as 3/10, with i from 1 to n, found {text!r}")
    return Shard(int(found[1]), int(found[2]))


def missing(records: Iterable[Record]) -> list[str]:
    """Return a line for every comparison in shards of which runs are not there.

    A comparison that was cut into shards more than once misses nothing when all its runs are there.
    """
    keys: dict[str, set[bytes]] = defaultdict(set)
    there: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    wanted: dict[str, int] = {}
    for run in records:
        stamp = _stamp_of(run)
        if stamp is not None:
            keys[stamp.comparison].add(ledger.digest(run.key))
            there[stamp.comparison][stamp.count].add(stamp.index)
            wanted[stamp.comparison] = stamp.runs
    found = []
    for comparison, cuts in there.items():
        number = len(keys[comparison])
        if number < wanted[comparison]:
            lacking = "; ".join(_lacking(count, cuts[count]) for count in sorted(cuts))
            runs = f"{number} of {wanted[comparison]} runs are there"
            found.append(f"comparison {comparison[:8]}: {runs}; {lacking}")
    return found


def _lacking(count: int, indices: set[int]) -> str:
    """Return which shards of one cut have no record."""
    without = [str(index) for index in range(1, count + 1) if index not in indices]
    if not without:
        return f"all {count} shards have begun, but not all have ended"
    shown = ", ".join(without[:20]) + (", ..." if len(without) > 20 else "")
    return f"no record of shard {shown} of {count}"


def _stamp_of(run: Record) -> _Stamp | None:
    try:
        return msgspec.convert(run.extra.get(FIELD), _Stamp | None)
    except msgspec.ValidationError:  # somebody else's word: `extra` is free
        return None
