"""A verifier of lower bounds that trusts nobody: standard library and numpy, nothing of ours.

    python verifier.py INSTANCE CERTIFICATE [PLAN]

reads an instance file, a certificate and perhaps a plan, rebuilds every number that it needs from
the instance, and answers with one line: what is proven, or the first condition that fails. Whoever
made the certificate, and how, does not matter. All arithmetic is in Python's unbounded integers, or
in 64 bits after their range has been proven sufficient.

Four kinds of certificate, each with its proof beside the function that checks it:

``potential``  a lower bound, or infeasibility, of a JUTAP walk            `_potential`
``walk``       a walk over a negative cycle: JUTAP has no finite optimum   `_unbounded`
``labels``     the same with an energy budget, negative cycles allowed     `_labels`
``dual-tree``  a lower bound of PUSH: a tree of dual solutions a user      `_dual_tree`

The file has three parts under a line of dashes. Whoever checks one certificate reads the first part
and `main`, and of the others only his problem's: fewer than 300 lines of code.

In JUTAP all kinds need `Grid`, ``potential`` and ``labels`` `_dead` and `_heights`, and only
``walk`` and plans `_walk_cost`. In PUSH only plans need `_push_cost`. Where ``hole_bonus`` is not
"once", `Grid.pays` and all that is said of *spent* may be skipped; where a PUSH certificate does
not name LEAVE or COVER_GIVEN, these rows.
"""

import gzip
import hashlib
import json
import sys
import zlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, chain, product
from typing import Any, ClassVar, TypeVar

import numpy as np

OUTSIDE = {"name", "scenario", "origin", "battery", "extra"}  # of an instance; no hash covers them
DEFAULTS = [("enter", None), ("hole_bonus", "printed"), ("miss_us", None)]
REAL = {"cell_m", "slot_s", "contents"}  # of an instance; all else that counts is an integer
FIELDS = {  # of a certificate, by kind, besides those that all have
    "potential": {"h", "dead"},
    "walk": {"cells", "links", "cycle"},
    "labels": {"tables", "labels", "dead"},
    "dual-tree": {"users"},
}
CLAIMS = {"bound", "infeasible", "unbounded"}
KNOWN = {  # fields that define an instance; one that is not here might change the problem
    "opt-istn/jutap": {
        *("format", "version", "grid", "num_mbs", "start", "end", "start_link", "links"),
        *("strongest", "cost", "energy_mj", "energy_budget_mj", "cell_m", "association"),
    },
    "cost": {
        *("move", "mbs_to_mbs", "geo_to_mbs", "mbs_to_geo", "geo_stay", "hole_to_mbs"),
        *("hole_to_geo", "hole", "hole_bonus", "enter"),
    },
    "opt-istn/push": {
        *("format", "version", "num_users", "num_contents", "num_slots", "slot_s", "cache_size"),
        *("release", "cluster", "roi", "link_up", "requests", "contents", "miss_us"),
    },
}
MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
T = TypeVar("T")
Document = dict[str, Any]
Position = tuple[int, int]  # (slot, content) of a possible push
Sum = dict[Any, int]
Parts = list[tuple[int, Sum]]
SAFE = INF = 2**62  # below it a sum of two numbers fits into int64
ONE = "one"  # the constant, among the variables of a sum
STEPS = [step for step in product((-1, 0, 1), repeat=2) if step != (0, 0)]


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """The certificate, the plan or a file does not hold; the message says where."""


# ----------------------------------------------------------------------------- files and entry


def check(instance: Document, certificate: Document) -> Document:
    """Return what `certificate` proves of `instance`, both JSON documents.

    Returns
    -------
    dict
        ``kind`` and one of ``bound`` (no plan costs less), ``infeasible``, ``unbounded``.

    Raises
    ------
    Refused
        If a condition fails.
    """
    return _guarded(_check, instance, certificate)


def cost_of(instance: Document, plan: Document) -> int:
    """Return the cost of a plan document, by this file's own replay.

    Raises
    ------
    Refused
        If the plan is not feasible.
    """
    return _guarded(_cost_of, instance, plan)


