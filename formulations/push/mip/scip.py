"""The interval model of PUSH on SCIP: a second core for what HiGHS proves.

The model is that of `formulations.push.mip.interval`, written to a file and read by SCIP, a user at
a time. What SCIP proves it proves in floats: see `formulations.scip_engine`.
"""

from dataclasses import dataclass

from formulations import scip_engine
from formulations.highs_engine import OutOfTimeError
from formulations.push import users
from formulations.push.mip import modelling
from formulations.push.mip.interval import OnIntervals, build_user, pushes_of
from formulations.push.mip.intervals import refusal, too_long
from formulations.push.users import UserResult, UserTask
from opt_istn.push.instance import Instance
from opt_istn.solver import Budget, Claims


@dataclass(frozen=True)
class Scip(OnIntervals):
    """SCIP on the interval model. `Budget.work` limits its nodes; it takes one thread."""

    def supports(self, instance: Instance) -> str | None:
        """Refuse models and delays that are too large, and say if SCIP is missing."""
        return (
            too_long(instance, scip_engine.LARGEST, "SCIP tells apart")
            or scip_engine.refusal()
            or refusal(instance, self.max_columns)
        )

    def prepare(self) -> None:
        """Import the engine, if it is there."""
        scip_engine.prepare()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Build and solve user by user, with both gaps at 0, and read the pushes off the claims."""
        return users.solve(instance, _user, budget, seed, scip_engine.PROOF)


def _user(task: UserTask) -> UserResult:
    try:
        model = build_user(task.problem, task.budget)
        heard = modelling.hearing(model, task, pushes_of, scip_engine.round_up)
        found = scip_engine.solve(model, task.budget, task.seed, heard)
    except OutOfTimeError:
        return UserResult()
    index = {f: i for i, f in enumerate(task.problem.content.tolist())}
    claimed = [claim for claim in model.CLAIMS if found.value(model.z[claim]) > 0.5]
    return UserResult(
        pushes=tuple((index[f], s) for f, s, _ in claimed),
        bound_us=scip_engine.round_up(found.bound),
        work=found.nodes,
        counts={"columns": model.nvariables(), "rows": model.nconstraints()},
    )
