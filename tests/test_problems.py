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
    *("cli/frontier.py", "runs/studies.py", "library/edges.py"),  # only one problem has these
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


def _command(run: Run, *arguments: str, code: int = 0) -> str:
    start = "import sys; from opt_istn.cli import main; sys.exit(main())"
    return run("-c", start, *arguments, code=code)


def test_a_third_problem_is_generated_compared_tabled_verified_reported_and_drawn(
    toy: Run, tmp_path: Path
) -> None:
    runs, page = str(tmp_path / "runs.jsonl"), tmp_path / "page.html"
    _command(toy, "generate", "relay-small", "--seed", "3", "--set", "num_slots=8", "-o", "r.json")
    solved = json.loads(_command(toy, "solve", "r.json", "--solver", "forward", "--json"))
    assert (solved["status"], solved["gap"]) == ("optimal", 0)
    compared = ("compare", "relay-small", "r.json", "--solvers", "forward,nearest")
    _command(toy, *compared, "--seeds", "2", "-o", runs)
    table = json.loads(_command(toy, "table", runs, "--format", "json"))
    rows = table["rows"] if isinstance(table, dict) else table
    assert {row["solver"] for row in rows} == {"relay.forward", "relay.nearest"}
    checked = _command(toy, "verify", runs).splitlines()
    assert [line.split()[0] for line in checked] == [*["ok"] * 6, "6"]  # and a line that counts
    _command(toy, "report", runs, "-o", str(page))
    assert "Instance relay-small-0: relay.forward" in page.read_text()
    figure = tmp_path / "x.png"
    _command(toy, "show", "r.json", "--set", "slots=4", "-o", str(figure))
    assert figure.read_bytes().startswith(b"\x89PNG")
    refused = _command(toy, "show", "r.json", "--user", "4", "-o", str(figure), code=2)
    assert "user: unknown option 'user'" in refused


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
