"""Where this runs: Linux is tested, macOS is not, and Windows lacks what keeps runs apart."""

import sys

REFUSED = (
    "expected Linux or macOS (untested): runs are isolated by processes that are forked, which "
    "Windows does not have; the Windows Subsystem for Linux does"
)

MAX_JOBS = 1024  # processes or threads at the same time that may be asked for


def refusal() -> str:
    """Return why it cannot run here, in one sentence; empty if it can."""
    return REFUSED if sys.platform == "win32" else ""
