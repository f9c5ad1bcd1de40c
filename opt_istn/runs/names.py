"""What runs are called where people read of them."""

from collections.abc import Mapping
from typing import Any

HASHES = ("#", "sha256")  # how parameters end or are called that nobody gives


def called(solver: str, parameters: Mapping[str, Any]) -> str:
    """Return a solver with its parameters as on the command line: ``id@key=value``."""
    given = (f"@{k}={v}" for k, v in parameters.items() if not any(x in k for x in HASHES))
    return solver + "".join(given)
