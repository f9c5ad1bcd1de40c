"""What is said of an exception that a solver raised."""

import sysconfig
import traceback
from pathlib import Path

_PACKAGE = Path(__file__).parents[2]
# what is not the file of somebody who wrote a solver: installed packages, and ours
_KNOWN = (
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *(_PACKAGE.parent / name for name in (_PACKAGE.name, "formulations", "learners")),
)


def told(error: BaseException) -> str:
    """Return the exception in one line, with the last line of a solver's own file that it left."""
    text = "".join(traceback.format_exception_only(error))  # survives a failing __str__
    line = " ".join(text.split())[:1000]
    own = [frame for frame in _frames(error) if _is_foreign(Path(frame.filename))]
    if own:
        line += f" ({Path(own[-1].filename).name}, line {own[-1].lineno})"
    return line.encode(errors="replace").decode()


def report(error: BaseException, leave_out: str) -> str:
    """Return the exception in one line, then the end of its traceback without a file's lines."""
    frames = [frame for frame in _frames(error) if frame.filename != leave_out]
    where = "".join(traceback.format_list(frames[-4:]))[-3000:]
    return told(error) + "\n" + where.encode(errors="replace").decode()


def _frames(error: BaseException) -> traceback.StackSummary:
    return traceback.extract_tb(error.__traceback__)


def _is_foreign(path: Path) -> bool:
    return path.is_file() and not any(path.is_relative_to(known) for known in _KNOWN)
