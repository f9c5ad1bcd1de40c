"""The record file: append-only, tolerant of a crash, strict about everything else."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opt_istn import InputError, Status
from opt_istn.runs import ledger
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
        ledger.append(file, one)
    assert ledger.read(file) == written


def test_the_last_line_of_a_key_counts(tmp_path: Path) -> None:
    """A later line with the same key supersedes an earlier one without changing the order."""
    file = tmp_path / "runs.jsonl"
    for one in (run(), run(seed=1), run(status=Status.FAILED)):
        ledger.append(file, one)
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
            ledger.append(file, run(seed=2))
            assert [one.seed for one in ledger.read(file)] == [0, 2]


def test_zeros_of_a_power_cut_are_tolerated(tmp_path: Path) -> None:
    """Blocks of zero bytes, which a file system may leave after a power cut, are skipped."""
    file = tmp_path / "runs.jsonl"
    line = msgspec.json.encode(run())
    file.write_bytes(line + b"\n" + line[:30] + b"\0" * 100)
    assert len(ledger.read(file)) == 1
    file.write_bytes(line + b"\n" + b"\0" * 100)
    ledger.append(file, run(seed=1))
    assert len(ledger.read(file)) == 2


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
    [("colour", 1), ("version", 2), ("wall_s", -1), ("status", "great"), ("format", "x")],
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
    with ledger.lock(file), pytest.raises(InputError, match="another process"), ledger.lock(file):
        pass
    code = (
        "import os, sys; from opt_istn import record\n"
        "with record.lock(sys.argv[1]): print('held', flush=True); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    assert killed.stdout == "held\n"
    with ledger.lock(file):
        pass


@pytest.mark.parametrize("path", ["", "/", "nowhere/runs.jsonl", "a\0b"])
def test_unusable_paths_are_refused(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of records that cannot be written is an input error."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot be written"), ledger.lock(path):
        pass
    with pytest.raises(InputError, match="cannot be written"):
        ledger.append(path, run())
