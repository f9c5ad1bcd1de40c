"""What a JUTAP plan is measured against: the straightest feasible walk."""

from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.routes import Routes

REFERENCE = "the straightest feasible walk (jutap.straight)"
COST_UNIT = ("", 1e-6)  # costs are millionths of the objective, which has no unit


def reference_cost(instance: Instance) -> int | None:
    """Return the cost of the straightest feasible walk, None if no walk is feasible.

    It flies the straight line with the strongest MBS of each cell, in HOLE where there is none.
    Where the line is blocked, or needs more energy than the budget allows, it takes a route of
    least energy. This is the plan of ``jutap.straight``. In millionths of an objective unit.
    """
    routes = Routes(instance)
    if not routes.has_walk():
        return None
    cells = routes.straight()
    links = (instance.start_link, *instance.strongest[cells[1:]].tolist())
    judged = evaluate(instance, Plan(instance.sha256, tuple(cells), links))
    return judged.cost if judged.feasible else None
