"""`jutap.labels`: exact label setting for JUTAP, compiled.

1. Cells in play: those START can reach, and with a budget those on some walk that keeps it.
2. Exact backward potentials for cost and for energy. If the cheapest walk keeps the budget it is
   the optimum and nothing is searched.
3. A Lagrangian multiplier on the budget: bound and incumbent, usually within 1 % of each other.
4. Best-first search over labels between the two (see `search`).

Negative arcs are handled as such. With a negative cycle and a budget the labels are searched in
order of energy; without a budget the problem is `unbounded`. Stopped by a limit, the solver
returns its incumbent and the best bound proven by then.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from formulations.jutap import search as kernel
from formulations.jutap.multipliers import Relaxation, relax
from formulations.jutap.potentials import (
    INFINITE,
    Grid,
    Potentials,
    corridor,
    grid_of,
    potentials,
    restrict_to_end,
)
from opt_istn.jutap.graph import start_state
from opt_istn.jutap.instance import Cost, Instance
from opt_istn.jutap.plan import Plan
from opt_istn.solver import Budget, Claims, Status

PROOF = "labels"
_SLICE = 100_000  # labels expanded between two looks at the clock, about 0.1 s
_CAPACITY = 1 << 14  # labels there is room for at first
_BYTES_PER_LABEL = 8 * kernel.PER_LABEL


@dataclass(frozen=True)
class Labels:
    """Exact label setting; deterministic. Its unit of work is a label expanded."""

    stochastic = False

    def supports(self, instance: Any) -> str | None:
        """Every JUTAP instance is supported."""
        return None if isinstance(instance, Instance) else "expected a JUTAP instance"

    def prepare(self) -> None:
        """Compile the kernels, or load them from numba's cache."""
        for reconnect in (0, -1000):
            self.solve(_tiny(reconnect), Budget())

    def solve(self, instance: Instance, budget: Budget, seed: int = 0) -> Claims:  # noqa: ARG002
        """Return the optimum with its proof, or the best known when `budget` runs out."""
        run = _Run(instance, budget, grid_of(instance), start_state(instance))
        limit = instance.energy_budget_mj
        reached = bool(run.grid.active[instance.end])
        if reached and limit is not None:
            run.grid = corridor(instance, run.grid, limit)
            reached = bool(run.grid.active[instance.end])
        if not reached:
            return run.claims(Status.INFEASIBLE)
        cheapest = potentials(instance, 1, 0, run.grid)
        if not cheapest.negative_cycle and (limit is None or cheapest.energy(run.start) <= limit):
            cost = cheapest.cost(run.start)
            return run.claims(Status.OPTIMAL, cheapest.walk(run.start), cost, cost)
        if limit is None:
            return run.claims(Status.UNBOUNDED)
        return _search(run, limit, cheapest)


def value_table(instance: Instance) -> Potentials:
    """Return the optimum from every START and link at once, without an energy budget.

    One backward pass; ``value[s]`` is the optimal cost from state s of `Instance.states`,
    `potentials.INFINITE` where END cannot be reached, and ``successor`` the optimal policy.

    Raises
    ------
    ValueError
        If the instance has an energy budget (the optimum then depends on what is left of it), or
        a negative cycle leaves some START without a finite optimum.
    """
    if instance.energy_budget_mj is not None:
        raise ValueError("value_table: expected an instance without an energy budget")
    table = potentials(instance, 1, 0, restrict_to_end(instance))
    if table.negative_cycle:
        raise ValueError("value_table: expected an instance without a negative cycle")
    return table


@dataclass
class _Run:
    """One solve: what its phases share, and the trace they leave."""

    instance: Instance
    budget: Budget
    grid: Grid
    start: int
    began: float = field(default_factory=time.perf_counter)
    trace: list[tuple[float, int | None, int | None]] = field(default_factory=list)
    detail: dict[str, int | float | str] = field(default_factory=dict)

    def expired(self) -> bool:
        limit = self.budget.time_s
        return limit is not None and time.perf_counter() - self.began >= limit

    def note(self, cost: int | None, bound: int | None) -> None:
        if not self.trace or self.trace[-1][1:] != (cost, bound):
            self.trace.append((time.perf_counter() - self.began, cost, bound))

    def claims(
        self,
        status: Status,
        states: list[int] | None = None,
        cost: int | None = None,
        bound: int | None = None,
    ) -> Claims:
        plan = None
        if states is not None:
            cells = self.grid.cell[states].tolist()
            links = self.grid.link[states].tolist()
            plan = Plan(self.instance.sha256, tuple(cells), tuple(links))
            self.note(cost, bound)
        return Claims(status, plan, cost, bound, PROOF, tuple(self.trace), self.detail)


