"""Files of records by name: a folder stands for those in it, as shards leave them."""

from collections.abc import Iterable
from pathlib import Path

from opt_istn.files import InputError, placing

RESCUED = ".rescued"  # of what was saved of a file that was deleted or replaced
ENDINGS = (".jsonl", ".jsonl.gz", RESCUED)  # of files of records in a folder


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
