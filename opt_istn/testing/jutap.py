"""Small random JUTAP instances of every sort, and their true outcomes by a slow, plain method."""

import heapq
import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from opt_istn.jutap.evaluate import pays_bonus, step_cost
from opt_istn.jutap.instance import Association, Cost, HoleBonus, Instance
from opt_istn.solver import Status
from opt_istn.testing.truth import Truth

BudgetKind = Literal["none", "binding", "tight", "infeasible", "loose"]
CostKind = Literal["paper", "negative", "cyclic", "ties"]
State = tuple[int, int, bool]  # cell, link, whether a bonus that counts once is spent
Step = tuple[State, int, int]  # next state, cost, energy

# the paper's weightings, then some that make detours, and so budgets, matter more
_WEIGHTS = ((0.4, 0.2, 0.4), (0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6), (0.1, 0.3, 0.6))
_UNITS = (10, 1000, 10**6)
_ENERGIES = ((10, 14), (5, 12), (9, 4), (7, 7), (1_700_003, 2_404_164), (10**9, 10**9))

# one feature each that solvers get wrong; the rest of the instance is drawn
_FAMILY: tuple[dict[str, Any], ...] = (
    {"budget": "none"},
    {"budget": "binding"},
    {"budget": "tight"},
    {"budget": "infeasible"},
    {"budget": "loose", "association": "strongest"},
    {"budget": "binding", "costs": "negative"},
    {"budget": "none", "costs": "negative", "hole_to_geo": "handover"},
    {"budget": "binding", "costs": "cyclic"},
    {"budget": "none", "costs": "cyclic"},
    {"budget": "loose", "costs": "cyclic", "grid": 2},
    {"budget": "binding", "costs": "ties"},
    {"budget": "binding", "enter": True, "hole_to_geo": "handover"},
    {"budget": "binding", "start_in_hole": True},
    {"start_is_end": True},
    {"budget": "binding", "no_fly": 0.4},
    {"budget": "none", "cut_off": True},
    {"budget": "binding", "cut_off": True, "costs": "cyclic"},
    {"grid": 1},
    {"one_row": True, "budget": "binding"},
    {"one_row": True, "budget": "none", "costs": "cyclic"},
    {"budget": "binding", "association": "strongest", "costs": "negative"},
    {"budget": "binding", "grid": 4},
    {"budget": "binding", "hole_bonus": "once", "costs": "cyclic"},
    {"budget": "none", "hole_bonus": "once", "costs": "cyclic", "start_in_hole": True},
    {"budget": "loose", "hole_bonus": "once", "costs": "negative", "hole_to_geo": "handover"},
    {"budget": "none", "hole_bonus": "once", "costs": "negative", "association": "strongest"},
    {"budget": "tight", "hole_bonus": "once", "costs": "cyclic", "enter": True, "grid": 3},
)


def draw(seed: int, index: int) -> Instance:
    """Return instance `index` of the family of `seed`: one awkward feature each, in turn."""
    rng = np.random.default_rng([seed, index])
    return random_jutap(rng, **_FAMILY[index % len(_FAMILY)])