def _search(run: _Run, limit: int, cheapest: Potentials) -> Claims:
    """Close the gap that the multiplier leaves between bound and incumbent."""
    frugal = potentials(run.instance, 0, 1, run.grid)
    found = relax(run.instance, run.grid, run.start, limit, cheapest, frugal, run.expired)
    by_energy = cheapest.negative_cycle
    rows = (found.tightest if by_energy else cheapest, frugal, found.tightest)
    ends = _completions(rows)
    labels = kernel.begin(len(run.grid.cell), _CAPACITY)
    numbers = labels.numbers
    numbers[kernel.COST] = found.incumbent.cost(run.start)
    bound = found.bound
    run.note(int(numbers[kernel.COST]), bound)
    kernel.offer(run.grid, labels, ends, limit, by_energy, run.start, 0, 0, -1)
    while bound < numbers[kernel.COST] and _may_go_on(run, labels):
        room = kernel.expand(run.grid, labels, ends, limit, by_energy, _slice(run, labels))
        if room == kernel.FULL:
            labels = kernel.grow(labels)
        if room == kernel.DONE:
            bound = int(numbers[kernel.COST])
        elif not by_energy and numbers[kernel.QUEUE]:
            bound = max(bound, min(int(labels.first[0]), int(numbers[kernel.COST])))
        run.note(int(numbers[kernel.COST]), bound)
    run.detail |= {
        "labels": int(numbers[kernel.LABELS]),
        "expanded": int(numbers[kernel.EXPANDED]),
        "multipliers": found.trials,
    }
    cost = int(numbers[kernel.COST])
    status = Status.OPTIMAL if bound == cost else Status.FEASIBLE
    return run.claims(status, _walk(labels, rows, found), cost, bound)


def _may_go_on(run: _Run, labels: kernel.Search) -> bool:
    """Whether time, work and memory are left for another slice."""
    work, memory = run.budget.work, run.budget.memory_mb
    if work is not None and labels.numbers[kernel.EXPANDED] >= work:
        return False
    full = len(labels.state) - labels.numbers[kernel.LABELS] < 8 * _SLICE
    after_growing = 3 * _BYTES_PER_LABEL * len(labels.state)
    if memory is not None and full and after_growing > memory * 2**20 // 2:
        return False
    return not run.expired()


def _slice(run: _Run, labels: kernel.Search) -> int:
    if run.budget.work is None:
        return _SLICE
    return min(_SLICE, run.budget.work - int(labels.numbers[kernel.EXPANDED]))


def _completions(rows: tuple[Potentials, ...]) -> kernel.Completions:
    """Stack cost and energy of the walks of several passes."""
    last = rows[-1]
    costs, energies = zip(*(_split(row) for row in rows), strict=True)
    weight = (last.cost_scale, last.energy_scale)
    return kernel.Completions(np.stack(costs), np.stack(energies), *weight)


def _split(row: Potentials) -> tuple[Any, Any]:
    if row.cost_scale == 0:
        return row.tie, row.value // row.energy_scale
    known = row.value < INFINITE
    cost = (row.value - row.energy_scale * row.tie) // row.cost_scale
    return np.where(known, cost, INFINITE), row.tie


def _walk(labels: kernel.Search, rows: tuple[Potentials, ...], found: Relaxation) -> list[int]:
    """Return the states of the incumbent: labels back to START, then a known walk to END."""
    label = int(labels.numbers[kernel.LABEL])
    if label < 0:
        return found.incumbent.walk(found.start)
    states = rows[int(labels.numbers[kernel.ROW])].walk(int(labels.state[label]))
    while (label := int(labels.parent[label])) >= 0:
        states.insert(0, int(labels.state[label]))
    return states


def _tiny(reconnect: int) -> Instance:
    """Return a 3 x 3 instance that runs every kernel; a negative `reconnect` makes a cycle."""
    return Instance(
        name="tiny",
        grid=3,
        num_mbs=1,
        start=0,
        end=8,
        start_link=0,
        link_ptr=np.arange(10),
        link_ids=np.array([0, 1, 0, 1, 0, 0, 0, 1, 0]),
        strongest=np.array([0, 1, 0, 1, 0, 0, 0, 1, 0]),
        cost=Cost((2, 3), 1, 1, 5, 1, reconnect, reconnect, 50),
        energy_mj=(10, 14),
        energy_budget_mj=60,
        cell_m=1.0,
    )
