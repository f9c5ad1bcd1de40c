"""A JUTAP policy judged over every START, and its gap split into causes.

Flying is deterministic, so nothing is sampled: the policy is followed from every cell that END is
reached from, and compared with the exact cost from there. A flight that does not reach END is
charged what it has cost when the step limit ends it; it is counted, never dropped. Energy budgets
are left out, for another START is another budget.

A gap is against a reference, which is named wherever it is shown: `FULL`, the optimum with every
link, or `STRONGEST`, the one with the strongest MBS of each cell alone, which is never lower.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opt_istn.files import InputError
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.flights.observation import Layout
from opt_istn.jutap.flights.table import (
    MAX_STEPS,
    Float,
    Mask,
    Reward,
    Table,
    greedy,
    rewarded,
    strongest,
    table_of,
    value_iteration,
)
from opt_istn.jutap.instance import Association, Instance, IntArray
from opt_istn.jutap.scenario import MILLION
from opt_istn.solver import Budget, Solver

FULL = "the optimum with every link"
STRONGEST = "the optimum with the strongest association"
Acts = Callable[[Float, Mask], IntArray]  # of n flights at once: (n, D) and (n, A) to (n,)
_Choose = Callable[[IntArray, IntArray], IntArray]  # states and millijoules spent to actions


@dataclass(frozen=True)
class Judged:
    """A policy over every START; arrays of shape (starts,).

    Parameters
    ----------
    cell
        The cell started from.
    cost, optimum
        Integer cost flown, and the least one of the same instance.
    reached
        Whether the flight reached END within the step limit.
    """

    cell: IntArray
    cost: IntArray
    optimum: IntArray
    reached: NDArray[np.bool]

    @property
    def gap(self) -> NDArray[np.float64]:
        """(cost - optimum) / max(|optimum|, 1 unit), of every START."""
        gap: NDArray[np.float64] = (self.cost - self.optimum) / np.maximum(abs(self.optimum), 1)
        return gap

    @property
    def success(self) -> float:
        """Share of STARTs from which END is reached."""
        return float(self.reached.mean())

    @property
    def mean_gap(self) -> float:
        """Mean gap over all STARTs, failures included."""
        return float(self.gap.mean())

    @property
    def reached_gap(self) -> float:
        """Mean gap over the STARTs from which END is reached; NaN if there is none."""
        return float(self.gap[self.reached].mean()) if self.reached.any() else float("nan")

    @property
    def total_gap(self) -> float:
        """Gap of the summed costs; not swayed by STARTs next to END whose optimum is almost 0."""
        total = int(self.optimum.sum())
        return (int(self.cost.sum()) - total) / max(abs(total), 1)


def judge(
    table: Table, action: IntArray, value: IntArray | None = None, max_steps: int = MAX_STEPS
) -> Judged:
    """Follow a policy from every START; O(starts * steps).

    Parameters
    ----------
    table
        The decision process, with the costs to judge by.
    action
        Action of every state, shape (S,).
    value
        Least costs of every START, shape (starts,); by default those of `table`.
    """
    cost, state = _flown(table, lambda here, _: action[here], max_steps)
    optimum = value_iteration(table)[table.starts] if value is None else value
    return Judged(table.cell[table.starts], cost, optimum, table.done[state])


def judge_pilot(table: Table, layout: Layout, acts: Acts, max_steps: int = MAX_STEPS) -> Judged:
    """Follow a policy that decides on what it sees from every START; as `judge`.

    Parameters
    ----------
    layout
        What the policy sees.
    acts
        The policy, of many flights side by side; the same whenever it sees the same.
    """
    columns, possible = layout.of(table), table.next >= 0
    if not layout.spent:  # what it sees is the state alone, so it is asked once for each
        asked = np.flatnonzero(possible.any(axis=1) & ~table.done)
        action = np.zeros(table.num_states, dtype=np.int64)
        action[asked] = acts(columns[asked], possible[asked])
        return judge(table, action, max_steps=max_steps)

    def choose(here: IntArray, spent_mj: IntArray) -> IntArray:
        seen = columns[here]
        seen[:, -1] = spent_mj / (table.instance.energy_budget_mj or 1)
        return np.asarray(acts(seen, possible[here]))

    cost, state = _flown(table, choose, max_steps)
    optimum = value_iteration(table)[table.starts]
    return Judged(table.cell[table.starts], cost, optimum, table.done[state])


def judge_solver(instance: Instance, solver: Any, seed: int, budget: Budget) -> Judged:
    """Judge any solver from every START: a policy by following it, any other by solving each.

    A policy is a solver with ``pilot(instance, seed)``, which returns a layout and what acts on
    it, or ``policy(instance, seed)``, which returns a table and the action of every state. The
    reference is `FULL`. A START without a feasible plan counts as not reached, at the cost 0.

    Parameters
    ----------
    solver
        A policy, or an `opt_istn.solver.Solver`.
    budget
        Work allowed to each START of a solver that is no policy.
    """
    table = table_of(strongest(instance))
    if pilot := getattr(solver, "pilot", None):
        judged = judge_pilot(table, *pilot(instance, seed))
    elif policy := getattr(solver, "policy", None):
        process, action = policy(instance, seed)
        if process.num_states != table.num_states:
            rule = "it knows what START's energy budget leaves, and another START has another one"
            raise InputError("solver", rule, instance.name)
        judged = judge(process, action)
    else:
        judged = _solved(instance, table, solver, seed, budget)
    return replace(judged, optimum=least_costs(instance, "full"))


def against(instance: Instance, judged: Judged) -> dict[str, Judged]:
    """Return flights judged against each reference, by its name."""
    associations: dict[str, Association] = {FULL: "full", STRONGEST: "strongest"}
    return {
        name: replace(judged, optimum=least_costs(instance, association))
        for name, association in associations.items()
    }


def least_costs(instance: Instance, association: Association) -> IntArray:
    """Return the exact cost from every START with an association, shape (starts,)."""
    table = table_of(replace(instance, association=association))
    found: IntArray = value_iteration(table)[table.starts]
    return found


def _flown(table: Table, choose: _Choose, max_steps: int) -> tuple[IntArray, IntArray]:
    """Fly from every START; return what it cost and the state that each flight ends in."""
    state = table.starts.copy()
    cost, spent_mj = np.zeros(len(state), dtype=np.int64), np.zeros(len(state), dtype=np.int64)
    for _ in range(max_steps):
        flying = np.flatnonzero(~table.done[state])
        if len(flying) == 0:
            break
        here = state[flying]
        chosen = choose(here, spent_mj[flying])
        onward = table.next[here, chosen]
        cost[flying] += table.cost[here, chosen]
        spent_mj[flying] += table.energy[here, chosen]
        state[flying] = np.where(onward >= 0, onward, here)
    return cost, state


def _solved(instance: Instance, table: Table, solver: Solver, seed: int, budget: Budget) -> Judged:
    """Solve the instance anew from every START, with the link that episodes begin with."""
    cells, links = table.cell[table.starts], table.instance.states[1][table.starts]
    costs: list[int | None] = []
    for cell, link in zip(cells.tolist(), links.tolist(), strict=True):
        moved = replace(instance, start=cell, start_link=link, energy_budget_mj=None)
        if reason := solver.supports(moved):
            raise InputError("solver", f"from START {cell}: {reason}")
        plan = solver.solve(moved, budget, seed).plan
        judged = None if plan is None else evaluate(moved, plan)
        costs.append(judged.cost if judged and judged.feasible else None)
    reached = np.array([cost is not None for cost in costs])
    return Judged(
        cells, np.array([cost or 0 for cost in costs]), np.zeros(len(cells), int), reached
    )


@dataclass(frozen=True)
class Split:
    """Summed gap over every START in objective units, by cause; `total` is the sum of the parts.

    Parameters
    ----------
    optimum
        Least costs with every link allowed.
    association
        Price of using the strongest MBS only.
    reward
        Price of the reward: the policy that is exact under it, against the exact one.
    learning
        What the agent flies beyond that policy.
    """

    optimum: float
    association: float
    reward: float
    learning: float

    @property
    def total(self) -> float:
        """The whole gap."""
        return self.association + self.reward + self.learning


def split(instance: Instance, action: IntArray, reward: Reward) -> Split:
    """Split the gap of a policy on the strongest association into its causes.

    Parameters
    ----------
    action
        Action of every state of the table of the strongest association, shape (S,).
    reward
        The reward it was trained on.
    """
    table = table_of(strongest(instance))
    every = table_of(replace(instance, association="full"))
    least = int(value_iteration(every)[every.starts].sum())
    only = int(value_iteration(table)[table.starts].sum())
    trained = rewarded(table, reward)
    exact = int(judge(table, greedy(trained, value_iteration(trained))).cost.sum())
    flown = int(judge(table, action).cost.sum())
    parts = (least, only - least, exact - only, flown - exact)
    return Split(*(part / MILLION for part in parts))


def best_of(scores: NDArray[Any], possible: Mask, *, masked: bool) -> IntArray:
    """Return the action with the best score, shape (n,).

    Parameters
    ----------
    scores
        Values or logits, shape (n, A).
    possible
        Which actions are possible; same shape.
    masked
        Whether only possible ones count.
    """
    shown = np.where(possible, scores, -np.inf) if masked else scores
    best: IntArray = shown.argmax(axis=1)
    return best
