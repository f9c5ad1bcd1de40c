"""Build hook: a wheel and an sdist carry the commit that they were built from."""

import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STAMP = "opt_istn/_build.py"


class CommitHook(BuildHookInterface):
    """Write `STAMP` into what is built; an editable install has none and asks git."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the stamp unless the source has one, as an unpacked sdist does."""
        if version == "editable" or (Path(self.root) / STAMP).exists():
            return
        text = f'"""Written when this package was built."""\n\nCOMMIT = "{self._commit()}"\n'
        self._folder = tempfile.TemporaryDirectory()
        stamp = Path(self._folder.name) / "_build.py"
        stamp.write_text(text, encoding="utf-8")
        build_data["force_include"][str(stamp)] = STAMP

    def _commit(self) -> str:
        """Return the commit, with ``.dirty`` if files differ from it; empty outside a checkout."""
        git = ["git", "--no-optional-locks", "-C", self.root]
        try:
            subprocess.run(
                [*git, "ls-files", "--error-unmatch", "pyproject.toml"],
                capture_output=True,
                check=True,
            )
            found = subprocess.run(
                [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
            )
            changed = subprocess.run(
                [*git, "status", "--porcelain", "-uno"], capture_output=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return ""
        return found.stdout.strip() + (".dirty" if changed.stdout else "")
