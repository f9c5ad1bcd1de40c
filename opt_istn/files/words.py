"""Words of errors: names that are not known, lists that are cut between names, hashes apart."""

import difflib
import os
import re
from collections.abc import Iterable, Sequence

_WIDTH = 200  # characters of a list of names
_DIGITS = 12  # of a hash, where they tell it apart
_CLOSE = 0.6  # likeness from which on a name may be what was meant, as in difflib


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return the text for an unknown name: what it may have been meant to be, and what exists."""
    return f"unknown {what} {name!r}; {meant(name, known)}"


def meant(name: str, known: Iterable[str]) -> str:
    """Return what an unknown name may have been meant to be, and what exists."""
    names = sorted(known, key=_natural)
    close = alike(name, names)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    return f"{hint}known: {listed(names)}"


def alike(name: str, known: Sequence[str]) -> list[str]:
    """Return the known name that is most like this one, the first of several; none if none is.

    A name without a dot may lack what others have before theirs, such as ``greedy`` for
    ``jutap.greedy`` and ``push.greedy``: then all of that ending are meant.
    """
    bare = "." not in name
    matcher = difflib.SequenceMatcher(b=name)

    def likeness(one: str) -> float:
        matcher.set_seq1(one)
        return matcher.ratio()

    def best(one: str) -> float:
        return max(likeness(one), likeness(_ending(one)) if bare else 0.0)

    first = max(known, key=lambda one: (best(one), _agreed(one, name)), default="")
    if not first or best(first) < _CLOSE:
        return []
    if bare and likeness(_ending(first)) == best(first):
        return [one for one in known if _ending(one) == _ending(first)]
    return [first]


def listed(names: Sequence[str]) -> str:
    """Return names separated by commas; of many, those that fit and how many more there are."""
    shown = list(names)
    while len(shown) > 1 and len(", ".join(shown)) > _WIDTH:
        shown.pop()
    left = len(names) - len(shown)
    return (", ".join(shown) or "none") + (f" and {left} more" if left else "")


def apart(one: str, other: str) -> tuple[str, str]:
    """Return the beginnings of two hashes, so long that they differ if the hashes do."""
    digits = max(_DIGITS, _agreed(one, other) + 1)
    return one[:digits], other[:digits]


def _agreed(one: str, other: str) -> int:
    """Return how many characters two texts begin alike with."""
    return len(os.path.commonprefix([one, other]))  # noqa: RUF071 - it is for any text


def _ending(name: str) -> str:
    return name.partition(".")[2] or name


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts numbers in names as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(int(part) if part.isdecimal() else 0, part) for part in parts]
