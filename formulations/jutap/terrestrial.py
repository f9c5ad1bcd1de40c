"""`jutap.terrestrial`: the optimum without GEO."""

from dataclasses import dataclass, replace

from formulations.jutap.labels import PROOF, Labels
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.instance import Instance
from opt_istn.solver import Budget, Claims, Status


@dataclass(frozen=True)
class Terrestrial:
    """Solver ``jutap.terrestrial``: the optimum without GEO, by `labels`.

    Its cost is an upper bound only: the original instance may use GEO.
    """

    stochastic = False
    kind = "heuristic"
    knows = "link states"

    def supports(self, instance: Instance) -> str | None:
        """Refuse what `labels` refuses."""
        return Labels().supports(instance.without_geo())

    def prepare(self) -> None:
        """Compile the exact solver."""
        Labels().prepare()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Solve ``instance.without_geo()`` and claim the walk for `instance`."""
        found = Labels().solve(instance.without_geo(), replace(budget, listener=None), seed)
        if found.status == Status.UNBOUNDED:  # every terrestrial walk is a walk of the instance
            return Claims(Status.UNBOUNDED, proof=PROOF)
        if found.plan is None:
            return Claims(Status.NO_PLAN, detail=found.detail)
        plan = replace(found.plan, instance=instance.sha256)
        return Claims(Status.FEASIBLE, plan, evaluate(instance, plan).cost, detail=found.detail)
