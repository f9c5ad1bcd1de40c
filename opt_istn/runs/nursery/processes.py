"""What the system tells of processes from outside: their trees, memory and CPU time.

Memory of one process is its resident set. Of several, it is the sum of their proportional sets
(PSS): a page that n processes share counts once, not n times. What a process keeps in memory files
(memfd) without mapping it is added. Shared memory under /dev/shm counts where it is mapped.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

LINUX = sys.platform == "linux"
_TICKS = os.sysconf("SC_CLK_TCK")
_BLOCK = 512  # bytes that st_blocks counts in
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


def adopt_orphans() -> None:
    """Have orphaned descendants become children of this process, so that none escapes."""
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """Have this process killed when the one that forked it ends."""
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def children(pid: int) -> list[int]:
    """Return the living children of a process."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    except OSError:
        with suppress(psutil.Error):
            found = [child.pid for child in psutil.Process(pid).children()]
    return [child for child in found if state(child) not in ("", "Z")]


def descendants(pid: int) -> list[int]:
    """Return the living descendants of a process."""
    found: list[int] = []
    new = children(pid)
    while new:
        found += new
        new = [child for one in new for child in children(one) if child not in found]
    return found


def state(pid: int) -> str:
    """Return the state of a process, as ps shows it: ``T`` is stopped; empty if it is gone."""
    if LINUX:
        fields = _stat(pid)
        return fields[0] if fields else ""
    try:
        names = {psutil.STATUS_STOPPED: "T", psutil.STATUS_ZOMBIE: "Z"}
        return names.get(psutil.Process(pid).status(), "S")
    except psutil.Error:
        return ""


def kill(pids: Iterable[int]) -> None:
    """Kill processes."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def kill_tree(pid: int) -> int:
    """Kill all descendants of a process, which may fork meanwhile; return how many there were."""
    killed = set[int]()  # on a busy machine they take more than one look to be gone
    for _ in range(100):
        alive = descendants(pid)
        if not alive:
            break
        kill(alive)
        killed.update(alive)
        time.sleep(0.002)
    return len(killed)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process and of the children it has waited for."""
    if not LINUX:
        with suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            return float(times.user + times.system)
        return 0.0
    try:
        own = time.clock_gettime(~pid << 3 | 2)  # its clock, as clock_getcpuclockid(3) gives it
    except OSError:
        own = 0.0
    fields = _stat(pid)
    waited = sum(map(int, fields[13:15])) if fields else 0
    return own + waited / _TICKS


def memory(pids: list[int]) -> int:
    """Return the bytes of memory that processes use together."""
    if not LINUX:
        return sum(map(_resident, pids))
    pages = shared = 0
    kept: dict[tuple[int, int], int] = {}
    for pid in pids:
        used, mapped = _resident_set(pid) if len(pids) == 1 else _proportional_set(pid)
        pages += used - mapped
        shared += mapped
        kept |= _memory_files(pid)
    return pages + max(shared, sum(kept.values()))


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on, none if the process is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _resident(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _resident_set(pid: int) -> tuple[int, int]:
    return _sizes(f"/proc/{pid}/status", "VmRSS:", "RssShmem:")


def _proportional_set(pid: int) -> tuple[int, int]:
    return _sizes(f"/proc/{pid}/smaps_rollup", "Pss:", "Pss_Shmem:")


def _sizes(path: str, total: str, shared: str) -> tuple[int, int]:
    """Return two sizes in bytes out of a file that tells them in kB; 0 if it does not."""
    found = {total: 0, shared: 0}
    with suppress(OSError), open(path, errors="replace") as lines:
        for line in lines:
            name, _, rest = line.partition("\t" if "\t" in line else " ")
            if name in found:
                found[name] = int(rest.split()[0]) << 10
    return found[total], found[shared]


def _memory_files(pid: int) -> dict[tuple[int, int], int]:
    """Return the bytes in each memory file that a process holds open, by device and inode."""
    found = {}
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(link.readlink()).startswith("/memfd:"):
                    about = link.stat()
                    found[about.st_dev, about.st_ino] = about.st_blocks * _BLOCK
    return found
