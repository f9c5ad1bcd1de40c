"""Records made up for tests of tables, figures and pages."""

from typing import Any, TypeVar

import msgspec

from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.runs.cores import core_of
from opt_istn.runs.ledger import Claim, Failure, Limits, Record, Source
from opt_istn.solver import Status

EXACT = ("labels", "cpsat", "liar")


def run(
    solver: str, cost: int | None = None, bound: int | None = None, seed: int = 0, **changes: Any
) -> Record:
    """Return a judged run of seed `seed` of the preset ``paper``; proven if cost and bound meet."""
    proven = cost is not None and cost == bound
    status = Status.OPTIMAL if proven else Status.FEASIBLE if cost is not None else Status.NO_PLAN
    fields: dict[str, Any] = {
        "problem": "jutap",
        "instance": f"paper-{seed}",
        "sha256": f"{seed:08x}" * 8,
        "source": Source(preset="paper", seed=seed),
        "solver": f"jutap.{solver}",
        "parameters": {},
        "core": core_of(f"jutap.{solver}"),
        "kind": "exact" if solver in EXACT else "heuristic",
        "seed": seed,
        "limits": Limits(time_s=10.0),
        "status": status,
        "cost": cost,
        "bound": bound,
        "claim": Claim(status, cost, bound, solver if bound is not None else ""),
        "wall_s": 0.5,
        "peak_memory_mb": 100.0,
        "terms": {"energy_mj": 2_000_000, "length_m": 100.0} if cost is not None else {},
        "cpu": "a processor",
        "packages": {"opt-istn": "0.1.0"},
        "commit": "abcdef0123456789",
        "time": "2026-01-02T03:04:05+00:00",
    }
    return Record(**(fields | changes))


def crash(solver: str, seed: int = 0, error: str = "ValueError: boom\n  trace") -> Record:
    """Return a run that crashed."""
    failed = {"status": Status.FAILED, "failure": Failure.CRASHED, "error": error, "claim": None}
    return run(solver, seed=seed, **failed)


def flown(instance: Instance, plan: Plan, cost: int, solver: str, **changes: Any) -> Record:
    """Return a run with a plan on a real instance that has no source."""
    own = {
        "instance": instance.name,
        "sha256": instance.sha256,
        "source": Source(),
        "plan": plan.document(),
    }
    return run(solver, cost, **(own | changes))


def comparison() -> list[Record]:
    """Return three instances: two agreed on with optimum 100 and 200, the third with a bound."""
    exact = [
        run(name, cost, cost, seed)
        for name in ("labels", "cpsat")
        for seed, cost in ((0, 100), (1, 200))
    ]
    return [
        *exact,
        run("labels", 310, 300, 2),
        run("cpsat", None, 290, 2, status=Status.BOUND_ONLY),
        run("greedy", 110, None, 0),
        run("greedy", 200, None, 1),
        run("greedy", 330, None, 2),
        crash("random", 0),
        run("random", 200 * 3, None, 1),
        run("random", None, None, 2, violations=("energy 5 mJ exceeds the budget of 4 mJ (5a)",)),
    ]


T = TypeVar("T", bound=msgspec.Struct)


def changed(record: T, **changes: Any) -> T:
    """Return a copy of a record, or of a part of one, with other fields."""
    return msgspec.structs.replace(record, **changes)
