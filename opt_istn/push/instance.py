"""The PUSH instance: users with small FIFO caches, contents, links and requests over slots.

Satellites push remote-sensing contents into users' caches ahead of their requests (Remote Sens.
2025, 17(11), 1905). Contents are numbered in order of generation, slots 0..T-1. Delays are
integer microseconds. Users share nothing, so the problem is one problem a user.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from opt_istn import files
from opt_istn.files import InputError
from opt_istn.origin import Origin
from opt_istn.push import link_states

FORMAT = "opt-istn/push"
VERSION = 2  # what is written; version 1 is read, too
_HASHED_VERSION = 1  # problems of both versions have one hash
_OUTSIDE_HASH = ("name", "scenario", "origin", "extra")
MAX_DELAY_US = 10**9  # 1000 s
MAX_PAIRS = 2**28  # users x contents, users x slots, contents x slots: each is a table in memory
ABSENT = -1  # delay of a mode that is not available
MODES = ("access", "collab", "ground")  # how a miss can be served, columns 3.. of a request

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class UserProblem:
    """What one user's pushes decide, with contents renumbered 0.. in order of generation.

    Only contents that can be pushed and are requested afterwards are kept: pushing any other one
    saves nothing and can only evict.

    Parameters
    ----------
    content
        Content number in the instance, ascending, shape (n,).
    cache_size
        L, or n where that is less: nothing is ever evicted then either.
    release
        Slot each content exists first, shape (n,).
    pushable
        Whether content f may be pushed in slot t, shape (n, T).
    weight
        Delay saved in microseconds if f is in the cache in slot t, shape (n, T); 0 without a
        request.
    base_us
        Total delay of the user's requests without any push.
    """

    content: IntArray
    cache_size: int
    release: IntArray
    pushable: NDArray[np.bool]
    weight: IntArray
    base_us: int


@dataclass(frozen=True, eq=False)
class Instance:
    """A PUSH problem. Immutable; make a changed copy with `dataclasses.replace`.

    Parameters
    ----------
    name
        Free text for tables; not part of the hash.
    num_slots, slot_s
        T, and the length of a slot in seconds.
    cache_size
        L_u items, shape (M,).
    release, cluster
        Slot in which each content exists first, and the cluster that made it, shape (F,).
    roi
        Whether content f's footprint meets user u's region of interest, shape (M, F).
    link_up
        Whether user u's access link is up in slot t, shape (M, T).
    requests
        Rows (user, content, slot, access, collab, ground), delays in microseconds, `ABSENT` for a
        mode that is not available; sorted, shape (R, 6).
    contents
        Attributes and image name of each content: the learners' input.
    scenario
        Parameters and seed the instance came from; not part of the hash.
    link_us
        Delay of a miss in microseconds by user, content of the region of interest and slot from
        the release on, in one row (see `link_states`); None if the instance does not say.
    origin
        What generated it, None if nothing did; not part of the hash.
    extra
        Whatever else somebody wants to keep; not part of the hash.

    Raises
    ------
    InputError
        If a field contradicts the format; names the field and what was expected.
    """

    problem: ClassVar[str] = "push"

    name: str
    num_slots: int
    slot_s: float
    cache_size: IntArray
    release: IntArray
    cluster: IntArray
    roi: NDArray[np.bool]
    link_up: NDArray[np.bool]
    requests: IntArray
    contents: tuple[dict[str, Any], ...] = ()
    scenario: dict[str, Any] = field(default_factory=dict)
    link_us: IntArray | None = None
    origin: Origin | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = {"roi": np.bool_, "link_up": np.bool_}
        names = ["cache_size", "release", "cluster", "roi", "link_up", "requests"]
        for name in names if self.link_us is None else [*names, "link_us"]:
            array = np.array(getattr(self, name), dtype=kinds.get(name, np.int64))
            if name == "requests" and array.ndim == 2 and array.shape[1] == 6:
                array = array[np.lexsort(array[:, 2::-1].T)]
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        _check(self)

    @property
    def num_users(self) -> int:
        """M."""
        return len(self.cache_size)

    @property
    def num_contents(self) -> int:
        """F."""
        return len(self.release)

    @cached_property
    def miss_us(self) -> IntArray:
        """Delay of each request if it misses: the fastest available mode, shape (R,)."""
        delays = self.requests[:, 3:]
        fastest: IntArray = np.where(delays == ABSENT, MAX_DELAY_US + 1, delays).min(axis=1)
        return fastest

    @cached_property
    def base_us(self) -> int:
        """Total delay if nothing is pushed."""
        return int(self.miss_us.sum())

    @cached_property
    def sha256(self) -> str:
        """Hash of the problem: canonical JSON of what `document` says of it, as version 1."""
        document = {k: v for k, v in self.document().items() if k not in _OUTSIDE_HASH}
        return files.canonical_sha256(document | {"version": _HASHED_VERSION})

    @cached_property
    def _link_start(self) -> IntArray:
        return link_states.starts(self.roi, self.release, self.num_slots)

    def miss_in_slot_us(self, slot: int) -> IntArray | None:
        """Return the delays of a miss of the contents born by a slot in that slot, shape (M, n).

        It is `link_states.OUTSIDE` outside a region of interest; None without link states.
        """
        if self.link_us is None:
            return None
        n = int(np.searchsorted(self.release, slot, side="right"))
        known = self._link_start[:, :n], self.roi[:, :n], self.release[:n]
        return link_states.in_slot(self.link_us, *known, slot)

    def pushable(self, user: int) -> NDArray[np.bool]:
        """Return whether each content may be pushed to `user` in each slot, shape (F, T)."""
        exists = np.arange(self.num_slots) >= self.release[:, None]
        allowed: NDArray[np.bool] = exists & self.roi[user][:, None] & self.link_up[user]
        return allowed

    def user(self, user: int) -> UserProblem:
        """Return the exact methods' view of one user."""
        low, high = np.searchsorted(self.requests[:, 0], [user, user + 1])  # sorted by user
        mine = slice(low, high)
        weight = np.zeros((self.num_contents, self.num_slots), dtype=np.int64)
        weight[self.requests[mine, 1], self.requests[mine, 2]] = self.miss_us[mine]
        return user_problem(int(self.cache_size[user]), self.release, self.pushable(user), weight)

    def document(self) -> dict[str, Any]:
        """Return the instance as the JSON document of its file format."""
        rows = self.requests.tolist()
        optional: dict[str, Any] = {}
        if self.link_us is not None:
            sizes = self.roi, self.release, self.num_slots
            optional[link_states.FIELD] = link_states.nested(self.link_us, *sizes)
        if self.origin is not None:
            optional["origin"] = msgspec.structs.asdict(self.origin)
        if self.extra:
            optional["extra"] = self.extra
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "num_users": self.num_users,
            "num_contents": self.num_contents,
            "num_slots": self.num_slots,
            "slot_s": float(self.slot_s),
            "cache_size": self.cache_size.tolist(),
            "release": self.release.tolist(),
            "cluster": self.cluster.tolist(),
            "roi": [np.flatnonzero(row).tolist() for row in self.roi],
            "link_up": self.link_up.astype(int).tolist(),
            "requests": [[None if x == ABSENT else x for x in row] for row in rows],
            "contents": list(self.contents),
            "scenario": self.scenario,
            **optional,
        }

    def write(self, path: str | Path) -> None:
        """Write the instance to a ``.json`` or ``.json.gz`` file, atomically."""
        files.write_document(path, self.document())


