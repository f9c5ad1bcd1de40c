"""An instance in parts, as it goes to the process of a run."""

import pickle
import threading
from collections.abc import Sequence
from typing import Any

_lock = threading.Lock()


def pack(instance: Any) -> list[bytes]:
    """Return `instance` pickled in parts; unpickled in the child, its arrays are read-only."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(instance, protocol=5, buffer_callback=buffers.append)
    return [head, *(buffer.raw().tobytes() for buffer in buffers)]


class _Last:
    """The last instance packed: many runs in turn are on the same one."""

    instance: Any = None
    parts: tuple[bytes, ...] = ()


def packed(instance: Any) -> Sequence[bytes]:
    """Return `instance` as `pack` does, which is remembered until another one comes."""
    with _lock:
        if _Last.instance is not instance:
            _Last.instance, _Last.parts = instance, tuple(pack(instance))
        return _Last.parts
