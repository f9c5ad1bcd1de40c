"""The JUTAP plan: the cells flown, one after the other, and the link held in each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from opt_istn import files

FORMAT = "opt-istn/jutap-plan"
VERSION = 1


@dataclass(frozen=True)
class Plan:
    """A walk over cells and links.

    Parameters
    ----------
    instance
        SHA-256 of the instance the plan is for.
    cells
        Cell after each move, ``cells[0]`` is START. Cells may repeat, except that the walk ends
        when it reaches END.
    links
        Link held in each of them, ``links[0]`` is the instance's start link; same length.
    """

    instance: str
    cells: tuple[int, ...]
    links: tuple[int, ...]

    def document(self) -> dict[str, Any]:
        """Return the plan as the JSON document of its file format."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "instance": self.instance,
            "cells": list(self.cells),
            "links": list(self.links),
        }

    def write(self, path: str | Path) -> None:
        """Write the plan to a file, atomically."""
        files.write_document(path, self.document())


_Index = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    instance: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    cells: Annotated[tuple[_Index, ...], msgspec.Meta(min_length=1)]
    links: Annotated[tuple[_Index, ...], msgspec.Meta(min_length=1)]


def from_bytes(data: bytes, source: str = "") -> Plan:
    """Build a plan from the JSON text of its file; raises `InputError` naming the field."""
    return files.build(data, {VERSION: _File}, FORMAT, source, _made)


def _made(raw: _File) -> Plan:
    if len(raw.links) != len(raw.cells):
        expected = f"expected {len(raw.cells)} links, one a cell, found {len(raw.links)}"
        raise files.InputError("links", expected)
    return Plan(raw.instance, raw.cells, raw.links)


def read(path: str | Path) -> Plan:
    """Read and validate a plan file."""
    return from_bytes(files.read_bytes(path), str(path))