def user_problem(
    cache_size: int, release: IntArray, pushable: NDArray[np.bool], weight: IntArray
) -> UserProblem:
    """Reduce a user's contents to those whose push can save something.

    Parameters
    ----------
    release, pushable, weight
        As in `UserProblem`, for all F contents.
    """
    first = np.where(pushable.any(axis=1), pushable.argmax(axis=1), weight.shape[1])
    after = np.arange(weight.shape[1]) >= first[:, None]
    kept = np.flatnonzero((weight * after > 0).any(axis=1))
    return UserProblem(
        content=kept,
        cache_size=min(cache_size, max(len(kept), 1)),
        release=release[kept],
        pushable=pushable[kept],
        weight=weight[kept],
        base_us=int(weight.sum()),
    )


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
_Delay = Annotated[int, msgspec.Meta(ge=1, le=MAX_DELAY_US)]


class _First(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    name: str
    num_users: Annotated[int, msgspec.Meta(ge=0, le=10**6)]
    num_contents: Annotated[int, msgspec.Meta(ge=0, le=10**6)]
    num_slots: Annotated[int, msgspec.Meta(ge=1, le=10**6)]
    slot_s: Annotated[float, msgspec.Meta(gt=0)]
    cache_size: list[Annotated[int, msgspec.Meta(ge=1, le=10**6)]]
    release: list[_Count]
    cluster: list[_Count]
    roi: list[list[_Count]]
    link_up: list[list[Annotated[int, msgspec.Meta(ge=0, le=1)]]]
    requests: list[tuple[_Count, _Count, _Count, _Delay | None, _Delay | None, _Delay]]
    contents: tuple[dict[str, Any], ...]
    scenario: dict[str, Any]


class _Second(_First, forbid_unknown_fields=True):
    miss_us: list[list[list[_Delay]]] | None = None
    origin: Origin | None = None
    extra: dict[str, Any] = {}


def from_bytes(data: bytes, source: str = "") -> Instance:
    """Build an instance from the JSON text of its file; raises `InputError` naming the field."""
    schemas: dict[int, type[_First]] = {1: _First, VERSION: _Second}
    return files.build(data, schemas, FORMAT, source, _made)


def read(path: str | Path) -> Instance:
    """Read and validate an instance file (``.json`` or gzip)."""
    return from_bytes(files.read_bytes(path), str(path))


def _made(raw: _First) -> Instance:
    return _completed(_build(raw), raw) if isinstance(raw, _Second) else _build(raw)


def _build(raw: _First) -> Instance:
    users, contents, slots = raw.num_users, raw.num_contents, raw.num_slots
    for name, count in (("num_contents", users * contents), ("num_slots", users * slots)):
        _expect(count <= MAX_PAIRS, name, f"expected at most {MAX_PAIRS} for all users together")
    _expect(contents * slots <= MAX_PAIRS, "num_slots", f"expected at most {MAX_PAIRS} by contents")
    for name, count in (("cache_size", users), ("roi", users), ("link_up", users)):
        _expect(len(getattr(raw, name)) == count, name, f"expected {count} entries, one a user")
    for name in ("release", "cluster"):
        found = len(getattr(raw, name))
        _expect(found == contents, name, f"expected {contents} entries, one a content")
    roi = np.zeros((users, contents), dtype=bool)
    for u, row in enumerate(raw.roi):
        ascending = all(a < b for a, b in pairwise(row))
        ok = ascending and (not row or row[-1] < contents)
        _expect(ok, f"roi[{u}]", f"expected distinct contents 0..{contents - 1}, ascending")
        roi[u, row] = True
    for u, row in enumerate(raw.link_up):
        _expect(len(row) == slots, f"link_up[{u}]", f"expected {slots} entries, one a slot")
    rows = [[ABSENT if x is None else x for x in row] for row in raw.requests]
    return Instance(
        name=raw.name,
        num_slots=slots,
        slot_s=raw.slot_s,
        cache_size=np.array(raw.cache_size, dtype=np.int64),
        release=np.array(raw.release, dtype=np.int64),
        cluster=np.array(raw.cluster, dtype=np.int64),
        roi=roi,
        link_up=np.array(raw.link_up, dtype=bool).reshape(users, slots),
        requests=np.array(rows, dtype=np.int64).reshape(-1, 6),
        contents=raw.contents,
        scenario=raw.scenario,
    )


def _completed(built: Instance, raw: _Second) -> Instance:
    """Return an instance with what came with version 2 of the format."""
    if raw.miss_us is None:
        return replace(built, origin=raw.origin, extra=raw.extra)
    sizes = built.roi, built.release, built.num_slots
    link_us = link_states.from_nested(raw.miss_us, *sizes)
    return replace(built, link_us=link_us, origin=raw.origin, extra=raw.extra)


def _check(x: Instance) -> None:
    """Raise `InputError` for the first field that contradicts the format."""
    m, f, t = x.num_users, x.num_contents, x.num_slots
    _expect(t >= 1, "num_slots", f"expected at least 1, found {t}")
    _expect(bool(np.isfinite(x.slot_s)) and x.slot_s > 0, "slot_s", "expected a positive length")
    _each(x.cache_size >= 1, "cache_size[{}]", "expected at least 1 item")
    shapes = {"release": (f,), "cluster": (f,), "roi": (m, f), "link_up": (m, t)}
    for name, shape in shapes.items():
        found = getattr(x, name).shape
        _expect(found == shape, name, f"expected shape {shape}, found {found}")
    in_time = (x.release >= 0) & (x.release < t)
    in_order = np.concatenate([[True], np.diff(x.release) >= 0])[:f]
    _each(in_time, "release[{}]", f"expected a slot 0..{t - 1}")
    _each(in_order, "release[{}]", "expected contents in order of generation")
    _each(x.cluster >= 0, "cluster[{}]", "expected at least 0")
    found = len(x.contents)
    _expect(found in (0, f), "contents", f"expected {f} entries (or none), found {found}")
    _check_requests(x)
    if x.link_us is not None:
        size = int((x.roi * (t - x.release)).sum())
        known = x.requests, x.release, x.miss_us, x.roi
        link_states.check(x.link_us, x._link_start, size, MAX_DELAY_US, *known)


def _check_requests(x: Instance) -> None:
    rows = x.requests
    ok = rows.ndim == 2 and rows.shape[1] == 6
    _expect(ok, "requests", "expected rows of user, content, slot, access, collab, ground")
    limits = np.array([x.num_users, x.num_contents, x.num_slots])
    inside: NDArray[np.bool] = np.all((rows[:, :3] >= 0) & (rows[:, :3] < limits), axis=1)
    _each(inside, "requests[{}]", f"expected user, content, slot below {limits.tolist()}")
    born = rows[:, 2] >= x.release[rows[:, 1]]
    _each(born, "requests[{}]", "expected a slot not before the content's release")
    delays = rows[:, 3:]
    valid = ((delays >= 1) & (delays <= MAX_DELAY_US)) | (delays == ABSENT)
    valid[:, 2] &= delays[:, 2] != ABSENT
    rule = f"expected delays 1..{MAX_DELAY_US} us, ground always given"
    _each(np.all(valid, axis=1), "requests[{}]", rule)
    same: NDArray[np.bool] = np.all(np.diff(rows[:, :3], axis=0) == 0, axis=1)
    fresh = ~np.concatenate([[False], same])[: len(rows)]
    _each(fresh, "requests[{}]", "expected at most one request a user, content and slot")


def _expect(ok: bool, name: str, expected: str) -> None:
    if not ok:
        raise InputError(name, expected)


def _each(ok: NDArray[np.bool], name: str, expected: str) -> None:
    if not ok.all():
        raise InputError(name.format(int(np.argmin(ok))), expected)
