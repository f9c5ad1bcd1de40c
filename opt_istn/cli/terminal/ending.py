"""How a command ends before its time: an interrupt, or a word from whoever runs the machine.

SIGTERM, which queues of jobs send before they kill, is taken as an interrupt: what runs is given
up, files are left in order, and the same command goes on later.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143  # exit codes


class Terminated(KeyboardInterrupt):
    """The process got SIGTERM."""


class Listener:
    """Whether SIGTERM came."""

    heard = False

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Raise `Terminated`, once."""
        self.heard = True
        signal.signal(number, signal.SIG_DFL)  # who cannot wait says it again
        raise Terminated


@contextmanager
def listening() -> Iterator[Listener]:
    """Turn SIGTERM into an interrupt, unless somebody else minds it or this is not the main thread.

    Otherwise what is raised is as after Ctrl-C.
    """
    listener, free = Listener(), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if not free or threading.current_thread() is not threading.main_thread():
        yield listener
        return
    signal.signal(signal.SIGTERM, listener)
    try:
        yield listener
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
