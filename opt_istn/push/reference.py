"""What a PUSH plan is measured against: never pushing."""

from opt_istn.push.instance import Instance

REFERENCE = "never pushing (push.never)"
COST_UNIT = ("s", 1e-6)  # costs are microseconds
IS_WORST = True  # a hit costs nothing, so that no plan costs more than pushing nothing


def reference_cost(instance: Instance) -> int:
    """Return the total delay if nothing is ever pushed, in microseconds."""
    return instance.base_us
