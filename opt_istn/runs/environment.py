"""Where a run took place: package versions, processor, state of this source and of the folder."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import msgspec

from opt_istn.version import source_commit

PACKAGES = ("opt-istn", "numpy", "numba", "highspy", "ortools", "pyomo", "pyscipopt", "torch")


def capture(*distributions: str) -> dict[str, Any]:
    """Return the fields of a record that tell where a run took place.

    Parameters
    ----------
    distributions
        Further packages whose versions matter.
    """
    commit, dirty = source_state()
    folder_commit, folder_dirty = folder_state(_current_folder())
    return {
        "packages": package_versions(*distributions),
        "cpu": cpu_model(),
        "commit": commit,
        "dirty": dirty,
        "folder_commit": folder_commit,
        "folder_dirty": folder_dirty,
    }


@cache
def package_versions(*further: str) -> dict[str, str]:
    """Return the installed versions of the packages that decide results, and of `further` ones."""
    found = {"python": platform.python_version()}
    for name in (*PACKAGES, *further):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def cpu_model() -> str:
    """Return the processor's name, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def load() -> float | None:
    """Return the machine's load over the last minute, per processor; None if it is not told."""
    try:
        return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2)
    except OSError:
        return None


@cache
def source_state() -> tuple[str, bool | None]:
    """Return commit and dirtiness of the source this package runs from, wherever the user is.

    A wheel carries the commit that it was built from, a checkout is asked. Empty and None if it is
    neither, nor installed from a repository.
    """
    commit, _, dirty = source_commit().partition(".")
    return (commit, bool(dirty)) if commit else (_installed_commit(), None)


@cache
def folder_state(folder: str) -> tuple[str, bool | None]:
    """Return commit and dirtiness of the checkout that `folder` is in; empty and None if none."""
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
        return commit, bool(_git(folder, "status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return "", None


def _installed_commit() -> str:
    """Return the commit that pip noted when it installed from a repository, if it did."""
    try:
        text = distribution("opt-istn").read_text("direct_url.json") or "{}"
        found = msgspec.json.decode(text.encode())
        return str(found.get("vcs_info", {}).get("commit_id", ""))
    except (PackageNotFoundError, OSError, msgspec.DecodeError, AttributeError):
        return ""


def _current_folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was deleted
        return ""


def _git(folder: str | Path, *words: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=True, timeout=10
    )
    return done.stdout
