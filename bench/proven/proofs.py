"""`python -m bench.proven.proofs [GROUP...]`: what it takes to prove each user of PUSH, as a table.

Every user is proven by itself on one core, and what that took is a line of ``bench/proofs.jsonl``:
seconds of the processor with the annealing, relaxations, the size of the tree, and what checking
it takes. Searches are kept in ``out/proofs``: killed and started again, they go on where they were.
Instances whose users are all proven get a certificate and a plan there. ``--table`` runs nothing.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec

from bench.proven.hard import Cell
from formulations.push.proof.leaves import Tree
from formulations.push.proof.prove import ProofTask, prove, prove_task, tasks_of
from opt_istn import Budget, files, generate, verifier
from opt_istn.evidence import certificates
from opt_istn.push.instance import Instance
from opt_istn.runs.ledger import Source
from opt_istn.runs.nursery.processes import die_with_parent

HERE = Path(__file__).parents[1]
RECORDS, OUT = HERE / "proofs.jsonl", HERE.parent / "out" / "proofs"
AIM_S = 30.0  # of one user of the paper's scale
SEEDED = ("push-paper-v2", "push-paper", "push-paper-wide-v2", "push-paper-wide")
CELLS = {f"push-paper-one-{places}": Cell(places, 18, 91) for places in (7, 8, 9, 10)}
GROUPS = (*SEEDED, *CELLS, "push-cache-20-v2")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What was proven of a user.

    Parameters
    ----------
    cost_us, bound_us
        Of the best plan, and by the tree.
    seconds, relaxations
        Of the processor, and solved, over all searches.
    leaves, integers, bytes
        Of the tree: leaves, multipliers, JSON.
    check_s
        Seconds of the processor that the verifier took.
    commit, time
        When the last search ended.
    """

    instance: str
    sha256: str
    user: int
    cost_us: int
    bound_us: int
    seconds: float
    relaxations: int
    leaves: int
    integers: int
    bytes: int
    check_s: float
    commit: str
    time: str


def subjects(groups: list[str], seeds: int) -> Iterator[Any]:
    """Yield the instances of some groups: the first seeds of each."""
    for name in groups:
        source = CELLS[name].source if name in CELLS else Source(preset=name)
        for seed in range(seeds if name in SEEDED else 1):
            label = f"{name}-{seed}"
            yield generate(source.preset or name, seed, label, **source.overrides)


def rows() -> dict[tuple[str, int], Row]:
    """Return the last line of each user."""
    lines = RECORDS.read_bytes().splitlines() if RECORDS.exists() else []
    found = [msgspec.json.decode(line, type=Row) for line in lines]
    return {(row.sha256, row.user): row for row in found}


def measure(instance: Instance, jobs: int, seconds: float) -> None:
    """Prove the users that no line says are proven, and append a line for each."""
    known, folder = rows(), OUT / instance.name
    tasks = tasks_of(instance, None, folder)
    closed = [x for t in tasks if (x := known.get((t.instance, t.user))) and _closed(x)]
    todo = [t for t in tasks if t.user not in {row.user for row in closed}]
    with ProcessPoolExecutor(jobs, get_context("spawn"), die_with_parent) as pool:
        for row in pool.map(partial(_prove, instance.name, seconds, _commit()), todo):
            with open(RECORDS, "ab") as stream:
                stream.write(msgspec.json.encode(row) + b"\n")
            print(_told(row), flush=True)
    _certify(instance, folder)


def _closed(row: Row) -> bool:
    return row.cost_us == row.bound_us


