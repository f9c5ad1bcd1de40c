"""Many records in little memory."""

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from opt_istn.runs.ledger import Record

_SORTING = msgspec.json.Encoder(order="sorted")


class Thinner:
    """Takes plans out of records and lets them share equal values, so that many fit into memory."""

    def __init__(self) -> None:
        self._shared: dict[Any, Any] = {}

    def __call__(self, run: "Record") -> "Record":
        """Return `run` without its plan."""
        share = self._shared.setdefault
        source, limits = run.source, run.limits
        named = (source.preset, source.seed, source.file, *source.overrides.items())
        texts = ("problem", "instance", "sha256", "solver", "cpu", "commit", "folder_commit")
        shared = {name: share(text := getattr(run, name), text) for name in texts}
        return msgspec.structs.replace(
            run,
            plan=None,
            source=share(("source", named), source),
            limits=share(limits, limits),
            parameters=share((dict, _SORTING.encode(run.parameters)), run.parameters),
            packages=share((str, *run.packages.items()), run.packages),
            detail=run.detail or share((dict, b"{}"), run.detail),
            extra=run.extra or share((dict, b"{}"), run.extra),
            **shared,
        )
