"""The judge of RELAY plans."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from opt_istn.files import InputError
from toy_relay.instance import Instance
from toy_relay.plan import Plan


@dataclass(frozen=True)
class Evaluation:
    """What a plan is worth: `cost` in microseconds, None if it has `violations`."""

    violations: tuple[str, ...]
    cost: int | None
    handovers: int = 0

    def terms(self) -> dict[str, Any]:
        """Return the problem's own terms."""
        return {} if self.violations else {"handovers": self.handovers}


def evaluate(instance: Instance, plan: Plan) -> Evaluation:
    """Judge `plan`: sum of d(t, s_t) plus the handover cost where s_t differs from s_(t-1)."""
    if plan.instance != instance.sha256:
        raise InputError("instance", f"expected a plan for {instance.sha256}")
    slots, satellites = len(instance.delay_us), len(instance.delay_us[0])
    if len(plan.satellite) != slots:
        return Evaluation((f"{len(plan.satellite)} slots are planned, not {slots}",), None)
    if max(plan.satellite) >= satellites:
        return Evaluation((f"there is no satellite {max(plan.satellite)}",), None)
    handovers = sum(a != b for a, b in pairwise(plan.satellite))
    delay = sum(row[s] for row, s in zip(instance.delay_us, plan.satellite, strict=True))
    return Evaluation((), delay + handovers * instance.handover_us, handovers)


def bounded(instance: Instance) -> bool:
    """Whether no plan can be arbitrarily cheap: every cost is at least 0."""
    return instance.handover_us >= 0
