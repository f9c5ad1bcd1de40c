"""Thousands of damaged files: each is either read, or refused in one line.

`tests.torture` damages twenty thousand, and as many as are asked for.
"""

import gzip
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from opt_istn import Budget, InputError
from opt_istn.cli import main
from opt_istn.evidence.verify import verify_records
from opt_istn.jutap import evaluate
from opt_istn.jutap import instance as instances
from opt_istn.jutap import plan as plans
from opt_istn.jutap.instance import Instance
from opt_istn.runs import compare, ledger
from opt_istn.runs.ledger import Source
from tests.planted import best_plan, plant_presets, tiny

FILES = 2_000
DRIVEN = 100
ROOT = Path(__file__).parents[1]
VALUES: list[Any] = [
    *(None, True, -1, 0, 1, 2, 3, 10**9, 2**31, 2**63, 2**64, -(2**63), 10**30, 0.5, -0.0, 1e300),
    *("", "0", "\x00", "é", "NaN", "full", "strongest", [], [[]], [0], [0, 0], {}, {"a": 1}),
]
TOKENS = [b"NaN", b"Infinity", b"1e999", b"9" * 5000, b'"\\ud800"', b"\xff", b"[" * 3000, b"\0"]


def _instance() -> Instance:
    """Return an instance with every kind of link, and costs of entering cells."""
    rows = [[0, 3], [0, 1, 3], [1], [0], [2, 3], [1, 3], [0, 1], [0], [1]]
    return tiny(
        num_mbs=2,
        link_ptr=np.cumsum([0, *map(len, rows)]),
        link_ids=np.concatenate(rows),
        strongest=np.array([0, 1, 1, 0, 2, 1, 0, 0, 1]),
        cost=replace(tiny().cost, enter=tuple(range(9))),
        scenario={"seed": 1, "radio": {"beta_db": -1.0, "mbs": [[0.0, 1.5], [2.5, 3.0]]}},
    )


def _break_bytes(data: bytes, rng: random.Random) -> bytes:
    """Damage some bytes: cut, delete, insert, overwrite, repeat."""
    text = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.randrange(1, 20))
        kind = rng.randrange(5)
        if kind == 0:
            del text[start:]
        elif kind == 1:
            del text[start:end]
        elif kind == 2:
            text[start:start] = rng.choice(TOKENS) if rng.random() < 0.3 else rng.randbytes(2)
        elif kind == 3 and start < end:
            text[start:end] = rng.randbytes(end - start)
        else:
            text[start:start] = text[start:end]
    return bytes(text)


def _break_values(document: Any, rng: random.Random) -> bytes:
    """Replace, remove or add values somewhere in the document."""
    document = json.loads(json.dumps(document))
    for _ in range(rng.randrange(1, 3)):
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = rng.choice(keys) if keys else None
            inner = place[key] if key is not None else None
            if not isinstance(inner, dict | list) or not inner or rng.random() < 0.4:
                break
            place = inner
        _replace(place, key, rng)
    return json.dumps(document).encode()


def _replace(place: Any, key: Any, rng: random.Random) -> None:
    value = rng.choice(VALUES)
    if key is None:
        return
    if rng.random() < 0.15:
        del place[key]
    elif rng.random() < 0.15 and isinstance(place, dict):
        place[rng.choice(["a", "", "grid", "cells"])] = value
    elif rng.random() < 0.3 and isinstance(place[key], int):
        place[key] += rng.choice([-1, 1, 3])
    else:
        place[key] = value


def _damaged(document: Any, rng: random.Random) -> bytes:
    if rng.random() < 0.4:
        return _break_bytes(json.dumps(document).encode(), rng)
    return _break_values(document, rng)


def _one_line(error: InputError) -> None:
    text = str(error)
    assert text
    assert "\n" not in text
    assert len(text) < 2000


@pytest.mark.filterwarnings("ignore::opt_istn.files.DialectWarning")
def test_damaged_instances_and_plans() -> None:
    """A damaged instance or plan is refused in one line, or is whole and can be judged."""
    rng = random.Random(1)
    instance = _instance()
    plan = replace(best_plan(instance), cells=(0, 4, 5, 2), links=(0, 3, 1, 1))
    assert not evaluate(instance, plan).violations
    outcomes = {"read": 0, "refused": 0}
    for i in range(FILES):
        document = (plan if i % 2 else instance).document()
        data = _damaged(document, rng)
        try:
            if i % 2:
                evaluate(instance, plans.from_bytes(data, "it"))
            else:
                again = instances.from_bytes(data, "it")
                evaluate(again, replace(plan, instance=again.sha256))
            outcomes["read"] += 1
        except InputError as error:
            _one_line(error)
            outcomes["refused"] += 1
    assert min(outcomes.values()) > FILES / 100


