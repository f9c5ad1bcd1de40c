"""Streams, names, folders and screens of any kind: no command ends in a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opt_istn import InputError, compare, files
from opt_istn.cli import instances as commands
from opt_istn.cli import main
from opt_istn.runs import compare as comparing
from opt_istn.runs.ledger import Source
from opt_istn.solver import Budget
from tests.planted import best_plan, plant_presets, tiny

ROOT = Path(__file__).parents[3]
PLANTED = "tests.planted:"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant_presets(monkeypatch)
    monkeypatch.chdir(tmp_path)
    tiny().write("tiny.json")
    best_plan(tiny()).write("best.json")


def _shell(command: str, **environment: str) -> tuple[int, str, str]:
    """Run a command of the shell where ``$I`` is ours."""
    variables = {"I": f"{sys.executable} -m opt_istn", "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        ["bash", "-c", command], env=os.environ | variables, capture_output=True, text=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("streams", "code"),
    [
        ("> /dev/null", 0),
        (">&-", 0),
        ("<&- >&- 2>&-", 0),
        ("2> /dev/full", 0),
        ("> /dev/full", 2),
        ("> /dev/full 2>&1", 2),
        ("| true; exit ${PIPESTATUS[0]}", 0),
    ],
)
def test_streams_may_be_closed_or_full(streams: str, code: int) -> None:
    """A run's plan is written and nothing is traced back, whatever becomes of the streams."""
    arguments = f"tiny.json --solver {PLANTED}Honest -o plan.json --json"
    found, out, err = _shell(f"$I solve {arguments} {streams}")
    assert (found, bool(out)) == (code, streams == "2> /dev/full")
    full = "opt-istn: the output cannot be written (No space left on device)\n"
    assert err == (full if streams == "> /dev/full" else "")
    assert Path("plan.json").read_bytes() == Path("best.json").read_bytes()


PRINTING = [
    *("--help", "--version", "solvers", "presets", "library list"),
    *("generate jutap-planted --seed 0 -o x.json", "evaluate tiny.json best.json"),
    *(f"{name} runs.jsonl" for name in ("table", "verify", "status", "cite", "repair")),
]


