"""The root of the profile formulation: its relaxation with the rows it violates, and what follows.

`tighten` solves the relaxation, adds rows of `formulations.push.mip.cuts` that it violates, and
goes on while the bound moves. The dual values, rounded to integers, prove the bound exactly. They
also prove that some columns are 0, or 1, in every plan as good as the known one: with the other
value the bound falls by the column's reduced cost, below what the known plan saves.
"""

from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np
from scipy import sparse

from formulations.push.mip.cuts import Columns, Floats, Name, violated
from formulations.push.mip.lp import LARGEST, certified
from formulations.push.mip.matrix import Program
from opt_istn.push.instance import IntArray
from opt_istn.solver import Budget

_ROUNDS = 40
_SLOW = 0.01  # of the gap: a round that closes less is the last one
_BINDING = 1e-6


@dataclass(frozen=True)
class Root:
    """What the root gives.

    Parameters
    ----------
    program
        With the rows that bind in the end; columns are fixed in it.
    saved_us
        Upper bound on the saving in microseconds, exactly proven; None if there was no time.
    names
        Of the rows added.
    rounds
        Relaxations solved.
    """

    program: Program
    saved_us: int | None = None
    names: tuple[Name, ...] = ()
    rounds: int = 0


def tighten(
    engine: highspy.Highs, program: Program, columns: Columns, known_us: int, budget: Budget
) -> Root:
    """Separate rows at the root, and fix columns.

    Parameters
    ----------
    engine
        Holds the relaxation of `program`, and nothing else.
    known_us
        What a plan that is known saves.
    budget
        Its clock runs; the rounds end with it.
    """
    whole, names, value = program, [], np.inf
    duals: Floats | None = None
    rounds = 0
    while rounds < _ROUNDS and _solved(engine, budget):
        rounds += 1
        solution, before = engine.getSolution(), value
        value = -float(engine.getInfo().objective_function_value)
        duals = -np.array(solution.row_dual)
        found = violated(columns.point(np.array(solution.col_value)), columns.places)
        if not found or before - value < _SLOW * (value - known_us):
            break
        matrix, upper = columns.rows(found)
        _add(engine, matrix, upper)
        names += found
        table = sparse.csc_matrix(sparse.vstack([whole.matrix, matrix]))
        whole = replace(whole, matrix=table, upper=np.append(whole.upper, upper))
    if duals is None:
        return Root(program)
    return _fixed(program, whole, names, duals, known_us, rounds)


def _fixed(
    program: Program, whole: Program, names: list[Name], duals: Floats, known_us: int, rounds: int
) -> Root:
    """Return the root: bound, columns fixed, and of the rows added those with a dual value."""
    size, some = len(program.upper), len(duals)
    gain = np.zeros(whole.matrix.shape[1], dtype=np.int64)
    gain[: len(whole.columns.gain)] = whole.columns.gain
    solved = whole.matrix[:some], whole.upper[:some]
    bound, dual = certified(*solved, gain, duals)
    if bound == LARGEST:  # beyond 64 bits: nothing is proven
        return Root(program, rounds=rounds)
    reduced = gain - solved[0].astype(np.int64).T @ dual
    lower, most = known_columns(reduced, bound, known_us)
    kept = np.flatnonzero(duals[size:] > _BINDING)
    rows = np.concatenate([np.arange(size), size + kept])
    left = replace(
        program,
        matrix=sparse.csc_matrix(sparse.csr_matrix(whole.matrix)[rows]),
        upper=whole.upper[rows],
        least=lower,
        most=most,
    )
    return Root(left, bound, tuple(names[i] for i in kept), rounds)


def known_columns(reduced: IntArray, bound: int, known_us: int) -> tuple[Floats, Floats]:
    """Return least and largest values of the columns in plans that save `known_us` or more.

    Parameters
    ----------
    reduced
        Gain less what the prices of the rows ask for it.
    bound
        Bound on the saving by these prices; a column at its worse end lowers it by `reduced`.
    """
    least = (bound - np.maximum(reduced, 0) < known_us).astype(float)
    most = (bound + np.minimum(reduced, 0) >= known_us).astype(float)
    return least, most


def _solved(engine: highspy.Highs, budget: Budget) -> bool:
    """Solve the relaxation; return whether there was time to."""
    left = budget.left_s()
    if left is not None:
        engine.setOptionValue("time_limit", engine.getRunTime() + left)
    engine.run()
    return bool(engine.getModelStatus() == highspy.HighsModelStatus.kOptimal)


def _add(engine: highspy.Highs, matrix: Any, upper: Floats) -> None:
    lower = np.full(len(upper), -highspy.kHighsInf)
    starts, where = matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32)
    engine.addRows(len(upper), lower, upper, matrix.nnz, starts, where, matrix.data)
