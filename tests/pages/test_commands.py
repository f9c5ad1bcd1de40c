"""Commands on pages that are too long to be run by a test: the command line takes each as it is."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer

from opt_istn import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "bench/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^ *```\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def _commands(page: Path) -> list[list[str]]:
    """Return the words after `opt-istn` of each command; what is optional is given."""
    words = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip().startswith("opt-istn "):
                words.append(shlex.split(re.sub(r"[][]", "", line), comments=True)[1:])
    return words


def _parse(group: Any, words: list[str]) -> None:
    """Let the command line's parser read the words, and do nothing of what they say."""
    context = group.make_context("opt-istn", list(words))
    while hasattr(group, "resolve_command"):
        name, group, words = group.resolve_command(context, words)
        context = group.make_context(name, list(words), parent=context)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if _commands(page)], ids=lambda page: page.stem
)
def test_commands_of_a_page_are_commands(page: Path) -> None:
    """Commands, options, and the kinds of their values exist."""
    for words in _commands(page):
        _parse(typer.main.get_command(cli.app), words)


def _modules(page: Path) -> list[tuple[str, set[str]]]:
    """Return our modules that a page runs with ``python -m``, and the options given to each."""
    found = re.findall(
        r"python -m ((?:bench|learners|formulations)[\w.]*)([^`\n]*)", page.read_text()
    )
    return [(module.rstrip("."), set(re.findall(r"--[a-z-]+", rest))) for module, rest in found]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if _modules(page)], ids=lambda page: page.stem
)
def test_modules_that_a_page_runs_can_be_run(page: Path) -> None:
    """Each is there, is a program, and has the options."""
    for module, options in _modules(page):
        spec = find_spec(module)
        assert spec is not None, module
        assert spec.origin is not None, module
        text = Path(spec.origin).read_text(encoding="utf-8")
        assert "__main__" in text or (Path(spec.origin).parent / "__main__.py").exists(), module
        missing = {option for option in options if f'"{option}"' not in text}
        assert not missing, f"{module} has no {missing}"


def test_another_option_is_refused() -> None:
    """What the test above accepts is not everything."""
    with pytest.raises(Exception, match="No such option: --nothing"):
        _parse(typer.main.get_command(cli.app), ["solve", "map.json", "--nothing"])
