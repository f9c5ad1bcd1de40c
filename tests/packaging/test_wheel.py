"""The wheel: built, installed and used in a foreign project, with the core's packages alone."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

from opt_istn import __version__

ROOT = Path(__file__).parents[2]
# what only the extras bring; everything else that is installed here is left in sight
EXTRAS = (
    "numba",
    "llvmlite",
    "pyomo",
    "highspy",
    "ortools",
    "pyscipopt",
    "torch",
    "gymnasium",
    "pettingzoo",
    "stable_baselines3",
    "supersuit",
    "SuperSuit",
    "onnx",
    "pandas",
)
OURS = ("opt_istn", "_editable")


def _run(*command: str | Path, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, away from this checkout; its exit code is checked."""
    words = [str(word) for word in command]
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(words, cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=ROOT)
    (built,) = out.glob("*.whl")
    return built


def _environment(wheel: Path, home: Path, left_out: tuple[str, ...]) -> Path:
    """Make a virtual environment with the wheel and the packages around, from links."""
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python*/site-packages")
    for package in _installed():
        if not package.name.startswith(left_out) and not (site / package.name).exists():
            (site / package.name).symlink_to(package)
    pip = (sys.executable, "-m", "pip", "--python", home / "bin/python", "install")
    _run(*pip, "--quiet", "--no-deps", "--no-index", wheel, cwd=home)
    return home


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a virtual environment with the wheel and the core's packages."""
    return _environment(wheel, tmp_path_factory.mktemp("core"), EXTRAS + OURS)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a foreign project with packages of the names of ours."""
    for name in ("learners", "formulations"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text('"""Mine."""\n')
    return tmp_path


@pytest.fixture(scope="module")
def tiny(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate an instance with the installed wheel."""
    out = tmp_path_factory.mktemp("tiny") / "it.json"
    _run(core / "bin/opt-istn", "generate", "jutap-tiny", "--seed", "0", "-o", out, cwd=out.parent)
    return out


def _installed() -> Iterator[Path]:
    """Yield what is in the site-packages that this Python sees."""
    for folder in map(Path, sys.path):
        if folder.name == "site-packages":
            yield from (entry for entry in folder.iterdir() if entry.suffix != ".pth")


def test_the_wheel_knows_its_commit(wheel: Path) -> None:
    """A wheel built in a checkout carries its commit; one of other files is marked."""
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    head = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    with zipfile.ZipFile(wheel) as packed:
        stamp = packed.read("opt_istn/_build.py").decode()
    assert f'COMMIT = "{head}' in stamp
    assert not (ROOT / "opt_istn/_build.py").exists()


def test_the_installed_version_is_the_wheels(core: Path, wheel: Path, project: Path) -> None:
    """``--version`` of an installed wheel names the commit it was built from, wherever one is."""
    with zipfile.ZipFile(wheel) as packed:
        built = packed.read("opt_istn/_build.py").decode().split('"')[-2]
    _run("git", "init", "-q", cwd=project)
    shown = _run(core / "bin/opt-istn", "--version", cwd=project).stdout.split()[1]
    commit, _, dirty = built.partition(".")
    local = ".".join(filter(None, (f"g{commit[:12]}" if commit else "", dirty)))
    assert shown == (f"{__version__}+{local}" if local else __version__)


def test_the_core_is_useful_alone(core: Path, project: Path) -> None:
    """Without extras, and beside folders of our names, one generates, solves, judges, tabulates."""
    command = core / "bin/opt-istn"
    _run(command, "generate", "jutap-tiny", "--seed", "0", "-o", "it.json", cwd=project)
    _run(command, "generate", "push-tiny", "--seed", "0", "-o", "push.json", cwd=project)
    solve = (command, "solve", "it.json", "--solver")
    found = _run(*solve, "straight", "-o", "plan.json", "--json", cwd=project)
    judged = _run(command, "evaluate", "it.json", "plan.json", "--json", cwd=project)
    assert json.loads(judged.stdout)["cost"] == json.loads(found.stdout)["cost"]
    runs = ("--solvers", "straight,greedy", "--seeds", "1", "-o", "runs.jsonl")
    _run(command, "compare", "jutap-tiny", *runs, cwd=project)
    assert "greedy" in _run(command, "table", "runs.jsonl", cwd=project).stdout
    _run(command, "verify", "runs.jsonl", cwd=project)


