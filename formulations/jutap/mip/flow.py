"""What the arc-flow engines share: which instances they take, and reading a plan off its arcs."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations.jutap.mip.cycles import negative_cycle
from formulations.jutap.passes.ranges import too_far
from opt_istn.jutap import graph
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.graph import Arcs
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.solver import Claims, Status

_ROOM = 1e-3  # least distance of walks within and beyond the energy budget, to a move's energy


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
    far, count = too_far(instance), num_arcs(instance)
    if far:
        return far
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


def energy_row(instance: Instance) -> tuple[tuple[int, int], float]:
    """Return what a straight and a diagonal move weigh, and a limit on their sum: (5a) for floats.

    The limit lies half-way between the heaviest walk within the energy budget and the lightest one
    beyond it. Weights are millijoules if that leaves room for an engine's feasibility tolerance,
    which is relative to the weights; else smaller numbers in nearly the same ratio that separate
    the same numbers of moves with more room, say 1 and 1 where both moves need about the same.
    """
    budget, (straight, diagonal) = instance.energy_budget_mj, instance.energy_mj
    if budget is None:
        raise ValueError("energy_row: expected an instance with an energy budget")
    most = len(instance.states[1])  # a simple path enters each state once
    budget = min(budget, most * max(straight, diagonal))
    straights = np.arange(min(most, budget // straight) + 2)
    diagonals = np.maximum(budget - straights * straight, -1) // diagonal  # -1: too long already

    def row(weights: tuple[int, int]) -> tuple[float, tuple[int, int], float]:
        heavy = straights * weights[0] + diagonals * weights[1]
        within = int(heavy[diagonals >= 0].max())
        beyond = int((heavy + weights[1]).min())
        return (beyond - within) / max(weights), weights, (within + beyond) / 2

    rows = [row((straight, diagonal))]
    if rows[0][0] < _ROOM:
        rows += [row(weights) for weights in _ratios(straight, diagonal)]
    _, weights, limit = max(rows)
    return weights, limit


def _ratios(a: int, b: int) -> list[tuple[int, int]]:
    """Return the continued-fraction approximations p / q of a / b, the coarsest first."""
    found, (p, q), (r, s) = list[tuple[int, int]](), (0, 1), (1, 0)
    while b:
        whole, (a, b) = a // b, (b, a % b)
        (p, q), (r, s) = (r, s), (whole * r + p, whole * s + q)
        found.append((r, s))
    return found


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
