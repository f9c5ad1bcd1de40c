"""A second verifier of certificates, written from docs/certificates.md alone.

Whoever wrote it had not read `opt_istn/verifier.py`, nor what makes certificates; of the seven
families of rows it had their definitions, which the page had not then and has now. Standard
library, Python's integers, no numpy; users of PUSH are in `tests/verifier/second_push.py`. `check`
says what a certificate proves, or raises `Refused`; `replay` says what a plan costs.
"""

import bisect
import hashlib
import json
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from tests.verifier.second_push import Refused, User, integer, integers, need

HASHED = {
    "jutap": "grid num_mbs start end start_link links strongest cost energy_mj energy_budget_mj"
    " cell_m association",
    "push": "num_users num_contents num_slots slot_s cache_size release cluster roi link_up"
    " requests contents miss_us",
}
REAL = {"cell_m", "slot_s", "contents"}
FREE = {"name", "scenario", "origin", "battery", "extra"}
MOVES = "mbs_to_mbs geo_to_mbs mbs_to_geo geo_stay hole_to_mbs hole_to_geo hole"
COST = {*MOVES.split(), "move", "enter", "hole_bonus"}


def read(text: str) -> dict[str, Any]:
    """Parse JSON in which no name occurs twice and every number is finite."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        need(len(found) == len(pairs), "a name occurs twice")
        return found

    def constant(word: str) -> None:
        raise Refused(f"{word} is no number")

    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=constant)
    except (RecursionError, ValueError) as error:
        raise Refused(str(error)) from error
    need(type(value) is dict, "expected an object")
    return value


def whole(value: Any) -> None:
    """Refuse a problem in which a fraction or a truth value stands for an integer."""
    need(not isinstance(value, float | bool), "a number of the instance is no integer")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            whole(item)


def digest(doc: dict[str, Any]) -> str:
    """Return the hash of a problem, as docs/files.md defines it."""
    problem = str(doc.get("format")).removeprefix("opt-istn/")
    need(problem in HASHED and doc.get("version") in (1, 2), "no instance")
    names = HASHED[problem].split()
    need(set(doc) <= {*names, *FREE, "format", "version"}, "a field of the instance is unknown")
    hashed = {name: doc[name] for name in names if name in doc} | {"version": 1}
    hashed["format"] = doc["format"]
    for name in ("cell_m", "slot_s"):
        if name in hashed:
            hashed[name] = float(hashed[name])
    if hashed.get("miss_us", 0) is None:
        del hashed["miss_us"]
    if "requests" in hashed:
        hashed["requests"] = sorted(hashed["requests"], key=lambda row: row[:3])
    if problem == "jutap":
        need(set(doc["cost"]) <= COST, "a cost of the instance is unknown")
        bonus = doc["cost"].get("hole_bonus", "printed")
        need(bonus in ("printed", "once"), "hole_bonus is unknown")
        hashed["cost"] = {
            key: value
            for key, value in doc["cost"].items()
            if (key, value) not in (("hole_bonus", "printed"), ("enter", None))
        }
    whole([value for name, value in hashed.items() if name not in REAL])
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Flight:
    """The states of an instance and the arcs between them."""

    def __init__(self, doc: dict[str, Any]) -> None:
        self.doc, self.cost = doc, doc["cost"]
        self.hole = doc["num_mbs"]
        rewarded = min(self.cost["hole_to_mbs"], self.cost["hole_to_geo"]) < 0
        self.once = rewarded and self.cost.get("hole_bonus", "printed") == "once"
        self.states: list[tuple[int, int, bool]] = []
        for cell, links in enumerate(doc["links"]):
            for spent in (False, True) if self.once else (False,):
                self.states += [(cell, link, spent) for link in links if self.usable(cell, link)]
        self.number = {state: i for i, state in enumerate(self.states)}
        start = (doc["start"], doc["start_link"], False)
        need(start in self.number, "START has not its link")
        self.start = self.number[start]
        self.budget: int | None = doc["energy_budget_mj"]

    def usable(self, cell: int, link: int) -> bool:
        """Whether the association lets a UAV use a link of a cell."""
        if link not in self.doc["links"][cell]:
            return False
        full = self.doc["association"] == "full" or link >= self.hole
        return full or link == self.doc["strongest"][cell]

    def at_end(self, state: int) -> bool:
        """Whether a state is at END."""
        return self.states[state][0] == self.doc["end"]

    def handover(self, old: int, new: int) -> int:
        """Return the cost of changing links, that of flying in a hole included."""
        if new == self.hole:
            return int(self.cost["hole"])
        if old == self.hole:
            return int(self.cost["hole_to_geo" if new > self.hole else "hole_to_mbs"])
        if new > self.hole:
            return int(self.cost["geo_stay" if old > self.hole else "mbs_to_geo"])
        if old > self.hole:
            return int(self.cost["geo_to_mbs"])
        return 0 if old == new else int(self.cost["mbs_to_mbs"])

    def step(self, state: int, cell: int, link: int) -> tuple[int, int, int] | None:
        """Return (state, cost, energy) of a move to a link of a cell, None where there is none."""
        at, old, spent = self.states[state]
        size = self.doc["grid"]
        if at == self.doc["end"] or not 0 <= cell < size * size or not self.usable(cell, link):
            return None
        rows, columns = abs(at // size - cell // size), abs(at % size - cell % size)
        if max(rows, columns) != 1:
            return None
        change = self.handover(old, link)
        if self.once and old == self.hole and link != self.hole and change < 0:
            change, spent = (0 if spent else change), True
        cost = self.cost["move"][rows * columns] + change
        if self.cost.get("enter") is not None:
            cost += self.cost["enter"][cell]
        return self.number[cell, link, spent], cost, self.doc["energy_mj"][rows * columns]

    def arcs(self, state: int) -> Iterator[tuple[int, int, int]]:
        """Yield (state, cost, energy) of every move."""
        at, size = self.states[state][0], self.doc["grid"]
        for row in (-1, 0, 1):
            for column in (-1, 0, 1):
                if 0 <= at // size + row < size and 0 <= at % size + column < size:
                    cell = at + row * size + column
                    for link in self.doc["links"][cell]:
                        arc = self.step(state, cell, link)
                        if arc is not None:
                            yield arc

    def fly(self, cells: list[int], links: list[int]) -> tuple[int, int]:
        """Return (cost, energy) of a walk from START to END."""
        need(len(cells) == len(links) > 0, "cells and links differ in length")
        need((cells[0], links[0], False) == self.states[self.start], "begins elsewhere")
        state, cost, energy = self.start, 0, 0
        for cell, link in zip(cells[1:], links[1:], strict=True):
            arc = self.step(state, cell, link)
            if arc is None:
                raise Refused("no such move")
            state, cost, energy = arc[0], cost + arc[1], energy + arc[2]
        need(self.at_end(state), "does not end in END")
        return cost, energy

    def dead(self, listed: object) -> set[int]:
        """Return the dead states."""
        dead = set(integers(listed))
        need(dead <= set(range(len(self.states))), "no such state")
        for state in dead:
            need(not self.at_end(state), "END is not dead")
            need(all(t in dead for t, _, _ in self.arcs(state)), "an arc leaves the dead states")
        return dead

    def potential(self, h: object, dead: set[int], q: int, p: int) -> list[int | None]:
        """Check a potential for the lengths q cost + p energy."""
        need(type(h) is list and len(h) == len(self.states), "not a value a state")
        values: list[int | None] = [None if item is None else integer(item) for item in h]
        for s, value in enumerate(values):
            need(not self.at_end(s) or value == 0, "a value at END is not 0")
            if value is None:
                continue
            for t, cost, energy in self.arcs(s):
                if t not in dead:
                    other = values[t]
                    need(other is not None, "an arc leads to a state without a value")
                    need(value <= q * cost + p * energy + (other or 0), "an arc is too short")
        return values

    def by_potential(self, cert: dict[str, Any], claimed: int | None) -> int | str:
        """Check a certificate of kind potential; `claimed` is None for infeasible."""
        dead = self.dead(cert.get("dead", []))
        if claimed is None:
            need(self.start in dead, "START is not dead")
            return "infeasible"
        return integer(self.potential(cert["h"], dead, 1, 0)[self.start])

    def by_walk(self, cert: dict[str, Any]) -> str:
        """Check a certificate of kind walk."""
        need(self.budget is None, "a budget ends every walk")
        cells, links = integers(cert["cells"]), integers(cert["links"])
        i, j = integers(cert["cycle"], 2)
        need(0 <= i < j < len(cells) == len(links), "no such positions")
        need((cells[i], links[i]) == (cells[j], links[j]), "no cycle")
        again = [line[:j] + line[i:] for line in (cells, links)]
        need(self.fly(*again)[0] < self.fly(cells, links)[0], "the cycle gains nothing")
        return "unbounded"

    def by_labels(self, cert: dict[str, Any], claimed: int | None) -> int | str:
        """Check a certificate of kind labels; `claimed` is U, None for infeasible."""
        need(self.budget is not None, "no budget")
        dead, budget = self.dead(cert.get("dead", [])), self.budget or 0
        tables = []
        need(type(cert["tables"]) is type(cert["labels"]) is list, "expected lists")
        for table in cert["tables"]:
            q, p = integer(table["q"], 0), integer(table["p"], 0)
            if q == 0 or claimed is not None:
                tables.append((q, p, self.potential(table["h"], dead, q, p)))
        at: dict[int, list[tuple[int, int]]] = {}
        for v, c, e in [integers(label, 3) for label in cert["labels"]]:
            need(0 <= v < len(self.states) and not self.at_end(v), "no such state")
            at.setdefault(v, []).append((c, e))
        best = {  # costs in order, and the least energy up to each
            v: ([c for c, _ in sorted(at[v])], [*accumulate((e for _, e in sorted(at[v])), min)])
            for v in at
        }

        def closed(v: int, c: int, e: int) -> bool:
            if v in dead:
                return True
            for q, p, h in tables:
                value = h[v]
                limit = q * ((claimed or 0) - 1) + p * budget
                if value is not None and q * c + p * e + value > limit:
                    return True
            if self.at_end(v):
                return claimed is not None and c >= claimed
            costs, energies = best.get(v, ([], []))
            i = bisect.bisect_right(costs, c)
            return i > 0 and energies[i - 1] <= e

        need(closed(self.start, 0, 0), "START is open")
        for v, listed in at.items():
            for t, cost, energy in self.arcs(v):
                for c, e in listed:
                    need(closed(t, c + cost, e + energy), "a successor is open")
        return "infeasible" if claimed is None else claimed


def check(doc: dict[str, Any], cert: dict[str, Any]) -> int | str:
    """Return the bound that a certificate proves and claims, or infeasible, or unbounded."""
    try:
        return _check(doc, cert)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise Refused(f"{type(error).__name__}: {error}") from error


def _check(doc: dict[str, Any], cert: dict[str, Any]) -> int | str:
    need(cert.get("format") == "opt-istn/certificate", "no certificate")
    need(integer(cert.get("version")) == 1, "no version 1")
    need(cert.get("instance") == digest(doc), "another instance")
    kind, claim = cert.get("kind"), cert.get("claim")
    fields = {
        "potential": {"h", "dead"},
        "walk": {"cells", "links", "cycle"},
        "labels": {"tables", "labels", "dead"},
        "dual-tree": {"users"},
    }
    need(type(kind) is str and kind in fields, "no such kind")
    common = {"format", "version", "instance", "kind", "claim"}
    need(set(cert) - common <= fields[str(kind)], "a field is unknown")
    need(type(claim) is dict and len(claim) == 1, "no claim")
    ((name, value),) = dict(claim or {}).items()
    need(name == "bound" or (name in ("infeasible", "unbounded") and value is True), "no claim")
    claimed = integer(value) if name == "bound" else None
    need((kind == "dual-tree") == (doc["format"] == "opt-istn/push"), "a kind of the other problem")
    proven: int | str
    if kind == "dual-tree":
        users = cert["users"]
        need(type(users) is list and len(users) == doc["num_users"], "not one tree a user")
        proven = sum(User(doc, u).bound(entry) for u, entry in enumerate(users))
    elif kind == "potential":
        proven = Flight(doc).by_potential(cert, claimed)
    elif kind == "walk":
        proven = Flight(doc).by_walk(cert)
    else:
        need(name != "unbounded", "labels prove bounds")
        proven = Flight(doc).by_labels(cert, claimed)
    if claimed is None:
        need(proven == name, "proves something else")
        return name
    need(type(proven) is int and proven >= claimed, "proves less")
    return claimed


def replay(doc: dict[str, Any], plan: dict[str, Any]) -> int:
    """Return what a plan costs."""
    problem = doc["format"]
    need(plan.get("format") == f"{problem}-plan" and plan.get("version") == 1, "no plan")
    need(plan.get("instance") == digest(doc), "another instance")
    if problem == "opt-istn/jutap":
        flight = Flight(doc)
        cost, energy = flight.fly(integers(plan["cells"]), integers(plan["links"]))
        need(flight.budget is None or energy <= flight.budget, "over the energy budget")
        return cost
    rows = [integers(row, 3) for row in plan["push"]]
    need(all(0 <= u < doc["num_users"] for u, _, _ in rows), "no such user")
    users = range(doc["num_users"])
    return sum(User(doc, u).serve([(s, f) for v, f, s in rows if v == u]) for u in users)
