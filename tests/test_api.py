"""What scripts import: lazily, with examples that run."""

import doctest
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import opt_istn
from opt_istn import InputError, api, generate, make, read_plan, solver

PUBLIC = {
    *("generate", "read_instance", "read_plan", "evaluate", "make", "compare", "read_runs"),
    *("Budget", "Claims", "Status", "Solver", "InputError"),
}


def test_every_public_name_is_there_and_listed() -> None:
    for name in PUBLIC:
        assert getattr(opt_istn, name) is not None
    assert set(dir(opt_istn)) >= PUBLIC
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = opt_istn.nothing_like_it  # type: ignore[attr-defined]


def test_a_star_imports_what_is_public_and_no_more() -> None:
    found: dict[str, object] = {}
    exec("from opt_istn import *", found)
    assert set(found) - {"__builtins__"} == PUBLIC


def test_importing_the_package_imports_nothing_beyond_the_standard_library() -> None:
    lines = "import sys; old = set(sys.modules); import opt_istn; new = set(sys.modules) - old\n"
    lines += "known = sys.stdlib_module_names | {'opt_istn'}\n"
    lines += "print(sorted(n for n in new if n.partition('.')[0] not in known))\n"
    lines += "print(sorted(n for n in new if n.startswith('opt_istn.')))"
    ran = subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, check=True
    ).stdout
    assert ran.splitlines() == ["[]", "['opt_istn._moved', 'opt_istn.version']"]


@pytest.mark.parametrize("module", [opt_istn, api, solver], ids=lambda module: module.__name__)
def test_examples_in_docstrings_run(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 0


@pytest.mark.parametrize("name", sorted(PUBLIC - {"Solver", "InputError"}))
def test_every_public_name_has_an_example(name: str) -> None:
    assert f"from opt_istn import {name}" in _spaced(getattr(opt_istn, name).__doc__)


def _spaced(text: str) -> str:
    """Return `text` with a line for each name that its imports name."""
    lines = []
    for line in text.splitlines():
        head, found, names = line.partition("from opt_istn import ")
        lines += [f"{head}{found}{name.strip()}" for name in names.split(",")] if found else [line]
    return "\n".join(lines)


def test_a_method_without_its_problem_and_a_foreign_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"as in problem\.labels"):
        make("labels")
    generate("jutap-tiny", seed=0).write(tmp_path / "map.json")
    with pytest.raises(InputError, match="jutap-plan"):
        read_plan(tmp_path / "map.json")
