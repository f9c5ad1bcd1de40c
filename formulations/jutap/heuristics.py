"""JUTAP heuristics: simple ways to fly, for the gap tables. None of them proves anything.

All return a plan whenever the energy budget allows the most frugal route. Where it does not, the
plan they return breaks the budget and the status is ``no_plan``; without a way to END there is no
plan at all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from opt_istn.jutap import graph
from opt_istn.jutap.evaluate import evaluate, pays_bonus, step_cost
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.routes import MAX_ENERGY_MJ, Held, Routes, best_links, neighbours
from opt_istn.solver import Budget, Claims, Status

Move = tuple[int, int, int]  # cell, link, 1 if diagonal
Choose = Callable[[list[Move], Held], Move]  # from the possible moves and the link held


class _Heuristic:
    """What the heuristics share: what they take, and what they import."""

    stochastic = False
    kind = "heuristic"
    knows = "link states"

    def supports(self, instance: Instance) -> str | None:
        """Refuse energies whose sums floats do not hold exactly (see `routes`)."""
        most = instance.num_cells * max(instance.energy_mj)
        if most <= MAX_ENERGY_MJ:
            return None
        return f"a route may need {most} mJ, more than the {MAX_ENERGY_MJ} that floats count"

    def prepare(self) -> None:
        """Import what routes are found with."""
        Routes.prepare()


@dataclass(frozen=True)
class Straight(_Heuristic):
    """Solver ``jutap.straight``: straight line, strongest MBS in each cell, never GEO.

    Where no MBS reaches the threshold the UAV flies in HOLE. Obstacles are flown around on the
    route of least energy.
    """

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Fly the line; O(N*N log N)."""
        if not _connected(instance):
            return Claims(Status.NO_PLAN)
        cells = Routes(instance).straight()
        links = [instance.start_link, *instance.strongest[cells[1:]].tolist()]
        return _claims(instance, cells, links)


@dataclass(frozen=True)
class Blind(_Heuristic):
    """Solver ``jutap.blind``: the route ignores the radio map, the links along it are optimal."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Fly the line of `Straight`; the links are chosen by dynamic programming."""
        if not _connected(instance):
            return Claims(Status.NO_PLAN)
        cells = Routes(instance).straight()
        return _claims(instance, cells, best_links(instance, cells))


@dataclass(frozen=True)
class Greedy(_Heuristic):
    """Solver ``jutap.greedy``: keep the MBS if a progressing move can, else move cheaply.

    A move progresses if less energy is needed to END afterwards. Moves that keep the current MBS
    come first; among equals the one with the least step cost plus remaining flight counts, the
    latter priced at what a diagonal move costs per millijoule. Looks one step ahead; SINR values
    are not part of an instance, so this is not the SINR-greedy policy of the literature.
    """

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Choose move by move; O(moves * links per cell) after the energies to END."""
        if not _connected(instance):
            return Claims(Status.NO_PLAN)
        routes = Routes(instance)
        price, unit = max(instance.cost.move[1], 0), instance.energy_mj[1]

        def choose(moves: list[Move], state: Held) -> Move:
            held, spent = state

            def rank(move: Move) -> tuple[bool, int, Move]:
                cell, link, turn = move
                left = price * int(routes.to_end[cell])
                total = unit * step_cost(instance, held, cell, link, turn, spent) + left
                return link != held or link >= instance.num_mbs, total, move

            return min(moves, key=rank)

        return _claims(instance, *_progress(instance, routes, choose))


@dataclass(frozen=True)
class RandomWalk(_Heuristic):
    """Solver ``jutap.random``: any progressing move with any usable link, each as likely."""

    stochastic = True

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Draw move by move from `seed`."""
        if not _connected(instance):
            return Claims(Status.NO_PLAN)
        rng = np.random.default_rng(seed)

        def choose(moves: list[Move], state: Held) -> Move:  # noqa: ARG001
            return moves[int(rng.integers(len(moves)))]

        return _claims(instance, *_progress(instance, Routes(instance), choose))


def _connected(instance: Instance) -> bool:
    return bool(graph.reachable_cells(instance)[instance.end])


def _progress(instance: Instance, routes: Routes, choose: Choose) -> tuple[list[int], list[int]]:
    """Fly from START to END by moves that progress and leave enough energy to arrive."""
    to_end, energy_mj = routes.to_end, instance.energy_mj
    cells, links, used, spent = [instance.start], [instance.start_link], 0, False
    while (cell := cells[-1]) != instance.end:
        moves = [
            (near, link, turn)
            for near, turn in neighbours(instance, cell)
            if to_end[near] < to_end[cell]
            and used + energy_mj[turn] + to_end[near] <= routes.allowed
            for link in instance.links(near).tolist()
        ]
        near, link, turn = choose(moves, (links[-1], spent))
        spent = spent or pays_bonus(instance, links[-1], link)
        cells.append(near)
        links.append(link)
        used += energy_mj[turn]
    return cells, links


def _claims(instance: Instance, cells: list[int], links: list[int]) -> Claims:
    plan = Plan(instance.sha256, tuple(cells), tuple(links))
    judged = evaluate(instance, plan)
    if not judged.feasible:
        return Claims(Status.NO_PLAN, plan)
    return Claims(Status.FEASIBLE, plan, judged.cost)
