"""The streams of a command: none that is closed, full or read by nobody ends in a traceback."""

import errno
import io
import os
import sys
import tempfile
from contextlib import suppress

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


def prepare() -> None:
    """Open streams that are closed on nothing, and let any file name be printed.

    A closed descriptor would be given to the next file or socket that is opened, which would then
    get what is printed.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, mode)
            if null != number:
                os.dup2(null, number)
                os.close(null)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - for the whole process
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - for the whole process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_full(error: OSError) -> bool:
    """Whether it tells that a stream, not a file with a name, takes no more."""
    return error.filename is None and error.errno in _FULL


def silence() -> None:
    """Let what is still buffered go nowhere: it must not fail again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def log(text: str) -> str:
    """Write a traceback to a file of its own and return its name."""
    with suppress(OSError):
        handle, name = tempfile.mkstemp(".log", "opt-istn-")
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
        return name
    return "lost: no folder can be written to"
