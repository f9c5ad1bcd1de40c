"""Which source this is: version, and the commit it was built from or runs from."""

import subprocess
from functools import cache
from importlib import import_module
from pathlib import Path

__version__ = "0.2.0"


@cache
def source_commit() -> str:
    """Return the commit of this package, with ``.dirty`` if its files differ from it.

    A built package carries it (`hatch_build.py`). A checkout is asked, wherever the user's own
    folder is. Empty if neither knows.
    """
    try:
        return str(import_module("opt_istn._build").COMMIT)
    except ModuleNotFoundError:
        pass
    try:
        _git(
            "ls-files", "--error-unmatch", Path(__file__).name
        )  # tracked, not merely inside of one
        changed = _git("status", "--porcelain", "--untracked-files=no")
        return _git("rev-parse", "HEAD").strip() + (".dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def full_version() -> str:
    """Return the version with the commit as PEP 440's local part: ``0.2.0+g1a2b3c4d5e6f``."""
    commit, _, dirty = source_commit().partition(".")
    local = ".".join(filter(None, (f"g{commit[:12]}" if commit else "", dirty)))
    return f"{__version__}+{local}" if local else __version__


def _git(*words: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(Path(__file__).parent), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout
