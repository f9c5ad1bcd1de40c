"""Brute force on the plain JSON documents of instances; imports nothing of the code under test."""

import heapq
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

Outcome = tuple[str, int | None]  # "optimal" with its cost, "infeasible" or "unbounded"
State = tuple[int, int, bool]  # cell, link, whether the bonus that counts once is spent


class Walks:
    """The walks of a JUTAP document, one move at a time."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.doc = document
        self.n: int = document["grid"]
        self.num_mbs: int = document["num_mbs"]
        self.start: State = (document["start"], document["start_link"], False)

    def links(self, cell: int) -> list[int]:
        """Links usable in a cell."""
        listed: list[int] = self.doc["links"][cell]
        if self.doc["association"] == "full":
            return listed
        strongest = self.doc["strongest"][cell]
        return [link for link in listed if link >= self.num_mbs or link == strongest]

    def handover(self, a: int, b: int, spent: bool) -> tuple[int, bool]:
        """Link cost of holding `a` and then `b`, case by case, and whether a bonus is spent now."""
        cost, hole, geo = self.doc["cost"], self.num_mbs, self.num_mbs + 1
        if b == hole:
            return int(cost["hole"]), spent
        if a == hole:
            number = int(cost["hole_to_geo" if b == geo else "hole_to_mbs"])
            if number < 0 and cost.get("hole_bonus") == "once":
                return (0 if spent else number), True
            return number, spent
        if a == geo:
            return int(cost["geo_stay" if b == geo else "geo_to_mbs"]), spent
        if b == geo:
            return int(cost["mbs_to_geo"]), spent
        return (0 if a == b else int(cost["mbs_to_mbs"])), spent

    def moves(self, state: State) -> Iterator[tuple[State, int, int]]:
        """Next state, cost and energy of every move; none from END."""
        cell, link, spent = state
        if cell == self.doc["end"]:
            return
        enter = self.doc["cost"].get("enter")
        for near in range(self.n * self.n):
            up = abs(near // self.n - cell // self.n)
            right = abs(near % self.n - cell % self.n)
            if max(up, right) != 1:
                continue
            base = self.doc["cost"]["move"][up * right] + (enter[near] if enter else 0)
            for to in self.links(near):
                change, after = self.handover(link, to, spent)
                yield (near, to, after), base + change, self.doc["energy_mj"][up * right]


def every_walk(document: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield (cost, energy) of every single walk to END within the energy budget. Exponential."""
    walks, budget = Walks(document), document["energy_budget_mj"]

    def extend(state: State, cost: int, energy: int) -> Iterator[tuple[int, int]]:
        if state[0] == document["end"]:
            yield cost, energy
        for following, more, used in walks.moves(state):
            if energy + used <= budget:
                yield from extend(following, cost + more, energy + used)

    yield from extend(walks.start, 0, 0)


def every_simple_path(document: dict[str, Any]) -> Iterator[int]:
    """Yield the cost of every path to END that repeats no state. Exponential."""
    walks = Walks(document)

    def extend(path: list[State], cost: int) -> Iterator[int]:
        if path[-1][0] == document["end"]:
            yield cost
        for following, more, _ in walks.moves(path[-1]):
            if following not in path:
                yield from extend([*path, following], cost + more)

    yield from extend([walks.start], 0)


def brute_force(document: dict[str, Any]) -> Outcome:
    """Return the true outcome of a JUTAP document."""
    return _free(document) if document["energy_budget_mj"] is None else _limited(document)


def _limited(document: dict[str, Any]) -> Outcome:
    """Least over all walks within the budget; equal tails are walked once."""
    walks = Walks(document)

    @cache
    def best(state: State, left: int) -> float:
        if state[0] == document["end"]:
            return 0
        tails = (
            cost + best(following, left - energy)
            for following, cost, energy in walks.moves(state)
            if energy <= left
        )
        return min(tails, default=math.inf)

    found = best(walks.start, document["energy_budget_mj"])
    return ("infeasible", None) if found == math.inf else ("optimal", int(found))


def _free(document: dict[str, Any]) -> Outcome:
    """Floyd-Warshall over what START reaches; a closed walk below 0 makes END unbounded."""
    walks = Walks(document)
    states, waiting = [], [walks.start]
    distance: dict[tuple[State, State], float] = {}
    while waiting:
        state = waiting.pop()
        if state in states:
            continue
        states.append(state)
        for following, cost, _ in walks.moves(state):
            distance[state, following] = cost
            waiting.append(following)
    for middle in states:
        for a in states:
            for b in states:
                through = distance.get((a, middle), math.inf) + distance.get((middle, b), math.inf)
                if through < distance.get((a, b), math.inf):
                    distance[a, b] = through
    ends = [state for state in states if state[0] == document["end"]]
    if not ends:
        return "infeasible", None
    if any(distance.get((state, state), 0) < 0 for state in states):
        return "unbounded", None
    if document["start"] == document["end"]:
        return "optimal", 0
    return "optimal", int(min(distance[walks.start, state] for state in ends))


def by_energy(document: dict[str, Any], most_moves: int = 20_000) -> Outcome:
    """Return the true outcome of a JUTAP document by labels in order of energy, Python integers.

    Walks beyond `most_moves` raise a `ValueError`. Without a negative cycle an optimal walk repeats
    no state, so a large budget is cut down to what such a walk may need.
    """
    budget = document["energy_budget_mj"]
    free = _free(document)
    if budget is None or free[0] == "infeasible":
        return free
    walks, dearest = Walks(document), max(document["energy_mj"])
    if free[0] == "optimal":
        budget = min(budget, dearest * sum(map(len, document["links"])))
    elif budget // min(document["energy_mj"]) > most_moves:
        raise ValueError("too many moves")
    waiting: list[tuple[int, int, State]] = [(0, 0, walks.start)]
    least: dict[State, int] = {}
    found: list[int] = []
    while waiting:
        energy, cost, state = heapq.heappop(waiting)
        if state[0] == document["end"]:
            found.append(cost)
        if cost >= least.get(state, cost + 1):
            continue
        least[state] = cost
        for following, more, used in walks.moves(state):
            if energy + used <= budget:
                heapq.heappush(waiting, (energy + used, cost + more, following))
    return ("optimal", min(found)) if found else ("infeasible", None)
