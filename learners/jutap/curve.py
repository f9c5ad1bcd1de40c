"""What the training curves of the JUTAP agents tell: flights from every START of the map."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from opt_istn.jutap.flights.table import Table, value_iteration
from opt_istn.jutap.instance import IntArray
from opt_istn.jutap.reference import reference_cost
from opt_istn.jutap.scenario import MILLION
from opt_istn.jutap.starts import judge

VALIDATED = 64  # STARTs by which the best weights are chosen, and savings told


class Measure:
    """Judges policies for the rows of a curve.

    Parameters
    ----------
    table
        The decision process with the costs to judge by.
    rng
        Draws the STARTs that savings are told on.
    """

    def __init__(self, table: Table, rng: np.random.Generator) -> None:
        self.table = table
        self.optimum = value_iteration(table)[table.starts]
        self.chosen = np.sort(rng.permutation(len(table.starts))[:VALIDATED])

    @cached_property
    def straight(self) -> int:
        """Summed cost of the straightest walks from the chosen STARTs.

        Where the process knows the energy that is left, walks keep within it.
        """
        x, total = self.table.instance, 0
        states = self.table.starts[self.chosen]
        budgets = self.table.budgets(states)
        for cell, left in zip(self.table.cell[states].tolist(), budgets, strict=True):
            held = int(x.strongest[cell])
            moved = replace(x, start=cell, start_link=held, energy_budget_mj=left)
            total += reference_cost(moved) or 0  # there is a walk from every START
        return total

    def row(self, action: IntArray) -> dict[str, float]:
        """Return how a policy flies.

        ``success`` and the gaps ``gap`` (mean) and ``total_gap`` are of all STARTs, to the optimum
        of the strongest association. ``validation``, the mean cost in objective units, and
        ``saving`` are of the chosen STARTs. The saving compares summed costs: 1 is the optimum, 0
        the straightest walks. If these are optimal, it is 1 less the gap to them.

        Parameters
        ----------
        action
            Of every state, shape (S,).
        """
        judged = judge(self.table, action, self.optimum)
        flown, least = (int(x[self.chosen].sum()) for x in (judged.cost, self.optimum))
        scale = self.straight - least if self.straight > least else max(abs(least), 1)
        return {
            "success": judged.success,
            "gap": judged.mean_gap,
            "total_gap": judged.total_gap,
            "validation": float(judged.cost[self.chosen].mean()) / MILLION,
            "saving": 1 - (flown - least) / scale,
        }


def measured(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Return what untrained, last and best weights saved; nothing of curves that do not tell it."""
    if not history or not all("saving" in row for row in history):
        return {}
    best = min(history, key=lambda row: float(row["validation"]))
    rows = {"untrained": history[0], "last": history[-1], "best": best}
    return {name: [float(row["saving"])] for name, row in rows.items()}