def random_jutap(
    rng: np.random.Generator,
    *,
    grid: int | None = None,
    num_mbs: int | None = None,
    budget: BudgetKind | None = None,
    costs: CostKind = "paper",
    hole_to_geo: Literal["reconnect", "handover"] = "reconnect",
    hole_bonus: HoleBonus = "printed",
    association: Association = "full",
    enter: bool = False,
    no_fly: float = 0.0,
    cut_off: bool = False,
    one_row: bool = False,
    start_in_hole: bool = False,
    start_is_end: bool = False,
) -> Instance:
    """Draw a small instance.

    Parameters
    ----------
    rng
        Source of everything that the options leave open.
    grid, num_mbs
        Sizes; drawn from 2..3 and 1..3 if None.
    budget
        ``tight`` is what the most frugal walk needs, ``infeasible`` 1 mJ less, ``binding`` up to
        one move more, ``loose`` four times as much; drawn if None.
    costs
        ``paper``: problem (4) with one of five weightings; ``negative``: one with a negative arc;
        ``cyclic``: HOLE -> MBS so rewarding that negative cycles are likely; ``ties``: 0..2.
    hole_to_geo
        Whether HOLE -> GEO is priced as a reconnection or as a handover.
    hole_bonus, association
        As in `Instance`.
    enter
        Whether cells have a cost of entering, of either sign.
    no_fly
        Share of cells without links.
    cut_off
        No cell next to END has links.
    one_row
        Only the cells of START's row have links, and END is in it.
    start_in_hole
        START is flown in HOLE.
    start_is_end
        END is START.
    """
    n = int(rng.integers(2, 4)) if grid is None else grid
    mbs = int(rng.integers(1, 4)) if num_mbs is None else num_mbs
    start, end = _ends(rng, n, start_is_end=start_is_end, one_row=one_row)
    closed = rng.random(n * n) < no_fly
    closed |= _closed(n, start, end, one_row=one_row, cut_off=cut_off)
    closed[start] = False
    rows = [[] if shut else row for shut, row in zip(closed, _links(rng, n, mbs), strict=True)]
    if start_in_hole:
        rows[start] = [mbs, mbs + 1]
    best = [int(rng.choice([x for x in row if x < mbs] or [mbs])) for row in rows]
    held = [x for x in rows[start] if association == "full" or x >= mbs or x == best[start]]
    energy = _ENERGIES[int(rng.integers(len(_ENERGIES)))]
    ends = {"start": start, "end": end, "start_link": int(rng.choice(held))}
    cost = replace(_cost(rng, costs, hole_to_geo, n * n if enter else 0), hole_bonus=hole_bonus)
    found = _instance(rows, best, mbs, cost=cost, energy_mj=energy, association=association, **ends)
    kinds: tuple[BudgetKind, ...] = ("none", "binding", "tight", "infeasible", "loose")
    return _limit(rng, found, budget or kinds[int(rng.integers(5))])


def _instance(rows: list[list[int]], best: list[int], mbs: int, **given: Any) -> Instance:
    """Return an instance without a budget, of the links of its cells and the strongest of each."""
    return Instance(
        name="random",
        grid=math.isqrt(len(rows)),
        num_mbs=mbs,
        link_ptr=np.cumsum([0, *map(len, rows)]),
        link_ids=np.array([x for row in rows for x in row], dtype=np.int64),
        strongest=np.array(best),
        energy_budget_mj=None,
        cell_m=120.0,
        **given,
    )


def _ends(
    rng: np.random.Generator, n: int, *, start_is_end: bool, one_row: bool
) -> tuple[int, int]:
    """Return START, and of two other cells the one farther away as END."""
    start, *others = rng.integers(n * n, size=3).tolist()
    end = start if start_is_end else max(others, key=lambda cell: _apart(cell, start, n))
    return start, start // n * n + end % n if one_row else end


