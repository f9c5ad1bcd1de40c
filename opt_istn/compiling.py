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

    Several users and processes may share it. Where it cannot be written, numba tries the folder of
    the sources next.
    """
    with suppress(RuntimeError):  # there is no home
        base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        return Path(base) / "opt-istn" / f"numba-{numba.__version__}"
    return None


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
if _folder is not None and not os.environ.get("NUMBA_CACHE_DIR"):  # which names another one
    config.CACHE_DIR = str(_folder)  # type: ignore[attr-defined] # made at import
