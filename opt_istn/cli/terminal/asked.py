"""What words of a command line ask for: instances, and solvers with their parameters."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opt_istn.cli.terminal import output
from opt_istn.files import InputError, placing

if TYPE_CHECKING:
    from opt_istn.runs.compare import Choice
    from opt_istn.runs.ledger import Source


def is_file(text: str) -> bool:
    """Return whether `text` looks like an instance file rather than a preset, or is one."""
    return text.endswith((".json", ".gz")) or "/" in text or placing.is_there(text)


def sources(inputs: Sequence[str], overrides: dict[str, str]) -> list["Source"]:
    """Return where the instances of the command line's arguments come from."""
    from opt_istn.runs.ledger import Source

    found = [
        Source(file=text) if is_file(text) else Source(preset=text, overrides=overrides)
        for text in inputs
    ]
    if overrides and all(source.file for source in found):
        raise InputError("--set", "it changes the parameters of presets, but none is compared")
    return found


def choices(text: str) -> list["Choice"]:
    """Return the solvers of a list, each with its parameters."""
    from opt_istn.runs.compare import Choice

    found: list[Choice] = []
    for item in text.split(","):
        name, *parameters = item.strip().split("@")
        if not name:
            raise InputError("--solvers", "expected solver ids separated by commas")
        found += [Choice(name, each) for each in _matched(output.settings(parameters))]
    return found


def _matched(parameters: dict[str, str]) -> list[dict[str, str]]:
    """Return the parameters once for each agent file that the pattern in `agent` matches."""
    pattern = parameters.get("agent", "")
    if not any(letter in pattern for letter in "*?["):
        return [parameters]
    root = Path(pattern).anchor
    files = sorted(map(str, Path(root or ".").glob(pattern.removeprefix(root))))
    if not files:
        raise InputError("--solvers", f"expected agent files, but none is called {pattern}")
    return [parameters | {"agent": file} for file in files]
