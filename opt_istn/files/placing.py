"""What is at a path, and how a whole file comes there: in place of a file, or into a pipe."""

import errno
import os
import shutil
import stat
import sys
from contextlib import suppress
from pathlib import Path


def is_file(path: str | Path) -> bool:
    """Return whether there is a regular file, or a link to one.

    Unlike pathlib's, it raises for no name, however long or odd.
    """
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | Path) -> bool:
    """Return whether there is a folder, or a link to one; as `is_file`."""
    return os.path.isdir(path)  # noqa: PTH112


def is_there(path: str | Path) -> bool:
    """Return whether there is anything at a path; as `is_file`."""
    return os.path.exists(path)  # noqa: PTH110


def end_of_links(path: Path) -> Path:
    """Return what a link leads to, which may not exist yet; other paths as they are.

    Raises
    ------
    OSError
        If links lead in a circle.
    """
    if not path.is_symlink() or (path.exists() and not is_replaced(path)):
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return target


def is_replaced(path: Path) -> bool:
    """Whether a new file takes the place of what is there: a regular file that is not stdout."""
    if not path.exists():
        return True
    there = path.stat()
    return stat.S_ISREG(there.st_mode) and not _is_output(there)


def copy(source: Path, path: Path) -> None:
    """Write the content of `source` into what is at `path`; stdout goes on after it."""
    output = _is_output(path.stat())
    if output:
        sys.stdout.flush()
    handle = os.dup(1) if output else os.open(path, os.O_WRONLY)
    with open(source, "rb") as read, open(handle, "wb") as stream:
        shutil.copyfileobj(read, stream)


def become(temporary: Path, target: Path) -> None:
    """Replace `target` by a whole file, on disk, with the old one's mode or the usual one."""
    with open(temporary, "rb") as stream:
        os.fsync(stream.fileno())
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~umask()
    temporary.chmod(mode)
    temporary.replace(target)


def umask() -> int:
    """Return the process's mask of permissions."""
    current = os.umask(0)
    os.umask(current)
    return current


def _is_output(there: os.stat_result) -> bool:
    """Whether this is what stdout goes to, as ``/dev/stdout`` is."""
    with suppress(OSError):  # stdout is closed
        return os.path.samestat(there, os.fstat(1))
    return False
