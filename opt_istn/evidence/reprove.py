"""Asking an engine again: what it proves now of the instances whose bounds nothing else checks.

A bound in a record is a claim, whoever is named behind it. Here an engine of this distribution runs
on the instance, and its own judged run is the proof: that of the record if it has a core
(`opt_istn.runs.cores`), else the first one of the problem.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opt_istn import registry
from opt_istn.evidence.sources import Loader, WrongInstanceError
from opt_istn.files import InputError
from opt_istn.runs.compare import run_one
from opt_istn.runs.cores import CORES
from opt_istn.runs.ledger import Record
from opt_istn.solver import Budget, Status

_PROVEN = (Status.INFEASIBLE, Status.UNBOUNDED)


@dataclass(frozen=True)
class Proof:
    """What an engine says of an instance when it is asked again.

    Parameters
    ----------
    engine
        Its id.
    status, bound, cost
        Of its judged run; the cost is that of its evaluated plan.
    """

    engine: str
    status: Status
    bound: int | None
    cost: int | None

    def against(self, status: Status, bound: int | None) -> str:
        """Return how its plan, which is a fact, refutes a claim; empty if it does not."""
        if self.cost is None:
            return ""
        plan = f"the evaluated plan of {self.engine}, run again, costs {self.cost}"
        if status == Status.INFEASIBLE:
            return f"claimed infeasible, but {plan}"
        if bound is not None and bound > self.cost:
            return f"claimed the bound {bound}, but {plan}"
        return ""

    def words(self, status: Status, bound: int | None) -> str:
        """Return what it makes of a claim."""
        if bound is None:
            proven = status in _PROVEN and status == self.status
        else:
            proven = self.bound is not None and self.bound >= bound
        if proven:
            return f"proven again by {self.engine}"
        found = self.status if self.bound is None else f"the bound {self.bound}"
        return f"not proven again ({self.engine}: {found})"


def proofs(
    records: Sequence[Record], load: Loader, budget: Budget
) -> Iterator[tuple[str, Proof | None]]:
    """Yield for each instance whose bounds are claims its hash and what an engine proves of it.

    Parameters
    ----------
    budget
        Work allowed to each engine.
    """
    claims: dict[str, list[Record]] = {}
    for run in records:
        if run.status != Status.FAILED and (run.bound is not None or run.status in _PROVEN):
            claims.setdefault(run.sha256, []).append(run)
    for sha256, runs in claims.items():
        yield sha256, _proof(runs, load, budget)


def _proof(runs: Sequence[Record], load: Loader, budget: Budget) -> Proof | None:
    """Return what the strongest claim's engine proves; None if the instance cannot be had."""
    strongest = max(runs, key=lambda run: (run.status in _PROVEN, run.bound or 0))
    try:
        instance = load(strongest)
    except (InputError, WrongInstanceError):
        return None
    known = [name for name in CORES if name.startswith(f"{instance.problem}.")]
    wanted = [run.solver for run in runs if run.solver in known] + known
    engine = next((name for name in wanted if name in registry.names()), None)
    if engine is None:
        raise InputError("--prove", f"expected an engine for {instance.problem} to be installed")
    found = run_one(instance, strongest.source, engine, {}, 0, budget)
    return Proof(engine, found.status, found.bound, found.cost)
