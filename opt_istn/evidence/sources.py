"""Where the instances of records are: generated anew, or found as files, also after a move.

A record keeps the path of an instance file as its user gave it. Read from elsewhere, it is looked
for beside the file of records and in the folders above that, too; the hash tells whether it is the
right one.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from opt_istn import files
from opt_istn.files import InputError, words
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
        Files of records, or folders of them, that instance files may lie beside.
    """

    def __init__(self, *beside: str | Path) -> None:
        here = files.current_folder()
        places = [Path(here, path) for path in beside]  # a folder of records is one of them
        folders = [folder for place in places for folder in (place, *place.parents)]
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
        try:
            instance = load(run.source)
            reason: Exception = WrongInstanceError(
                f"its source gives another instance ({words.apart(instance.sha256, run.sha256)[0]})"
            )
            if instance.sha256 == run.sha256:
                return instance
        except InputError as error:
            reason = error
        for place in self._elsewhere(run.source):
            with suppress(InputError):
                instance = load(Source(file=str(place)))
                if instance.sha256 == run.sha256:
                    return instance
        raise reason

    def _elsewhere(self, source: Source) -> Iterator[Path]:
        """Yield files that may be the instance's as well."""
        if source.file is not None and not Path(source.file).is_absolute():
            yield from (
                folder / source.file for folder in self._folders if (folder / source.file).is_file()
            )
