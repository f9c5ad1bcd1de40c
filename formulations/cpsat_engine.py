"""CP-SAT as both problems use it: exact, and without the step of presolve that errs."""

from ortools.sat.python import cp_model

from opt_istn.solver import Budget

EXACT = 2**53  # its integers come as doubles, which hold them up to here
_MAX_SEED = 2**31 - 1


def engine(budget: Budget, seed: int, presolve: bool = False) -> cp_model.CpSolver:
    """Return a solver with a budget's limits; `Budget.work` is its deterministic time."""
    solver = cp_model.CpSolver()
    parameters = solver.parameters
    parameters.num_workers = budget.threads
    parameters.random_seed = seed % _MAX_SEED
    parameters.absolute_gap_limit = 0.0
    parameters.cp_model_presolve = presolve
    parameters.presolve_inclusion_work_limit = 0  # the step at fault
    left = budget.left_s()
    if left is not None:
        parameters.max_time_in_seconds = left
    if budget.work is not None:
        parameters.max_deterministic_time = budget.work
    return solver
