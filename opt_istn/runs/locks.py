"""One writer at a time for a file of records, on local disks and on network file systems.

`flock` keeps others away on a local disk, on NFS with a lock manager, on Lustre mounted with
``flock``. Where the system refuses it, or the mount says that it reaches no other machine, a lock
file beside the file, made exclusively, says who writes: host and process. Left by a process of this
host that is gone, it is replaced; left on another host, it has to be deleted by hand.
"""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
import psutil

from opt_istn import files
from opt_istn.files import InputError

LOCK = ".lock"  # ending of the lock file
_REFUSED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_LOCAL = {"nolock", "local_lock=all", "local_lock=flock", "localflock", "nobrl"}  # mount options
_HELD = "is appending to it; if that has ended, delete"
_MOUNTS = Path("/proc/self/mountinfo")


class _Holder(msgspec.Struct, frozen=True):
    """Who holds a lock file."""

    host: str
    pid: int


@contextmanager
def locked(path: str | Path) -> Iterator[int]:
    """Open the file at `path`, which is created if need be, for appending by this process alone.

    Raises
    ------
    InputError
        If another process appends to it, or it is no regular file or cannot be written.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except (OSError, ValueError) as error:
        raise files.unusable("cannot be written", error, path) from None
    with ExitStack() as held:
        held.callback(os.close, handle)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise InputError("", "expected a regular file: it is read again", str(path))
        if not _flocked(handle, path) or only_here(path):
            held.enter_context(_lock_file(Path(f"{path}{LOCK}"), path))
        yield handle


def _flocked(handle: int, path: str | Path) -> bool:
    """Lock an open file; return whether the system can."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError("", "another process is appending to it", str(path)) from None
    except OSError as error:
        if error.errno in _REFUSED:
            return False
        raise files.unusable("cannot be locked", error, path) from None
    return True


def only_here(path: str | Path) -> bool:
    """Return whether the mount that holds `path` says that locks reach no other machine."""
    try:
        lines = _MOUNTS.read_text(errors="replace").splitlines()
    except OSError:  # not Linux: there is nobody to ask
        return False
    place, best, options = Path(path).resolve(), Path(), set[str]()
    for line in lines:
        mount, _, system = line.partition(" - ")
        point = Path(mount.split()[4].encode().decode("unicode_escape"))
        if point in (place, *place.parents) and len(point.parts) >= len(best.parts):
            best, options = point, set(system.split()[-1].split(","))
    return bool(options & _LOCAL)


@contextmanager
def _lock_file(lock: Path, path: str | Path) -> Iterator[None]:
    """Hold a lock file that names this host and process."""
    ours = _Holder(socket.gethostname(), os.getpid())
    for _ in range(2):
        try:
            handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            break
        except FileExistsError:
            _refuse_if_held(lock, path, ours.host)
        except OSError as error:
            raise files.unusable("cannot be written", error, lock) from None
    else:
        raise InputError("", "another process is appending to it", str(path))
    try:
        os.write(handle, msgspec.json.encode(ours))
        os.close(handle)
        yield
    finally:
        with suppress(FileNotFoundError):
            lock.unlink()


def _refuse_if_held(lock: Path, path: str | Path, host: str) -> None:
    """Delete a lock file of a process of this host that is gone; raise `InputError` otherwise."""
    try:
        holder: _Holder | None = msgspec.json.decode(lock.read_bytes(), type=_Holder)
    except FileNotFoundError:  # its holder ended just now
        return
    except (OSError, msgspec.DecodeError):
        holder = None
    if holder is None:
        who = "somebody who is not named there"
        raise InputError("", f"{who} {_HELD} {lock}", str(path))
    if holder.host == host and not psutil.pid_exists(holder.pid):
        with suppress(FileNotFoundError):
            lock.unlink()
        return
    who = f"process {holder.pid} on {holder.host}"
    raise InputError("", f"{who} {_HELD} {lock}", str(path))