def _closed(n: int, start: int, end: int, *, one_row: bool, cut_off: bool) -> NDArray[np.bool]:
    """Return which cells have no links by decree."""
    cells = np.arange(n * n)
    closed: NDArray[np.bool] = one_row & (cells // n != start // n)
    closed |= cut_off & (_apart(cells, end, n) == 1)
    return closed


def truth(instance: Instance) -> Truth:
    """Return the true outcome.

    With a budget: all (energy, cost) labels that are not dominated, in order of energy. Without:
    Bellman-Ford, which goes on improving after as many rounds as states only on a negative cycle.
    """
    start: State = (instance.start, instance.start_link, False)
    if instance.start == instance.end:
        return Truth(Status.OPTIMAL, 0)
    steps = _reachable_steps(instance, start)
    at_end = [state for state in steps if state[0] == instance.end]
    if not at_end:
        return Truth(Status.INFEASIBLE)
    if instance.energy_budget_mj is not None:
        return _pareto(instance, start, steps)
    distance = {start: 0}
    for _ in range(len(steps) + 1):
        settled = True
        for state, known in list(distance.items()):
            for following, cost, _energy in steps[state]:
                if known + cost < distance.get(following, known + cost + 1):
                    distance[following] = known + cost
                    settled = False
        if settled:
            return Truth(Status.OPTIMAL, min(distance[state] for state in at_end))
    return Truth(Status.UNBOUNDED)


def _pareto(instance: Instance, start: State, steps: dict[State, list[Step]]) -> Truth:
    budget = instance.energy_budget_mj or 0
    least: dict[State, int] = {}
    queue = [(0, 0, start)]
    while queue:
        energy, cost, state = heapq.heappop(queue)
        if cost >= least.get(state, cost + 1):
            continue
        least[state] = cost
        for following, more, used in steps[state]:
            if energy + used <= budget:
                heapq.heappush(queue, (energy + used, cost + more, following))
    found = [cost for state, cost in least.items() if state[0] == instance.end]
    return Truth(Status.OPTIMAL, min(found)) if found else Truth(Status.INFEASIBLE)


def _reachable_steps(instance: Instance, start: State) -> dict[State, list[Step]]:
    """Return the steps out of every state that a walk from `start` can visit, none out of END."""
    steps: dict[State, list[Step]] = {}
    waiting = [start]
    while waiting:
        state = waiting.pop()
        if state in steps:
            continue
        steps[state] = [] if state[0] == instance.end else _steps(instance, state)
        waiting += [step[0] for step in steps[state]]
    return steps


def _steps(instance: Instance, state: State) -> list[Step]:
    cell, link, spent = state
    n, (row, column) = instance.grid, divmod(cell, instance.grid)
    return [
        (
            (r * n + c, to, spent or pays_bonus(instance, link, to)),
            step_cost(instance, link, r * n + c, to, turn, spent),
            instance.energy_mj[turn],
        )
        for r in range(max(row - 1, 0), min(row + 2, n))
        for c in range(max(column - 1, 0), min(column + 2, n))
        if (r, c) != (row, column)
        for turn in [int(r != row and c != column)]
        for to in instance.links(r * n + c).tolist()
    ]


def _limit(rng: np.random.Generator, instance: Instance, kind: BudgetKind) -> Instance:
    """Set the energy budget relative to what the most frugal walk needs."""
    needed = _least_energy(instance)
    more = {
        "tight": 0,
        "infeasible": -1,
        "binding": int(rng.integers(max(instance.energy_mj) + 1)),
        "loose": 3 * needed,
    }
    if kind == "none":
        return instance
    return replace(instance, energy_budget_mj=max(needed + more[kind], 0))


def _least_energy(instance: Instance) -> int:
    """Return the energy of the most frugal walk to END; 0 if there is none."""
    queue, seen = [(0, instance.start)], set()
    while queue:
        energy, cell = heapq.heappop(queue)
        if cell == instance.end:
            return energy
        if cell not in seen:
            seen.add(cell)
            around = {(step[0][0], step[2]) for step in _steps(instance, (cell, 0, False))}
            for near, used in around:
                heapq.heappush(queue, (energy + used, near))
    return 0


def _apart(cells: Any, cell: int, n: int) -> Any:
    """Return the least number of moves between cells on an open grid."""
    return np.maximum(abs(cells // n - cell // n), abs(cells % n - cell % n))


def _links(rng: np.random.Generator, n: int, mbs: int) -> list[list[int]]:
    rows, density = [], rng.uniform(0.15, 0.6)
    for _ in range(n * n):
        row = np.flatnonzero(rng.random(mbs) < density).tolist() or [mbs]
        rows.append([*row, mbs + 1] if rng.random() < 0.7 else row)
    return rows


def _cost(rng: np.random.Generator, kind: CostKind, hole_to_geo: str, entered: int) -> Cost:
    if kind == "ties":
        straight, diagonal, *links = rng.integers(0, 3, 9).tolist()
        return Cost((straight, diagonal), *links)
    unit = _UNITS[int(rng.integers(len(_UNITS)))]
    w1, w2, w3 = _WEIGHTS[2 if kind == "negative" else int(rng.integers(len(_WEIGHTS)))]
    eta = {name: round(w2 * unit * x) for name, x in (("1", 1), ("5", 5), ("r", -0.5), ("g", 0.5))}
    reward = -int(rng.integers(1, 3 * unit)) if kind == "cyclic" else eta["r"]
    enter = rng.integers(-unit // 20, unit // 2 + 1, entered).tolist()
    return Cost(
        move=(round(w1 * unit / 2**0.5), round(w1 * unit)),
        mbs_to_mbs=eta["1"],
        geo_to_mbs=eta["1"],
        mbs_to_geo=eta["5"],
        geo_stay=eta["g"],
        hole_to_mbs=reward,
        hole_to_geo=eta["r"] if hole_to_geo == "reconnect" else eta["5"],
        hole=round(w3 * unit),
        enter=tuple(enter) or None,
    )
