"""What a reference method knows of an instance."""

from dataclasses import dataclass

from opt_istn.solver import Status


@dataclass(frozen=True)
class Truth:
    """The true outcome: `optimal` with its cost, `infeasible` or `unbounded` without."""

    status: Status
    cost: int | None = None
