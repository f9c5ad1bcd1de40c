"""One writer at a time, also where the file system's locks reach nobody else."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from opt_istn import InputError
from opt_istn.runs import locks
from opt_istn.runs.locks import locked

MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:40 / {mount} rw,relatime shared:2 - nfs server:/export rw,vers=3,{options},addr=10.0.0.1
31 21 0:41 / /elsewhere rw - nfs server:/export rw,nolock
"""


@pytest.fixture
def without_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a file system that knows no locks."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("without_flock")
def test_a_lock_file_stands_in_for_flock(tmp_path: Path) -> None:
    """Where the system refuses locks, a file names host and process, and keeps others away."""
    path = tmp_path / "runs.jsonl"
    with locked(path):
        assert f'"pid":{os.getpid()}' in (tmp_path / "runs.jsonl.lock").read_text()
        who = f"process {os.getpid()} on {socket.gethostname()} is appending to it"
        with pytest.raises(InputError, match=who), locked(path):
            pass
    assert [one.name for one in tmp_path.iterdir()] == ["runs.jsonl"]


@pytest.mark.usefixtures("without_flock")
def test_a_lock_file_of_a_dead_process_is_replaced(tmp_path: Path) -> None:
    """A process of this host that was killed holds nobody up; one of another host may live."""
    path, lock = tmp_path / "runs.jsonl", tmp_path / "runs.jsonl.lock"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    lock.write_text(f'{{"host":"{socket.gethostname()}","pid":{dead.pid}}}')
    with locked(path):
        pass
    somebody = "somebody who is not named there"
    for held, who in (
        ('{"host":"elsewhere","pid":1}', "process 1 on elsewhere"),
        ("", somebody),
        ("not ours", somebody),
    ):
        lock.write_text(held)
        reason = rf"{who} is appending to it; if that has ended, delete .*lock"
        with pytest.raises(InputError, match=reason), locked(path):
            pass


@pytest.mark.parametrize(
    ("options", "local"),
    [("hard", False), ("nolock", True), ("local_lock=all", True), ("local_lock=none", False)],
)
def test_mounts_whose_locks_are_local_are_known(
    options: str, local: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mount of the file itself decides; with local locks a lock file is made as well."""
    mounts = tmp_path / "mountinfo"
    folder = tmp_path / "a b"
    folder.mkdir()
    mount = str(folder).replace(" ", "\\040")
    mounts.write_text(MOUNTS.format(mount=mount, options=options))
    monkeypatch.setattr(locks, "_MOUNTS", mounts)
    assert locks.only_here(folder / "runs.jsonl") == local
    with locked(folder / "runs.jsonl"):
        assert (folder / "runs.jsonl.lock").exists() == local


def test_other_errors_of_a_lock_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that fails for another reason is an error of one line, not a missing lock."""

    def flock(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(InputError, match="cannot be locked"), locked(tmp_path / "runs.jsonl"):
        pass