def test_damaged_records(tmp_path: Path) -> None:
    """A file with a damaged record is refused in one line, or read with whole records only."""
    rng = random.Random(2)
    source = Source(file="it.json")
    run = compare.run_one(tiny(), source, "tests.planted:Honest", {}, 0, Budget())
    line = msgspec.json.encode(run)
    document = json.loads(line)
    file = tmp_path / "runs.jsonl"
    for _ in range(FILES // 10):
        file.write_bytes(_damaged(document, rng) + b"\n" + line + b"\n")
        try:
            runs = ledger.read(file)
            assert msgspec.structs.replace(run) in runs
            list(verify_records(runs))
        except InputError as error:
            _one_line(error)


def test_damaged_files_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No damaged file makes a command end in a traceback or write half a file."""
    monkeypatch.chdir(tmp_path)
    rng = random.Random(3)
    tiny().write("good.json")
    for i in range(60):
        compress = gzip.compress if i % 3 == 0 else bytes
        Path("it.json").write_bytes(compress(_damaged(tiny().document(), rng)))
        Path("plan.json").write_bytes(_damaged(best_plan(tiny()).document(), rng))
        for command in (["it.json", "plan.json"], ["good.json", "plan.json"]):
            code = main(["evaluate", *command])
            out, err = capsys.readouterr()
            assert code in (0, 2, 4)
            assert bool(out) == (code != 2)
            lines = [line for line in err.splitlines() if ": warning: " not in line]
            assert len(lines) == (code == 2)
    assert sorted(file.name for file in Path().iterdir()) == ["good.json", "it.json", "plan.json"]


COMMANDS = {
    "evaluate": 2,
    "show": 2,
    "export": 1,
    "generate": 1,
    "table": 2,
    "verify": 1,
    "report": 1,
    "repair": 1,
    "solve": 1,
    "compare": 1,
    "train": 2,
    "presets": 0,
}
WORDS = [
    *("good.json", "plan.json", "bad.json", "good.json.gz", "runs.jsonl", "jutap-planted", "/"),
    *("", "-", "\udcff", "a\udcff.json", "a\0b", "\x1b[1m\n", "x" * 5000, "é.json", "pipe/gone"),
    *("/dev/null", "/dev/full", "/dev/zero", "link.json", "loop.json", "tests.planted:Honest"),
    *("__main__:A", "nowhere.py:A", "os:path", "-1", "0", "1e400", "nan", str(10**30), "a=b", "=",
      "cell_m=50", "cell_m=nan", f"cell_m={10**30}", "arc-flow", "csv", "labels"),
]  # fmt: skip
RIGHT = [
    "evaluate good.json plan.json",
    "show good.json plan.json -o out.svg",
    "export good.json --model arc-flow -o out.mps",
    "generate jutap-planted --seed 0 -o out.json",
    "presets --json",
    "solve good.json --solver tests.planted:Honest -o out.json",
]
OPTIONS = ["-o", "--seed", "--set", "--solver", "--solvers", "--model", "--format", "--name",
           "--json", "--view", "--plan", "--against", "--raw"]  # fmt: skip
CODES = {0, 1, 2, 3, 4, 130}


def prepare_folder() -> None:
    """Fill the current folder with files, good and bad, for commands to be driven on."""
    tiny().write("good.json")
    tiny().write("good.json.gz")
    best_plan(tiny()).write("plan.json")
    Path("bad.json").write_bytes(b"\xff\xfe")
    Path("link.json").symlink_to("good.json")
    Path("loop.json").symlink_to("loop.json")


def drawn_command(rng: random.Random) -> list[str]:
    """Return the words of a command, most of them out of place; none asks for much work."""
    if rng.random() < 0.4:  # one that is right, but for a word or two
        words = rng.choice(RIGHT).split()
        for _ in range(rng.randrange(3)):
            words[rng.randrange(1, len(words) + 1) :] = [rng.choice(WORDS)]
        return words
    command = rng.choice(list(COMMANDS))
    words = [rng.choice(WORDS) for _ in range(max(0, COMMANDS[command] + rng.randrange(-1, 2)))]
    for _ in range(rng.randrange(4)):
        words += [rng.choice(OPTIONS), rng.choice(WORDS)]
    required = {"generate": "--seed", "solve": "--solver", "compare": "--solvers"}
    if command in required and rng.random() < 0.6:
        words += [required[command], "0" if command == "generate" else "tests.planted:Honest"]
    if command in ("generate", "show", "export", "report", "compare") and rng.random() < 0.8:
        words += ["-o", rng.choice(["out.json", "out.svg", "out.mps", "/dev/full", "\udcff.json"])]
    return [command, *words]


def drive(number: int, rng: random.Random, captured: Callable[[], tuple[str, str]]) -> Counter[int]:
    """Run drawn commands in the current folder; each ends with a known code and no traceback."""
    codes: Counter[int] = Counter()
    for _ in range(number):
        words = drawn_command(rng)
        code = main(words)
        _, err = captured()
        lines = [line for line in err.splitlines() if ": warning: " not in line]
        assert code in CODES, (words, code)
        assert "a fault of opt-istn itself" not in err, (words, err)
        assert "Traceback" not in err, (words, err)
        assert code != 2 or len(lines) == 1, (words, err)
        codes[code] += 1
    return codes


def test_drawn_command_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the words of a command are, it is done or refused in one line."""
    plant_presets(monkeypatch)
    monkeypatch.chdir(tmp_path)
    prepare_folder()
    codes = drive(DRIVEN, random.Random(4), capsys.readouterr)
    assert codes[0] > DRIVEN / 50
    assert codes[2] > DRIVEN / 5


def test_names_that_are_too_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file's name beyond the system's limit is refused in one line, wherever one is asked for."""
    monkeypatch.chdir(tmp_path)
    prepare_folder()
    for text in (
        *(f"{command} NAME" for command in ("table", "verify", "report -o a.html", "repair")),
        *("evaluate NAME plan.json", "evaluate good.json NAME", "show NAME -o a.svg"),
        *("verify good.json NAME", "certify NAME", "prove NAME -o a.json", "cite --library NAME a"),
        *("solve NAME --solver labels", "compare NAME --solvers labels -o a.jsonl"),
        *("solve good.json --solver tests.planted:Honest -o NAME", "show good.json -o NAME.svg"),
        *("compare good.json --solvers labels -o NAME", "library check --library NAME"),
        *("reproduce tables -o NAME", "reproduce tables --agents NAME", "library arcs -o NAME"),
        *("train jutap.dqn good.json --seed 0 -o NAME", "train jutap.dqn NAME -o a.pt --seed 0"),
        "solve good.json --solver jutap.dqn --set agent=NAME",
    ):
        assert main(text.replace("NAME", "x" * 5000).split()) == 2, text
        assert len(capsys.readouterr().err.splitlines()) == 1, text


STREAMS = ["", ">&-", "2>&-", "<&-", ">/dev/full", "2>/dev/full", "| true", "| head -c 1",
           "</dev/zero", ">/dev/null", "< /dev/null > /dev/full 2>&1"]  # fmt: skip
ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"},
    {"COLUMNS": "1"},
    {"COLUMNS": "x", "LINES": "-1"},
    {"TERM": "dumb", "NO_COLOR": "1"},
    {"FORCE_COLOR": "1", "COLUMNS": "7"},
    {"PYTHONIOENCODING": "ascii"},
    {"HOME": "/dev/null/home", "XDG_CACHE_HOME": "/dev/null"},
    {"TMPDIR": "/dev/null/tmp"},
    {"NUMBA_CACHE_DIR": "/dev/null/x"},
    {"MPLCONFIGDIR": "/dev/null/x"},
]


def drive_streams(number: int, rng: random.Random) -> Counter[int]:
    """Run commands as processes with drawn environments and streams, in the current folder."""
    codes: Counter[int] = Counter()
    shown = ["presets", "evaluate good.json plan.json --json", "evaluate bad.json x", "--help",
             "solve good.json --solver tests.planted:Honest",
             "show good.json -o out.png"]  # fmt: skip
    for _ in range(number):
        streams, environment = rng.choice(STREAMS), rng.choice(ENVIRONMENTS)
        line = f"{sys.executable} -m opt_istn {rng.choice(shown)} {streams}"
        words = ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"]
        variables = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        done = subprocess.run(words, env=variables, capture_output=True, check=False)
        assert done.returncode in CODES, (line, environment, done)
        assert b"Traceback" not in done.stderr, (line, environment, done.stderr)
        assert b"a fault of opt-istn itself" not in done.stderr, (line, environment, done.stderr)
        codes[done.returncode] += 1
    return codes


def test_drawn_streams_and_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the streams and the environment are, a command ends without a traceback."""
    monkeypatch.chdir(tmp_path)
    prepare_folder()
    assert set(drive_streams(8, random.Random(5))) >= {0, 2}
