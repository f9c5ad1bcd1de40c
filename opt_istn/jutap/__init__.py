"""JUTAP: a UAV's path over a grid and the link that serves it, under an energy budget."""

from opt_istn.jutap.evaluate import Evaluation as Evaluation
from opt_istn.jutap.evaluate import evaluate as evaluate
from opt_istn.jutap.instance import Cost as Cost
from opt_istn.jutap.instance import Instance as Instance
from opt_istn.jutap.instance import read as read_instance
from opt_istn.jutap.pilot import plan_from_env as plan_from_env
from opt_istn.jutap.plan import Plan as Plan
from opt_istn.jutap.plan import read as read_plan

__all__ = [
    "Cost",
    "Evaluation",
    "Instance",
    "Plan",
    "evaluate",
    "plan_from_env",
    "read_instance",
    "read_plan",
]
