"""`jutap.labels`: exact label setting for JUTAP, compiled.

1. Cells in play: those START can reach, and with a budget those on some walk that keeps it.
2. Exact backward potentials for cost and for energy. If the cheapest walk keeps the budget it is
   the optimum and nothing is searched.
3. A Lagrangian multiplier on the budget: bound and incumbent, usually within 1 % of each other.
4. Best-first search over labels between the two (see `search`).

Negative arcs are handled as such. With a negative cycle and a budget the labels are searched in
order of energy; without a budget the problem is `unbounded`. Stopped by a limit, the solver
returns its incumbent and the best bound proven by then. That nothing leaves 64 bits is shown, and
what could is refused, in `ranges`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from formulations.jutap.passes import search as kernel
from formulations.jutap.passes.multipliers import NO_BOUND, Relaxation, relax
from formulations.jutap.passes.potentials import (
    INFINITE,
    Grid,
    OutOfTimeError,
    Potentials,
    compute_potentials,
    corridor,
    grid_of,
    restrict_to_end,
)
from formulations.jutap.passes.ranges import LARGEST, MAX_MOVES, too_far, too_long
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
    kind = "exact"
    knows = "link states"

    def supports(self, instance: Any) -> str | None:
        """Refuse what could leave 64 bits, and walks of more than `MAX_MOVES` moves."""
        if not isinstance(instance, Instance):
            return "expected a JUTAP instance"
        far = too_far(instance)
        if far or not too_long(instance) or not compute_potentials(instance, 1, 0).negative_cycle:
            return far
        return (
            "with a negative cycle an optimal walk uses up the energy budget: expected one of at "
            f"most {MAX_MOVES * min(instance.energy_mj)} mJ ({MAX_MOVES} moves)"
        )

    def prepare(self) -> None:
        """Compile the kernels, or load them from numba's cache."""
        for reconnect in (0, -1000):
            self.solve(_tiny(reconnect), Budget())

    def solve(self, instance: Instance, budget: Budget, seed: int = 0) -> Claims:  # noqa: ARG002
        """Return the optimum with its proof, or the best known when `budget` runs out."""
        run = _Run(instance, budget.start(), grid_of(instance), start_state(instance))
        try:
            return _solve(run)
        except OutOfTimeError:
            return run.claims(Status.NO_PLAN)


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
    table = compute_potentials(instance, 1, 0, restrict_to_end(instance))
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
    trace: list[tuple[float, int | None, int | None]] = field(default_factory=list)
    detail: dict[str, int | float | str] = field(default_factory=dict)

    def note(self, cost: int | None, bound: int | None) -> None:
        known = None if bound == NO_BOUND else bound
        if not self.trace or self.trace[-1][1:] != (cost, known):
            self.trace.append((self.budget.used_s(), cost, known))

    def report(self, cost: int, bound: int, walk: Callable[[], list[int]]) -> None:
        """Note how the search stands, and tell whoever runs it; `walk` is asked for a better plan.

        Parameters
        ----------
        walk
            Returns the states of the incumbent.
        """
        before = self.trace[-1][1] if self.trace else None
        self.note(cost, bound)
        if self.budget.listener is not None:
            plan = self.plan(walk()) if before is None or cost < before else None
            self.budget.report(plan, None if bound == NO_BOUND else bound, cost)

    def plan(self, states: list[int]) -> Plan:
        """Return the plan of a walk."""
        cells, links = self.grid.cell[states].tolist(), self.grid.link[states].tolist()
        return Plan(self.instance.sha256, tuple(cells), tuple(links))

    def claims(
        self,
        status: Status,
        states: list[int] | None = None,
        cost: int | None = None,
        bound: int | None = None,
    ) -> Claims:
        plan = None
        if states is not None:
            plan = self.plan(states)
            self.note(cost, bound)
        known = None if bound == NO_BOUND else bound
        proven = known is not None or status in (Status.INFEASIBLE, Status.UNBOUNDED)
        proof = PROOF if proven else ""
        return Claims(status, plan, cost, known, proof, tuple(self.trace), self.detail)


def _solve(run: _Run) -> Claims:
    """Try what needs no search first."""
    instance, limit = run.instance, run.instance.energy_budget_mj
    reached = bool(run.grid.active[instance.end])
    if reached and limit is not None:
        limit = min(limit, LARGEST)  # more than any walk needs
        run.grid = corridor(instance, run.grid, limit)
        reached = bool(run.grid.active[instance.end])
    if not reached:
        return run.claims(Status.INFEASIBLE)
    cheapest = compute_potentials(instance, 1, 0, run.grid, run.budget.overdue)
    if not cheapest.negative_cycle and (limit is None or cheapest.energy(run.start) <= limit):
        cost = cheapest.cost(run.start)
        return run.claims(Status.OPTIMAL, cheapest.walk(run.start), cost, cost)
    if limit is None:
        return run.claims(Status.UNBOUNDED)
    return _search(run, limit, cheapest)


def _search(run: _Run, limit: int, cheapest: Potentials) -> Claims:
    """Close the gap that the multiplier leaves between bound and incumbent."""
    expired = run.budget.expired
    frugal = compute_potentials(run.instance, 0, 1, run.grid, run.budget.overdue)
    found = relax(run.instance, run.grid, run.start, limit, cheapest, frugal, expired)
    by_energy = cheapest.negative_cycle
    rows = (found.tightest if by_energy else cheapest, frugal, found.tightest)
    ends = _completions(rows)
    labels = kernel.begin(len(run.grid.cell), _CAPACITY)
    numbers = labels.numbers
    numbers[kernel.COST] = found.incumbent.cost(run.start)
    bound = found.bound
    run.report(int(numbers[kernel.COST]), bound, lambda: found.incumbent.walk(run.start))
    kernel.offer(run.grid, labels, ends, limit, by_energy, run.start, 0, 0, -1)
    while bound < numbers[kernel.COST] and _may_go_on(run, labels):
        room = kernel.expand(run.grid, labels, ends, limit, by_energy, _slice(run, labels))
        if room == kernel.FULL:
            labels = kernel.grow(labels)
        if room == kernel.DONE:
            bound = int(numbers[kernel.COST])
        elif not by_energy and numbers[kernel.QUEUE]:
            bound = max(bound, min(int(labels.first[0]), int(numbers[kernel.COST])))
        run.report(int(numbers[kernel.COST]), bound, partial(_walk, labels, rows, found))
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
    memory = run.budget.memory_mb
    full = len(labels.state) - labels.numbers[kernel.LABELS] < 8 * _SLICE
    after_growing = 3 * _BYTES_PER_LABEL * len(labels.state)
    if memory is not None and full and after_growing > memory * 2**20 // 2:
        return False
    return not run.budget.expired(int(labels.numbers[kernel.EXPANDED]))


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
    cost = np.full_like(row.value, INFINITE)
    cost[known] = (row.value[known] - row.energy_scale * row.tie[known]) // row.cost_scale
    return cost, row.tie


def _walk(labels: kernel.Search, rows: tuple[Potentials, ...], found: Relaxation) -> list[int]:
    """Return the states of the incumbent: labels back to START, then a known walk to END."""
    label = int(labels.numbers[kernel.LABEL])
    if label < 0:
        return found.incumbent.walk(found.start)
    tail = rows[int(labels.numbers[kernel.ROW])].walk(int(labels.state[label]))
    before = []
    while (label := int(labels.parent[label])) >= 0:
        before.append(int(labels.state[label]))
    return before[::-1] + tail


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
