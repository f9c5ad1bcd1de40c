"""Files of one's own, from `generate` to `export`, and the one line for those that are wrong."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opt_istn import read_instance
from opt_istn.cli import main
from opt_istn.files import InputError, sheets
from opt_istn.jutap.world import measured
from opt_istn.push.outside import fleet, places, trace
from opt_istn.runs import ledger

EXAMPLES = Path(__file__).parents[2] / "examples/data"
SHORT = ("num_clusters=4", "start_window_s=600")
KINDS: dict[str, tuple[str, ...]] = {  # name of the instance: preset, settings
    "tle": ("push-tiny-v2", *SHORT, "remote_constellation=data/sensing.tle"),
    "oem": ("push-tiny-v2", *SHORT, "remote_constellation=data/sensing.oem"),
    "stk": ("push-tiny-v2", *SHORT, "remote_constellation=data/sensing"),
    "both": (
        *("push-tiny-v2", *SHORT, "remote_constellation=data/sensing.oem"),
        "constellation=data/relays",
    ),
    "users": ("push-tiny-v2", "requests_per_user=3", "user_places=data/users.csv"),
    "geojson": ("push-tiny-v2", "user_places=data/users.geojson", "requests_per_user=3"),
    "ground": ("push-tiny-v2", "ground_stations=data/ground.csv"),
    "trace": ("push-tiny-v2", "trace=data/trace.csv"),
    "stations": ("jutap-tiny", "stations=data/stations.csv"),
    "measured": ("jutap-tiny", "radio_map=data/radio-map.csv"),
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with the example files."""
    shutil.copytree(EXAMPLES, tmp_path / "data")
    monkeypatch.chdir(tmp_path)


def _generate(name: str, *more: str) -> int:
    preset, *settings = KINDS[name]
    words = [word for setting in settings for word in ("--set", setting)]
    return main(["generate", preset, "--seed", "1", *words, "-o", f"{name}.json", *more])


@pytest.mark.usefixtures("indoors")
@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=pytest.mark.slow) if x == "tle" else x for x in KINDS]
)
def test_every_kind_of_file_goes_all_the_way(name: str) -> None:
    """From each kind of file an instance is generated, solved, drawn and exported."""
    assert _generate(name) == 0
    assert main(["solve", f"{name}.json", "--solver", "labels", "-o", f"{name}.plan"]) == 0
    assert main(["show", f"{name}.json", f"{name}.plan", "-o", f"{name}.png"]) == 0
    model = "interval" if KINDS[name][0].startswith("push") else "arc-flow"
    assert main(["export", f"{name}.json", "--model", model, "-o", f"{name}.lp"]) == 0


@pytest.mark.usefixtures("indoors")
def test_instances_of_files_are_compared() -> None:
    """All kinds stand in one comparison; three files of the same satellites are one problem."""
    for name in KINDS:
        assert _generate(name, "--name", name) == 0
    files = [f"{name}.json" for name in KINDS]
    assert main(["compare", *files, "--solvers", "random", "-o", "runs.jsonl"]) == 0
    runs = {run.instance: run.status for run in ledger.read("runs.jsonl")}
    assert runs == dict.fromkeys(set(KINDS) - {"oem", "stk"}, "feasible")


@pytest.mark.parametrize("name", ["both", "trace"])
def test_worlds_of_files_are_drawn(name: str) -> None:
    """The map of a constellation from files is drawn from them again."""
    assert _generate(name) == 0
    assert main(["show", f"{name}.json", "-o", "map.png"]) == 0


@pytest.mark.parametrize("name", KINDS)
def test_an_instance_remembers_its_files(name: str) -> None:
    """Path and hash of every file stand in the instance; another hash means another file."""
    assert _generate(name) == 0
    scenario: dict[str, Any] = json.loads(Path(f"{name}.json").read_text())["scenario"]
    named = [x.partition("=") for x in KINDS[name] if "data/" in x]
    assert {key: scenario[key] for key, _, _ in named} == {key: path for key, _, path in named}
    assert set(scenario["files"]) == {f"{key}#sha256" for key, _, _ in named}
    assert all(len(digest) == 64 for digest in scenario["files"].values())


