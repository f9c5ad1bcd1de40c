"""Executors by name: what ``--executor`` and ``--dask`` of the command line mean.

`distributed` is imported when a Dask cluster is asked for, and not before.
"""

import importlib
import logging
from collections.abc import Callable, Iterable
from concurrent import futures
from concurrent.futures import Executor, Future
from typing import Any, cast
from uuid import uuid4
from weakref import WeakKeyDictionary

from opt_istn.files import InputError
from opt_istn.runs.fleet import remote

_ANSWER_S = 60.0  # after so long without an answer a scheduler is out of reach
_ALIVE = {"waiting", "queued", "no-worker", "processing"}  # states of a task that is still to end
_OPEN = {"running", "connecting"}  # of a client


def named(text: str) -> Callable[[], Executor]:
    """Return what makes the executor ``module:factory``.

    Raises
    ------
    InputError
        If there is no such thing to call, or it cannot be imported.
    """
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        raise InputError("--executor", f"expected module:factory, found {text!r}")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError("--executor", f"expected what can be imported: {error}") from None
    if not callable(factory):
        raise InputError("--executor", f"expected something to call, found {text!r}")

    def make() -> Executor:
        made = factory()
        if not callable(getattr(made, "submit", None)):
            kind = type(made).__name__
            raise InputError("--executor", f"expected an executor of {text}, it made a {kind}")
        return cast("Executor", made)  # it has submit, which is all that is needed

    return make


def dask(address: str) -> Callable[[], Executor]:
    """Return what connects to the Dask scheduler at `address`, or in its scheduler file.

    Raises
    ------
    InputError
        If the extra ``scale`` is not installed.
    """
    try:
        importlib.import_module("distributed")
    except ImportError:
        expected = 'expected the extra `scale`: pip install "opt-istn[scale]"'
        raise InputError("--dask", expected) from None
    return lambda: Dask(address)


class Dask(Executor):
    """The workers of a Dask cluster; each of their threads does a run at a time.

    Parameters
    ----------
    address
        Of the scheduler, such as ``tcp://host:8786``, or its file, ending in ``.json``.
    """

    def __init__(self, address: str) -> None:
        client: Any = importlib.import_module("distributed").Client
        for name in ("distributed.client", "tornado.application"):  # a lost scheduler is our line
            logging.getLogger(name).setLevel(logging.CRITICAL)
        where = {"scheduler_file" if address.endswith(".json") else "address": address}
        try:
            self._client: Any = client(**where, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError("--dask", f"no scheduler answers ({error})", address) from None
        self._pool: Any = self._client.get_executor(pure=False)
        self._keys: WeakKeyDictionary[Future[Any], str] = WeakKeyDictionary()

    def submit(self, *call: Any, **named: Any) -> Future[Any]:
        """Hand a call to the cluster."""
        key = f"opt-istn-{uuid4().hex}"
        future: Future[Any] = self._pool.submit(*call, key=key, **named)
        self._keys[future] = key
        return future

    def unknown_runs(self, out: Iterable[Future[Any]]) -> list[Future[Any]]:
        """Return those that will never end: scheduler or client has dropped or finished them.

        Raises
        ------
        OSError
            If the scheduler is out of reach; its client may raise other errors, too.
        """
        client = self._client
        if client.status not in _OPEN:
            raise ConnectionError("the connection to the scheduler is closed")
        keys = {one: self._keys.get(one, "") for one in out}  # none: of an earlier connection
        ask = client.scheduler.get_task_status
        states = client.sync(ask, keys=list(keys.values()), callback_timeout=_ANSWER_S)
        waits = {key for key, state in dict(client.futures).items() if state.status == "pending"}
        alive = {key for key, state in states.items() if state in _ALIVE and key in waits}
        return [one for one, key in keys.items() if key not in alive]

    def cancel_runs(self, whose: str) -> None:
        """Give up the runs of a comparison on all workers; what they have begun is killed."""
        if self._client.status in _OPEN:
            self._client.run(remote.cancel, whose, on_error="ignore")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Disconnect; the cluster goes on."""
        if self._client.status in _OPEN:  # else there is nobody to tell
            if wait and not cancel_futures:
                futures.wait([one for one in self._keys if not one.done()])  # those given up are
            self._pool.shutdown(wait=False)
        self._client.close()
