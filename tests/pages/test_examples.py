"""The code of README and the first tutorial stands in examples/, word for word, and runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from opt_istn.registry import make
from opt_istn.testing import check_solver

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs/tutorials/own-method.md"
FILES = sorted((ROOT / "examples").glob("*.py"))


def test_every_python_block_of_the_readme_is_an_example_and_no_example_is_on_no_page() -> None:
    found = {page: _blocks(page) for page in (ROOT / "README.md", TUTORIAL)}
    examples = [path.read_text(encoding="utf-8") for path in FILES]
    assert set(found[ROOT / "README.md"]) <= set(examples)
    assert set(examples) <= {block for own in found.values() for block in own}


def _blocks(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(r"```python[^\n]*\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_runs_and_prints_what_it_says(path: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    said = [line.removeprefix("# ") for line in path.read_text().splitlines() if line[:2] == "# "]
    assert [line.split("   ")[0] for line in said] == ran.stdout.splitlines()


def test_the_readmes_solver_keeps_the_rules() -> None:
    solver = make(f"{ROOT / 'examples/my_solver.py'}:FirstLink", "jutap", {})
    assert check_solver(solver, count=30) == 30
