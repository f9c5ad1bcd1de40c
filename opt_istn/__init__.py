"""Exact baselines, heuristics and learned agents for integrated satellite-terrestrial networks.

An instance goes to a solver, which returns a plan and claims; the evaluator judges the plan;
the record keeps both; tables and figures read only records.
"""

from opt_istn.files import InputError as InputError
from opt_istn.solver import Budget as Budget
from opt_istn.solver import Claims as Claims
from opt_istn.solver import Solver as Solver
from opt_istn.solver import Status as Status
from opt_istn.version import __version__ as __version__
