"""The judge of JUTAP plans: replays a walk against the instance in integers."""

from dataclasses import dataclass
from itertools import accumulate
from operator import or_
from typing import Any

import numpy as np

from opt_istn.files import InputError, words
from opt_istn.jutap.instance import GEO, HOLE, MBS, Instance
from opt_istn.jutap.plan import Plan


@dataclass(frozen=True)
class Evaluation:
    """What a plan is worth.

    Parameters
    ----------
    violations
        What makes the plan infeasible, one sentence each; empty if it is feasible.
    cost
        Objective (4) in the instance's integer unit; None if the walk cannot be priced because a
        move or a link of it does not exist.
    energy_mj, length_m, moves, holes, geo
        Propulsion energy, distance flown, number of moves, cells flown in HOLE, cells flown with
        GEO (START not counted).
    handover
        Sum of eta, equation (8): the weighted handover cost in units of one MBS-to-MBS handover;
        None if that costs nothing.
    """

    violations: tuple[str, ...]
    cost: int | None
    energy_mj: int | None
    length_m: float | None
    moves: int
    holes: int | None
    geo: int | None
    handover: float | None

    @property
    def feasible(self) -> bool:
        """Whether the plan satisfies every constraint."""
        return not self.violations

    def terms(self) -> dict[str, Any]:
        """Return the problem's own terms for records and ``--json`` output."""
        names = ("energy_mj", "length_m", "handover", "holes", "geo", "moves")
        return {name: getattr(self, name) for name in names}


def bounded(instance: Instance) -> bool:
    """Return whether costs cannot fall without limit, whatever the arcs: the budget is finite."""
    return instance.energy_budget_mj is not None


def handover_cost(instance: Instance, from_link: int, to_link: int, spent: bool = False) -> int:
    """Return w2 * eta (8) of holding `from_link` in one cell and `to_link` in the next.

    Without the HOLE charge, which is w3 * delta (9).

    Parameters
    ----------
    spent
        Whether the flight has been paid a bonus that counts once; see `pays_bonus`.
    """
    kinds = instance.kind(from_link), instance.kind(to_link)
    if kinds[1] == HOLE or (kinds[0] == MBS and from_link == to_link):
        return 0
    if spent and pays_bonus(instance, from_link, to_link):
        return 0
    return int(instance.transition[kinds])


def pays_bonus(instance: Instance, from_link: int, to_link: int) -> bool:
    """Return whether this change of link pays the bonus that counts only once in a flight."""
    kinds = instance.kind(from_link), instance.kind(to_link)
    leaves = kinds[0] == HOLE and kinds[1] != HOLE
    return instance.cost.hole_bonus == "once" and leaves and int(instance.transition[kinds]) < 0


def step_cost(
    instance: Instance,
    from_link: int,
    to_cell: int,
    to_link: int,
    turn: int,
    spent: bool = False,
) -> int:
    """Return the cost of one move: w1 * xi + w2 * eta + w3 * delta, plus the cell's entry cost.

    Parameters
    ----------
    turn
        0 for a straight move, 1 for a diagonal one.
    spent
        As in `handover_cost`.
    """
    hole = instance.cost.hole if to_link == instance.hole else 0
    move = instance.cost.move[turn] + int(instance.enter[to_cell])
    return move + handover_cost(instance, from_link, to_link, spent) + hole


def evaluate(instance: Instance, plan: Plan) -> Evaluation:
    """Replay `plan` on `instance`; O(moves).

    Raises
    ------
    InputError
        If the plan was made for another instance.
    """
    if plan.instance != instance.sha256:
        found, own = words.apart(plan.instance, instance.sha256)
        raise InputError("instance", f"expected a plan for {own} (sha256), found one for {found}")
    violations = list(_structure(instance, plan))
    moves = len(plan.cells) - 1
    if violations:
        return Evaluation(tuple(violations), None, None, None, moves, None, None, None)
    rows, columns = np.divmod(plan.cells, instance.grid)
    turns = (np.abs(np.diff(rows)) + np.abs(np.diff(columns)) - 1).tolist()
    pairs = list(zip(plan.links, plan.links[1:], strict=False))
    spent = [False, *accumulate((pays_bonus(instance, a, b) for a, b in pairs), or_)][:moves]
    steps = zip(pairs, plan.cells[1:], turns, spent, strict=True)
    cost = sum(step_cost(instance, a, cell, b, turn, gone) for (a, b), cell, turn, gone in steps)
    energy = sum(instance.energy_mj[turn] for turn in turns)
    budget = instance.energy_budget_mj
    if budget is not None and energy > budget:
        violations.append(f"energy {energy} mJ exceeds the budget of {budget} mJ (5a)")
    if plan.cells[-1] != instance.end:
        violations.append(f"the walk ends in cell {plan.cells[-1]}, not in END {instance.end}")
    held = zip(pairs, spent, strict=True)
    handover = sum(handover_cost(instance, a, b, gone) for (a, b), gone in held)
    unit = instance.cost.mbs_to_mbs
    diagonals = sum(turns)
    return Evaluation(
        violations=tuple(violations),
        cost=cost,
        energy_mj=energy,
        length_m=instance.cell_m * (moves - diagonals + diagonals * 2**0.5),
        moves=moves,
        holes=sum(instance.kind(link) == HOLE for link in plan.links[1:]),
        geo=sum(instance.kind(link) == GEO for link in plan.links[1:]),
        handover=handover / unit if unit else None,
    )


def _structure(instance: Instance, plan: Plan) -> list[str]:
    """Return why the walk cannot be flown at all: the first fault of each sort."""
    if not plan.cells or len(plan.cells) != len(plan.links):
        return ["the plan needs one link for each of at least one cell"]
    if (plan.cells[0], plan.links[0]) != (instance.start, instance.start_link):
        where = f"in cell {plan.cells[0]} with link {plan.links[0]}"
        start = f"cell {instance.start} with link {instance.start_link}"
        return [f"the walk starts {where}, START is {start}; both count from 0"]
    for i, (cell, link) in enumerate(zip(plan.cells, plan.links, strict=True)):
        if not 0 <= cell < instance.num_cells:
            return [f"cells[{i}] = {cell} is outside the grid"]
        if link not in instance.links(cell):
            return [f"links[{i}] = {link} is not available in cell {cell}"]
        if cell == instance.end and i + 1 < len(plan.cells):
            return [f"the walk reaches END at step {i} and goes on"]
    rows, columns = np.divmod(plan.cells, instance.grid)
    jump = np.maximum(np.abs(np.diff(rows)), np.abs(np.diff(columns)))
    if (jump != 1).any():
        i = int(np.argmax(jump != 1))
        return [f"step {i} from cell {plan.cells[i]} to {plan.cells[i + 1]} is not a move"]
    return []