def test_flights_over_one_map(capsys: pytest.CaptureFixture[str]) -> None:
    """A table of STARTs and ENDs gives an instance a line: one map, different problems."""
    words = ("generate", "jutap-tiny", "--seed", "1", "--each", "data/flights.csv")
    assert main([*words, "-o", "flights", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    made = [read_instance(row["file"]) for row in rows]
    assert [x.name for x in made] == ["west-east", "south-north", "corner-to-corner"]
    assert [(x.start, x.end) for x in made] == [(4, 7), (1, 13), (0, 15)]
    assert len({row["instance"] for row in rows}) == 3
    assert all(np.array_equal(x.link_ids, made[0].link_ids) for x in made)
    Path("bare.csv").write_text("kappa\n1.1\nnone\n")
    words = ("generate", "jutap-tiny", "--seed", "1", "--each", "bare.csv", "-o", "budgets")
    assert main(words) == 0
    assert sorted(x.name for x in Path("budgets").iterdir()) == [
        "jutap-tiny-1-0.json",
        "jutap-tiny-1-1.json",
    ]


WRONG_TABLES = [
    ("start,end\n0,99\n", r"line 2, end: expected a cell 0..15 or none"),
    ("start,endd\n0,1\n", "line 2, endd: unknown parameter; did you mean 'end'?"),
    ("name,end\na,1\na,2\n", "line 3, name: expected a name of letters"),
    ("name,end\n../a,1\n", "line 2, name: expected a name of letters"),
    ("name,end\n,1\n", "line 2, name: expected a text"),
    ("kappa,end\n1,1\n", "line 2: expected kappa in the table or after --set, found it in both"),
    ("end\n", "expected at least one line below the header"),
    ("stations\nnowhere.csv\n", "line 2, nowhere.csv: cannot be read"),
    ("", "line 1: expected a header with names of columns"),
]


@pytest.mark.parametrize(("text", "told"), WRONG_TABLES)
def test_a_table_that_makes_no_sense_writes_nothing(
    text: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its line is named, and no instance of the others is left behind."""
    Path("t.csv").write_text(text)
    words = ("generate", "jutap-tiny", "--seed", "1", "--each", "t.csv", "--set", "kappa=1.2")
    assert main([*words, "-o", "out"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"opt-istn: t.csv: {told}")
    assert said.count("\n") == 1
    assert not Path("out").exists()


FILES = sorted(
    {x.partition("=")[2] for kind in KINDS.values() for x in kind if "data/" in x}
    - {"data/sensing", "data/relays"}
    | {"data/sensing/sense-1.e", "data/relays/tles.txt"}
)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", [b"", b"\n", b"\0\0", b"\x1f\x8b\x08", b"\xff\xfe1\x00", None])
def test_no_file_is_no_traceback(
    file: str, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing, noise, torn gzip and a missing file: exit code 2, one line, the file's name."""
    name = next(
        name
        for name, kind in KINDS.items()
        if any(file.startswith(x.partition("=")[2]) for x in kind if "data/" in x)
    )
    Path(file).write_bytes(content) if content is not None else Path(file).unlink()
    alone = content is None and file.startswith(("data/sensing/", "data/relays/"))
    assert _generate(name) == (0 if alone and "sensing/" in file else 2)
    said = capsys.readouterr().err
    assert said.count("\n") == (0 if alone and "sensing/" in file else 1)
    assert "Traceback" not in said
    assert alone or file in said


@pytest.mark.parametrize("name", ["oem", "trace", "users", "ground", "stations", "measured"])
def test_pipes_are_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be read twice has no hash to be known by, and nobody waits for it."""
    file = KINDS[name][-1].partition("=")[2]
    Path(file).unlink()
    os.mkfifo(file)
    assert _generate(name) == 2
    assert f"{file}: expected a file or a folder, found a pipe" in capsys.readouterr().err


Reader = Callable[[str], object]
READERS: dict[str, Reader] = {
    "sensing.tle": fleet.read,
    "sensing.oem": fleet.read,
    "sensing/sense-1.e": fleet.read,
    "users.csv": places.users,
    "users.geojson": places.users,
    "ground.csv": places.stations,
    "trace.csv": lambda path: trace.read(path, 10.0),
    "stations.csv": measured.stations,
    "radio-map.csv": lambda path: measured.radio_map(path, 4),
    "flights.csv": lambda path: sheets.read(path, (), None),
}
PIECES = [
    "",
    "nan",
    "-1",
    "1e400",
    "x",
    ",",
    '"',
    "\0",
    "#",
    "91",
    "\t",
    "é",
    "9" * 400,
    "[]",
    "\r",
]


def _spoilt(text: str, rng: random.Random) -> str:
    """Return a text with a line cut, doubled or swapped, or a piece of one replaced."""
    lines = text.splitlines()
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(5)
    if what == 0:
        del lines[i]
    elif what == 1:
        lines.insert(j, lines[i])
    elif what == 2:
        lines[i], lines[j] = lines[j], lines[i]
    else:
        start = rng.randrange(len(lines[i]) + 1)
        stop = min(start + rng.randrange(12), len(lines[i]))
        lines[i] = lines[i][:start] + rng.choice(PIECES) + lines[i][stop:]
    return "\n".join(lines)


@pytest.mark.parametrize("name", READERS)
def test_what_is_spoilt_is_read_or_named(name: str) -> None:
    """A file with one fault is read, or refused in one line that names it: no other error."""
    text = (EXAMPLES / name).read_text()
    rng, refused = random.Random(name), 0
    for i in range(60):
        path = Path(f"spoilt-{i}{Path(name).suffix}")
        path.write_text(_spoilt(text, rng), encoding="utf-8", newline="")
        told = _refusal(name, path)
        refused += bool(told)
        assert not told or (told.startswith(str(path)) and "\n" not in told)
    assert refused > 5


def _refusal(name: str, path: Path) -> str:
    """Return why a reader refuses a file; empty if it reads it."""
    try:
        READERS[name](str(path))
    except InputError as error:
        return str(error)
    return ""
