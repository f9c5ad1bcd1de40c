"""The table of problems: a third one plugs in from outside, and the frame knows none by name."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import opt_istn
from opt_istn import InputError, problems

SOURCES = Path(opt_istn.__file__).parent
OWN = {"jutap", "push", "papers"}  # rooms of a problem, and of the papers that state both
NAME = re.compile(r"\b(jutap|push)\b", re.IGNORECASE)
SHOWN = {  # defaults, examples, old names, and what is said of our own solvers
    *("testing/kit.py", "testing/__init__.py", "_moved.py", "runs/cores.py", "verifier.py"),
    *("cli/frontier.py", "evidence/studies.py", "library/edges.py"),  # only one problem has these
    "cli/terminal/examples.py",
}
Run = Callable[..., str]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Install the toy problem where only the commands of this module find it."""
    site, work = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("work")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, *alone, "--target", site, Path(__file__).parent / "toy"], check=True)

    def run(*arguments: str, code: int = 0) -> str:
        ran = subprocess.run(
            [sys.executable, *arguments],
            cwd=work,
            env={"PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == code, ran.stderr
        return ran.stdout + ran.stderr

    return run


COMMANDS = """
import json, sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from opt_istn.cli import main
for words in json.loads(sys.argv[1]):
    with redirect_stdout(StringIO()) as said, redirect_stderr(said):
        code = main(words)
    print(json.dumps([code, said.getvalue()]))
"""


def _commands(run: Run, *commands: str) -> list[tuple[int, str]]:
    """Run commands one after another in one process; return their codes and what they say."""
    told = run("-c", COMMANDS, json.dumps([command.split() for command in commands]))
    return [tuple(json.loads(line)) for line in told.splitlines()]


def test_a_third_problem_is_generated_compared_tabled_verified_reported_and_drawn(
    toy: Run, tmp_path: Path
) -> None:
    runs, page, figure = (tmp_path / name for name in ("runs.jsonl", "page.html", "x.png"))
    told = _commands(
        toy,
        "generate relay-small --seed 3 --set num_slots=8 -o r.json",
        "solve r.json --solver forward --json",
        f"compare relay-small r.json --solvers forward,nearest --seeds 2 -o {runs}",
        f"table {runs} --format json",
        f"verify {runs}",
        f"report {runs} -o {page}",
        f"show r.json --set slots=4 -o {figure}",
        f"show r.json --user 4 -o {figure}",
    )
    assert [code for code, _ in told] == [0] * 7 + [2], told
    said = [text for _, text in told]
    solved, table = json.loads(said[1]), json.loads(said[3])
    assert (solved["status"], solved["gap"]) == ("optimal", 0)
    rows = table["rows"] if isinstance(table, dict) else table
    assert {row["solver"] for row in rows} == {"relay.forward", "relay.nearest"}
    # six records, and a line that counts
    assert [line.split()[0] for line in said[4].splitlines()] == [*["ok"] * 6, "6"]
    assert "Instance relay-small-0: relay.forward" in page.read_text()
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "user: unknown option 'user'" in said[7]


def test_solvers_of_a_third_problem_are_held_against_its_truth(toy: Run) -> None:
    lines = "from opt_istn import registry\nfrom opt_istn.testing import check_solver\n"
    lines += "for name in ('forward', 'nearest'):\n"
    lines += "    print(check_solver(registry.make(name, 'relay', {}), 'relay'))"
    told = toy("-c", lines).splitlines()
    assert [line for line in told if line.isdigit()] == ["64", "64"]


def test_a_problem_without_a_family_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from opt_istn.testing import check_solver

    monkeypatch.setattr(problems.Problem, "family", lambda _: None)
    with pytest.raises(InputError, match="family, found 'push'"):
        check_solver(object(), "push")  # type: ignore[arg-type]


def test_two_packages_cannot_bring_the_same_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    twice = [EntryPoint("jutap", value, problems.GROUP) for value in ("a", "b")]
    monkeypatch.setattr(problems, "entry_points", lambda **_: twice)
    with pytest.raises(InputError, match="found a and b"):
        problems._entries.__wrapped__(problems.GROUP)


def _of_the_frame(path: Path) -> bool:
    """Return whether a source is of the frame: in no problem's rooms, nor said to know them."""
    place = path.relative_to(SOURCES)
    own = OWN & {*place.parts, place.stem} or place.parts[0] == "physics"
    return not own and str(place) not in SHOWN


FRAME = sorted(filter(_of_the_frame, SOURCES.rglob("*.py")))


@pytest.mark.parametrize("path", FRAME, ids=lambda path: path.stem)
def test_the_frame_knows_no_problem_by_name(path: Path) -> None:
    """Outside a problem's rooms its name stands in no statement, only in docstrings' examples."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    words = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        texts = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        texts += [name.name for name in getattr(node, "names", []) if isinstance(name, ast.alias)]
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in words:
            texts.append(node.value)
        for text in texts:
            assert not NAME.search(text), f"{path}:{node.lineno}: {text}"
