"""Where the instances of records are: generated anew, or found as files, also after a move.

A record keeps the path of an instance file as its user gave it. Read from elsewhere, it is looked
for beside the file of records and in the folders above that, too; the hash tells whether it is the
right one.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from opt_istn.files import InputError
from opt_istn.problems import Instance
from opt_istn.runs.compare import load
from opt_istn.runs.ledger import Record, Source


class WrongInstanceError(Exception):
    """A source gives another instance than the record's."""


class Loader:
    """Loads the instances of records; these come instance by instance, so one is remembered.

    Parameters
    ----------
    beside
        Files of records that instance files may lie beside.
    """

    def __init__(self, *beside: str | Path) -> None:
        folders = [folder for path in beside for folder in Path(path).absolute().parents]
        self._folders = list(dict.fromkeys(folders))
        self._last: tuple[bytes, Instance] | None = None

    def __call__(self, run: Record) -> Instance:
        """Return the instance of a record.

        Raises
        ------
        InputError
            If it cannot be had.
        WrongInstanceError
            If its source gives another one.
        """
        key = msgspec.json.encode((run.source, run.sha256), order="sorted")
        if self._last is None or self._last[0] != key:
            self._last = key, self._found(run)
        return self._last[1]

    def _found(self, run: Record) -> Instance:
        first: InputError | WrongInstanceError | None = None
        for source in self._sources(run.source):
            try:
                instance = load(source)
            except InputError as error:
                first = first or error
                continue
            if instance.sha256 == run.sha256:
                return instance
            found = f"its source gives another instance ({instance.sha256[:12]})"
            if first is None or isinstance(first, InputError):
                first = WrongInstanceError(found)
        raise first or InputError("source", "expected a file or a preset", run.instance)

    def _sources(self, source: Source) -> Iterator[Source]:
        """Yield where an instance may be, its own place first."""
        yield source
        if source.file is None or Path(source.file).is_absolute():
            return
        for folder in self._folders:
            place = folder / source.file
            if place.is_file():
                yield msgspec.structs.replace(source, file=str(place))
