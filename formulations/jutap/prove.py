"""Certificates of JUTAP bounds: what `opt_istn.verifier` needs to check them without us.

Without an energy budget one potential is the proof; with a negative cycle, a walk over it is. With
a budget the labels are: those that a search has to look into once it knows the bound to prove.
"""

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from formulations.jutap.labels import Labels
from formulations.jutap.passes.multipliers import relax
from formulations.jutap.passes.potentials import INFINITE, Potentials, compute_potentials, grid_of
from opt_istn.jutap.graph import reachable_cells, start_state, state_arcs, state_cells
from opt_istn.jutap.instance import Instance, IntArray
from opt_istn.jutap.plan import Plan
from opt_istn.solver import Budget, Status

Document = dict[str, Any]


def prove(
    instance: Instance,
    budget: Budget,
    plan: Plan | None = None,  # noqa: ARG001 - the search finds its own
    keep: Path | None = None,  # noqa: ARG001 - it is over before it could be killed
) -> tuple[Document | None, Plan | None]:
    """Return a certificate and the plan whose cost it bounds; None for what is not found.

    Parameters
    ----------
    budget
        Limits the search for the optimum; a bound that is known when it ends is certified.
    plan
        Not needed here; other problems begin with it.
    keep
        Not needed here; folder from which other problems go on with a search.
    """
    claims = Labels().solve(instance, budget)
    found: Document | None
    if claims.status == Status.INFEASIBLE:
        found = _infeasible(instance)
    elif claims.status == Status.UNBOUNDED:
        found = _unbounded(instance)
    else:
        found = None if claims.bound is None else _bound(instance, claims.bound)
    if found is None:
        return None, claims.plan
    return _headed(instance, found), claims.plan


def certificate(instance: Instance, bound: int | None) -> Document:
    """Return the certificate of a bound that is known, None being that there is no plan.

    Nothing is searched, and nothing is taken for granted: what is wrong comes out as a certificate
    that `opt_istn.verifier` refuses.
    """
    return _headed(instance, _infeasible(instance) if bound is None else _bound(instance, bound))


def _headed(instance: Instance, found: Document) -> Document:
    head = {"format": "opt-istn/certificate", "version": 1, "instance": instance.sha256}
    return {**head, **found}


def _bound(instance: Instance, bound: int) -> Document:
    cheapest = compute_potentials(instance, 1, 0, grid_of(instance))
    start = start_state(instance)
    proven = not cheapest.negative_cycle and int(cheapest.value[start]) >= bound
    if proven or instance.energy_budget_mj is None:
        return {"kind": "potential", "claim": {"bound": bound}, "h": _heights(cheapest)}
    limit = _limit(instance)
    grid = grid_of(instance)
    frugal = compute_potentials(instance, 0, 1, grid)
    tables = [] if cheapest.negative_cycle else [cheapest]
    tight = relax(instance, grid, start, limit, cheapest, frugal, lambda: False).tightest
    tables += [frugal] if tight is frugal else [frugal, tight]
    return _labelled(instance, tables, bound)


def _infeasible(instance: Instance) -> Document:
    reached = reachable_cells(instance)
    claim = {"infeasible": True}
    if not reached[instance.end]:
        dead = np.flatnonzero(reached[state_cells(instance)]).tolist()
        return {"kind": "potential", "claim": claim, "dead": dead}
    return _labelled(instance, [compute_potentials(instance, 0, 1)], None)


def _labelled(instance: Instance, tables: list[Potentials], bound: int | None) -> Document:
    labels = list(_open_labels(instance, tables, bound))
    return {
        "kind": "labels",
        "claim": {"infeasible": True} if bound is None else {"bound": bound},
        "tables": [
            {"q": int(x.cost_scale), "p": int(x.energy_scale), "h": _heights(x)} for x in tables
        ],
        "labels": labels,
    }


def _open_labels(
    instance: Instance, tables: list[Potentials], bound: int | None
) -> Iterator[list[int]]:
    """Yield the labels (state, cost, energy) that neither a table nor another label closes."""
    limit, arcs = _limit(instance), state_arcs(instance)
    order = np.argsort(arcs.tail, kind="stable")
    first = np.searchsorted(arcs.tail[order], np.arange(len(tables[0].value) + 1))
    head, cost, energy = (array[order].tolist() for array in (arcs.head, arcs.cost, arcs.energy))
    at_end = state_cells(instance) == instance.end
    weights = [(int(x.cost_scale), int(x.energy_scale), x.value.tolist()) for x in tables]
    if bound is None:
        weights = [row for row in weights if row[0] == 0]
    q0, p0, h0 = weights[0]  # the order in which labels dominate: by the length that this row adds
    done: dict[int, list[tuple[int, int]]] = {}
    queue = [(h0[start_state(instance)], 0, 0, start_state(instance))]
    while queue:
        _, e, c, s = heapq.heappop(queue)
        known = done.setdefault(s, [])
        if (at_end[s] and bound is not None and c >= bound) or any(
            c >= x and e >= y for x, y in known
        ):
            continue
        if any(
            q * c + p * (e - limit) + h[s] > (q * (bound - 1) if bound is not None and q else 0)
            for q, p, h in weights
        ):
            continue
        known.append((c, e))
        yield [s, c, e]
        for i in range(first[s], first[s + 1]):
            t, near, far = head[i], c + cost[i], e + energy[i]
            heapq.heappush(queue, (q0 * near + p0 * far + h0[t], far, near, t))


def _unbounded(instance: Instance) -> Document:
    """Return a walk over a negative cycle, which the successors of a failed pass contain."""
    cycle = _cycle(compute_potentials(instance, 1, 0).successor)
    start, arcs, cells = start_state(instance), state_arcs(instance), state_cells(instance)
    size = len(cells)
    graph = csr_array((np.ones(len(arcs.tail)), (arcs.tail, arcs.head)), shape=(size, size))
    approach = _path(graph, start, [cycle[0]])
    rest = _path(graph, cycle[0], np.flatnonzero(cells == instance.end).tolist())
    states = [*approach, *cycle[1:], *rest]
    begins = len(approach) - 1
    return {
        "kind": "walk",
        "claim": {"unbounded": True},
        "cells": cells[states].tolist(),
        "links": instance.states[1][states].tolist(),
        "cycle": [begins, begins + len(cycle)],
    }


def _cycle(successor: IntArray) -> list[int]:
    """Return the states of a cycle of successors."""
    seen: dict[int, int] = {}
    for first in range(len(successor)):
        state, path = first, []
        while state >= 0 and state not in seen:
            seen[state] = first
            path.append(state)
            state = int(successor[state])
        if state >= 0 and seen[state] == first:
            return path[path.index(state) :]
    raise ValueError("_cycle: expected successors with a cycle")


def _path(graph: csr_array, source: int, targets: list[int]) -> list[int]:
    order, parent = breadth_first_order(graph, source)
    wanted = set(targets)
    path = [next(int(s) for s in order if s in wanted)]
    while path[-1] != source:
        path.append(int(parent[path[-1]]))
    return path[::-1]


def _heights(table: Potentials) -> list[int | None]:
    return [None if v >= INFINITE else v for v in table.value.tolist()]


def _limit(instance: Instance) -> int:
    if instance.energy_budget_mj is None:
        raise ValueError("prove: expected an energy budget")
    return instance.energy_budget_mj
