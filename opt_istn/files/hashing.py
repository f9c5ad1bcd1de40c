"""The files behind a solver's parameters: what they hold is part of a run's identity.

A parameter is a file if its value is a path, or a text that looks like one and is there; of
``my.py:act`` it is ``my.py``. ``{seed}`` in a name stands for the files of all seeds. A folder is
all that lies in it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opt_istn import files
from opt_istn.files import InputError, placing, words

SUFFIX = "#sha256"  # after the name of a parameter, names the hash of its file
_SEED = "{seed}"


def digests(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of every parameter that is a file, under its name and `SUFFIX`.

    Raises
    ------
    InputError
        If a file cannot be read. What is not there has none: its solver will say so.
    """
    return {
        f"{name}{SUFFIX}": _digest(found)
        for name, value in parameters.items()
        if (found := _files(value))
    }


def stamps(parameters: Mapping[str, Any]) -> tuple[tuple[str, int, int], ...]:
    """Return path, size and time of change of every such file, to see cheaply that it changed."""
    found = [path for value in parameters.values() for path in _files(value)]
    return tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in found)


def split(parameters: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return parameters without the hashes among them, and the hashes."""
    own = {name: value for name, value in parameters.items() if not name.endswith(SUFFIX)}
    return own, {name: str(x) for name, x in parameters.items() if name.endswith(SUFFIX)}


def check(parameters: Mapping[str, Any], expected: Mapping[str, str]) -> None:
    """Check that the files are those that were hashed.

    Raises
    ------
    InputError
        If one has changed since.
    """
    found = digests(parameters) if expected else {}
    for name, digest in expected.items():
        if found.get(name) != digest:
            own, now = words.apart(digest, found.get(name, ""))
            rule = f"expected the file with the hash {own}, found {now or 'no file'}"
            rule += ": it has changed"
            raise InputError(name.removesuffix(SUFFIX), rule)


def check_kept(path: str | Path) -> None:
    """Check that what is at a path can be read again, and hashed: no pipe and no device.

    Raises
    ------
    InputError
        If it cannot. What is not there is for its reader to say.
    """
    if placing.is_there(path) and not (placing.is_file(path) or placing.is_folder(path)):
        rule = "expected a file or a folder, found a pipe or a device, which cannot be read twice"
        raise InputError("", rule, str(path))


def _files(value: Any) -> list[Path]:
    """Return the files behind a value, none if it is none."""
    if isinstance(value, str):
        place, colon, _ = value.rpartition(":")
        text = place if colon and place.endswith(".py") else value
        if "/" not in text and not Path(text).suffix:
            return []
        return [path for path in _named(Path(text)) if path.is_file()]
    return list(_named(value)) if isinstance(value, Path) else []


def _named(path: Path) -> Iterator[Path]:
    """Yield the files that a path names, sorted: one, those of all seeds, those of a folder."""
    if "\0" in str(path):
        return
    try:
        there = [path]
        if _SEED in path.name:
            there = sorted(path.parent.glob(path.name.replace(_SEED, "*")))
        for one in there:
            if one.is_dir():
                yield from sorted(inside for inside in one.rglob("*") if inside.is_file())
            elif one.exists():
                yield one
    except OSError as error:  # a name that is too long, for one
        raise files.unusable("cannot be read", error, path) from None


def _digest(paths: list[Path]) -> str:
    total = hashlib.sha256()
    for path in paths:
        try:
            with open(path, "rb") as stream:
                own = hashlib.file_digest(stream, "sha256").digest()
        except OSError as error:
            raise files.unusable("cannot be read", error, path) from None
        if len(paths) == 1:
            return own.hex()
        total.update(own)
    return total.hexdigest()
