"""Folders: of records, where one stands for the files in it; and others that have to be there."""

from collections.abc import Iterable
from pathlib import Path

from opt_istn.files import InputError, placing

RESCUED = ".rescued"  # of what was saved of a file that was deleted or replaced
ENDINGS = (".jsonl", ".jsonl.gz", RESCUED)  # of files of records in a folder


def check_folder(field: str, path: str | Path, holds: str) -> None:
    """Check that a folder is there.

    Parameters
    ----------
    field, holds
        What names it, such as an option, and what it is to hold, for the error.

    Raises
    ------
    InputError
        If it is not.
    """
    if not placing.is_folder(path):
        found = "something else" if placing.is_there(path) else "nothing"
        raise InputError(field, f"expected a folder of {holds}, found {found}", str(path))


def files_of(paths: Iterable[str | Path]) -> list[Path]:
    """Return `paths` with the files of records in each folder, by name, in its place.

    Raises
    ------
    InputError
        If a folder holds none.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        inside = [path]
        if placing.is_folder(path):
            inside = sorted(one for end in ENDINGS for one in path.glob(f"*{end}"))
            if not inside:
                names = " or ".join(f"*{end}" for end in ENDINGS)
                raise InputError("", f"expected files of records in it: {names}", str(path))
        found += inside
    return found