@pytest.mark.parametrize(
    ("solver", "extra"),
    [("labels", "exact"), ("pyomo", "exact"), ("terrestrial", "exact"), ("dqn", "learn")],
)
def test_a_missing_extra_is_one_line(
    core: Path, project: Path, tiny: Path, solver: str, extra: str
) -> None:
    """A solver whose extra is not installed says so in one line and exits with 2."""
    command = core / "bin/opt-istn"
    done = _run(command, "solve", tiny, "--solver", solver, cwd=project, code=2)
    line = f'opt-istn: solver: jutap.{solver} needs the extra: pip install "opt-istn[{extra}]"'
    assert done.stderr.strip() == line


def test_solvers_are_listed_without_extras(core: Path, project: Path) -> None:
    """``solvers`` works in the core and says of each solver whether it can be used, and why not."""
    rows = json.loads(_run(core / "bin/opt-istn", "solvers", "--json", cwd=project).stdout)
    lacking = {row["solver"]: row["unavailable"] for row in rows}
    assert lacking["jutap.straight"] == ""
    assert lacking["push.labels"].endswith('pip install "opt-istn[exact]"')
    assert lacking["push.mappo"].endswith('pip install "opt-istn[learn]"')


@pytest.mark.parametrize(
    ("problem", "solver", "package"),
    [("jutap", "straight", "formulations"), ("jutap", "dqn", "learners")],
)
def test_a_foreign_folder_is_named(
    core: Path, project: Path, problem: str, solver: str, package: str
) -> None:
    """A script beside a folder of our name is told whose folder hides what, and what to do."""
    script = project / "mine.py"
    script.write_text(
        "from opt_istn import InputError, registry\n"
        f"try:\n    registry.make({solver!r}, {problem!r}, {{}})\n"
        "except InputError as error:\n    print(error)\n"
    )
    (line,) = _run(core / "bin/python", script, cwd=project).stdout.splitlines()
    assert line.startswith(f"solver: {project.resolve() / package} hides '{package}'")
    assert "rename it" in line


def test_extras_leave_the_core_alone() -> None:
    """No engine and no learning package is a requirement of the core."""
    core = [line for line in requires("opt-istn") or [] if "extra ==" not in line]
    assert core
    assert not [line for line in core if line.lower().startswith(EXTRAS)]


def test_the_library_comes_with_the_wheel(core: Path, project: Path) -> None:
    """Without extras, its entries are there, are checked and are cited."""
    command = core / "bin/opt-istn"
    listed = json.loads(_run(command, "library", "list", "--json", cwd=project).stdout)
    assert len(listed) >= 24
    _run(command, "library", "check", "jutap-cycle-budget", cwd=project)
    _run(command, "library", "get", "push-tiny-v2-0", "-o", "got", cwd=project)
    assert "@misc" in _run(command, "cite", "push-tiny-v2-0", cwd=project).stdout


def test_the_first_pages_example_runs_from_the_wheel(
    wheel: Path, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With the engines installed, README's six lines print their gap in a foreign project."""
    home = _environment(wheel, tmp_path_factory.mktemp("exact"), OURS)
    example = ROOT / "examples/first_gap.py"
    (project / "gap.py").write_bytes(example.read_bytes())
    said = _run(home / "bin/python", "-I", "gap.py", cwd=project).stdout
    assert said.strip() == example.read_text(encoding="utf-8").rpartition("\n# ")[2].strip()