@pytest.mark.parametrize("command", PRINTING)
def test_what_cannot_be_printed_is_said_in_one_line(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the command, a full output is one line on stderr and exit code 2."""
    assert main(["compare", "tiny.json", "--solvers", f"{PLANTED}Honest", "-o", "runs.jsonl"]) == 0
    capsys.readouterr()
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        code = main(command.split())
    assert code == 2
    told = "opt-istn: the output cannot be written (No space left on device)\n"
    assert capsys.readouterr().err == told


def test_a_deleted_folder_is_named() -> None:
    """A run from a folder that is gone is refused in one line."""
    tiny = Path("tiny.json").resolve()
    command = f"mkdir gone; cd gone; rmdir ../gone; $I solve {tiny} --solver {PLANTED}Honest"
    code, out, err = _shell(command)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("opt-istn: the current folder: cannot be used")


def test_nobody_waits_for_an_instance_that_is_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """A comparison, and who makes its instances again, need a file that can be read twice."""
    words = ["compare", "tiny.json", "--solvers", f"{PLANTED}Honest", "-o", "runs.jsonl"]
    assert main(words) == 0
    Path("tiny.json").unlink()
    os.mkfifo("tiny.json")
    capsys.readouterr()
    told = "tiny.json: expected a file or a folder, found a pipe"
    for command in (words, ["verify", "runs.jsonl"], ["bundle", "runs.jsonl", "-o", "runs.zip"]):
        code = main(command)
        out, err = capsys.readouterr()
        assert (code != 0, told in out + err) == (True, True), command


@pytest.mark.parametrize(
    "command",
    [
        "generate jutap-planted --seed 0 -o x.json",
        "export HERE/tiny.json --model arc-flow -o x.lp",
        "report HERE/runs.jsonl -o x.html",
        "bundle HERE/runs.jsonl -o x.zip",
        "certify HERE/runs.jsonl --certificates x",
        "library arcs -o x",
    ],
)
def test_nothing_is_written_where_the_folder_is_gone(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does any command that writes end otherwise than in one line."""
    here = Path.cwd()
    assert main(["compare", "tiny.json", "--solvers", f"{PLANTED}Honest", "-o", "runs.jsonl"]) == 0
    Path("gone").mkdir()
    monkeypatch.chdir("gone")
    (here / "gone").rmdir()
    capsys.readouterr()
    assert main(command.replace("HERE", str(here)).split()) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(path.name for path in here.iterdir()) == ["best.json", "runs.jsonl", "tiny.json"]


@pytest.mark.parametrize(
    "command",
    ["table", "verify", "report -o a.html", "bundle -o a.zip", "status", "cite", "repair"],
)
def test_records_may_come_through_a_pipe(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who reads records reads them once: ``<(zcat ...)`` will do; who changes them refuses it."""
    assert main(["compare", "tiny.json", "--solvers", f"{PLANTED}Honest", "-o", "runs.jsonl"]) == 0
    read, write = os.pipe()
    os.write(write, Path("runs.jsonl").read_bytes())
    os.close(write)
    name, *options = command.split()
    capsys.readouterr()
    code = main([name, f"/dev/fd/{read}", *options])
    err = capsys.readouterr().err
    os.close(read)
    assert (code, "expected a file of records" in err) == (
        (2, True) if name == "repair" else (0, False)
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "jutap-planted", "--seed", "0", "--name", "a\udcff", "-o", "x"],
        ["generate", "jutap-planted", "--seed", "0", "--set", "a=\udcff", "-o", "x"],
        ["solve", "\udcff.json", "--solver", f"{PLANTED}Honest"],
        ["solve", "tiny.json", "--solver", "\udcff.py:A"],
        ["solve", "tiny.json", "--solver", f"{PLANTED}Honest", "--set", "\udcff=1"],
        ["compare", "\udcff.json", "--solvers", f"{PLANTED}Honest", "-o", "x"],
        ["compare", "tiny.json", "--solvers", f"{PLANTED}Honest@a=\udcff", "-o", "x"],
    ],
)
def test_texts_that_no_file_can_hold_are_refused_first(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is no UTF-8 is refused before anything runs, where it would be recorded."""
    tiny().write("\udcff.json")
    monkeypatch.setattr(comparing.worker, "run", None)
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "expected text in UTF-8" in err
    assert not Path("x").exists()


def test_such_texts_are_refused_from_python_too() -> None:
    """So is it in a script: by a run, by a comparison, and by whatever writes a document."""
    with pytest.raises(InputError, match="UTF-8"):
        comparing.run_one(tiny(), Source(file="\udcff"), f"{PLANTED}Honest", {}, 0, Budget())
    with pytest.raises(InputError, match="UTF-8"):
        next(compare([Path("\udcff.json")], [f"{PLANTED}Honest"], "x"))
    with pytest.raises(InputError, match="x: expected texts in UTF-8"):
        files.write_document("x", {"name": "\udcff"})


def test_files_of_any_name_can_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    """A file whose name is no UTF-8 is written, judged and named where nothing records it."""
    arguments = ["generate", "jutap-planted", "--seed", "0", "-o", "\udcff.json", "--json"]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["file"] == r"\udcff.json"
    assert main(["evaluate", "\udcff.json", "best.json"]) == 0


def test_the_last_resort_is_one_line_and_a_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of our own is one line that names the log, which has the traceback."""

    def faulty(*_: object) -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(commands, "_judged", faulty)
    assert main(["evaluate", "tiny.json", "best.json"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    head = "opt-istn: a fault of opt-istn itself (ZeroDivisionError: a b); the log is "
    assert err.startswith(head)
    assert err.count("\n") == 1
    log = Path(err.removeprefix(head).strip())
    assert "ZeroDivisionError" in log.read_text()
    log.unlink()


@pytest.mark.parametrize("field", ["extra", "scenario"])
@pytest.mark.parametrize("depth", [60, 70, 490, 900, 2000])
def test_deep_documents_are_refused(
    field: str, depth: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A document that is nested too deeply to be handed to a process is refused in one line."""
    text = json.dumps(tiny().document() | {field: "@"})
    deep = '{"a":' * depth + "1" + "}" * depth
    Path("deep.json").write_text(text.replace('"@"', deep))
    code = main(["solve", "deep.json", "--solver", f"{PLANTED}Honest"])
    err = capsys.readouterr().err
    assert (code, err.count("\n")) == ((0, 0) if depth == 60 else (2, 1))
    assert depth == 60 or err.startswith("opt-istn: deep.json: ")


def test_names_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in names are shown, not sent, by every command that prints names."""
    tiny(name="a\x1b[2J\nb").write("bad\x1b[1m.json")
    words = ["bad\x1b[1m.json", "--solvers", f"{PLANTED}Honest,{PLANTED}Liar", "-o", "runs.jsonl"]
    main(["compare", *words])
    for arguments in (
        ["verify", "runs.jsonl"],
        ["table", "runs.jsonl"],
        ["compare", *words],
        ["generate", "jutap-planted", "--seed", "0", "-o", "x\x1b[1m", "--name", "n\x1b[1m\nm"],
        ["evaluate", "\x1b[1m", "x"],
        ["repair", "runs.jsonl"],
    ):
        main(arguments)
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert r"a\x1b[2J b" in out


@pytest.mark.usefixtures("indoors")
@pytest.mark.parametrize("columns", ["0", "1", "20", "80", "many"])
def test_narrow_screens_cut_nothing(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a screen of any width, names and hashes are whole."""
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["solvers"]) == 0
    assert "jutap.value-iteration" in capsys.readouterr().out
    assert main(["solve", "tiny.json", "--solver", f"{PLANTED}Honest"]) == 0
    out = capsys.readouterr().out
    assert tiny().sha256 in out
    assert f"{PLANTED}Honest" in out


NOTEBOOK = """
from opt_istn import compare
class Mine: pass
for run in compare(["tiny.json"], [Mine], "runs.jsonl"): print(run.status)
"""


def test_a_class_of_a_notebook_is_explained() -> None:
    """A class that no process can import is refused with what to do; one of a script runs."""
    code, _, err = _shell(f"$PY -c '{NOTEBOOK}'", PY=sys.executable)
    assert code == 1  # of Python, with the InputError
    assert "save the class in a file and name it as file.py:Class" in err
    code, _, err = _shell("$I solve tiny.json --solver __main__:Mine")
    assert code == 2
    assert "save the class in a file and name it as file.py:Class" in err
    script = "from tests.planted import Honest\nclass Mine(Honest): pass\n"
    script += "from opt_istn import compare\nif __name__ == '__main__':\n"
    script += "    for run in compare(['tiny.json'], [Mine], 'runs.jsonl'): print(run.status)\n"
    Path("script.py").write_text(script)
    assert _shell("$PY script.py", PY=sys.executable)[:2] == (0, "optimal\n")