def _prove(name: str, seconds: float, commit: str, task: ProofTask) -> Row:
    """Prove a user for some seconds of the processor, and check what that gives."""
    began = time.process_time()
    proof = prove_task(task, lambda: time.process_time() - began >= seconds)
    user = verifier.User(task.fields, 0, task.requests)
    began = time.process_time()
    bound_us = verifier.user_bound(user, json.loads(json.dumps(proof.tree)), proof.denominator)
    check_s = time.process_time() - began
    if bound_us < proof.bound_us:
        raise SystemExit(f"{name}, user {task.user}: {bound_us} is proven, not {proof.bound_us}")
    leaves, integers = size(proof.tree)
    return Row(
        instance=name,
        sha256=task.instance,
        user=task.user,
        cost_us=proof.cost_us,
        bound_us=proof.bound_us,
        seconds=round(proof.seconds, 2),
        relaxations=proof.relaxations,
        leaves=leaves,
        integers=integers,
        bytes=len(msgspec.json.encode(proof.tree)),
        check_s=round(check_s, 3),
        commit=commit,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def size(tree: Tree) -> tuple[int, int]:
    """Return leaves and multipliers of a tree."""
    if tree[0] != "ask":
        return 1, len(tree) - 1
    (a, b), (c, d) = size(tree[2]), size(tree[3])
    return a + c, b + d


def _certify(instance: Instance, folder: Path) -> None:
    """Write certificate and plan of an instance whose users are all proven, and check them."""
    known = rows()
    mine = [known.get((instance.sha256, u)) for u in range(instance.num_users)]
    kept = len(list(folder.glob("user-*.json.gz")))
    positions = [row for row in mine if row and row.relaxations]
    if not all(row and _closed(row) for row in mine) or kept < len(positions):
        return  # or the searches lie on another machine
    proof, plan = prove(instance, Budget(time_s=1.0), None, folder)
    bound = certificates.check(instance, proof).bound
    if certificates.cost_of(instance, plan) != bound:
        raise SystemExit(f"{instance.name}: the plan is not of cost {bound}")
    files.write_document(OUT / f"{instance.name}.cert.json.gz", proof)
    instance.write(OUT / f"{instance.name}.json.gz")
    plan.write(OUT / f"{instance.name}.plan.json")
    print(f"{instance.name}: certified, {bound}", flush=True)


def _commit() -> str:
    """Return the commit, and whether code differs from it: these lines themselves do not count."""

    def said(*words: str) -> str:
        command = ["git", "-C", str(HERE.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    changed = said("status", "--porcelain", "--", "*.py")
    return said("rev-parse", "--short=12", "HEAD") + "-dirty" * bool(changed)


def _told(row: Row) -> str:
    left = "" if _closed(row) else f", open: {row.bound_us} to {row.cost_us} us"
    return f"{row.instance} user {row.user}: {row.seconds:.1f} s, {row.leaves} leaves{left}"


def table() -> str:
    """Return the lines, summed up by instance, as a markdown table."""
    titles = (
        *("instance", "users", "proven", "s, all", "s, most", "relaxations, most", "leaves, most"),
        *("multipliers", "kB", "check s, most", "left, us"),
    )
    groups: dict[str, list[Row]] = {}
    for row in rows().values():
        groups.setdefault(row.instance, []).append(row)
    lines = [_line(titles), "|---" * len(titles) + "|"]
    for name, mine in groups.items():
        lines.append(_line((name, *_summed(mine))))
    slow = [row for row in rows().values() if row.seconds >= AIM_S or not _closed(row)]
    return "\n".join([*lines, "", f"Users over {AIM_S:g} s or open:", *map(_told, slow)])


def _summed(mine: list[Row]) -> tuple[Any, ...]:
    def most(name: str) -> Any:
        return max(getattr(row, name) for row in mine)

    return (
        len(mine),
        sum(map(_closed, mine)),
        f"{sum(row.seconds for row in mine):.1f}",
        f"{most('seconds'):.1f}",
        most("relaxations"),
        most("leaves"),
        sum(row.integers for row in mine),
        round(sum(row.bytes for row in mine) / 1000),
        most("check_s"),
        sum(row.cost_us - row.bound_us for row in mine),
    )


def _line(cells: tuple[Any, ...]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", default=SEEDED, help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--seconds", type=float, default=300.0, help="of the processor, a user")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=10, help="first ones of each group")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    for subject in [] if arguments.table else subjects(arguments.groups, arguments.seeds):
        measure(subject, arguments.jobs, arguments.seconds)
    print(table())
