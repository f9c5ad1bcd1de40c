"""Compiling kernels: once a user, into a cache folder if there is a place for one."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba import config, njit


def cache_folder() -> Path | None:
    """Return the user's folder for compiled kernels, None if the user has no home.

    ``NUMBA_CACHE_DIR`` names another one. Several users and processes may share a folder; where it
    cannot be written, numba tries the folder of the sources next.
    """
    named = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    with suppress(RuntimeError):  # there is no home
        named = named or str(Path("~/.cache").expanduser())
    if not named or os.environ.get("NUMBA_CACHE_DIR"):
        return Path(named) if named else None
    return Path(named) / "opt-istn" / f"numba-{numba.__version__}"


def compiled(kernel: Callable[..., Any]) -> Any:
    """Return a kernel that is compiled when first called, without Python's lock.

    It is kept on disk where numba finds a folder to write to; where it finds none, each process
    compiles its own.
    """
    try:
        return njit(cache=True, nogil=True)(kernel)
    except RuntimeError:  # no place for a cache
        return njit(nogil=True)(kernel)


_folder = cache_folder()
if _folder is not None and not os.environ.get("NUMBA_CACHE_DIR"):
    config.CACHE_DIR = str(_folder)