def sha256(instance: Document) -> str:
    """Return the hash of the problem: canonical JSON of the fields that define it."""
    change: Document = {"cell_m": float, "slot_s": float, "cost": _said, "requests": sorted}
    said = {k: change[k](v) if k in change else v for k, v in _said(instance).items()}
    # In both versions a problem has one hash.
    text = json.dumps(said | {"version": 1}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _said(x: Document) -> Document:
    """Return what of an object counts: what holds anyhow is as good as not there."""
    return {k: v for k, v in x.items() if k not in OUTSIDE and (k, v) not in DEFAULTS}


def read(path: Any) -> Any:
    """Return the JSON document of a file, ``.gz`` or not."""
    try:
        with (gzip.open if str(path).endswith(".gz") else open)(path, "rb") as stream:
            text = stream.read(2**30)
            _expect(not stream.read(1), f"{path}: expected at most 2^30 bytes, decompressed")
            return json.loads(text, object_pairs_hook=_unique, parse_constant=_unique)
    except (EOFError, zlib.error) as error:  # cut off, or changed
        raise Refused(f"{path}: {error}") from None


def _unique(pairs: Any) -> Document:
    """Build an object whose names occur once; what is no JSON, such as NaN, ends here too."""
    _expect(not isinstance(pairs, str), f"{pairs}: not a number")
    document = dict(pairs)
    _expect(len(document) == len(pairs), "a name occurs twice in an object")
    return document


def _guarded(function: Callable[..., T], instance: Document, document: Any) -> T:
    try:
        _whole([document, *(v for k, v in instance.items() if k not in OUTSIDE | REAL)])
        return function(instance, document)
    except MALFORMED as error:
        raise Refused(f"malformed: {type(error).__name__}: {error}") from None


def _whole(document: Any) -> None:
    """Refuse fractions and truth values: numbers of problems, certificates, plans are integers."""
    todo = [document]
    while todo:
        x = todo.pop()
        if isinstance(x, float | bool):
            raise Refused(f"{x}: expected integers only")
        if isinstance(x, dict):
            todo += [value for key, value in x.items() if key not in CLAIMS - {"bound"}]
        todo += x if isinstance(x, list) else []


def _expect(ok: Any, message: str) -> None:
    if not ok:
        raise Refused(message)


def _check(x: Document, certificate: Document) -> Document:
    _expect(certificate["format"] == "opt-istn/certificate", "format: no certificate")
    _expect(certificate["version"] == 1, "version: expected 1")
    problem, kind, claim = x["format"], certificate["kind"], certificate["claim"]
    known = set(x) - OUTSIDE <= KNOWN[problem] and set(x.get("cost", ())) <= KNOWN["cost"]
    _expect(known and x["version"] in (1, 2), "instance: a field or version not known here")
    _expect(certificate["instance"] == sha256(x), "instance: the certificate is for another one")
    fields = FIELDS.get(kind, set()) | {"format", "version", "instance", "kind", "claim"}
    _expect(set(certificate) <= fields, f"{kind!r}: expected no fields but {sorted(fields)}")
    _expect(len(claim) == 1 and set(claim) <= CLAIMS, f"claim: expected one of {sorted(CLAIMS)}")
    _expect(all(v is True for k, v in claim.items() if k != "bound"), "claim: expected true")
    _expect(type(claim.get("bound", 0)) is int, "claim.bound: expected an integer")
    kinds: dict[Any, Callable[..., None]] = {
        ("opt-istn/jutap", "potential"): _potential,
        ("opt-istn/jutap", "walk"): _unbounded,
        ("opt-istn/jutap", "labels"): _labels,
        ("opt-istn/push", "dual-tree"): _dual_tree,
    }
    _expect((problem, kind) in kinds, f"kind: no {kind!r} for {problem!r}")
    kinds[problem, kind](x if problem == "opt-istn/push" else Grid(x), certificate, claim)
    return {"kind": kind, **claim}


def _cost_of(x: Document, plan: Document) -> int:
    _expect(plan["format"] == f"{x['format']}-plan" and plan["version"] == 1, "plan: not a plan")
    _expect(plan["instance"] == sha256(x), "plan: of another instance")
    if x["format"] == "opt-istn/push":
        return _push_cost(x, plan)
    grid = Grid(x)
    cost, energy = _walk_cost(grid, list(zip(plan["cells"], plan["links"], strict=True)))
    _expect(grid.budget is None or energy <= grid.budget, "plan: it exceeds the energy budget")
    return cost


# --------------------------------------------------------------------------------------- JUTAP


class Grid:
    """The states and arcs of a JUTAP instance.

    A state is a cell with one of its usable links, numbered by cell and link; END is absorbing. If
    ``hole_bonus`` is "once", leaving HOLE is rewarded only the first time in a flight: a state then
    also says whether that is spent, and all states of a cell with it unspent come first.
    """

    def __init__(self, x: Document) -> None:
        self.size, self.num_mbs, self.end = x["grid"], x["num_mbs"], x["end"]
        self.budget, self.energy = x["energy_budget_mj"], x["energy_mj"]
        c = x["cost"]
        self.move, self.enter = c["move"], c.get("enter") or [0] * len(x["links"])
        self.table = [
            [c["mbs_to_mbs"], c["hole"], c["mbs_to_geo"]],
            [c["hole_to_mbs"], c["hole"], c["hole_to_geo"]],
            [c["geo_to_mbs"], c["hole"], c["geo_stay"]],
        ]
        bonus = c.get("hole_bonus", "printed")
        _expect(bonus in ("printed", "once"), f"cost.hole_bonus: {bonus!r}")
        self.once = bonus == "once" and min(c["hole_to_mbs"], c["hole_to_geo"]) < 0
        _expect(x["association"] in ("full", "strongest"), "association: unknown")
        strong = x["association"] == "strongest"
        self.usable: list[list[tuple[int, int]]] = []
        for best, row in zip(x["strongest"], x["links"], strict=True):
            links = [k for k in row if not strong or k >= self.num_mbs or k == best]
            self.usable.append([(k, spent) for spent in range(1 + self.once) for k in links])
        self.first = np.cumsum([0, *map(len, self.usable)])
        self.cell = np.repeat(np.arange(len(self.usable)), np.diff(self.first))
        pairs = np.array([*chain(*self.usable)], dtype=np.int64).reshape(-1, 2)
        self.link, self.spent = pairs.T
        self.kind = np.maximum(self.link - self.num_mbs + 1, 0)  # 0 MBS, 1 HOLE, 2 GEO
        self.start = self.state(x["start"], x["start_link"])

    def state(self, cell: int, link: int, spent: int = 0) -> int:
        """Return the number of a state."""
        _expect(0 <= cell < len(self.usable), f"cell {cell}: not in the grid")
        _expect((link, spent) in self.usable[cell], f"cell {cell}: link {link} is not usable")
        return int(self.first[cell]) + self.usable[cell].index((link, spent))

    def pays(self, s: Any, t: Any) -> Any:
        """Return whether a move from s to t leaves HOLE for a reward that counts once."""
        reward = np.array([c < 0 for c in self.table[1]])
        return self.once & (self.kind[s] == 1) & (self.kind[t] != 1) & reward[self.kind[t]]

    def near(self, cell: int) -> dict[int, int]:
        """Return {neighbour: is it diagonal} of a cell."""
        row, column = divmod(cell, self.size)
        steps = [s for s in STEPS if 0 <= row + s[0] < self.size and 0 <= column + s[1] < self.size]
        return {(row + a) * self.size + column + b: int(a != 0 != b) for a, b in steps}

    def cost(self, s: Any, t: Any, turn: int) -> int:
        """Return the cost of the arc from state s to state t."""
        same = self.kind[s] == 0 and self.link[s] == self.link[t]
        free = same or (self.spent[s] and self.pays(s, t))
        link = 0 if free else self.table[self.kind[s]][self.kind[t]]
        total: int = self.move[turn] + link + self.enter[self.cell[t]]
        return total

    def successors(self, s: Any) -> list[tuple[int, int, int]]:
        """Return (state, cost, energy) of every arc that leaves state s, which is not at END."""
        return [
            (t, self.cost(s, t, turn), self.energy[turn])
            for cell, turn in self.near(int(self.cell[s])).items()
            for t in range(self.first[cell], self.first[cell + 1])
            if self.spent[t] == (self.spent[s] or self.pays(s, t))
        ]

    def arcs(self, q: int, p: int) -> Iterator[tuple[Any, Any, Any]]:
        """Yield arrays (tails, heads, q cost + p energy) that together are all arcs."""
        biggest = max(map(abs, [*self.move, *self.enter, *self.energy, *chain(*self.table)]))
        kind = np.int64 if (3 * q + p) * biggest < SAFE // 2 else object
        table, enter = (np.array(x, dtype=object) * q for x in (self.table, self.enter))
        table, enter = table.astype(kind), enter.astype(kind)
        row, column = np.divmod(self.cell, self.size)
        inside = self.cell != self.end
        width = np.diff(self.first)
        for a, b in STEPS:
            ok = inside & (row + a >= 0) & (row + a < self.size)
            tail = np.flatnonzero(ok & (column + b >= 0) & (column + b < self.size))
            cell = self.cell[tail] + a * self.size + b
            step = q * self.move[int(a != 0 != b)] + p * self.energy[int(a != 0 != b)]
            for i in range(int(width.max(initial=0))):
                some = width[cell] > i
                s, t = tail[some], self.first[cell[some]] + i
                if self.once:
                    there = self.spent[t] == (self.spent[s] | self.pays(s, t))
                    s, t = s[there], t[there]
                same = (self.kind[s] == 0) & (self.link[s] == self.link[t])
                free = same | ((self.spent[s] == 1) & self.pays(s, t))
                link = np.where(free, 0, table[self.kind[s], self.kind[t]])
                yield s, t, link + enter[self.cell[t]] + step


def _walk_cost(grid: Grid, walk: list[Any]) -> tuple[int, int]:
    """Return cost and energy of a walk from START to END, given as (cell, link) pairs."""
    s = grid.state(*walk[0])
    _expect(s == grid.start, "walk: it does not begin in START")
    cost = energy = 0
    for i in range(len(walk) - 1):
        near = grid.near(walk[i][0])
        _expect(walk[i + 1][0] in near, f"walk: step {i} is not a move")
        turn = near[walk[i + 1][0]]
        _expect(walk[i][0] != grid.end, f"walk: it goes on from END at step {i}")
        spent = int(grid.spent[s] or grid.pays(s, grid.state(*walk[i + 1])))
        t = grid.state(walk[i + 1][0], walk[i + 1][1], spent)
        cost, energy, s = cost + grid.cost(s, t, turn), energy + grid.energy[turn], t
    _expect(walk[-1][0] == grid.end, "walk: it does not reach END")
    return cost, energy


def _dead(grid: Grid, certificate: Document) -> Any:
    """Return which states are declared dead, and check that none of them can reach END.

    Dead states are closed under successors and none of them is at END: a walk that enters one
    never reaches END.
    """
    dead = np.zeros(len(grid.cell), dtype=bool)
    listed = certificate.get("dead", [])
    _expect(all(0 <= s < len(dead) for s in listed), "dead: no such state")
    dead[listed] = True
    _expect(not dead[grid.cell == grid.end].any(), "dead: a state of END")
    for s, t, _ in grid.arcs(0, 0) if listed else ():
        _expect(not (dead[s] & ~dead[t]).any(), "dead: a state has a successor that is not dead")
    return dead


def _heights(
    grid: Grid, values: list[Any], q: int, p: int, dead: Any, name: Any
) -> list[int | None]:
    """Check a potential for the arc lengths q cost + p energy; return it, None where unknown.

    h(END, .) = 0, and h(s) <= length(s, t) + h(t) for every arc to a state t that is not dead: so
    h(s) is at most the length of every walk from s to END (add the inequalities along it). A state
    with a value has no arc to one without, unless that one is dead.
    """
    _expect(len(values) == len(dead), f"{name}: expected one value a state")
    known = np.array([v is not None for v in values], dtype=bool)
    _expect(all(v is None or type(v) is int for v in values), f"{name}: expected integers or null")
    h = np.array([0 if v is None else v for v in values], dtype=object)
    if max(map(abs, h)) < SAFE // 2:
        h = h.astype(np.int64)
    at_end = grid.cell == grid.end
    _expect(known[at_end].all() and not h[at_end].any(), f"{name}: not 0 at END")
    for s, t, length in grid.arcs(q, p):
        counted = known[s] & ~dead[t]
        s, t, length = s[counted], t[counted], length[counted]
        _expect(known[t].all(), f"{name}: an arc leads from a known state to an unknown one")
        bad = np.flatnonzero(h[s] > length + h[t])
        _expect(not len(bad), f"{name}: h({s[bad[:1]]}) > length + h({t[bad[:1]]})")
    return [int(h[s]) if known[s] else None for s in range(len(h))]


def _potential(grid: Grid, certificate: Document, claim: Document) -> None:
    """Check a bound or infeasibility by one potential; a budget only makes plans fewer.

    Every plan is a walk from START to END, so it costs at least h(START). If START is dead there
    is no such walk.
    """
    dead = _dead(grid, certificate)
    if "infeasible" in claim:
        _expect(dead[grid.start], "claim: START is not dead")
        return
    height = _heights(grid, certificate["h"], 1, 0, dead, "h")[grid.start]
    _expect(height is not None and claim["bound"] <= height, f"claim: above h(START) = {height}")


def _unbounded(grid: Grid, certificate: Document, claim: Document) -> None:
    """Check that costs fall without limit: repeat the cycle as often as you like.

    The walk from START to END has the same cell and link at the positions ``cycle``. Flying what
    is in between once more makes it cheaper; and again, as nothing is left to be spent by then.
    """
    ok = claim.get("unbounded") is True and grid.budget is None
    _expect(ok, "claim: expected unbounded, of an instance without a budget")
    walk = list(zip(certificate["cells"], certificate["links"], strict=True))
    i, j = certificate["cycle"]
    _expect(0 <= i < j < len(walk) and walk[i] == walk[j], "cycle: not the same state twice")
    cost = _walk_cost(grid, walk[:j] + walk[i:])[0] - _walk_cost(grid, walk)[0]
    _expect(cost < 0, f"cycle: it costs {cost}, not less than 0")


def _labels(grid: Grid, certificate: Document, claim: Document) -> None:
    """Check that no walk within the budget W costs less than U, by labels.

    A label (state, cost, energy) stands for walks from START to a state. To be *closed*, a label
    (v, c, e) needs one of

    1. v is dead;
    2. a table k with q_k c + p_k e + h_k(v) - p_k W > q_k (U - 1);
    3. v is not at END, and a listed label at v has cost <= c and energy <= e;
    4. v is at END and c >= U.

    START's label (START, 0, 0) and every successor of a listed label must be closed. Suppose a walk
    from START to END has energy <= W and cost <= U - 1. Its first label is closed: not by 1, for
    the walk reaches END; not by 2, for with C, E of the whole walk q C + p E >= q c + p e + h(v),
    so that q C > q (U - 1) + p (W - E) >= q (U - 1), while C <= U - 1; not by 4. So by 3 a listed
    label at v is no worse; put it in the walk's place, which stays within W and U - 1, and go on
    with its next label, a successor of a listed one. The walk has an end, where 3 cannot be.
    To claim *infeasible* take U beyond all costs: tables with q > 0 and 4 then close nothing.
    """
    W, dead = grid.budget, _dead(grid, certificate)
    _expect(W is not None, "claim: labels need an energy budget")
    U = None if "infeasible" in claim else claim["bound"]
    tables = []
    lists = certificate["tables"], certificate["labels"]
    _expect(all(type(x) is list for x in lists), "tables, labels: expected lists")
    for i, table in enumerate(certificate["tables"]):
        q, p = table["q"], table["p"]
        _expect(min(q, p) >= 0, f"tables[{i}]: a negative multiplier")
        if U is not None or q == 0:
            tables.append((q, p, _heights(grid, table["h"], q, p, dead, f"tables[{i}].h")))
    labels: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for s, c, e in sorted(certificate["labels"]):
        _expect(0 <= s < len(dead) and grid.cell[s] != grid.end, f"labels: no such state {s}")
        if not labels[s] or e < labels[s][-1][1]:  # the others are no better than one before
            labels[s].append((c, e))

    def closed(s: Any, c: int, e: int) -> bool:
        known = labels.get(s, [])
        i = bisect_left(known, (c + 1,))
        if dead[s] or (i and known[i - 1][1] <= e):
            return True
        if grid.cell[s] == grid.end and U is not None and c >= U:
            return True
        return any(
            h[s] is not None and q * c + p * (e - W) + h[s] > (0 if U is None else q * (U - 1))
            for q, p, h in tables
        )

    _expect(closed(grid.start, 0, 0), "labels: START is not covered")
    for s, pairs in labels.items():
        for (c, e), (t, more, energy) in product(pairs, grid.successors(s)):
            new = (t, c + more, e + energy)
            _expect(closed(*new), f"labels: ({s}, {c}, {e}) has the open successor {new}")


# ---------------------------------------------------------------------------------------- PUSH


def _push_cost(x: Document, plan: Document) -> int:
    """Replay the caches slot by slot: pushes in increasing content, then the requests."""
    pushes = {(u, t, f) for u, f, t in plan["push"]}
    once = len({(u, f) for u, _, f in pushes}) == len(plan["push"])
    _expect(once, "plan: a content is pushed twice to a user")
    for u, t, f in pushes:
        inside = min(u, t, f) >= 0 and t < x["num_slots"]
        _expect(inside, f"plan: ({u}, {f}, {t}) is outside the instance")
        ok = t >= x["release"][f] and f in x["roi"][u] and x["link_up"][u][t]
        _expect(ok, f"plan: ({u}, {f}, {t}) is not pushable")
    order, cost = sorted(pushes), 0
    for u, rows in enumerate(requests_by_user(x)):
        mine, size = [(t, f) for v, t, f in order if v == u], x["cache_size"][u]
        _expect(size >= 1, f"cache_size[{u}]: expected at least 1")
        for _, f, t, *delays in rows:
            cache = [g for s, g in mine if s <= t][-size:]
            cost += 0 if f in cache else min(d for d in delays if d is not None)
    return cost


class User:
    """Columns and rows of one user's program, built from the instance.

    A *position* p = (s, f) is a possible push of content f in slot s that a request of f follows;
    positions are ordered by slot, then content, as they would enter the cache. A *claim* (s, f, e)
    says: f is pushed in s and e is the last slot in which it is requested and still in the cache.

    To a plan belongs its *canonical point*. Take away pushes that serve no request (others then
    stay at least as long, so the plan costs no more); every other push makes its one claim. Let
    E(p) be the largest end claimed at or before position p, and x(p) = 1 if p is pushed. Then

        reach(p, k) = 1 if E(p) >= k, and 1 whenever k is not after p's slot
        hold(p, k)  = x(p) reach(p, k): an insertion held through slot k

    FIFO evicts nothing before what came earlier, so what is held through k is in the cache in k.
    Variables are the claims z, and for k after p's slot reach(p, k) and kept(p, k) = hold(p, k) -
    (claims of p that last to k). All are 0 or 1 at canonical points. If p's content is not
    requested in k or later, E(p) >= k means that E >= k before p: reach(p, k) is the variable of
    the last position up to p whose content is. Sums are dicts {variable: factor}; ONE is 1.

    Each row below is a sum that is <= 0 at every canonical point; the reason stands with it.
    """

    def __init__(self, x: Document, u: int, requests: list[list[Any]]) -> None:
        self.size, weight = x["cache_size"][u], defaultdict[int, dict[int, int]](dict)
        for _, f, t, *delays in requests:
            _expect(t not in weight[f], f"requests: two of content {f} in slot {t}")
            weight[f][t] = min(d for d in delays if d is not None)
        self.base = sum(sum(row.values()) for row in weight.values())
        self.asked = {f: sorted(row) for f, row in weight.items()}
        self.saved = {f: [0, *accumulate(weight[f][t] for t in self.asked[f])] for f in weight}
        self.starts = {}  # slots of the positions of each content
        for f in set(x["roi"][u]) & set(weight):
            slots = range(x["release"][f], self.asked[f][-1] + 1)
            self.starts[f] = [s for s in slots if x["link_up"][u][s]]
        self.positions = sorted((s, f) for f, slots in self.starts.items() for s in slots)
        self.own = defaultdict(list)  # by slot k: positions whose content is asked in k or later
        for s, f in self.positions:
            for k in range(s + 1, self.asked[f][-1] + 1):
                self.own[k].append((s, f))

    def gain(self, s: int, f: int, e: int) -> int:
        """Return the delay that the claim (s, f, e) saves, in microseconds."""
        slots, saved = self.asked[f], self.saved[f]
        return saved[bisect_right(slots, e)] - saved[bisect_left(slots, s)]

    def claims(self, p: Position, k: int) -> Sum:
        """Return the sum of the claims of position p that last to slot k or longer."""
        slots = self.asked[p[1]]
        return {("z", *p, e): 1 for e in slots[bisect_left(slots, max(p[0], k)) :]}

    def hold(self, p: Position, k: int) -> Sum:
        """Return hold(p, k)."""
        return self.claims(p, k) | ({("kept", *p, k): 1} if k > p[0] else {})

    def reach(self, p: Position | None, k: int) -> Sum:
        """Return reach(p, k); 0 for p = None, before the first position."""
        if p and k <= p[0]:
            return {ONE: 1}
        i = bisect_right(self.own[k], p) if p else 0
        return {("reach", *self.own[k][i - 1], k): 1} if i else {}

    def before(self, p: Position) -> Position | None:
        """Return the position before p, None for the first."""
        i = bisect_left(self.positions, p)
        return self.positions[i - 1] if i else None

    def of(self, f: int, first: int, last: int) -> list[Position]:
        """Return the positions of content f in the slots first..last. At most one is pushed."""
        return [(s, f) for s in self.starts.get(f, ()) if first <= s <= last]

    def once(self, f: int) -> Parts:
        """ONCE: a content is pushed once (C3)."""
        return [(-1, {ONE: 1}), *((1, self.claims(p, p[0])) for p in self.of(f, 0, INF))]

    def cover(self, k: int) -> Parts:
        """COVER: what is held through k is in the cache in k: at most L."""
        held = [(1, self.hold(p, k)) for p in self.positions if p[0] <= k]
        return [(-self.size, {ONE: 1}), *held]

    def reached(self, s: int, f: int, k: int) -> Parts:
        """REACH: if f, pushed at p or earlier, is held through k, then E(p) >= k."""
        held = [(1, self.hold(p, k)) for p in self.of(f, 0, s)]
        return [(-1, self.reach((s, f), k)), *held]

    def carry(self, s: int, f: int, k: int) -> Parts:
        """CARRY: E(p) is not below E before p."""
        return [(1, self.reach(self.before((s, f)), k)), (-1, self.reach((s, f), k))]

    def fifo(self, s: int, f: int, k: int) -> Parts:
        """FIFO: if E >= k before p, what is pushed of f at p or later, before k, is held through k.

        For the one p' that is pushed x - hold = 1 only if E(p') < k, and E before p is no larger.
        """
        parts = [(1, self.reach(self.before((s, f)), k)), (-1, {ONE: 1})]
        for p in self.of(f, s, k - 1):
            parts += [(1, self.claims(p, p[0])), (-1, self.hold(p, k))]
        return parts

    def leave(self, f: int, first: int, last: int, k: int) -> Parts:
        """LEAVE: if f, pushed in first..last < k, leaves in k, a claim up to there ends in k - 1.

        sum of hold(p, k-1) - hold(p, k) <= reach(last, k-1) - reach(first, k), p = first..last. The
        left side is 1 only if E(p) = k - 1 for the one p that is pushed; then E(last) >= k - 1 and
        E(first) < k. Else it is 0, and E(last) >= E(first) keeps the right side from being -1.
        """
        _expect(first <= last < k, "LEAVE: expected first <= last < k")
        parts = [(1, self.reach((first, f), k)), (-1, self.reach((last, f), k - 1))]
        for p in self.of(f, first, last):
            parts += [(1, self.hold(p, k - 1)), (-1, self.hold(p, k))]
        return parts

    def cover_given(self, k: int, s: int, f: int, *pairs: int) -> Parts:
        """COVER_GIVEN: COVER, given where the boundary q = (s, f) is; ends = slot, content, ...

        sum over p <= q of hold(p, k) + sum over the ends (t, g) of sum over p of g, q < p <=
        (t, g), of hold(p, k) <= L reach(q, k) + sum over the ends of reach((t, g), k) -
        reach(q, k).
        If E(q) >= k, every reach is 1 and this is a part of COVER. Else nothing at or before q is
        held through k, and the one p of g is held only if E >= k at its end.
        """
        q, ends = (s, f), list(zip(pairs[::2], pairs[1::2], strict=True))
        ok = s <= k and all(q < p and p[0] <= k for p in ends)
        _expect(ok and len({g for _, g in ends}) == len(ends), "COVER_GIVEN: wrong ends")
        parts = [(len(ends) - self.size, self.reach(q, k))]
        parts += [(1, self.hold(p, k)) for p in self.positions if p <= q]
        for t, g in ends:
            parts.append((-1, self.reach((t, g), k)))
            parts += [(1, self.hold(p, k)) for p in self.of(g, s, t) if p > q]
        return parts

    ROWS: ClassVar[dict[str, Any]] = {
        "ONCE": once,
        "COVER": cover,
        "REACH": reached,
        "CARRY": carry,
        "FIFO": fifo,
    } | {"LEAVE": leave, "COVER_GIVEN": cover_given}

    def row(self, name: Any) -> Sum:
        """Return the row with a name such as ["FIFO", s, f, k], summed up."""
        family, *at = name
        _expect(family in self.ROWS and all(type(i) is int for i in at), f"row {name}: unknown")
        return total(self.ROWS[family](self, *at))

    def question(self, name: list[Any]) -> Sum:
        """Return a sum that is 0 or 1 at every canonical point: what trees may ask."""
        kind, *at = name
        if kind == "pushed":  # is position (s, f) pushed?
            s, f = at
            return self.claims((s, f), s) if s in self.starts.get(f, ()) else {}
        _expect(kind == "served", f"question {name}: unknown")
        f, k = at  # is f in the cache in slot k, where it is requested? By one claim if at all
        return total((1, self.claims(p, k)) for p in self.of(f, 0, k))


def total(parts: Iterable[tuple[int, Sum]]) -> Sum:
    """Return the sum of (factor, sum) pairs."""
    summed: defaultdict[Any, int] = defaultdict(int)
    for factor, part in parts:
        for variable, value in part.items():
            summed[variable] += factor * value
    return summed


def _dual_tree(x: Document, certificate: Document, claim: Document) -> None:
    """Check that users' trees prove bounds that add up to the claim; users share nothing."""
    proven, requests = 0, requests_by_user(x)
    _expect(type(certificate["users"]) is list, "users: expected a list")
    for u, (rows, proof) in enumerate(zip(requests, certificate["users"], strict=True)):
        scale = proof["denominator"]
        _expect(scale > 0, f"users[{u}]: expected a denominator above 0")
        proven += user_bound(User(x, u, rows), proof["tree"], scale)
    _expect(claim["bound"] <= proven, f"claim: {claim['bound']} is above the proven {proven}")


def requests_by_user(x: Document) -> list[list[list[Any]]]:
    """Return the requests of each user."""
    rows: list[list[list[Any]]] = [[] for _ in range(x["num_users"])]
    for row in x["requests"]:
        rows[row[0]].append(row)
    return rows


def user_bound(user: User, tree: Any, scale: int) -> int:
    """Return the least cost of a user's plans that a tree proves, in microseconds.

    A node ``["ask", question, tree if 0, tree if 1]`` asks what is 0 or 1 at every canonical point,
    so each of these belongs to the one leaf with its answers, and the least leaf bounds them all.
    """
    path: list[tuple[int, Sum]] = []  # answers and questions down to the node at hand
    todo: list[tuple[Any, int, tuple[int, Sum]]] = [(tree, 0, (0, {}))]
    least = user.base
    while todo:
        node, depth, last = todo.pop()
        path[max(depth - 1, 0) :] = [last] if depth else []
        if node and node[0] == "ask":
            _, name, no, yes = node
            question = user.question(name)
            todo += [(no, depth + 1, (0, question)), (yes, depth + 1, (1, question))]
        else:
            bound = leaf_bound(user, node, path, scale)
            least = least if bound is None else min(least, bound)
    return least


def leaf_bound(user: User, leaf: Any, path: list[tuple[int, Sum]], scale: int) -> int | None:
    """Return the cost that a leaf proves, None if it proves that nobody has its answers.

    A leaf ``["least" or "empty", [row, y], ...]`` lists multipliers y >= 0 of rows, or of answers
    on its path: ``["no", i]`` is question i <= 0, ``["yes", i]`` is 1 - question i <= 0. Let c be
    minus the gains of the claims, and r = scale c + sum of y a. For x in the unit box with a x <= 0
    for all these rows a:

        scale c x >= scale c x + sum of y a x = r x >= r(ONE) + sum over variables of min(r, 0)

    and the plan costs base + c x. With "empty" c is left out: a sum > 0 contradicts 0 >= r x.
    """
    kind, *pairs = leaf
    _expect(kind in ("least", "empty"), f"leaf: {kind!r}")
    reduced: defaultdict[Any, int] = defaultdict(int)
    for name, y in pairs:
        _expect(y >= 0, f"row {name}: a negative multiplier")
        if name[0] in ("no", "yes"):
            _, i = name
            _expect(0 <= i < len(path), f"row {name}: no such question")
            answer, question = path[i]
            _expect(answer == (name[0] == "yes"), f"row {name}: not an answer of this leaf")
            row = total([(1 - 2 * answer, question), (answer, {ONE: 1})])
        else:
            row = user.row(name)
        for variable, value in row.items():
            reduced[variable] += y * value
    if kind == "least":
        for p in user.positions:
            for variable in user.claims(p, p[0]):
                reduced[variable] -= scale * user.gain(*variable[1:])
    value = reduced.pop(ONE, 0) + sum(r for r in reduced.values() if r < 0)
    if kind == "empty":
        _expect(value > 0, "leaf: it does not show that it is empty")
        return None
    return user.base - (-value // scale)


def main(arguments: list[str]) -> int:
    """Print what a certificate proves; exit code 0 if it is accepted, 1 if not, 2 for misuse."""
    if len(arguments) not in (2, 3):
        print("usage: python verifier.py INSTANCE CERTIFICATE [PLAN]", file=sys.stderr)
        return 2
    words = {"infeasible": "no plan is feasible", "unbounded": "costs fall without limit"}
    try:
        instance, certificate, *plan = map(read, arguments)
        proven = check(instance, certificate)
        bound = proven.get("bound")
        said = next((words[x] for x in proven if x in words), f"no plan costs less than {bound}")
        print(f"accepted ({proven['kind']}): {said}")
        if plan:
            cost = cost_of(instance, plan[0])
            print(f"the plan costs {cost}: {'optimal' if bound == cost else 'not proven optimal'}")
    except (Refused, OSError, ValueError, RecursionError) as error:
        print(f"refused: {repr(str(error))[1:-1]}")  # one line, whatever a file's names hold
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
