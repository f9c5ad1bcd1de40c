"""What fits into 64 bits: why the compiled passes are exact, and what is refused.

A move costs at most C, the sum of the largest move, link and entry costs, and needs at most E
millijoules. While a pass runs, the value of a state is that of a walk that repeats no state, or of
one that goes on for at most `SWEEPS` sweeps of the N * N cells before a negative cycle is seen. So
values stay below ``(cost_scale * C + energy_scale * E) * (states + SWEEPS * cells)``, and a pass is
run only where that is below `LARGEST`. With costs of 10**9, energies of 10**9 and 4096 x 4096 cells
of two links, the limits of the file format, plain passes reach 9e17 of 1.15e18.

Labels repeat no state but under a negative cycle; there a walk has as many moves as the energy
budget pays for, at most `MAX_MOVES`, so sums stay below 3e9 * 10**6. Products with a multiplier are
taken in floats that allow for their rounding (`search`), all else in Python integers.
"""

from dataclasses import dataclass

import numpy as np

from opt_istn.jutap.instance import NO_ARC, Instance, IntArray

LARGEST = 2**60
SWEEPS = 16  # between two looks for a negative cycle
MAX_MOVES = 1_000_000  # of a walk under a negative cycle: plans are written move by move
RESOLUTION = 4096  # to which costs and multipliers are resolved where there is room


@dataclass(frozen=True)
class Reach:
    """How far the values of a pass can get.

    Parameters
    ----------
    cost, energy
        C and E: the most that a move costs, either sign, and needs.
    steps
        Moves that a value can be the sum of.
    """

    cost: int
    energy: int
    steps: int

    def of(self, cost_scale: int, energy_scale: int) -> int:
        """Return what no value of a pass with these scales exceeds, nor its tie."""
        return max(cost_scale * self.cost + energy_scale * self.energy, self.cost) * self.steps

    def scales(self, rise: int, run: int) -> tuple[int, int]:
        """Return a scale of costs, and the largest scale of energies that fits beside it.

        It resolves costs, and `rise` / `run` of them, to about 1 / `RESOLUTION` where there is
        room. Where there is none, the second may be less than that part of the first.
        """
        scale = 1
        while min(scale * run, scale * rise) < RESOLUTION * run:
            if self.of(2 * scale, -(-2 * scale * rise // run)) >= LARGEST:
                break
            scale *= 2
        most = ((LARGEST - 1) // max(self.steps, 1) - scale * self.cost) // self.energy
        return scale, max(most, 0)


def reach(
    move: IntArray, transition: IntArray, enter: IntArray, energy: IntArray, states: int
) -> Reach:
    """Return the reach of passes over `states` states; the arrays as in `Instance`."""
    costs = (move, transition[transition < NO_ARC], enter)
    dearest = sum(int(np.abs(part).max(initial=0)) for part in costs)
    return Reach(dearest, int(energy.max()), states + SWEEPS * len(enter))


def dearest(instance: Instance) -> int:
    """Return what a move of an instance costs at most, either sign."""
    return _reach(instance).cost


def too_far(instance: Instance) -> str | None:
    """Return why plain passes over an instance would leave 64 bits, None if they do not."""
    far, states = _reach(instance), len(instance.states[1])
    if max(far.of(1, 0), far.of(0, 1)) < LARGEST:
        return None
    return (
        f"{states} states with costs up to {far.cost} and {far.energy} mJ a move "
        f"could add up to {LARGEST} or more"
    )


def too_long(instance: Instance) -> bool:
    """Return whether the energy budget pays for more than `MAX_MOVES` moves."""
    budget = instance.energy_budget_mj
    return budget is not None and budget // min(instance.energy_mj) > MAX_MOVES


def _reach(instance: Instance) -> Reach:
    move, energy = (np.array(x, dtype=np.int64) for x in (instance.cost.move, instance.energy_mj))
    states = len(instance.states[1])
    return reach(move, instance.transition, instance.enter, energy, states)
