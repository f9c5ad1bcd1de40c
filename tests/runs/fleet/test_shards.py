"""Parts of a comparison: together they are the whole, and what is missing is said."""

import itertools
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
from opt_istn.runs.ledger import Failure, Record, Source
from tests.planted import tiny

RUNS = 12


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Return an instance; runs on it take no time."""
    tiny().write(tmp_path / "tiny.json")
    source = Source(file=str(tmp_path / "tiny.json"))
    told = compare.run_one(tiny(), source, "tests.planted:Detour", {}, 0, compare.Budget())

    def run_task(_: Any, task: compare.RunTask, *__: Any) -> Record:
        return msgspec.structs.replace(told, seed=task.seed, solver=task.solver.solver)

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


@pytest.mark.parametrize(
    "text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/3", " 1/3", f"1/{10**9}"]
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    """A shard is i/n with i from 1 to n; all else is refused by name."""
    with pytest.raises(InputError, match=r"--shard: expected i/n.* n at most 999999999"):
        shards.parse(text)


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    """A folder that holds no file of records is a mistake, and said to be one."""
    with pytest.raises(InputError, match=r"expected files of records in it: \*.jsonl"):
        ledger.read_all([tmp_path])


def _missing(sources: list[list[Source]], folder: Path, *options: dict[str, Any]) -> list[str]:
    """Run shards of 2, the k-th with the k-th of everything, and return what is said of them."""
    for index, (places, named) in enumerate(zip(sources, options, strict=True)):
        path, part = folder / f"runs.{index % 2}.jsonl", Shard(index % 2 + 1, 2)
        list(compare.compare(places, path=path, shard=part, **named))
    return shards.missing(ledger.read_all([folder]))


DETOUR, HONEST = Choice("tests.planted:Detour"), Choice("tests.planted:Honest")


def test_what_is_there_is_not_missing_after_more_seeds(source: Source, tmp_path: Path) -> None:
    """Runs that were there count in the larger comparison, too; what it still lacks is said."""
    few, many = ({"choices": [DETOUR], "seeds": seeds} for seeds in (3, 12))
    (tmp_path / "runs").mkdir()
    (line,) = _missing([[source]] * 3, tmp_path / "runs", few, few, many)
    assert "of 12 runs are there" in line
    assert _missing([[source]] * 4, tmp_path / "runs", few, few, many, many) == []
    size = sum(path.stat().st_size for path in tmp_path.glob("runs/*"))
    assert _missing([[source]] * 4, tmp_path / "runs", few, few, many, many) == []
    assert sum(path.stat().st_size for path in tmp_path.glob("runs/*")) == size


def test_how_a_comparison_is_written_does_not_matter(source: Source, tmp_path: Path) -> None:
    """Names of files, the order of everything and what is named twice do not tell shards apart."""
    (tmp_path / "runs").mkdir()
    other = tmp_path / "other name.json"
    assert source.file is not None
    other.write_bytes(Path(source.file).read_bytes())
    one = {"choices": [DETOUR, HONEST, DETOUR], "seeds": 5}
    two = {"choices": [HONEST, DETOUR], "seeds": 5}
    again = Source(file=str(other))
    assert _missing([[source], [again, source]], tmp_path / "runs", one, two) == []
    stamps_found = {run.extra["shard"]["runs"] for run in ledger.read_all([tmp_path / "runs"])}
    assert stamps_found == {6}


def test_a_file_of_a_preset_s_instance_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a preset and a file are the same instance, its runs are counted once."""
    preset = Source(preset="jutap-tiny")
    instance = compare.load(msgspec.structs.replace(preset, seed=0))
    instance.write(tmp_path / "it.json")
    told = compare.run_one(instance, preset, "straight", {}, 0, compare.Budget())

    def run_task(it: Any, task: compare.RunTask, *_: Any) -> Record:
        return msgspec.structs.replace(told, seed=task.seed, sha256=it.sha256)

    monkeypatch.setattr(single, "run_task", run_task)
    (tmp_path / "runs").mkdir()
    given = [preset, Source(file=str(tmp_path / "it.json"))]
    named = {"choices": [Choice("straight")], "seeds": 2}
    assert _missing([given] * 2, tmp_path / "runs", named, named) == []
    assert {run.extra["shard"]["runs"] for run in ledger.read_all([tmp_path / "runs"])} == {2}


@pytest.mark.parametrize(
    "stamp",
    [
        {"comparison": "a", "index": 1, "count": -3, "runs": 9},
        {"comparison": "a", "index": 0, "count": 3, "runs": 9},
        {"comparison": "a", "index": 4, "count": 3, "runs": 9},
        {"comparison": "a", "index": 1, "count": 10**9, "runs": 9},
        {"comparison": "a", "index": 1, "count": 3, "runs": 0},
        {"comparison": "a" * 65, "index": 1, "count": 3, "runs": 9},
        {"index": 1},
        [[]],
        7,
    ],
)
def test_what_is_no_stamp_is_ignored(source: Source, tmp_path: Path, stamp: Any) -> None:
    """A stamp that no shard can have written is somebody else's word."""
    (run, *_) = _shard(source, tmp_path, 1, 1)
    assert shards.missing([msgspec.structs.replace(run, extra={"shard": stamp})]) == []


def test_a_comparison_of_very_many_shards_takes_no_memory(source: Source, tmp_path: Path) -> None:
    """Which of 300 million shards are missing is said by the first twenty."""
    import tracemalloc

    (run, *_) = _shard(source, tmp_path, 1, 1)
    stamp = {"comparison": "a", "index": 2, "count": 300_000_000, "runs": 9}
    tracemalloc.start()
    (line,) = shards.missing([msgspec.structs.replace(run, extra={"shard": stamp})])
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert line.endswith(
        "no record of shard " + ", ".join(str(i) for i in (1, *range(3, 22))) + ", ... of 300000000"
    )


def test_the_order_of_files_does_not_matter(source: Source, tmp_path: Path) -> None:
    """Of a run in several files, done counts more than failed, certified more, later more."""
    (run, *_) = _shard(source, tmp_path, 1, 1, runs=1)
    change = msgspec.structs.replace
    failed = change(run, status="failed", failure=Failure.CRASHED, cost=None, time="2030")
    old, new = change(run, time="2020"), change(run, time="2025", extra={})
    proven = change(run, time="2019", certificate="0" * 64)
    for best, *others in ([old, failed], [new, old, failed], [proven, new, failed]):
        for runs in itertools.permutations([best, *others]):
            for number, one in enumerate(runs):
                (tmp_path / f"{number}.jsonl").write_bytes(ledger.encode(one) + b"\n")
            paths = [tmp_path / f"{number}.jsonl" for number in range(len(runs))]
            (found,) = ledger.read_all(paths)
            assert (found.status, found.time, found.certificate) == (
                best.status,
                best.time,
                best.certificate,
            )
            assert shards.missing([found]) == []
            assert found.extra["shard"]["runs"] == 1  # also where only a lesser one says so
