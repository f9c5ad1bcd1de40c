"""What a command may write over: never its inputs, and no records or other documents unawares.

Every command that writes files asks here before it does any work. What a target holds is seen from
its first bytes: a file of another kind than the command writes was named by mistake.
"""

import gzip
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from opt_istn.files import InputError, placing

RECORDS, INSTANCE, PLAN, CERTIFICATE = "records", "an instance", "a plan", "a certificate"
ARCHIVE = "an agent or another archive"  # agents and bundles are zip files
_BEGINNING = 1 << 16  # bytes that are looked at
_FORMAT = re.compile(rb'"format"\s*:\s*"([a-z/-]+)"')
_OURS = "opt-istn/"
_ZIP = b"PK\x03\x04"
_NAMES = {f"{_OURS}run": RECORDS, f"{_OURS}certificate": CERTIFICATE}


class Target(NamedTuple):
    """A file that a command is going to write.

    Parameters
    ----------
    option
        What names it on the command line.
    path
        Where it goes; empty for nowhere.
    kind
        What is written, which may replace its like; empty for what no command reads, such as a
        picture.
    """

    option: str
    path: str
    kind: str = ""


def check(*targets: Target, inputs: Iterable[str] = ()) -> None:
    """Check that each target may be written.

    Parameters
    ----------
    inputs
        What the command reads: files, and other words of the command line, which are no files.

    Raises
    ------
    InputError
        If a target is an input or another target, or holds something else than is to be written.
    """
    given = [each for each in targets if each.path]
    read = list(inputs)
    for number, (option, path, kind) in enumerate(given):
        for other in given[:number]:
            if _same(path, other.path):
                raise InputError(option, f"expected another file than {other.option}", path)
        if not placing.is_file(path):
            continue
        for one in read:
            if _same(path, one):
                rule = f"expected another file than the input {one}, which would be lost"
                raise InputError(option, rule, path)
        found = kind_of(path)
        if found and found != kind:
            wanted = f"a new file, or {kind} to replace" if kind else "a new file"
            raise InputError(option, f"expected {wanted}, found {found}, which would be lost", path)


def named(*texts: str) -> Iterator[str]:
    """Yield what may be files in the values of parameters, such as ``id@agent=dqn.pt``."""
    for text in texts:
        for item in dict.fromkeys([text, *re.split("[,@]", text)]):
            value = item.partition("=")[2]
            if value:
                yield value


def kind_of(path: str | Path) -> str:
    """Return what a file of ours holds; empty for other files, and what cannot be read."""
    data = _beginning(path)
    if data.startswith(_ZIP):
        return ARCHIVE
    match = _FORMAT.search(data)
    if match is None:
        return ""
    name = match[1].decode()
    if name in _NAMES:
        return _NAMES[name]
    from opt_istn import problems

    formats = [each.formats() for each in problems.every()]
    if name in (instance for instance, _ in formats):
        return INSTANCE
    if name in (plan for _, plan in formats):
        return PLAN
    return f"a file of {name.removeprefix(_OURS)}" if name.startswith(_OURS) else ""


def _beginning(path: str | Path) -> bytes:
    """Return the first bytes, decompressed, of an archive or of a document; nothing of another."""
    try:
        with open(path, "rb") as raw:
            packed = raw.peek(2)[:2] == b"\x1f\x8b"
            data = (gzip.GzipFile(fileobj=raw) if packed else raw).read1(_BEGINNING)
    except (OSError, EOFError, zlib.error):
        return b""
    document = data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return data if document or data.startswith(_ZIP) else b""


def _same(one: str, other: str) -> bool:
    """Return whether two names are one file, through links too, be it there or not."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - pathlib's knows fewer odd names
    except (OSError, ValueError):
        return os.path.realpath(one) == os.path.realpath(other)
