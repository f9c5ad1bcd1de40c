"""Compiling kernels: once a user, into a cache folder if there is a place for one."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba import config, njit
from numba.core import caching
from numba.core.registry import cpu_target


def cache_folder() -> Path | None:
    """Return the user's folder for compiled kernels, None if the user has no home.

    Several users and processes may share it. One that cannot be written is read all the same;
    where it holds nothing, numba tries the folder of the sources next.
    """
    with suppress(RuntimeError):  # there is no home
        base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
        return Path(base) / "opt-istn" / f"numba-{numba.__version__}"
    return None


def compiled(kernel: Callable[..., Any]) -> Any:
    """Return a kernel that is compiled when first called, without Python's lock.

    It is kept on disk where there is a folder to write to, and taken from one that was filled by
    others; where there is neither, each process compiles its own.
    """
    options: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True}
    dispatcher: Any = njit(**options)(kernel)
    with suppress(RuntimeError):  # no place for a cache
        dispatcher._cache = _Cache(kernel)  # type: ignore[no-untyped-call] # numba's
    return dispatcher


def get_ready() -> None:
    """Load what numba looks up for its first kernel: a quarter of a second, once a process.

    Processes that are forked afterwards have it.
    """
    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()


_provided, *_others = caching.CacheImpl._locator_classes  # the first looks at `config.CACHE_DIR`


class _Filled(_provided):  # type: ignore[misc, valid-type] # numba is untyped
    """Finds kernels in a cache folder that may only be read."""

    def ensure_cache_path(self) -> None:
        if not any(Path(self.get_cache_path()).glob("*.nbi")):
            raise FileNotFoundError(self.get_cache_path())  # then the next one is asked


class _Places(caching.CompileResultCacheImpl):
    _locator_classes = [_provided, _Filled, *_others]  # noqa: RUF012


class _Cache(caching.FunctionCache):
    _impl_class = _Places

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):  # the folder is only read, or full: the kernel works all the same
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


_folder = cache_folder()
if _folder is not None and not os.environ.get("NUMBA_CACHE_DIR"):  # which names another one
    config.CACHE_DIR = str(_folder)  # type: ignore[attr-defined] # made at import
