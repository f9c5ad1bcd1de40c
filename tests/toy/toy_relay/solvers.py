"""RELAY solvers: an exact forward recursion, and the fastest satellite of each slot."""

from dataclasses import dataclass

from opt_istn import Budget, Claims, Status
from toy_relay.instance import Instance
from toy_relay.plan import Plan


@dataclass(frozen=True)
class Forward:
    """Exact: V(t, s) = d(t, s) + min(V(t-1, s), min_r V(t-1, r) + h)."""

    stochastic = False
    kind = "exact"

    def supports(self, instance: Instance) -> str | None:
        """Every instance is solved."""
        return None

    def prepare(self) -> None:
        """Nothing is compiled."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Return an optimal plan; O(T S)."""
        value, choices = list(instance.delay_us[0]), []
        for row in instance.delay_us[1:]:
            best = min(range(len(value)), key=value.__getitem__)
            change = value[best] + instance.handover_us
            before = [s if value[s] <= change else best for s in range(len(value))]
            value = [d + min(v, change) for d, v in zip(row, value, strict=True)]
            choices.append(before)
        taken = [min(range(len(value)), key=value.__getitem__)]
        for before in reversed(choices):
            taken.append(before[taken[-1]])
        cost = min(value)
        plan = Plan(instance.sha256, tuple(reversed(taken)))
        return Claims(Status.OPTIMAL, plan, cost, bound=cost, proof="forward recursion")


@dataclass(frozen=True)
class Nearest:
    """Takes the fastest satellite of each slot, whatever handovers cost."""

    stochastic = False
    kind = "heuristic"

    def supports(self, instance: Instance) -> str | None:
        """Every instance is solved."""
        return None

    def prepare(self) -> None:
        """Nothing is compiled."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:
        """Return the plan."""
        taken = tuple(row.index(min(row)) for row in instance.delay_us)
        return Claims(Status.FEASIBLE, Plan(instance.sha256, taken))
