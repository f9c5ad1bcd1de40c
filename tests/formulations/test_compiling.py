"""Kernels are compiled before the clock starts, and wherever there is room for them."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from numba.core.dispatcher import Dispatcher

from bench.time_limits import solvers
from opt_istn import registry
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.solver import Budget
from opt_istn.testing import jutap, push


def kernels() -> list[Dispatcher]:
    """Return every compiled function of the process that is ours: all are global in a module."""
    ours = [m for name, m in sys.modules.items() if name.startswith(("formulations.", "learners."))]
    named = (x for module in ours for x in vars(module).values())
    return list({id(x): x for x in named if isinstance(x, Dispatcher)}.values())


def as_in_a_run(instance: Any) -> Any:
    """Return an instance as a run's process gets it: its arrays are read-only memory."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(instance, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(head, buffers=[buffer.raw().tobytes() for buffer in buffers])


def subjects(problem: str) -> Iterator[Any]:
    """Yield small instances of every kind, as runs get them."""
    family = jutap if problem == "jutap" else push
    for index in range(27):
        yield as_in_a_run(family.draw(5, index))
    if problem == "push":
        for seed in range(2):
            yield as_in_a_run(generate(PRESETS["push-tiny"], seed, "push-tiny"))


@pytest.mark.parametrize("name", solvers())
def test_nothing_is_compiled_on_the_clock(name: str) -> None:
    """After `prepare` no call of `solve` meets a kernel, or types of arguments, for the first time.

    A signature that is new would be compiled, or at least read from the cache, on the clock.
    """
    problem = name.partition(".")[0]
    solver = registry.make(name, problem, {})
    assert len(kernels()) > 50
    for kernel in kernels():  # what other tests have compiled is forgotten
        kernel._reset_overloads()
    solver.prepare()
    known = {kernel: set(kernel.overloads) for kernel in kernels()}
    for instance in subjects(problem):
        if solver.supports(instance) is None:
            solver.solve(instance, Budget(time_s=5.0), 0)
    late = {k.py_func.__qualname__: set(k.overloads) - known.get(k, set()) for k in kernels()}
    assert {kernel: new for kernel, new in late.items() if new} == {}


@pytest.mark.parametrize("nowhere", [False, True])
def test_kernels_run_without_a_place_for_a_cache(tmp_path: Path, nowhere: bool) -> None:
    """Without a home, or any folder that can be written, kernels are compiled and not kept."""
    script = (
        "from opt_istn import compiling\n"
        "from opt_istn.compiling import compiled\n"
        f"if {nowhere}: compiling._Places._locator_classes = ()\n"
        "assert compiled(lambda x: x + 1)(2) == 3\n"
        "import formulations.jutap.labels, formulations.push.labels.solver\n"
        "import learners.jutap.env, learners.push.stage.batch\n"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
    busy = tmp_path / "file"
    busy.touch()  # a folder below a file cannot be made, not even by root
    environment = {**clean, "NUMBA_CACHE_DIR": str(busy / "below")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


KERNEL = "from opt_istn.compiling import compiled\n\n@compiled\ndef double(x):\n    return 2 * x\n"


def test_a_filled_cache_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    """Kernels that others have compiled are taken from their folder; new ones are not kept."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    cache = tmp_path / "cache"
    script = (
        "import errno, sys, tempfile\n"
        "from numba.core.caching import IndexDataCacheFile\n"
        "def refuse(*_, **__): raise OSError(errno.EROFS, 'read-only')\n"
        "if sys.argv[1] == 'read':\n"  # the bits of a folder do not keep root from writing
        "    tempfile.TemporaryFile = IndexDataCacheFile.save = refuse\n"
        "from kernel import double\n"
        "assert double(3) == 6\n"
        "assert sys.argv[1] == 'fill' or double(0.5) == 1.0\n"
        "print(sum(double.stats.cache_hits.values()), sum(double.stats.cache_misses.values()))\n"
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(tmp_path)}
    told = []
    for way in ("fill", "read"):
        command = [sys.executable, "-c", script, way]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.split())
    assert told == [["0", "1"], ["1", "1"]]
    assert sum(path.suffix == ".nbc" for path in cache.rglob("*")) == 1
    assert not list(tmp_path.glob("__pycache__/*.nbi"))
