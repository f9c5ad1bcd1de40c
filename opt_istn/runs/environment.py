"""Where a run took place: package versions, processor, state of the checkout."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("opt-istn", "numpy", "numba", "highspy", "ortools", "pyomo", "torch")


def capture(*distributions: str) -> dict[str, Any]:
    """Return the fields of a record that tell where a run took place.

    Parameters
    ----------
    distributions
        Further packages whose versions matter.
    """
    commit, dirty = git_state()
    versions = package_versions(*distributions)
    return {"packages": versions, "cpu": cpu_model(), "commit": commit, "dirty": dirty}


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


@cache
def git_state() -> tuple[str, bool | None]:
    """Return commit and dirtiness of the checkout one is in; empty and None outside of one."""
    try:
        commit = _git("rev-parse", "HEAD").strip()
        return commit, bool(_git("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return "", None


def _git(*words: str) -> str:
    command = ["git", "--no-optional-locks", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=True, timeout=10
    )
    return done.stdout
