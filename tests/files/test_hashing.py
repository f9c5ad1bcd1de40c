"""What lies in files that are parameters is part of a run's identity."""

import os
from pathlib import Path

import pytest

from opt_istn import Budget, registry
from opt_istn.files import InputError, hashing
from opt_istn.runs import compare
from opt_istn.runs.ledger import Source
from tests.planted import tiny

HONEST = "tests.planted:Honest"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.bin").write_bytes(b"first")
    tiny().write("tiny.json")


def _key(**parameters: str) -> str:
    run = compare.run_one(tiny(), Source(file="tiny.json"), HONEST, parameters, 0, Budget())
    assert run.failure is None, run.error
    return run.key


def test_another_file_of_the_same_name_is_another_run() -> None:
    """A retrained agent is run again, in one process, too; an equal file is the same run."""
    first = _key(file="a.bin")
    assert _key(file="a.bin") == first
    Path("a.bin").write_bytes(b"other")
    os.utime("a.bin", ns=(1, 1))
    second = _key(file="a.bin")
    assert second != first
    Path("a.bin").write_bytes(b"first")
    assert _key(file="a.bin") == first


def test_texts_that_name_files_count_as_well() -> None:
    """A path in a text, and the file of ``my.py:act``, are hashed; a word is a word."""
    Path("my.py").write_text("x = 1\n")
    Path("word").write_text("not a parameter's file")
    found = hashing.digests({"model": "a.bin", "module": "my.py:act", "mode": "word", "n": 3})
    assert sorted(found) == ["model#sha256", "module#sha256"]
    assert hashing.digests({"gone": Path("gone.zip"), "text": "gone.zip"}) == {}


def test_seeds_and_folders_are_hashed_together() -> None:
    """``{seed}`` stands for all files of that name, a folder for all that lies in it."""
    for seed in (0, 1):
        Path(f"dqn-{seed}.zip").write_text(str(seed))
    Path("deep/er").mkdir(parents=True)
    Path("deep/er/x").write_text("1")
    before = hashing.digests({"agent": Path("dqn-{seed}.zip"), "folder": Path("deep")})
    Path("dqn-1.zip").write_text("2")
    Path("deep/er/x").write_text("2")
    after = hashing.digests({"agent": Path("dqn-{seed}.zip"), "folder": Path("deep")})
    assert before["agent#sha256"] != after["agent#sha256"]
    assert before["folder#sha256"] != after["folder#sha256"]


def test_a_file_that_changes_between_two_runs_is_noticed() -> None:
    """A solver made with a hash that its file no longer has is refused."""
    made = registry.make(HONEST, "jutap", {"file": "a.bin"})
    known = registry.changed_parameters(made)
    assert known["file#sha256"]
    assert registry.changed_parameters(registry.make(HONEST, "jutap", known)) == known
    Path("a.bin").write_bytes(b"changed")
    with pytest.raises(InputError, match="it has changed"):
        registry.make(HONEST, "jutap", known)


def test_further_distributions_are_kept() -> None:
    """The versions of what a solver says it runs on stand in its record; a wrong word is input."""
    run = compare.run_one(
        tiny(), Source(file="tiny.json"), "tests.planted:Distributed", {}, 0, Budget()
    )
    assert "msgspec" in run.packages
    assert "no-such-distribution" not in run.packages
    with pytest.raises(InputError, match="distributions"):
        compare.describe("tests.planted:OddDistributions", "jutap", {})
