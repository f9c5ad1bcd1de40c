"""PUSH: satellites push contents into users' FIFO caches ahead of their requests."""

from opt_istn.push.evaluate import Evaluation as Evaluation
from opt_istn.push.evaluate import evaluate as evaluate
from opt_istn.push.instance import Instance
from opt_istn.push.instance import read as read_instance
from opt_istn.push.pilot import plan_from_env as plan_from_env
from opt_istn.push.plan import Plan
from opt_istn.push.plan import read as read_plan

__all__ = [
    "Evaluation",
    "Instance",
    "Plan",
    "evaluate",
    "plan_from_env",
    "read_instance",
    "read_plan",
]
