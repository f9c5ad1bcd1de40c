"""Which source this is, wherever one stands."""

import subprocess
from pathlib import Path

import pytest

from opt_istn import version

ROOT = Path(__file__).parents[1]


def test_a_checkout_names_its_own_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the user's repository the commit is still that of this source, or none, never theirs."""
    git = ["git", "-c", "user.name=me", "-c", "user.email=me@localhost"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "mine"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    ours = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    monkeypatch.chdir(tmp_path)
    version.source_commit.cache_clear()
    commit = version.source_commit()
    assert commit.removesuffix(".dirty") == ours.stdout.strip()
    assert not commit or f"+g{commit[:12]}" in version.full_version()


def test_a_built_package_shows_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit is the local part of the version; a build outside a checkout adds nothing to the version."""
    for commit, shown in (("abc123.dirty", "+gabc123.dirty"), ("", "")):
        monkeypatch.setattr(version, "source_commit", lambda commit=commit: commit)
        assert version.full_version() == version.__version__ + shown
