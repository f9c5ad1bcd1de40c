"""Traces of requests, as the CSV files that cache simulators such as libCacheSim read.

Columns ``time`` (seconds, not descending) and ``obj_id``, perhaps ``obj_size`` (bytes), ``user``
and ``born`` (seconds). Without a header they come in the order time, obj_id, obj_size, user.

- A slot begins every ``slot_s`` seconds from the first line's time on.
- An object is a content. It exists from the slot of ``born`` on, or of its first request.
- Without a column ``user`` one user asks for everything: a single cache.
- What a user asks for twice in a slot counts once; the instance tells how often that was.
- Sizes must be equal, for caches hold numbers of contents. They become ``content_bytes``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from opt_istn.files import InputError, hashing, sheets
from opt_istn.push.instance import IntArray
from opt_istn.push.outside import places
from opt_istn.push.world.parameters import Scenario

_NEEDED, _OPTIONAL = ("time", "obj_id"), ("obj_size", "user", "born")
_HEADLESS = ("time", "obj_id", "obj_size", "user")
_MAX_SLOTS = 10**6
_MAX_BYTES = 2**53


@dataclass(frozen=True, eq=False)
class Trace:
    """A trace in slots.

    Parameters
    ----------
    users, objects
        Names, by number.
    release
        Slot from which on each object exists, ascending, shape (F,).
    requests
        Rows (user, object, slot), each once, by slot, shape (R, 3).
    num_slots
        One more than the slot of the last request.
    size_bytes
        Size of every object; None if the trace does not tell.
    repeated
        Requests that another one of the same user, object and slot stands for.
    """

    users: tuple[str, ...]
    objects: tuple[str, ...]
    release: IntArray
    requests: IntArray
    num_slots: int
    size_bytes: int | None
    repeated: int

    def sizes(self) -> dict[str, Any]:
        """Return the parameters of a scenario that a trace settles."""
        found: dict[str, Any] = {
            "num_users": len(self.users),
            "num_contents": len(self.objects),
            "num_slots": self.num_slots,
        }
        return (
            found if self.size_bytes is None else found | {"content_bytes": float(self.size_bytes)}
        )

    def in_slot(self, slot: int) -> IntArray:
        """Return user and object of the requests of a slot, shape (n, 2)."""
        low, high = np.searchsorted(self.requests[:, 2], [slot, slot + 1])
        return self.requests[low:high, :2]

    def document(self) -> dict[str, Any]:
        """Return what the numbers of users and contents stand for, as a JSON object."""
        return {
            "users": list(self.users),
            "objects": list(self.objects),
            "repeated": self.repeated,
        }


def of(scenario: Scenario) -> Trace:
    """Return the trace of a scenario.

    Raises
    ------
    InputError
        If a line is wrong, or the scenario is not of its size.
    """
    found = read(scenario.trace, scenario.slot_s, scenario.user_places)
    for name, value in found.sizes().items():
        if getattr(scenario, name) != value:
            rule = f"expected {value:.17g}, as in {scenario.trace}"
            raise InputError(name, f"{rule}, found {getattr(scenario, name):.17g}")
    return found


def read(path: str, slot_s: float, users: str = "") -> Trace:
    """Read a trace.

    Parameters
    ----------
    slot_s
        Length of a slot.
    users
        File of users, whose names are those of the trace; empty for none.

    Raises
    ------
    InputError
        If a line is wrong; names it.
    """
    known: tuple[str, ...] = ()
    if users:
        found = places.users(users)
        if not np.isnan(found.box_deg).all():
            rule = "expected users without regions: a trace says itself what they ask for"
            raise InputError("", rule, users)
        known = found.names
    return _read(path, slot_s, known, hashing.stamps({"": Path(path)}))


@lru_cache(maxsize=4)
def _read(
    path: str, slot_s: float, known: tuple[str, ...], _stamps: tuple[tuple[str, int, int], ...]
) -> Trace:
    reader = _Reader(slot_s, known)
    for row in sheets.iterate(path, _NEEDED, _OPTIONAL, _HEADLESS):
        reader.take(row)
    if not reader.asked:
        raise InputError("", "expected at least one request", path)
    return reader.trace()


class _Reader:
    """Numbers users and objects as they come, and counts slots."""

    def __init__(self, slot_s: float, known: Iterable[str]) -> None:
        self._slot_s = Decimal(repr(float(slot_s)))
        self._users = {name: u for u, name in enumerate(known)}
        self._closed = bool(self._users)
        self._objects: dict[str, int] = {}
        self._born: dict[int, tuple[int, str]] = {}
        self._first: Decimal | None = None
        self._last = Decimal(0)
        self._size: tuple[int, int] | None = None
        self._repeated = 0
        self.asked: dict[tuple[int, int, int], None] = {}

    def take(self, row: sheets.Row) -> None:
        """Take a line."""
        row.number("time", 0.0)
        moment = Decimal(row.cells["time"])
        if moment < self._last:
            raise row.refused("time", f"a time of at least {self._last}, that of the line before")
        self._last = moment
        self._first = moment if self._first is None else self._first
        slot = int((moment - self._first) // self._slot_s)
        if slot >= _MAX_SLOTS:
            rule = f"a time within {_MAX_SLOTS} slots of {self._slot_s} s after the first"
            raise row.refused("time", rule)
        self._check_size(row)
        key = (slot, self._user(row), self._object(row, slot))
        self._repeated += key in self.asked
        self.asked[key] = None

    def trace(self) -> Trace:
        """Return what was taken, objects by their release."""
        released = [self._born[f][0] for f in range(len(self._born))]
        order = sorted(range(len(released)), key=lambda f: (released[f], f))
        number = np.argsort(np.array(order))
        slot, user, content = np.array(list(self.asked), dtype=np.int64).T
        rows = np.column_stack([user, number[content], slot])
        names = list(self._objects)
        return Trace(
            tuple(self._users),
            tuple(names[f] for f in order),
            np.array(released, dtype=np.int64)[order],
            rows[np.lexsort((rows[:, 1], rows[:, 0], rows[:, 2]))],
            int(slot.max()) + 1,
            None if self._size is None else self._size[0],
            self._repeated,
        )

    def _user(self, row: sheets.Row) -> int:
        if "user" not in row.cells and len(self._users) > 1:
            rule = f"expected a column user, for there are {len(self._users)} users in their file"
            raise InputError(f"line {row.line}", rule, row.source)
        name = row.text("user") if "user" in row.cells else next(iter(self._users), "all")
        if name not in self._users and self._closed:
            raise row.refused("user", "a name of the file of users")
        return self._users.setdefault(name, len(self._users))

    def _object(self, row: sheets.Row, slot: int) -> int:
        number = self._objects.setdefault(row.text("obj_id"), len(self._objects))
        text = row.cells.get("born", "")
        if number not in self._born:
            self._born[number] = (self._release(row, slot) if text else slot, text)
        elif self._born[number][1] != text:
            rule = f"{self._born[number][1] or 'nothing'}, as in the object's first line"
            raise row.refused("born", rule)
        return number

    def _release(self, row: sheets.Row, slot: int) -> int:
        row.number("born", 0.0)
        born = Decimal(row.cells["born"])
        if born > self._last or self._first is None:
            raise row.refused("born", f"at most {self._last}, the time of the request")
        return min(max(int((born - self._first) // self._slot_s), 0), slot)

    def _check_size(self, row: sheets.Row) -> None:
        if "obj_size" not in row.cells:
            return
        size = row.whole("obj_size", 1, _MAX_BYTES)
        if self._size is None:
            self._size = (size, row.line)
        elif self._size[0] != size:
            rule = f"{self._size[0]}, the size of line {self._size[1]}"
            why = "caches count contents, whatever their size; leave obj_size out to count them so"
            raise row.refused("obj_size", f"{rule} ({why})")
