"""Print what the identity test needs: ``requirements.py lowest|newest``, for pip.

``lowest`` takes the lowest numpy and scipy that pyproject.toml allows, ``newest`` whatever is new.
"""

import sys
import tomllib
from pathlib import Path

PINNED = ("numpy", "scipy")
NEEDED = (*PINNED, "msgspec", "sgp4")  # to generate an instance


def requirements(which: str) -> list[str]:
    """Return the requirements, one of each package needed."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    listed = tomllib.loads(text)["project"]["dependencies"]
    needed = [line for line in listed if line.startswith(NEEDED)]
    if which == "lowest":
        needed = [x.replace(">=", "==") if x.startswith(PINNED) else x for x in needed]
    return [*needed, "pytest"]


if __name__ == "__main__":
    print(*requirements(sys.argv[1]))
