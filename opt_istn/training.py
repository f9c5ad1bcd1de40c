"""What a trainer is: the protocol behind `opt-istn train`, and what an agent is trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

Report = Callable[[float, str], None]  # share of the budget used 0..1, and how training stands


@dataclass(frozen=True)
class Task:
    """What an agent is trained on: exactly one of `instance` and `scenario` is there.

    Parameters
    ----------
    problem, name
        Name of the problem, and a printable name.
    instance
        Protocol ``memorise``: the one instance the agent is trained for.
    scenario
        Protocol ``generalise``: the parameters that training instances are drawn from.
    """

    problem: str
    name: str
    instance: Any = None
    scenario: Any = None

    @property
    def protocol(self) -> str:
        """Name of the protocol, ``memorise`` or ``generalise``."""
        return "memorise" if self.scenario is None else "generalise"


@runtime_checkable
class Trainer(Protocol):
    """Trains one kind of agent. Its configuration are the fields of its (frozen) dataclass."""

    def supports(self, task: Task) -> str | None:
        """Return None if it can be trained on `task`, else one sentence saying why not."""
        ...

    def train(self, task: Task, seed: int, out: Path, report: Report) -> dict[str, Any]:
        """Train, write the agent file `out`, and return what is worth printing.

        A run that was killed goes on from its checkpoint beside `out`.
        """
        ...
