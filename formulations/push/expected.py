"""Solver ``push.expected``: the optimum against expected requests, births being known.

With ``delays=actual`` the delays that misses will have are known as well, with ``delays=law`` only
their mean by a content's age, as to a policy that looks at no link. The difference of the two
plans is what foresight of delays is worth. A policy that knows the law lags behind the second by
what foresight of births is worth, and by its own error.

Requests do not depend on pushes, so no policy that cannot see requests has a lower expected delay
than the best plan on expected requests (`opt_istn.push.expected`). That problem is an instance
like any other and is solved by `push.labels`; all requests after a birth are possible, so its
tables are as tall as the horizon, and large caches end with a gap. The plan also knows the births
to come, which an online policy does not.

``expected_bound_us`` in the detail bounds the expected delay of every policy that cannot see
requests; that of the plan is the judge's term ``expected_us``. Neither bounds the delay of the
requests as drawn, so the claims carry no bound.
"""

from dataclasses import dataclass, replace
from typing import Any

from formulations.push.labels.solver import Labels
from opt_istn.push.evaluate import evaluate
from opt_istn.push.expected import Delays, expected_instance, lawless
from opt_istn.push.instance import Instance
from opt_istn.solver import Budget, Claims, Status

_LEAST_S = 1e-3  # of the time limit that is left for the search


@dataclass(frozen=True)
class Expected:
    """The exact method on expected requests.

    Parameters
    ----------
    delays
        What is known of the delays of misses: ``actual``, or their mean by the ``law``.
    """

    delays: Delays = "actual"

    stochastic = True
    kind = "heuristic"

    @property
    def knows(self) -> str:
        """What it knows of an instance."""
        return "law, births, delays" if self.delays == "actual" else "law, births"

    def supports(self, instance: Any) -> str | None:
        """Instances that were generated from a scenario are supported."""
        reason = Labels().supports(instance)
        if reason is None and "seed" not in instance.scenario:
            return "expected an instance that names the scenario and seed it was drawn from"
        return reason or lawless(instance)

    def prepare(self) -> None:
        """Compile the exact method."""
        Labels().prepare()

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Solve the expected instance; its plan is one of `instance`."""
        budget = budget.start()
        expected, left_s = expected_instance(instance, self.delays), budget.left_s()
        time_s = None if left_s is None else max(left_s, _LEAST_S)
        silent = replace(budget, listener=None, time_s=time_s)
        found = Labels().solve(expected, silent, seed)
        plan = replace(found.plan, instance=instance.sha256)
        detail = dict(found.detail)
        if found.bound is not None and self.delays == "actual":
            detail["expected_bound_us"] = found.bound
        return Claims(Status.FEASIBLE, plan, evaluate(instance, plan).cost, detail=detail)
