"""The RELAY plan: a satellite for every slot."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from opt_istn import files

FORMAT = "toy/relay-plan"
VERSION = 1


@dataclass(frozen=True)
class Plan:
    """The `satellite` taken in every slot of the instance with hash `instance`."""

    instance: str
    satellite: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """Return the JSON document of the file format."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "instance": self.instance,
            "satellite": list(self.satellite),
        }

    def write(self, path: str | Path) -> None:
        """Write the plan to a file, atomically."""
        files.write_document(path, self.document())


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    instance: str
    satellite: tuple[Annotated[int, msgspec.Meta(ge=0)], ...]


def from_bytes(data: bytes, source: str = "") -> Plan:
    """Build a plan from the JSON text of its file; raises `InputError` naming the field."""
    raw = files.decode_document(data, _File, FORMAT, VERSION, source)
    return Plan(raw.instance, raw.satellite)
