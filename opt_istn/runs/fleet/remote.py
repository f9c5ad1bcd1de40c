"""What a worker of an executor does: a run whose instance came once, by its hash.

The functions here are called in other processes, often on other machines, where this package is
installed as well. An instance that was brought stays there, so that the next run on it only names
it. Limits are kept on the worker as at home: every run has a child process and its supervisor.
"""

import os
import pickle
import socket
import threading
from collections import OrderedDict
from typing import NamedTuple

from opt_istn.problems import Instance
from opt_istn.runs import single
from opt_istn.runs.ledger import Record
from opt_istn.runs.nursery import worker
from opt_istn.runs.single import RunTask
from opt_istn.solver import Budget

KEPT = 4  # instances that stay on a worker; runs come instance by instance


class Parcel(NamedTuple):
    """An instance on its way: its hash, and itself in parts (`packing`) where it is lacking."""

    sha256: str
    parts: tuple[bytes, ...] | None


class Lacking(NamedTuple):
    """The answer of a worker that has not got the instance: the name of the worker."""

    worker: str


_lock = threading.Lock()
_instances: OrderedDict[str, Instance] = OrderedDict()
_given_up: set[str] = set()


def run(
    parcel: Parcel, task: RunTask, budget: Budget, startup_s: float | None, whose: str
) -> Record | Lacking:
    """Do a run here, if the instance is here.

    Parameters
    ----------
    whose
        Name of the comparison, for `cancel`.

    Raises
    ------
    Cancelled
        If the comparison was given up.
    """
    instance = _instance(parcel)
    if instance is None:
        return Lacking(f"{socket.gethostname()}:{os.getpid()}")
    token = worker.owner.set(whose)
    try:
        if whose in _given_up:
            raise worker.Cancelled
        return single.run_task(instance, task, budget, startup_s)
    finally:
        worker.owner.reset(token)


def cancel(whose: str) -> None:
    """Give up the runs of a comparison on this worker; their process trees are killed."""
    _given_up.add(whose)
    worker.cancel_all(whose)


def _instance(parcel: Parcel) -> Instance | None:
    with _lock:
        if parcel.sha256 not in _instances:
            if parcel.parts is None:
                return None
            head, *buffers = parcel.parts
            _instances[parcel.sha256] = pickle.loads(head, buffers=buffers)
        _instances.move_to_end(parcel.sha256)
        while len(_instances) > KEPT:
            _instances.popitem(last=False)
        return _instances[parcel.sha256]
