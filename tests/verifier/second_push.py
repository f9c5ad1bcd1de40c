"""PUSH for the second verifier: rows and trees, written from docs/certificates.md alone."""

import bisect
from typing import Any

Linear = dict[Any, int]  # variable -> coefficient; the key None is the constant


class Refused(ValueError):  # noqa: N818 - it is an answer, not an error
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

    def before(self, s: int, f: int, k: int) -> Linear:
        """Return reach of the last position before (s, f)."""
        i = bisect.bisect_left(self.positions, (s, f))
        return self.reach(*self.positions[i - 1], k) if i else {}

    def reach(self, s: int, f: int, k: int) -> Linear:
        """Return reach((s, f), k)."""
        if k <= s:
            return {None: 1}
        if k not in self.reaching:
            self.reaching[k] = [p for p in self.positions if self.last[p[1]] >= k]
        line = self.reaching[k]
        i = bisect.bisect_right(line, (s, f))
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
            add(1, self.before(*args))
            add(-1, self.reach(*args))
        elif name == "FIFO" and len(args) == 3:
            s, f, k = args
            pushes = [p for p in self.of.get(f, []) if s <= p[0] < k]
            add(1, {None: -1}, self.before(s, f, k))
            add(1, *(self.claims(p, p[0]) for p in pushes))
            add(-1, *(self.hold(p, k) for p in pushes))
        elif name == "LEAVE" and len(args) == 4:
            f, first, last, k = args
            need(first <= last < k, "LEAVE: the slots are in the wrong order")
            pushes = [p for p in self.of.get(f, []) if first <= p[0] <= last]
            add(1, *(self.hold(p, k - 1) for p in pushes), self.reach(first, f, k))
            add(-1, *(self.hold(p, k) for p in pushes), self.reach(last, f, k - 1))
        elif name == "COVER_GIVEN" and len(args) >= 3 and len(args) % 2:
            k, q = args[0], (args[1], args[2])
            ends = [*zip(args[3::2], args[4::2], strict=True)]
            need(len({g for _, g in ends}) == len(ends), "COVER_GIVEN: a content occurs twice")
            need(
                q[0] <= k and all(end > q and end[0] <= k for end in ends),
                "COVER_GIVEN: wrong ends",
            )
            add(1, *(self.hold(p, k) for p in self.positions if p <= q))
            add(len(ends) - self.places, self.reach(*q, k))
            for t, g in ends:
                inside = [p for p in self.of.get(g, []) if q < p <= (t, g)]
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
                row = asked if name == "no" else {None: 1, **dict.fromkeys(asked, -1)}
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
        path: list[tuple[Linear, int]] = []
        left: list[tuple[Any, list[tuple[Linear, int]], int]] = [(entry["tree"], [], 0)]
        while left:
            node, answer, depth = left.pop()
            path[depth - len(answer) :] = answer
            need(type(node) is list and len(node) > 0, "no node")
            if node[0] != "ask":
                bounds.append(self.leaf(node, path, scale))
                continue
            need(len(node) == 4, "no question with two answers")
            asked = self.question(node[1])
            left += [(node[2 + i], [(asked, i)], depth + 1) for i in (0, 1)]
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
