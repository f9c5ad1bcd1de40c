"""A tree as it is written: in a certificate, and in the file from which a search goes on.

The file of an open search is a certificate of one user in itself, with the rows that its relaxation
has besides those of the formulation, and the best plan that is known. Which leaves are open follows
from what they prove.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from formulations.push.proof.leaves import SCALE, Answers, Leaf, Tree
from formulations.push.proof.relaxation import SEPARATED
from formulations.push.proof.tree import Node, Pushes, Search, leaves
from opt_istn import files
from opt_istn.files import InputError
from opt_istn.verifier import MALFORMED, Refused

DENOMINATORS = (1, 64, 4096, SCALE)  # multipliers are rounded to the least that proves as much
FORMAT = "opt-istn/proof"


@dataclass(frozen=True)
class Proof:
    """What is proven of a user.

    Parameters
    ----------
    cost_us, pushes
        Of the best plan that is known; (slot, content).
    bound_us
        By the tree, exactly.
    denominator, tree
        As in the certificate.
    relaxations, seconds
        Solved, and spent on the processor, over all searches.
    """

    cost_us: int
    pushes: Pushes
    bound_us: int
    denominator: int
    tree: Tree
    relaxations: int = 0
    seconds: float = 0.0


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file of a user's search.

    Parameters
    ----------
    instance, user
        Hash of the instance, number of the user.
    cost, pushes
        Of the best plan that is known; (slot, content).
    bound, denominator, tree
        What is proven, as in a certificate.
    rows
        Names of the rows that the relaxation has besides those of the formulation.
    relaxations, seconds
        As in `Proof`.
    """

    format: str = FORMAT
    version: int = 1
    instance: str
    user: int
    cost: int
    pushes: list[tuple[int, int]]
    bound: int
    denominator: int
    tree: list[Any]
    rows: list[list[Any]]
    relaxations: int
    seconds: float

    def proof(self) -> Proof:
        """Return what is proven so far."""
        parts = self.bound, self.denominator, self.tree, self.relaxations, self.seconds
        return Proof(self.cost, tuple(self.pushes), *parts)


def path_of(folder: str | Path, user: int) -> Path:
    """Return where a folder keeps the search of a user."""
    return Path(folder) / f"user-{user}.json.gz"


def read(path: Path, instance: str, user: int) -> Kept | None:
    """Return the search that a file keeps; None if there is no file.

    Raises
    ------
    InputError
        If it is no such file, or that of another instance or user.
    """
    if not path.is_file():
        return None
    kept: Kept = files.decode_document(files.read_bytes(path), Kept, FORMAT, 1, str(path))
    for name, found, expected in (
        ("instance", kept.instance, instance),
        ("user", kept.user, user),
    ):
        if found != expected:
            raise InputError(name, f"expected {expected}, found {found}", str(path))
    return kept


def write(path: Path, instance: str, user: int, proof: Proof, rows: list[Any]) -> None:
    """Write the file of a search; the old file or the whole new one is there at any time."""
    kept = Kept(
        instance=instance,
        user=user,
        cost=proof.cost_us,
        pushes=list(proof.pushes),
        bound=proof.bound_us,
        denominator=proof.denominator,
        tree=proof.tree,
        rows=rows,
        relaxations=proof.relaxations,
        seconds=proof.seconds,
    )
    files.write_bytes(path, msgspec.json.encode(kept))


def resume(search: Search, kept: Kept, source: Path) -> None:
    """Put a kept tree into a search that has just been made.

    Raises
    ------
    InputError
        If the tree is none of this user's.
    """
    relaxation = search.relaxation
    try:
        # leaves may have rows that the relaxation let go since
        names = dict.fromkeys([*map(_name, kept.rows), *_separated(kept.tree)])
        relaxation.add(list(names))
        search.root = _node(search, kept.tree, kept.denominator, ())
    except (*MALFORMED, Refused) as error:
        raise InputError("tree", f"expected one of this user's ({error})", str(source)) from None
    search.relaxations, search.seconds = kept.relaxations, kept.seconds


def _separated(tree: Tree) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a written tree's leaves that no formulation begins with."""
    kind, *parts = tree
    if kind == "ask":
        yield from _separated(parts[1])
        yield from _separated(parts[2])
        return
    yield from (_name(row) for row, _ in parts if row[0] in SEPARATED)


def _name(row: list[Any]) -> tuple[Any, ...]:
    return tuple(row)


def _node(search: Search, tree: Tree, scale: int, answers: Answers) -> Node:
    """Return the node that a written tree describes; its bounds are derived anew."""
    rows = search.relaxation.rows
    kind, *parts = tree
    if kind == "ask":
        name, no, yes = parts
        number = rows.number[_name(name)]
        children = [
            _node(search, part, scale, (*answers, (number, answer)))
            for answer, part in enumerate((no, yes))
        ]
        lower = min(child.bound for child in children)
        return Node(answers, children[0].leaf, lower, None, (number, children[0], children[1]))
    if kind not in ("least", "empty"):
        raise ValueError(f"expected a leaf, found {kind!r}")
    factor = SCALE // scale if kind == "least" else 1
    answered = [0] * len(answers)
    numbers, y = [], []
    for name, value in parts:
        if name[0] in ("no", "yes"):
            answered[name[1]] = value * factor
        else:
            numbers.append(rows.number[_name(name)])
            y.append(value * factor)
    whole = np.array(numbers, dtype=np.int64), np.array(y, dtype=np.int64)
    leaf = Leaf(kind == "empty", *whole, tuple(answered))
    bound = rows.bound(leaf, answers)
    return Node(answers, leaf, float("inf") if bound is None else bound)


def proof_of(search: Search, pushes: Pushes, scales: tuple[int, ...] = DENOMINATORS) -> Proof:
    """Return what a search has proven, with the smallest denominator that proves as much.

    Parameters
    ----------
    pushes
        Of the plan that was known before; one that the search found is better.
    """
    root, rows = search.root, search.relaxation.rows
    if root is None:
        raise ValueError("proof_of: expected a search that has begun")
    some = list(leaves(root))

    def proven(scale: int) -> int:
        bounds = (rows.bound(x.leaf.scaled(scale), x.answers, scale) for x in some)
        least = min((b for b in bounds if b is not None), default=search.user.base)
        return min(least, search.known_us)

    target = proven(SCALE)
    bound, scale = next((b, x) for x in scales if (b := proven(x)) >= target)

    tree = _tree(search, root, lambda leaf: leaf.scaled(scale))
    best = pushes if search.better is None else search.better
    return Proof(search.known_us, best, bound, scale, tree, *search.spent())


def _tree(search: Search, node: Node, scaled: Callable[[Leaf], Leaf]) -> Tree:
    rows = search.relaxation.rows
    if node.split is None:
        return rows.tree(scaled(node.leaf), node.answers)
    number, no, yes = node.split
    name = list(search.relaxation.questions[number])
    return ["ask", name, _tree(search, no, scaled), _tree(search, yes, scaled)]
