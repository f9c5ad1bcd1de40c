"""The record file: append-only, tolerant of a crash, strict about everything else."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opt_istn import InputError, Status
from opt_istn.runs import appender, audit, ledger
from opt_istn.runs.ledger import Claim, Failure, Limits, Record, Source


def run(**changes: Any) -> Record:
    """Return a record; every field can be changed."""
    fields: dict[str, Any] = {
        "problem": "jutap",
        "instance": "tiny",
        "sha256": "0" * 64,
        "source": Source(file="tiny.json"),
        "solver": "jutap.labels",
        "parameters": {},
        "seed": 0,
        "limits": Limits(),
        "status": Status.OPTIMAL,
        "cost": 200,
        "bound": 200,
        "claim": Claim(Status.OPTIMAL, 200, 200, "labels"),
        "trace": ((0.5, 200, None),),
    }
    return Record(**(fields | changes))


def test_round_trip(tmp_path: Path) -> None:
    """Records are read as they were written, in order."""
    file = tmp_path / "runs.jsonl"
    written = [run(), run(seed=1, status=Status.FAILED, failure=Failure.CRASHED, error="a\nb")]
    for one in written:
        appender.append(file, one)
    assert ledger.read(file) == written


def test_the_last_line_of_a_key_counts(tmp_path: Path) -> None:
    """A later line with the same key supersedes an earlier one without changing the order."""
    file = tmp_path / "runs.jsonl"
    for one in (run(), run(seed=1), run(status=Status.FAILED)):
        appender.append(file, one)
    assert [(one.seed, one.status) for one in ledger.read(file)] == [(0, "failed"), (1, "optimal")]


def test_keys_do_not_depend_on_the_order_of_parameters() -> None:
    """The same parameters in another order are the same run."""
    assert run(parameters={"a": 1, "b": 2}).key == run(parameters={"b": 2, "a": 1}).key
    assert run(parameters={"a": 1}).key != run(parameters={"a": 2}).key
    assert run(limits=Limits(time_s=1.0)).key != run(limits=Limits(time_s=2.0)).key


def test_every_cut_of_the_last_line_is_tolerated(tmp_path: Path) -> None:
    """Wherever a crash cuts the last line, the lines before it are read and appending goes on."""
    file = tmp_path / "runs.jsonl"
    lines = [msgspec.json.encode(run(seed=seed)) for seed in (0, 1)]
    for cut in range(len(lines[1])):
        file.write_bytes(lines[0] + b"\n" + lines[1][:cut])
        assert [one.seed for one in ledger.read(file)] == [0]
        if cut % 50 == 0:
            appender.append(file, run(seed=2))
            assert [one.seed for one in ledger.read(file)] == [0, 2]


def test_zeros_of_a_power_cut_are_tolerated(tmp_path: Path) -> None:
    """Blocks of zero bytes, which a file system may leave after a power cut, are skipped."""
    file = tmp_path / "runs.jsonl"
    line = msgspec.json.encode(run())
    file.write_bytes(line + b"\n" + line[:30] + b"\0" * 100)
    assert len(ledger.read(file)) == 1
    file.write_bytes(line + b"\n" + b"\0" * 100)
    appender.append(file, run(seed=1))
    assert len(ledger.read(file)) == 2
    assert Path(f"{file}.bad").read_bytes() == b"\0" * 100 + b"\n"


def test_marks_and_pointers_at_the_start(tmp_path: Path) -> None:
    """A byte order mark is skipped, also when runs are added; a pointer of Git LFS is named."""
    file = tmp_path / "runs.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + msgspec.json.encode(run()) + b"\n")
    with appender.appending(file) as held:
        held.append(run(seed=1))
        assert held.find(run().key) == run()
    assert [one.seed for one in ledger.read(file)] == [0, 1]
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(InputError, match=r"runs.jsonl:1: .*Git LFS"):
        ledger.read(file)


LINE = msgspec.json.encode(run())
DAMAGES = {
    "quote": LINE.replace(b'"seed"', b'seed"'),
    "comma": LINE.replace(b',"seed"', b'"seed"'),
    "nan": LINE.replace(b'"wall_s":null', b'"wall_s":NaN'),
    "two": LINE + LINE,
    "torn": LINE[:200],
    "torn early": LINE[:5],
    "zeros": b"\0" * 100,
    "duplicate": LINE.replace(b'"seed":0', b'"seed":0,"seed":0'),
}


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_line_is_named_and_can_be_moved(damage: str, place: int, tmp_path: Path) -> None:
    """A broken complete line is refused by number wherever it is; `repair` moves it aside."""
    file = tmp_path / "runs.jsonl"
    good = [msgspec.json.encode(run(seed=seed)) for seed in (1, 2)]
    lines = [*good[:place], DAMAGES[damage], *good[place:]]
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    with pytest.raises(InputError, match=rf"runs\.jsonl:{place + 1}: .*opt-istn repair"):
        ledger.read(file)
    with pytest.raises(InputError, match=rf"runs\.jsonl:{place + 1}: "):
        appender.append(file, run(seed=3))
    (error,) = appender.repair(file)
    assert error.source == f"{file}:{place + 1}"
    assert Path(f"{file}.bad").read_bytes() == DAMAGES[damage] + b"\n"
    assert [one.seed for one in ledger.read(file)] == [1, 2]
    assert appender.repair(file) == []


SAMPLES = Path(__file__).parent / "samples"


def test_version_1_is_read_for_ever() -> None:
    """Records of version 1 are read as today's; what runs said of each other is derived anew."""
    runs = ledger.read(SAMPLES / "runs-version1.jsonl")
    told = {one.solver.rpartition(":")[2]: one for one in runs}
    assert [one.status for one in told.values()] == [
        *("optimal", "bound_only", "failed", "failed", "optimal")
    ]
    labels = told["jutap.labels"]
    assert (labels.core, labels.cost, labels.version) == ("jutap passes", 200, ledger.VERSION)
    assert labels.commit == ""
    assert len(labels.folder_commit) == 40
    assert told["Liar"].failure == Failure.REFUTED
    assert told["Segfault"].failure == Failure.CRASHED
    assert {one.failure for one in audit.audited(runs)[1:2]} == {Failure.REFUTED}
    disputed = ledger.read(SAMPLES / "runs-version1-disputed.jsonl")
    assert [one.status for one in disputed] == ["bound_only", "unbounded"]
    assert audit.summarise(disputed)[0].standing == "disputed"
    assert audit.summarise(disputed[1:])[0].standing == "claimed"


