"""A second verifier of certificates, written from docs/certificates.md alone.

Whoever wrote it had not read `opt_istn/verifier.py`, nor what makes certificates. It is slow and
plain: standard library, Python's integers, no numpy. `check` says what a certificate proves, or
raises `Refused`; `replay` says what a plan costs.
"""

import bisect
import hashlib
import json
from collections.abc import Iterator
from typing import Any

Linear = dict[Any, int]  # variable -> coefficient; the key None is the constant
HASHED = {
    "jutap": "grid num_mbs start end start_link links strongest cost energy_mj energy_budget_mj cell_m association",
    "push": "num_users num_contents num_slots slot_s cache_size release cluster roi link_up requests contents miss_us",
}
FREE = {"name", "scenario", "origin", "battery", "extra"}
MOVES = "mbs_to_mbs geo_to_mbs mbs_to_geo geo_stay hole_to_mbs hole_to_geo hole"
COST = {*MOVES.split(), "move", "enter", "hole_bonus"}


class Refused(ValueError):
    """What is in a file proves nothing."""


def need(held: bool, words: str) -> None:
    """Go on only if it holds."""
    if not held:
        raise Refused(words)


def integer(value: object, least: int | None = None) -> int:
    """Return a whole number; True and 1.0 are none."""
    if type(value) is not int or (least is not None and value < least):
        raise Refused("a number is no integer, or is too small")
    return value


def integers(value: object, length: int | None = None) -> list[int]:
    """Return a list of whole numbers."""
    need(type(value) is list, "expected a list of integers")
    need(length is None or len(value) == length, "a list has the wrong length")
    return [integer(item) for item in value]


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
    if problem == "jutap":
        need(set(doc["cost"]) <= COST, "a cost of the instance is unknown")
        bonus = doc["cost"].get("hole_bonus", "printed")
        need(bonus in ("printed", "once"), "hole_bonus is unknown")
        hashed["cost"] = {
            key: value
            for key, value in doc["cost"].items()
            if (key, value) != ("hole_bonus", "printed")
        }
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# --- JUTAP ---------------------------------------------------------------------------------------


class Flight:
    """The states of an instance and the arcs between them."""

    def __init__(self, doc: dict[str, Any]) -> None:
        self.doc, self.cost = doc, doc["cost"]
        self.hole = doc["num_mbs"]
        self.once = self.cost.get("hole_bonus", "printed") == "once"
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
            if value is None:
                continue
            need(not self.at_end(s) or value == 0, "a value at END is not 0")
            for t, cost, energy in self.arcs(s):
                if t not in dead:
                    other = values[t]
                    need(other is not None, "an arc leads to a state without a value")
                    need(value <= q * cost + p * energy + (other or 0), "an arc is too short")
        return values

    def by_potential(self, cert: dict[str, Any]) -> int | str:
        """Check a certificate of kind potential."""
        dead = self.dead(cert.get("dead", []))
        values = self.potential(cert["h"], dead, 1, 0)
        if self.start in dead:
            return "infeasible"
        bound = values[self.start]
        return integer(bound)

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
        for table in cert["tables"]:
            need(set(table) == {"q", "p", "h"}, "a table has other fields")
            q, p = integer(table["q"], 0), integer(table["p"], 0)
            tables.append((q, p, self.potential(table["h"], dead, q, p)))
        at: dict[int, list[tuple[int, int]]] = {}
        for v, c, e in [integers(label, 3) for label in cert["labels"]]:
            need(0 <= v < len(self.states), "no such state")
            at.setdefault(v, []).append((c, e))

        def closed(v: int, c: int, e: int) -> bool:
            if v in dead:
                return True
            for q, p, h in tables:
                value = h[v]
                if value is None or (q > 0 and claimed is None):
                    continue
                if q * c + p * e + value - p * budget > q * ((claimed or 0) - 1):
                    return True
            if self.at_end(v):
                return claimed is not None and c >= claimed
            return any(cost <= c and energy <= e for cost, energy in at.get(v, []))

        need(closed(self.start, 0, 0), "START is open")
        for v, listed in at.items():
            for t, cost, energy in self.arcs(v):
                for c, e in listed:
                    need(closed(t, c + cost, e + energy), "a successor is open")
        return "infeasible" if claimed is None else claimed


# --- PUSH ----------------------------------------------------------------------------------------


