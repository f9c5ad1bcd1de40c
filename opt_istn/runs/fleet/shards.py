"""A comparison in parts: which runs a shard does, and which shards are missing from its files.

Shard i of n does the runs whose key has a hash that leaves i - 1 when it is divided by n. Nothing
is shared between shards, so they can run anywhere and in any order. Every record of a shard says in
its `extra` which one of how many it came from and how many runs the whole comparison has
(`opt_istn.runs.stamps`): that is what is missing told from, whatever the files are called.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

import msgspec

from opt_istn.files import InputError
from opt_istn.runs import ledger, stamps
from opt_istn.runs.ledger import Record
from opt_istn.runs.stamps import MAX_COUNT, Stamp

_SHOWN = 20  # shards that are named


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

    def stamp(self, comparison: str, runs: int) -> Stamp:
        """Return what its records say: the comparison, this shard, all runs."""
        return Stamp(comparison, self.index, self.count, runs)

    def of(self, items: int) -> int:
        """Return about how many of `items` runs are its own."""
        return -(-items // self.count)


def parse(text: str, option: str = "--shard") -> Shard:
    """Read ``i/n``, i from 1 to n.

    Raises
    ------
    InputError
        If it is none; names the option.
    """
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        rule = f"expected i/n, such as 3/10, with i from 1 to n and n at most {MAX_COUNT}"
        raise InputError(option, f"{rule}, found {text!r}")
    return Shard(int(found[1]), int(found[2]))


def missing(records: Iterable[Record]) -> list[str]:
    """Return a line for every comparison in shards of which runs are not there.

    A comparison that was cut into shards more than once misses nothing when all its runs are there.
    """
    keys: dict[str, set[bytes]] = defaultdict(set)
    there: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    wanted: dict[str, int] = {}
    for run in records:
        for stamp in stamps.of(run.extra):
            keys[stamp.comparison].add(ledger.digest(run.key))
            there[stamp.comparison][stamp.count].add(stamp.index)
            wanted[stamp.comparison] = max(stamp.runs, wanted.get(stamp.comparison, 0))
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
    without = (str(index) for index in range(1, count + 1) if index not in indices)
    shown = ", ".join(islice(without, _SHOWN))
    if not shown:
        return f"all {count} shards have begun, but not all have ended"
    more = ", ..." if count - len(indices) > _SHOWN else ""
    return f"no record of shard {shown}{more} of {count}"
