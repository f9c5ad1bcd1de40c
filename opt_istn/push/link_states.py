"""Link states of an instance: what a miss would cost every user, content and slot.

They are stored as one row of numbers: by user, by content of the user's region of interest in
ascending order, by slot from the content's release to the last one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError

IntArray = NDArray[np.int64]
FIELD = "miss_us"
OUTSIDE = -1  # delay of a content outside the region of interest


def row(delay_us: IntArray, roi: NDArray[np.bool], release: IntArray) -> IntArray:
    """Return link states as one row.

    Parameters
    ----------
    delay_us
        Delay of a miss in microseconds, shape (M, F, T).
    roi, release
        As in `Instance`.
    """
    born = np.arange(delay_us.shape[2]) >= release[:, None]
    flat: IntArray = delay_us[roi[:, :, None] & born]
    return flat


def starts(roi: NDArray[np.bool], release: IntArray, num_slots: int) -> IntArray:
    """Return where each user and content begins in the row, shape (M, F)."""
    length = roi * (num_slots - release)
    begin: IntArray = (np.cumsum(length) - length.ravel()).reshape(roi.shape)
    return begin


def in_slot(
    flat: IntArray, start: IntArray, roi: NDArray[np.bool], release: IntArray, slot: int
) -> IntArray:
    """Return the delays of a miss in one slot, shape (M, n); `OUTSIDE` outside the region.

    Parameters
    ----------
    flat, start
        The row, and the part of `starts` of the contents asked for, shape (M, n).
    roi, release
        Of these contents, none of which is born later than `slot`.
    """
    delay = np.full(roi.shape, OUTSIDE, dtype=np.int64)
    delay[roi] = flat[(start + slot - release)[roi]]
    return delay


def nested(
    flat: IntArray, roi: NDArray[np.bool], release: IntArray, num_slots: int
) -> list[object]:
    """Return the row as the lists of the file format: per user, content of the region, slot."""
    start, length, values = starts(roi, release, num_slots), num_slots - release, flat.tolist()
    return [
        [values[start[u, f] : start[u, f] + length[f]] for f in np.flatnonzero(mine).tolist()]
        for u, mine in enumerate(roi)
    ]


def from_nested(
    lists: Sequence[Sequence[Sequence[int]]],
    roi: NDArray[np.bool],
    release: IntArray,
    num_slots: int,
) -> IntArray:
    """Return the row of the lists of a file.

    Raises
    ------
    InputError
        If there is not one list a user, content of the region and slot from the release on.
    """
    if len(lists) != len(roi):
        raise InputError(FIELD, f"expected {len(roi)} entries, one a user")
    for u, (mine, found) in enumerate(zip(roi, lists, strict=True)):
        contents = np.flatnonzero(mine).tolist()
        if len(found) != len(contents):
            rule = f"expected {len(contents)} entries, one a content of the region of interest"
            raise InputError(f"{FIELD}[{u}]", rule)
        for k, (f, delays) in enumerate(zip(contents, found, strict=True)):
            if len(delays) != num_slots - release[f]:
                rule = f"expected {num_slots - release[f]} entries, slots {release[f]} and later"
                raise InputError(f"{FIELD}[{u}][{k}]", rule)
    every = [delay for mine in lists for delays in mine for delay in delays]
    return np.array(every, dtype=np.int64)


def check(
    flat: IntArray,
    start: IntArray,
    size: int,
    most_us: int,
    requests: IntArray,
    release: IntArray,
    fastest_us: IntArray,
    roi: NDArray[np.bool],
) -> None:
    """Raise `InputError` unless link states are complete, in range and those of the requests.

    Parameters
    ----------
    size, most_us
        Numbers expected, and the largest one allowed.
    requests, fastest_us
        The instance's requests, and their delays if they miss.
    """
    if flat.shape != (size,):
        raise InputError(FIELD, f"expected {size} delays in all, found {flat.shape}")
    if np.any((flat < 1) | (flat > most_us)):
        wrong = int(flat[(flat < 1) | (flat > most_us)][0])
        raise InputError(FIELD, f"expected delays 1..{most_us} us, found {wrong}")
    user, content, slot = requests[:, :3].T
    inside = np.flatnonzero(roi[user, content])
    user, content, slot = user[inside], content[inside], slot[inside]
    stated = flat[start[user, content] + slot - release[content]]
    differs = stated != fastest_us[inside]
    if differs.any():
        first = int(np.argmax(differs))
        rule = f"expected its fastest mode to take the {stated[first]} us of {FIELD}"
        raise InputError(f"requests[{inside[first]}]", rule)
