"""Executors by name: what ``--executor`` and ``--dask`` of the command line mean.

`distributed` is imported when a Dask cluster is asked for, and not before.
"""

import importlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, cast

from opt_istn.files import InputError
from opt_istn.runs import remote


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
        where = {"scheduler_file" if address.endswith(".json") else "address": address}
        try:
            self._client: Any = client(**where, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError("--dask", f"no scheduler answers ({error})", address) from None
        self._pool: Any = self._client.get_executor(pure=False)

    def submit(self, *call: Any, **named: Any) -> Future[Any]:
        """Hand a call to the cluster."""
        future: Future[Any] = self._pool.submit(*call, **named)
        return future

    def cancel_runs(self, whose: str) -> None:
        """Give up the runs of a comparison on all workers; what they have begun is killed."""
        self._client.run(remote.cancel, whose, on_error="ignore")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Disconnect; the cluster goes on."""
        self._pool.shutdown(wait=wait and not cancel_futures)
        self._client.close()
