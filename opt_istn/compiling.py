"""Compiling kernels: once a user, into a cache folder if there is a place for one.

A kernel has the code of those it calls in it, the values of globals, and the places of the fields
of the tuples that it is given. numba looks at the file of the kernel alone and would go on with a
kernel after one that it calls has changed; here the name of what is kept says all of it.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba import config, njit, types
from numba.core import caching
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target
from numba.np import linalg


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
        dispatcher._cache = _Cache(dispatcher)
    return dispatcher


def get_ready() -> None:
    """Load what numba looks up for its first kernel: a quarter of a second, once a process.

    Processes that are forked afterwards have it. numba imports scipy's linear algebra to see
    whether it is there, as long again; a kernel that needs it imports it all the same.
    """
    kept, linalg.ensure_blas = linalg.ensure_blas, lambda: None
    try:
        cpu_target.typing_context.refresh()
        cpu_target.target_context.refresh()
    finally:
        linalg.ensure_blas = kept


_provided, *_others = caching.CacheImpl._locator_classes  # the first looks at `config.CACHE_DIR`


class _Filled(_provided):  # type: ignore[misc, valid-type] # numba is untyped
    """Finds kernels in a cache folder that may only be read."""

    def ensure_cache_path(self) -> None:
        if not any(Path(self.get_cache_path()).glob("*.nbi")):
            raise FileNotFoundError(self.get_cache_path())  # then the next one is asked


class _Places(caching.CompileResultCacheImpl):
    _locator_classes = [_provided, _Filled, *_others]  # noqa: RUF012


class _Cache(caching.FunctionCache):
    """Keep each signature of a kernel by itself, in a file that is named after what it is made of.

    A file that cannot be read is as good as none: the kernel is compiled once more.
    """

    _impl_class = _Places

    def __init__(self, dispatcher: Any) -> None:
        super().__init__(dispatcher.py_func)  # type: ignore[no-untyped-call] # numba's
        self._dispatcher = dispatcher

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        self._cache_file = self._file(sig)
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:
            with suppress(OSError):
                self._cache_file.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        self._cache_file = self._file(sig)
        with suppress(OSError):  # the folder is only read, or full: the kernel works all the same
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
            self._remove_older()

    def _file(self, sig: Any) -> caching.IndexDataCacheFile:
        stamp = f"{_digest(made_of(self._dispatcher))}-{_digest(_told(sig, set()))}"
        name = f"{self._called}{stamp}.py{sys.version_info[0]}{sys.version_info[1]}"
        return caching.IndexDataCacheFile(self._cache_path, name, stamp)  # type: ignore[no-untyped-call]

    @property
    def _called(self) -> str:
        """What the names of the kernel's files begin with."""
        return f"{self._impl.filename_base.partition('-')[0]}-"

    def _remove_older(self) -> None:
        """Remove what the kernel was, which nothing asks for any more."""
        if "<" in self._py_func.__qualname__:
            return  # several may be called so
        current = f"{self._called}{_digest(made_of(self._dispatcher))}-"
        for path in Path(self._cache_path).glob(f"{self._called}*.nb[ic]"):
            if not path.name.startswith(current):
                path.unlink(missing_ok=True)


def made_of(dispatcher: Any) -> tuple[str, ...]:
    """Return all that the code of a kernel is made of, for every type of arguments.

    Raises
    ------
    TypeError
        For a global of a kind that nobody has said how to tell whether it changed.
    """
    return tuple(_told(dispatcher, set()))


def _told(thing: Any, seen: set[int]) -> Iterator[str]:
    """Yield what tells a thing from any other that would be compiled differently."""
    if isinstance(thing, Dispatcher):
        if id(thing) not in seen:
            seen.add(id(thing))
            yield repr(sorted(thing.targetoptions.items()))
            yield from _told_code(thing.py_func.__code__, thing.py_func, seen)
    elif isinstance(thing, types.Dispatcher):
        yield from _told(thing.dispatcher, seen)
    elif isinstance(thing, types.NamedTuple | types.NamedUniTuple):
        yield from _told((thing.instance_class, *thing.types), seen)
    elif isinstance(thing, types.Tuple | types.UniTuple):
        yield from _told(tuple(thing.types), seen)
    elif isinstance(thing, tuple):
        yield f"{len(thing)} of"
        for element in thing:
            yield from _told(element, seen)
    elif isinstance(thing, type):
        yield f"{thing.__module__}.{thing.__qualname__}{getattr(thing, '_fields', '')}"
    elif isinstance(thing, types.Type | ModuleType | BuiltinFunctionType):
        yield repr(thing)
    elif isinstance(thing, bool | int | float | complex | str | bytes | np.generic | None):
        yield f"{type(thing)} {thing!r}"
    elif isinstance(thing, FunctionType):  # numba knows others for it, which lie beside it
        yield Path(thing.__code__.co_filename).read_text("utf-8")
    else:
        raise TypeError(
            f"a kernel depends on a {type(thing)}: it cannot be told whether it changed"
        )


def _told_code(code: CodeType, function: FunctionType, seen: set[int]) -> Iterator[str]:
    yield f"{code.co_name} {code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for name in code.co_names:
        if name in function.__globals__:
            yield from _told(function.__globals__[name], seen)
    for cell in function.__closure__ or ():
        yield from _told(cell.cell_contents, seen)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _told_code(constant, function, seen)
        else:
            yield from _told(constant, seen)


def _digest(told: Any) -> str:
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


_folder = cache_folder()
if _folder is not None and not os.environ.get("NUMBA_CACHE_DIR"):  # which names another one
    config.CACHE_DIR = str(_folder)  # type: ignore[attr-defined] # made at import
