"""The PUSH plan: which content is pushed to which user in which slot."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from opt_istn import files

FORMAT = "opt-istn/push-plan"
VERSION = 1


@dataclass(frozen=True)
class Plan:
    """Pushes, in any order; what is not listed is never pushed.

    Parameters
    ----------
    instance
        SHA-256 of the instance the plan is for.
    push
        ``(user, content, slot)`` triples; a content is pushed to a user at most once (C3).
    """

    instance: str
    push: tuple[tuple[int, int, int], ...]

    def document(self) -> dict[str, Any]:
        """Return the plan as the JSON document of its file format."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "instance": self.instance,
            "push": [list(triple) for triple in self.push],
        }

    def write(self, path: str | Path) -> None:
        """Write the plan to a file, atomically."""
        files.write_document(path, self.document())


_Index = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    instance: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    push: tuple[tuple[_Index, _Index, _Index], ...]


def from_bytes(data: bytes, source: str = "") -> Plan:
    """Build a plan from the JSON text of its file; raises `InputError` naming the field."""
    return files.build(
        data, {VERSION: _File}, FORMAT, source, lambda raw: Plan(raw.instance, raw.push)
    )


def read(path: str | Path) -> Plan:
    """Read and validate a plan file."""
    return from_bytes(files.read_bytes(path), str(path))