def test_version_1_goes_on(tmp_path: Path) -> None:
    """A comparison appends to a file of version 1, whose runs keep their keys."""
    old = (SAMPLES / "runs-version1.jsonl").read_bytes()
    file = tmp_path / "runs.jsonl"
    file.write_bytes(old)
    first = ledger.read(file)[0]
    with appender.appending(file) as opened:
        assert opened.find(first.key) == first
        opened.append(run())
    assert file.read_bytes() == old + msgspec.json.encode(run()) + b"\n"


def test_extra_is_kept(tmp_path: Path) -> None:
    """What others add under `extra` is kept as it is."""
    file = tmp_path / "runs.jsonl"
    appender.append(file, run(extra={"station": [1, {"a": None}]}))
    assert ledger.read(file)[0].extra == {"station": [1, {"a": None}]}


def test_start_up_counts_beyond_a_bound() -> None:
    """A run counts for its wall seconds, and for the start-up that exceeds the free one."""
    assert run(wall_s=1.0, startup_s=9.0).seconds == 1.0
    assert run(wall_s=1.0, startup_s=14.0).seconds == 5.0
    assert run().seconds is None


def test_many_records_take_little_memory_and_time(tmp_path: Path) -> None:
    """Reading records without plans takes less than 1.6 kB and 80 microseconds of CPU each."""
    file, number = tmp_path / "runs.jsonl", 20_000
    plan = {"format": "opt-istn/jutap-plan", "version": 1, "cells": list(range(60))}
    told = {"plan": plan, "packages": {f"package-{i}": "1.2.3" for i in range(8)}}
    lines = [msgspec.json.encode(run(seed=seed, **told)) + b"\n" for seed in range(number)]
    file.write_bytes(b"".join(lines))
    code = (
        "import resource, sys, time; from opt_istn.runs import ledger\n"
        "used = resource.getrusage\n"
        "before, start = used(0).ru_maxrss, time.process_time()\n"
        "runs = ledger.read(sys.argv[1], plans=False)\n"
        "print(len(runs), time.process_time() - start, used(0).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    count, seconds, kilobytes = done.stdout.split()
    assert int(count) == number
    assert float(seconds) < 80e-6 * number
    assert int(kilobytes) < 1.6 * number


@pytest.mark.parametrize(
    "garbage",
    [b"hello", b"[1,2]", b"{}", b"null", b"\xff\xfe", b'{"format":"opt-istn/jutap","version":1}'],
)
def test_garbage_lines_are_named(garbage: bytes, tmp_path: Path) -> None:
    """A line that no crash leaves is refused with its number."""
    file = tmp_path / "runs.jsonl"
    file.write_bytes(msgspec.json.encode(run()) + b"\n" + garbage + b"\n")
    with pytest.raises(InputError, match=r"runs\.jsonl:2"):
        ledger.read(file)


REQUIRED = [field.name for field in msgspec.structs.fields(Record) if field.required]


@pytest.mark.parametrize("field", Record.__struct_fields__)
def test_wrong_fields_are_named(field: str, tmp_path: Path) -> None:
    """Every field of a record, given a wrong type in turn, is refused with line and name."""
    document = json.loads(msgspec.json.encode(run()))
    document[field] = [[[]]]
    file = tmp_path / "runs.jsonl"
    file.write_text(json.dumps(document) + "\n")
    with pytest.raises(InputError, match=f"runs.jsonl:1: {field}"):
        ledger.read(file)


@pytest.mark.parametrize("field", REQUIRED)
def test_missing_fields_are_named(field: str, tmp_path: Path) -> None:
    """Every required field of a record, missing in turn, is named."""
    document = json.loads(msgspec.json.encode(run()))
    del document[field]
    file = tmp_path / "runs.jsonl"
    file.write_text(json.dumps(document) + "\n")
    with pytest.raises(InputError, match=field):
        ledger.read(file)


@pytest.mark.parametrize(
    ("field", "value"),
    [("colour", 1), ("version", 3), ("wall_s", -1), ("status", "great"), ("format", "x")],
)
def test_foreign_values_are_named(field: str, value: Any, tmp_path: Path) -> None:
    """Unknown fields, newer versions and values out of range are named."""
    document = json.loads(msgspec.json.encode(run())) | {field: value}
    file = tmp_path / "runs.jsonl"
    file.write_text(json.dumps(document) + "\n")
    with pytest.raises(InputError, match=field):
        ledger.read(file)


def test_the_lock_keeps_others_out(tmp_path: Path) -> None:
    """Only one at a time appends, and the lock of a killed process is free again."""
    file = tmp_path / "runs.jsonl"
    with (
        appender.appending(file),
        pytest.raises(InputError, match="another process"),
        appender.appending(file),
    ):
        pass
    code = (
        "import os, sys; from opt_istn.runs import appender\n"
        "with appender.appending(sys.argv[1]): print('held', flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    assert killed.stdout == "held\n"
    with appender.appending(file):
        pass


@pytest.mark.parametrize("path", ["", "/", "nowhere/runs.jsonl", "a\0b"])
def test_unusable_paths_are_refused(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of records that cannot be written is an input error."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot be written"), appender.appending(path):
        pass
    with pytest.raises(InputError, match="cannot be written"):
        appender.append(path, run())


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "/dev/zero"])
def test_devices_hold_no_records(device: str) -> None:
    """A file of records has to be a regular file: a comparison reads it again."""
    with pytest.raises(InputError, match="expected a regular file"):
        appender.append(device, run())


@pytest.mark.parametrize("place", [0, 1])
def test_repair_is_advised_where_there_is_a_record(tmp_path: Path, place: int) -> None:
    """A file none of whose lines is a record is not said to be one that can be repaired."""
    file = tmp_path / "runs.jsonl"
    strange = [b'{"format":"opt-istn/certificate","version":1}', b"{", b"}"]
    file.write_bytes(b"\n".join([*strange, b""]))
    with pytest.raises(InputError) as refused:
        ledger.read(file)
    assert "opt-istn repair" not in str(refused.value)
    own = ledger.encode(run())
    strange.insert(3 * place, own)
    file.write_bytes(b"\n".join([*strange, b""]))
    with pytest.raises(InputError, match="opt-istn repair"):
        ledger.read(file)
