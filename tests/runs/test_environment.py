"""Which commit a record names: this package's own, and the user's folder's under another name."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from opt_istn import version
from opt_istn.runs import environment


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    caches = (environment.source_state, environment.folder_state, version.source_commit)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


def test_a_wheel_names_the_commit_that_it_was_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The build's stamp counts, and a repository that the user works in is another field."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "mine"], check=True)
    mine = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    monkeypatch.chdir(tmp_path)
    stamp = SimpleNamespace(COMMIT="a" * 40 + ".dirty")
    monkeypatch.setitem(sys.modules, "opt_istn._build", stamp)  # type: ignore[arg-type]
    found = environment.capture()
    assert (found["commit"], found["dirty"]) == ("a" * 40, True)
    assert (found["folder_commit"], found["folder_dirty"]) == (mine.stdout.strip(), False)


def test_a_package_that_knows_no_commit_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither built from a checkout nor in one, nor installed from a repository: empty."""
    monkeypatch.setitem(sys.modules, "opt_istn._build", SimpleNamespace(COMMIT=""))  # type: ignore[arg-type]
    monkeypatch.setattr(environment, "_installed_commit", lambda: "")
    assert environment.source_state() == ("", None)
