"""What the arc-flow engines share: which instances they take, and reading a plan off its arcs."""

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations.jutap.cycles import negative_cycle
from opt_istn.jutap import graph
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.graph import Arcs
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.solver import Claims, Status


@dataclass
class Result:
    """What an engine has found, before it is turned into claims.

    Parameters
    ----------
    plan
        Best plan read off the engine's solution, None if it has none.
    bound
        Integer lower bound the engine has proven, None if it has none.
    infeasible
        The engine has proven that no flow exists.
    seconds
        When the engine was done.
    trace, detail
        As in `opt_istn.solver.Claims`; the outcome itself need not be in the trace.
    """

    plan: Plan | None = None
    bound: int | None = None
    infeasible: bool = False
    seconds: float = 0.0
    trace: tuple[tuple[float, int | None, int | None], ...] = ()
    detail: dict[str, Any] | None = None


def num_arcs(instance: Instance) -> int:
    """Return how many arcs `graph.state_arcs` would build, without building them; O(N*N)."""
    ptr, _ = instance.usable
    reached = graph.reachable_cells(instance)
    heads = np.where(reached, np.diff(ptr), 0)
    tails = heads.copy()
    tails[instance.end] = 0
    grid = (instance.grid, instance.grid)
    padded = np.pad(heads.reshape(grid), 1)
    n = instance.grid
    around = sum(padded[r : r + n, c : c + n] for r in range(3) for c in range(3))
    pairs = int((tails.reshape(grid) * (around - heads.reshape(grid))).sum())
    return 2 * pairs if instance.layered else pairs


def refusal(instance: Instance, max_arcs: int) -> str | None:
    """Return why an arc-flow model of `instance` would be wrong or too large, else None."""
    count = num_arcs(instance)
    if count > max_arcs:
        return f"the arc-flow model would have {count} arc variables, more than {max_arcs}"
    arcs = graph.state_arcs(instance)
    cycle = negative_cycle(arcs)
    if cycle is None:
        return None
    cells = graph.state_cells(instance)[cycle].tolist()
    walk = " -> ".join(map(str, [*cells, cells[0]]))
    return f"arc-flow models are wrong with a negative cycle, and the cells {walk} make one"


def incidence(arcs: Arcs) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Return the numbers of the arcs leaving and entering each state; empty lists by default."""
    leaving: dict[int, list[int]] = defaultdict(list)
    entering: dict[int, list[int]] = defaultdict(list)
    for a, (tail, head) in enumerate(zip(arcs.tail.tolist(), arcs.head.tolist(), strict=True)):
        leaving[tail].append(a)
        entering[head].append(a)
    return leaving, entering


def decode(instance: Instance, arcs: Arcs, chosen: NDArray[np.bool]) -> Plan:
    """Follow the chosen arcs of a unit flow from START to END; detached cycles are left out.

    A loop met on the way is cut out as well: without negative cycles that never costs anything.
    """
    _, ids, _ = instance.states
    cells = graph.state_cells(instance)
    leaving: dict[int, list[int]] = {}
    for tail, head in zip(arcs.tail[chosen].tolist(), arcs.head[chosen].tolist(), strict=True):
        leaving.setdefault(tail, []).append(head)
    path = [graph.start_state(instance)]
    position = {path[0]: 0}
    while cells[path[-1]] != instance.end:
        state = leaving[path[-1]].pop()
        if state in position:
            for dropped in path[position[state] + 1 :]:
                del position[dropped]
            del path[position[state] + 1 :]
        else:
            position[state] = len(path)
            path.append(state)
    return Plan(instance.sha256, tuple(cells[path].tolist()), tuple(ids[path].tolist()))


def energy_limit(instance: Instance) -> float:
    """Return a limit that separates the same walks as the energy budget, but robustly in floats.

    Half-way between the largest energy within the budget and the smallest one beyond it that any
    number of straight and diagonal moves can have. An engine's feasibility tolerance, which is
    relative to the row, then cannot admit a walk that is 1 mJ too long, unless there is no room.
    """
    budget, (straight, diagonal) = instance.energy_budget_mj, instance.energy_mj
    if budget is None:
        return math.inf
    most = len(instance.states[1])  # a simple path enters each state once
    budget = min(budget, most * max(straight, diagonal))
    straights = np.arange(min(most, budget // straight) + 2) * straight
    diagonals = np.maximum(budget - straights, -1) // diagonal  # -1: too long already
    within = (straights + diagonals * diagonal)[diagonals >= 0]
    beyond = straights + (diagonals + 1) * diagonal
    return float(within.max() + beyond.min()) / 2


def round_up(bound: float | None) -> int | None:
    """Return the integer lower bound that a float bound on an integer cost proves.

    The slack for the engine's own arithmetic is a hundredth, which costs nothing: only a bound
    within it above an integer is rounded down.
    """
    if bound is None or not math.isfinite(bound):
        return None
    return math.ceil(bound - max(1e-2, 1e-12 * abs(bound)))


def without_engine(instance: Instance, proof: str) -> Claims | None:
    """Return the claims for an instance that needs no engine, else None.

    START == END is the empty walk; no walk leads to an END outside what START reaches.
    """
    if instance.start == instance.end:
        empty = Plan(instance.sha256, (instance.start,), (instance.start_link,))
        return Claims(Status.OPTIMAL, empty, 0, 0, proof)
    if not graph.reachable_cells(instance)[instance.end]:
        return Claims(Status.INFEASIBLE, proof=proof)
    return None


def claims(instance: Instance, result: Result, proof: str) -> Claims:
    """Turn a result into claims; the cost is the integer the judge finds, not the engine's."""
    trace, detail = result.trace, result.detail or {}
    if result.infeasible:
        return Claims(Status.INFEASIBLE, proof=proof, trace=trace, detail=detail)
    proof = proof if result.bound is not None else ""
    judged = None if result.plan is None else evaluate(instance, result.plan)
    cost = judged.cost if judged is not None and judged.feasible else None
    if (cost, result.bound) != (None, None):
        trace = (*trace, (result.seconds, cost, result.bound))
    if cost is not None:
        status = Status.OPTIMAL if cost == result.bound else Status.FEASIBLE
        return Claims(status, result.plan, cost, result.bound, proof, trace, detail)
    status = Status.NO_PLAN if result.bound is None else Status.BOUND_ONLY
    # a plan that overdraws the energy budget by the engine's tolerance stays attached, unclaimed
    return Claims(status, result.plan, None, result.bound, proof, trace, detail)