class User:
    """One user's positions, claims and rows."""

    def __init__(self, doc: dict[str, Any], u: int) -> None:
        self.places, self.contents = doc["cache_size"][u], range(doc["num_contents"])
        self.misses: dict[int, dict[int, int]] = {}
        for user, f, slot, *delays in doc["requests"]:
            if user == u:
                self.misses.setdefault(f, {})[slot] = min(d for d in delays if d is not None)
        self.allowed = {
            (s, f)
            for f in doc["roi"][u]
            for s in range(doc["release"][f], doc["num_slots"])
            if doc["link_up"][u][s]
        }
        last = {f: max(slots) for f, slots in self.misses.items()}
        self.positions = sorted(p for p in self.allowed if p[0] <= last.get(p[1], -1))
        self.last = last
        self.base = sum(sum(slots.values()) for slots in self.misses.values())
        self.of: dict[int, list[tuple[int, int]]] = {}
        for p in self.positions:
            self.of.setdefault(p[1], []).append(p)
        self.reaching: dict[int, list[tuple[int, int]]] = {}

    def claims(self, p: tuple[int, int], k: int) -> Linear:
        """Return the claims of a position that last to k or longer."""
        s, f = p
        return {("z", s, f, e): 1 for e in self.misses[f] if e >= s and e >= k}

    def hold(self, p: tuple[int, int], k: int) -> Linear:
        """Return hold(p, k)."""
        kept: Linear = {("kept", *p, k): 1} if k > p[0] else {}
        return self.claims(p, k) | kept

    def reach(self, s: int, f: int, k: int, before: bool = False) -> Linear:
        """Return reach((s, f), k), or that of what comes before (s, f) in slot s."""
        if k <= s:
            return {None: 1}
        if k not in self.reaching:
            self.reaching[k] = [p for p in self.positions if self.last[p[1]] >= k]
        line = self.reaching[k]
        i = (bisect.bisect_left if before else bisect.bisect_right)(line, (s, f))
        return {("reach", *line[i - 1], k): 1} if i else {}

    def row(self, name: object, args: list[int]) -> Linear:
        """Return a row a x, which is <= 0, of a family."""
        out: Linear = {}

        def add(sign: int, *terms: Linear) -> None:
            for term in terms:
                for variable, number in term.items():
                    out[variable] = out.get(variable, 0) + sign * number

        if name == "ONCE" and len(args) == 1:
            add(1, {None: -1}, *(self.claims(p, p[0]) for p in self.of.get(args[0], [])))
        elif name == "COVER" and len(args) == 1:
            k = args[0]
            add(1, {None: -self.places}, *(self.hold(p, k) for p in self.positions if p[0] <= k))
        elif name == "REACH" and len(args) == 3:
            s, f, k = args
            add(1, *(self.hold(p, k) for p in self.of.get(f, []) if p[0] <= s))
            add(-1, self.reach(s, f, k))
        elif name == "CARRY" and len(args) == 3:
            add(1, self.reach(*args, before=True))
            add(-1, self.reach(*args))
        elif name == "FIFO" and len(args) == 3:
            s, f, k = args
            pushes = [p for p in self.of.get(f, []) if s <= p[0] < k]
            add(1, {None: -1}, self.reach(s, f, k, before=True))
            add(1, *(self.claims(p, p[0]) for p in pushes))
            add(-1, *(self.hold(p, k) for p in pushes))
        elif name == "LEAVE" and len(args) == 4:
            f, first, last, k = args
            need(first <= last, "LEAVE: the slots are in the wrong order")
            pushes = [p for p in self.of.get(f, []) if first <= p[0] <= last]
            add(1, *(self.hold(p, k - 1) for p in pushes), self.reach(first, f, k))
            add(-1, *(self.hold(p, k) for p in pushes), self.reach(last, f, k - 1))
        elif name == "COVER_GIVEN" and len(args) >= 3 and len(args) % 2:
            k, q, ends = args[0], (args[1], args[2]), [*zip(args[3::2], args[4::2], strict=True)]
            need(len({g for _, g in ends}) == len(ends), "COVER_GIVEN: a content occurs twice")
            need(all(end > q for end in ends), "COVER_GIVEN: an end is not after the boundary")
            add(1, *(self.hold(p, k) for p in self.positions if p <= q and p[0] <= k))
            add(len(ends) - self.places, self.reach(*q, k))
            for t, g in ends:
                inside = [p for p in self.of.get(g, []) if q < p <= (t, g) and p[0] <= k]
                add(1, *(self.hold(p, k) for p in inside))
                add(-1, self.reach(t, g, k))
        else:
            raise Refused("no such row")
        return out

    def question(self, asked: object) -> Linear:
        """Return what a question asks, a sum of claims."""
        need(type(asked) is list and len(asked) == 3, "no question")
        name, (a, b) = asked[0], integers(asked[1:])
        if name == "served":
            return {z: 1 for p in self.of.get(a, []) if p[0] <= b for z in self.claims(p, b)}
        need(name == "pushed", "no such question")
        return self.claims((a, b), a) if (a, b) in set(self.of.get(b, [])) else {}

    def leaf(self, node: list[Any], path: list[tuple[Linear, int]], scale: int) -> int | None:
        """Return a leaf's bound, None where no plan gives its answers."""
        need(node[0] in ("least", "empty"), "no such node")
        total: Linear = {}
        if node[0] == "least":
            for s, f in self.positions:
                for e in self.misses[f]:
                    if e >= s:
                        gain = sum(miss for t, miss in self.misses[f].items() if s <= t <= e)
                        total["z", s, f, e] = -scale * gain
        for pair in node[1:]:
            need(type(pair) is list and len(pair) == 2, "no pair of row and multiplier")
            need(type(pair[0]) is list and len(pair[0]) > 0, "no row")
            name, args, y = pair[0][0], integers(pair[0][1:]), integer(pair[1], 0)
            if name in ("no", "yes"):
                need(len(args) == 1 and 0 <= args[0] < len(path), "no such answer")
                asked, answer = path[args[0]]
                need(answer == (name == "yes"), "the answer was another")
                row = asked if name == "no" else {None: 1, **{z: -1 for z in asked}}
            else:
                row = self.row(name, args)
            for variable, number in row.items():
                total[variable] = total.get(variable, 0) + y * number
        least = total.pop(None, 0) + sum(min(number, 0) for number in total.values())
        if node[0] == "empty":
            need(least > 0, "a leaf is not empty")
            return None
        return self.base - (-least // scale)

    def bound(self, entry: object) -> int:
        """Return the bound that a tree proves."""
        need(type(entry) is dict and set(entry) == {"denominator", "tree"}, "no user")
        assert isinstance(entry, dict)
        scale, bounds = integer(entry["denominator"], 1), []
        left: list[tuple[Any, list[tuple[Linear, int]]]] = [(entry["tree"], [])]
        while left:
            node, path = left.pop()
            need(type(node) is list and len(node) > 0, "no node")
            if node[0] != "ask":
                bounds.append(self.leaf(node, path, scale))
                continue
            need(len(node) == 4, "no question with two answers")
            asked = self.question(node[1])
            left += [(node[2 + answer], [*path, (asked, answer)]) for answer in (0, 1)]
        found = [bound for bound in bounds if bound is not None]
        need(len(found) > 0, "not pushing is a plan: all leaves cannot be empty")
        return min(found)

    def serve(self, pushes: list[tuple[int, int]]) -> int:
        """Return the cost of pushes (slot, content)."""
        need(len({f for _, f in pushes}) == len(pushes), "a content is pushed twice")
        need(set(pushes) <= self.allowed, "a push is not allowed")
        cost, cache, line = 0, list[int](), sorted(pushes)
        for slot in sorted({s for s, _ in pushes} | {t for m in self.misses.values() for t in m}):
            cache += [f for s, f in line if s == slot]
            cache = cache[max(0, len(cache) - self.places) :]
            cost += sum(m[slot] for f, m in self.misses.items() if slot in m and f not in cache)
        return cost


# --- both ----------------------------------------------------------------------------------------


def check(doc: dict[str, Any], cert: dict[str, Any]) -> int | str:
    """Return the bound that a certificate proves and claims, or infeasible, or unbounded."""
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
    need(kind in fields, "no such kind")
    common = {"format", "version", "instance", "kind", "claim"}
    need(fields[str(kind)] - {"dead"} <= set(cert) - common <= fields[str(kind)], "other fields")
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
        proven = Flight(doc).by_potential(cert)
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
