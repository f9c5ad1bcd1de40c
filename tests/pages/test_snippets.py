"""Every command and every block of Python on the pages for users runs, in the order of the page."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from opt_istn import cli

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs/tutorials").glob("*.md")),
    ROOT / "docs/how-to.md",
    ROOT / "docs/own-data.md",
    ROOT / "docs/commands.md",
]
SMALL = {"jutap-paper-v2": "jutap-tiny"}  # what takes longer than a test may
BLOCK = re.compile(r'^```(python)?(?: title="([\w.]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def _blocks(page: Path) -> list[tuple[str, str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("indoors")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the examples' data each command of a page ends with 0, each program without error."""
    shutil.copytree(ROOT / "examples/data", tmp_path / "examples/data")
    monkeypatch.chdir(tmp_path)
    commands = 0
    for language, title, block in _blocks(page):
        if language:
            _run_python(title or "block.py", block)
            continue
        for line in block.splitlines():
            program, *words = shlex.split(line)
            assert program == "opt-istn", f"{page.name}: expected opt-istn, found {line}"
            assert cli.main([SMALL.get(word, word) for word in words]) == 0, line
            commands += 1
            told = capsys.readouterr()
            assert "Traceback" not in told.out + told.err
    assert commands > 3


def _run_python(name: str, block: str) -> None:
    Path(name).write_text(block, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "error", name], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{name}: {ran.stderr}"


def test_the_pages_python_stands_in_examples() -> None:
    """The solver of the tutorial is word for word the one in examples/, which users copy."""
    blocks = [block for page in PAGES for language, _, block in _blocks(page) if language]
    assert (ROOT / "examples/my_solver.py").read_text(encoding="utf-8") in blocks
