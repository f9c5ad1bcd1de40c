"""Parts of a comparison: together they are the whole, and what is missing is said."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opt_istn import InputError
from opt_istn.runs import compare, ledger, single
from opt_istn.runs.compare import Choice
from opt_istn.runs.fleet import shards
from opt_istn.runs.fleet.shards import Shard
from opt_istn.runs.ledger import Record, Source
from tests.planted import tiny

RUNS = 12


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Return an instance; runs on it take no time."""
    tiny().write(tmp_path / "tiny.json")
    source = Source(file=str(tmp_path / "tiny.json"))
    told = compare.run_one(tiny(), source, "tests.planted:Detour", {}, 0, compare.Budget())

    def run_task(_: Any, task: compare.Task, *__: Any) -> Record:
        return msgspec.structs.replace(told, seed=task.seed)

    monkeypatch.setattr(single, "run_task", run_task)
    return source


def _shard(source: Source, folder: Path, index: int, count: int, runs: int = RUNS) -> list[Record]:
    path = folder / f"runs.{index}.jsonl"
    choices, shard = [Choice("tests.planted:Detour")], Shard(index, count)
    return list(compare.compare([source], choices, path, seeds=runs, shard=shard))


@given(st.binary(min_size=16, max_size=16), st.integers(1, 50))
def test_every_run_is_of_one_shard(digest: bytes, count: int) -> None:
    """Whatever the number of shards is, each key belongs to exactly one of them."""
    assert sum(Shard(index, count).has(digest) for index in range(1, count + 1)) == 1


def test_shards_are_about_equal() -> None:
    """The hash deals runs out evenly: no shard of 10 gets twice its share of 2,000 runs."""
    digests = [ledger.digest(f"run {number}") for number in range(2000)]
    sizes = [sum(Shard(index, 10).has(one) for one in digests) for index in range(1, 11)]
    assert sum(sizes) == 2000
    assert max(sizes) < 400


def test_a_folder_of_shards_is_the_whole_comparison(source: Source, tmp_path: Path) -> None:
    """The records of all shards are those of the comparison, each once, and nothing is missing."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for index in range(1, 6):
        _shard(source, folder, index, 5)
    runs = ledger.read_all([folder])
    assert sorted(run.seed for run in runs) == list(range(RUNS))
    assert shards.missing(runs) == []


def test_missing_shards_are_named(source: Source, tmp_path: Path) -> None:
    """Files of some shards say which others there are, by number, whatever the files are called."""
    runs = [*_shard(source, tmp_path, 1, 3), *_shard(source, tmp_path, 3, 3)]
    (line,) = shards.missing(runs)
    assert f"{len(runs)} of {RUNS} runs are there; no record of shard 2 of 3" in line
    assert shards.missing([*runs, *_shard(source, tmp_path, 2, 3)]) == []


def test_shards_that_did_not_end_are_noticed(source: Source, tmp_path: Path) -> None:
    """Where every shard has begun but a record is missing, that is said as well."""
    runs = [run for index in (1, 2) for run in _shard(source, tmp_path, index, 2)]
    (line,) = shards.missing(runs[:-1])
    assert "all 2 shards have begun, but not all have ended" in line


def test_a_shard_without_runs_is_not_missing(source: Source, tmp_path: Path) -> None:
    """More shards than runs: some shards are empty, and nothing is missing once all have ended."""
    runs = [run for index in range(1, 9) for run in _shard(source, tmp_path, index, 8, runs=2)]
    assert len(runs) == 2
    assert shards.missing(runs) == []


def test_other_comparisons_are_told_apart(source: Source, tmp_path: Path) -> None:
    """Shards of two comparisons in one folder are missed one by one; others' words are ignored."""
    (tmp_path / "other").mkdir()
    first = _shard(source, tmp_path, 1, 2)
    second = _shard(source, tmp_path / "other", 1, 2, runs=20)
    stranger = msgspec.structs.replace(first[0], extra={"shard": "mine"}, seed=99)
    assert len(shards.missing([*first, *second, stranger])) == 2


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/3", " 1/3"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    """A shard is i/n with i from 1 to n; all else is refused by name."""
    with pytest.raises(InputError, match="--shard: expected i/n"):
        shards.parse(text)


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    """A folder that holds no file of records is a mistake, and said to be one."""
    with pytest.raises(InputError, match=r"expected files of records in it: \*.jsonl"):
        ledger.read_all([tmp_path])
