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
from opt_istn.compiling import made_of
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


CALLED = (
    "from typing import NamedTuple\n\nfrom opt_istn.compiling import compiled\n\n"
    "class Pair(NamedTuple):\n    first: float\n    second: float\n\n"
    "FACTOR = 2\n\n@compiled\ndef change(x):\n    return x + 1\n"
)
CALLER = (
    "from opt_istn.compiling import compiled\nfrom called import FACTOR, Pair, change\n\n"
    "@compiled\ndef both(pair):\n    return FACTOR * change(pair.first)\n"
)
SHOW = (
    "from caller import both\nfrom called import Pair\n"
    "print(both(Pair(first=3, second=5)), sum(both.stats.cache_hits.values()))\n"
)


def shown(folder: Path) -> str:
    """Return what the two files print in a process of their own, and how many kernels were kept."""
    there = {"NUMBA_CACHE_DIR": str(folder / "cache"), "PYTHONPATH": str(folder)}
    command, env = [sys.executable, "-B", "-c", SHOW], os.environ | there
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def two_files(tmp_path: Path) -> Path:
    """Return the folder of a kernel and of one that it calls, both compiled and kept."""
    (tmp_path / "called.py").write_text(CALLED)
    (tmp_path / "caller.py").write_text(CALLER)
    assert shown(tmp_path) == "8 0"
    return tmp_path


def test_what_a_kernel_is_made_of_compiles_it_anew(two_files: Path) -> None:
    """A kernel's file stays as it is; what it calls, a global, and the order of fields change."""
    called = two_files / "called.py"
    for old, new, expected in (
        ("x + 1", "x + 2", "10"),
        ("FACTOR = 2", "FACTOR = 3", "15"),
        ("    first: float\n    second: float\n", "    second: float\n    first: float\n", "15"),
    ):
        called.write_text(called.read_text().replace(old, new))
        assert shown(two_files) == f"{expected} 0"
    assert shown(two_files) == "15 1"
    kept = [path.name.partition("-")[0] for path in (two_files / "cache").rglob("*.nbi")]
    assert kept.count("called.change") == 1  # older ones are gone
    assert kept.count("caller.both") == 2  # one for each order of the fields


@pytest.mark.parametrize("kind", ["nbi", pytest.param("nbc", marks=pytest.mark.slow)])
def test_a_kept_kernel_that_cannot_be_read_is_compiled_again(two_files: Path, kind: str) -> None:
    """A file that a loss of power left empty, or that names what is gone, is as good as none."""
    for content in (b"", b"\x80\x05cnowhere\nNothing\n."):
        for path in (two_files / "cache").rglob(f"*.{kind}"):
            path.write_bytes(content)
        assert shown(two_files) == "8 0"
    assert shown(two_files) == "8 1"


def test_of_every_kernel_is_known_what_it_is_made_of() -> None:
    """No two kernels are made of the same; nothing in them is of an unknown kind."""
    for name in solvers():
        registry.make(name, name.partition(".")[0], {})
    assert len({made_of(kernel) for kernel in kernels()}) == len(kernels()) > 50


def test_a_process_that_is_ready_multiplies_matrices() -> None:
    """The linear algebra that getting ready leaves out is imported by the first that needs it."""
    script = (
        "import sys\nimport numpy as np\nfrom opt_istn import compiling\n"
        "compiling.get_ready()\n"
        "assert 'scipy.linalg' not in sys.modules\n"
        "product = compiling.compiled(lambda a, b: np.dot(a, b))\n"
        "assert (product(np.eye(3), np.arange(3.0)) == np.arange(3.0)).all()\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
