"""Long files of lines, plain or gzip, read line by line."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from opt_istn import files
from opt_istn.files import InputError

MAX_LINE = 128 << 20  # bytes of a record; an answer has at most half as many


def next_line(data: BinaryIO, source: str) -> bytes:
    """Return the next line with its end; nothing after the last.

    Raises
    ------
    InputError
        If it cannot be read, or is longer than `MAX_LINE`; names `source`.
    """
    try:
        line = data.readline(MAX_LINE + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError("", f"expected a complete gzip file ({error})", source) from None
    except OSError as error:
        raise files.unusable("cannot be read", error, source) from None
    if len(line) > MAX_LINE:
        raise InputError("", f"expected lines of at most {MAX_LINE} bytes", source)
    return line


@contextmanager
def opened(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for reading, decompressed if it is gzip.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        raw = open(path, "rb")  # noqa: SIM115 - closed below
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise files.unusable("cannot be read", error, path) from None
    with raw:
        try:
            compressed = raw.peek(2)[:2] == b"\x1f\x8b"
        except OSError as error:  # a folder, for one
            raise files.unusable("cannot be read", error, path) from None
        yield cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if compressed else raw
