"""Records of solvers that play within the test's process."""

from typing import Any

import msgspec

from opt_istn import problems, registry
from opt_istn.runs.ledger import Claim, Limits, Record, Source, Steps
from opt_istn.solver import Budget, Status


def record(
    preset: str, instance: Any, solver_id: str, seed: int, terms: dict[str, Any], **given: Any
) -> Record:
    """Play; return the record that `run_one` would write."""
    problem = problems.of_preset(preset)
    solver = registry.make(solver_id, problem.name, given)
    claims = solver.solve(instance, Budget(), seed)
    cost = problem.evaluate(instance, claims.plan).cost
    proof = {"bound": claims.bound, "claim": Claim(claims.status, cost, claims.bound, claims.proof)}
    steps = getattr(solver, "steps", None)
    return Record(
        problem=problem.name,
        instance=instance.name,
        sha256=instance.sha256,
        source=Source(preset=preset, seed=0),
        solver=registry.complete(solver_id, problem.name),
        parameters=given,
        kind=solver.kind,
        seed=seed,
        limits=Limits(),
        status=claims.status,
        cost=cost,
        terms={} if cost is None else terms,
        steps=None if steps is None else msgspec.convert(steps, Steps),
        **(proof if claims.status == Status.OPTIMAL else {}),
    )
