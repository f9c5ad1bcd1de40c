"""The library's JUTAP instances as plain lists of arcs: constrained shortest paths for anybody."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from opt_istn import files, problems
from opt_istn.files import InputError
from opt_istn.jutap import graph
from opt_istn.jutap.instance import Instance
from opt_istn.library.shelf import Entry, Library
from opt_istn.solver import Status

PROBLEM = "jutap"
README = """# Resource-constrained shortest paths with negative arcs

Each file `NAME.arcs.gz` is a directed graph in which a cheapest walk from `source` to `target` is
wanted whose energy is at most `limit` (if it has one). It may visit nodes more than once: arcs may
have negative costs, and with a limit also cycles may, so that the best *walk* need not be a path.
Energies are positive. All numbers are integers. Between two nodes there is at most one arc.

    # opt-istn/arcs 1             lines that begin with # are comments
    nodes 1259                    numbered from 0
    arcs 19048
    source 0
    target 1258                   its arcs come from every state of the last cell, cost and energy 0
    limit 49338118                or: limit none
    52 0 600000 2015446           tail, head, cost, energy: one line an arc

`index.tsv` tells what is known: `optimal` with its value, `feasible` with a range, `infeasible`, or
`unbounded`: there is a walk of any cost however low. Each value is certified or bounded by a
certificate of the entry of the same name (`opt-istn library get NAME`), which a program of one file
checks without any solver; `python verifier.py INSTANCE CERTIFICATE PLAN`. `negative` says whether
the graph has arcs of negative cost, `sha256` is that of the unpacked file.

Given to all under CC0 1.0. A solver that returns less than the value, or more with a proof, is
wrong; so is one that calls the value infeasible.
"""
INDEX, HOW = "index.tsv", "README.md"
_COLUMNS = ("name", "nodes", "arcs", "negative", "limit", "status", "value", "sha256")


def write(library: Library, entries: Iterable[Entry], folder: str | Path) -> Iterator[Path]:
    """Write the graphs of some entries, a table of them, and how they are to be read.

    Entries of other problems are passed over.

    Yields
    ------
    Path
        Each file, once it is there.

    Raises
    ------
    InputError
        If the folder has a table or a README of somebody else's.
    """
    out = Path(folder)
    rows = ["\t".join(_COLUMNS)]
    for name, begin in ((INDEX, rows[0]), (HOW, README.splitlines()[0])):
        _ours(out / name, begin)
    for entry in entries:
        if entry.problem != PROBLEM:
            continue
        instance = problems.read_instance(library.instance_path(entry.name))
        if not isinstance(instance, Instance):
            raise TypeError(f"{entry.name}: expected an instance of {PROBLEM}")
        text, row = _graph(instance)
        path = out / f"{entry.name}.arcs.gz"
        files.write_bytes(path, text.encode())
        known = (entry.status, _value(entry), hashlib.sha256(text.encode()).hexdigest())
        rows.append("\t".join(map(str, (entry.name, *row, *known))))
        yield path
    for name, content in ((INDEX, "\n".join(rows) + "\n"), (HOW, README)):
        files.write_bytes(out / name, content.encode())
        yield out / name


def _ours(path: Path, begin: str) -> None:
    """Check that a file is absent or begins like ours, before it is written over."""
    if path.is_file() and not path.read_bytes().startswith(begin.encode()):
        raise InputError("", "expected a folder without one of somebody else's", str(path))


def _graph(instance: Instance) -> tuple[str, tuple[int, int, str, int | str]]:
    """Return the file's text, and number of nodes and arcs, whether costs are negative, limit."""
    arcs, states = graph.state_arcs(instance), len(instance.states[1])
    ends = np.flatnonzero(graph.state_cells(instance) == instance.end)
    zero = np.zeros_like(ends)
    closing = (ends, np.full_like(ends, states), zero, zero)
    found = (arcs.tail, arcs.head, arcs.cost, arcs.energy)
    columns = [np.append(x, y) for x, y in zip(found, closing, strict=True)]
    limit = "none" if instance.energy_budget_mj is None else instance.energy_budget_mj
    head = [
        "# opt-istn/arcs 1",
        f"# {instance.name} {instance.sha256}",
        f"nodes {states + 1}",
        f"arcs {len(columns[0])}",
        f"source {graph.start_state(instance)}",
        f"target {states}",
        f"limit {limit}",
    ]
    lines = (" ".join(map(str, arc)) for arc in zip(*(x.tolist() for x in columns), strict=True))
    text = "\n".join([*head, *lines]) + "\n"
    negative = "yes" if (columns[2] < 0).any() else "no"
    return text, (states + 1, len(columns[0]), negative, limit)


def _value(entry: Entry) -> str:
    """Return the optimal value, or the range that it lies in; a dash if there is none."""
    if entry.status in (Status.INFEASIBLE, Status.UNBOUNDED):
        return "-"
    ends = ("-" if value is None else str(value) for value in (entry.bound, entry.cost))
    return " to ".join(dict.fromkeys(ends))
