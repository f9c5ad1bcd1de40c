"""The RELAY instance: a delay per slot and satellite, and what a handover costs."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec

from opt_istn import files

FORMAT = "toy/relay"
VERSION = 1
Delay = Annotated[int, msgspec.Meta(ge=0, le=10**9)]


@dataclass(frozen=True)
class Instance:
    """An instance.

    Parameters
    ----------
    name
        Printable name, no part of the problem.
    delay_us
        Microseconds in every slot by every satellite, (T, S).
    handover_us
        What changing the satellite between two slots costs, in microseconds.
    """

    name: str
    delay_us: tuple[tuple[int, ...], ...]
    handover_us: int

    problem: ClassVar[str] = "relay"

    @cached_property
    def sha256(self) -> str:
        """Hash of the problem: the document without its name."""
        return files.canonical_sha256({k: v for k, v in self.document().items() if k != "name"})

    def document(self) -> dict[str, Any]:
        """Return the JSON document of the file format."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "delay_us": [list(row) for row in self.delay_us],
            "handover_us": self.handover_us,
        }

    def write(self, path: str | Path) -> None:
        """Write the instance to a file, atomically."""
        files.write_document(path, self.document())


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    name: str
    delay_us: Annotated[tuple[tuple[Delay, ...], ...], msgspec.Meta(min_length=1)]
    handover_us: Delay


def from_bytes(data: bytes, source: str = "") -> Instance:
    """Build an instance from the JSON text of its file; raises `InputError` naming the field."""
    raw = files.decode_document(data, _File, FORMAT, VERSION, source)
    for slot, row in enumerate(raw.delay_us):
        if not row or len(row) != len(raw.delay_us[0]):
            expected = "expected as many satellites as in slot 0, at least one"
            raise files.InputError(f"delay_us[{slot}]", expected, source)
    return Instance(raw.name, raw.delay_us, raw.handover_us)
