"""`python -m bench.proven.library`: build the library of certified instances that is installed.

What has a certificate is left as it is; everything else is generated, proven and added, and the
planted falsehoods are made anew. Those that are hard get a certificate of what is proven in
`HARD_S`; `--again NAME` searches for a better one. `--check` builds nothing: it checks every entry
and puts what that took into the index.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.proven.falsehoods import plant
from bench.proven.hard import Cell
from opt_istn import Budget, files, generate, registry
from opt_istn.library import contribute, shelf
from opt_istn.library.shelf import INSTALLED, Library
from opt_istn.problems import Instance
from opt_istn.runs.audit import Standing
from opt_istn.testing.jutap import random_jutap

BY = "opt-istn"
TIME_S, HARD_S = 900.0, 300.0
HARD = ("push-cache-20-v2-0",)  # bounded
Subject = tuple[str, str, Callable[[], Instance]]  # name, note, how to make it


def _preset(preset: str, seed: int, note: str, tag: str = "", **changes: Any) -> Subject:
    """Return an instance of a preset, named after it and a word for the changes."""
    name = "-".join(filter(None, (preset, tag, str(seed))))
    return name, note, lambda: generate(preset, seed, name, **changes)


def _random(name: str, seed: int, note: str, **options: Any) -> Subject:
    """Return a small random map with something rare about it."""
    return (
        name,
        note,
        lambda: replace(random_jutap(np.random.default_rng(seed), **options), name=name),
    )


def subjects() -> Iterator[Subject]:
    """Yield what the library holds, easy ones first."""
    yield from _maps()
    yield from _readings()
    yield from _oddities()
    yield from _budgets()
    for seed in range(3):
        yield _preset("push-tiny-v2", seed, "two users, four slots")
    for seed in range(10):
        yield _preset("push-paper-v2", seed, "six users, the paper's caches")
    yield _preset("push-paper", 0, "six users, the first reading")
    yield _preset("push-paper-flat-v2", 0, "demand that does not concentrate")
    yield _preset("push-paper-links-v2", 0, "link states in every slot")
    for seed in (0, 1, 2, 3, 5, 7, 8, 9):
        yield _preset("push-paper-wide-v2", seed, "wide caches")
    note, hard = "one user with 7 places: where few engines follow", Cell(7, 18, 91).source
    yield _preset("push-paper", 0, note, "one-7", **hard.overrides)
    note = "three of a fleet's 600 users"
    yield "push-fleet-v2-0-sample", note, lambda: _sample("push-fleet-v2", 0, range(0, 600, 200))
    yield _preset("push-cache-20-v2", 0, "six users with 20 places: hard")


def _sample(preset: str, seed: int, users: range) -> Instance:
    """Return an instance of some of the users: they share nothing, so it is one in itself."""
    fleet: Any = generate(preset, seed)
    some, rows = np.array(users), fleet.requests
    mine = np.isin(rows[:, 0], some)
    requests = np.column_stack([np.searchsorted(some, rows[mine, 0]), rows[mine, 1:]])
    parts = {name: getattr(fleet, name)[some] for name in ("cache_size", "roi", "link_up")}
    return replace(
        fleet,
        name=f"{preset}-{seed}-sample",
        requests=requests,
        origin=None,
        scenario={"fleet": f"{preset}-{seed}", "users": some.tolist()},
        **parts,
    )


def _maps() -> Iterator[Subject]:
    yield _preset("jutap-tiny", 0, "4 x 4 cells")
    for seed in range(5):
        yield _preset("jutap-paper-v2", seed, "the paper's map")
    for seed in range(3):
        yield _preset("jutap-paper-terrestrial-v2", seed, "the paper's map, no satellite")
    note = "leaving a hole for GEO is a handover"
    yield _preset("jutap-paper", 2, note, "handover", hole_to_geo="handover")
    note = "the printed reward (6)-(7) in place of (4)"
    yield _preset("jutap-paper", 0, note, "reward", reward="paper")
    cyclic = {"costs": "cyclic", "grid": 4, "num_mbs": 2}
    yield _random("jutap-unbounded", 1, "a negative cycle, no budget", budget="none", **cyclic)
    yield _random("jutap-cycle-budget", 1, "a negative cycle, a budget", budget="binding", **cyclic)
    yield _random("jutap-cut-off", 5, "nothing leads to END", cut_off=True, grid=4, budget="none")


def _readings() -> Iterator[Subject]:
    """Yield maps under other readings of handover and reconnection, and larger ones."""
    yield _preset("jutap-paper-v2", 0, "reconnecting pays nothing", "nobonus", hole_bonus="none")
    yield _preset("jutap-paper-v2", 1, "reconnecting pays once", "once", hole_bonus="once")
    note = "weights of energy, handover and disconnectivity that make holes attractive"
    yield _preset("jutap-paper-v2", 1, note, "harvest", w1=0.1, w2=0.6, w3=0.3)
    yield _preset("jutap-paper-v2", 2, "every station interferes", "crowded", interference="all")
    yield _preset("jutap-paper-v2", 1, "strongest station only", "nearest", association="strongest")
    region = {"grid": 100, "num_mbs": 4}
    yield _preset("jutap-region", 0, "100 x 100 cells as sparse as a region", "part", **region)


def _oddities() -> Iterator[Subject]:
    """Yield small random maps on which solvers err."""
    yield _random(
        "jutap-one-row", 3, "cells of one row only", one_row=True, grid=4, budget="binding"
    )
    yield _random("jutap-no-fly", 4, "two cells in five have no link", no_fly=0.4, grid=6)
    yield _random("jutap-ties", 5, "costs of 0, 1 and 2", costs="ties", budget="binding", grid=6)
    rare = {"start_in_hole": True, "hole_bonus": "once", "costs": "cyclic"}
    yield _random("jutap-in-hole", 6, "START in a hole, paid once", budget="none", grid=5, **rare)
    rare = {"association": "strongest", "costs": "negative", "budget": "binding"}
    yield _random("jutap-negative", 7, "negative costs, strongest station only", grid=6, **rare)
    rare = {"costs": "cyclic", "budget": "tight", "grid": 5, "num_mbs": 2}
    note = "a negative cycle, a budget without a mJ to spare"
    yield _random("jutap-cycle-tight", 8, note, **rare)


def _budgets() -> Iterator[Subject]:
    yield _preset("jutap-tiny-k1.02", 1, "a budget that does not bind")
    for preset, seed in (("k1.02", 0), ("k1.02", 2), ("k1.05", 0), ("k1.05", 2)):
        yield _preset(f"jutap-paper-{preset}", seed, "a budget that binds")
    for preset, seed in (("k1.02", 0), ("k1.05", 2)):
        yield _preset(
            f"jutap-paper-terrestrial-{preset}", seed, "a budget that binds, no satellite"
        )
    yield _preset("jutap-paper-k1.10", 1, "a budget that hardly binds")
    yield _preset("jutap-paper-terrestrial-k1.10", 1, "a budget that hardly binds, no satellite")
    note = "leaving a hole for GEO is a handover, a budget"
    yield _preset("jutap-paper-k1.05", 1, note, "handover", hole_to_geo="handover")
    region = {"grid": 60, "num_mbs": 3}
    yield _preset("jutap-region-k1.05", 1, "60 x 60 cells as sparse as a region", "part", **region)
    yield _preset("jutap-paper-k1.02", 0, "leaving a hole pays once", "once", hole_bonus="once")
    yield _preset("jutap-paper", 0, "1 % less energy than any walk needs", "k0.99", kappa=0.99)
    yield _preset("jutap-city-k1.02", 0, "200 x 200 cells")


def build(library: Library, again: str = "") -> None:
    """Add what has no certificate yet, or is named `again`, and plant the falsehoods."""
    known = {entry.sha256: entry for entry in library.entries()}
    for name, note, make in subjects():
        instance = make()
        entry = known.get(instance.sha256)
        if entry is None or entry.standing == Standing.OPEN or entry.name == again:
            for line in _prove(library, instance, name, note):
                print(line.name, line.what, line.value, line.verdict, line.reason, flush=True)
    plant(library)
    for lie in library.wrong():
        said = shelf.refute(library, lie)
        if not said:
            raise SystemExit(f"{lie.name}: it is not refused")
        print(lie.name, said, sep=": ")


def measure(library: Library) -> None:
    """Check every entry, and put what that took into the index."""
    entries = []
    for entry in library.entries():
        found, wrong = shelf.check(library, entry)
        if wrong:
            raise SystemExit(f"{entry.name}: {wrong}")
        print(entry.name, entry.check_s, found.check_s, flush=True)
        entries.append(found)
    library.write(entries)


def _prove(library: Library, instance: Instance, name: str, note: str) -> list[contribute.Line]:
    budget = Budget(time_s=HARD_S if name in HARD else TIME_S)
    proof, best = registry.prover(instance.problem)(instance, budget, None)
    with tempfile.TemporaryDirectory() as folder:
        plan, certificate = Path(folder) / "plan.json", Path(folder) / "certificate.json"
        if best is not None:
            best.write(plan)
        if proof is not None:
            files.write_document(certificate, proof)
        given = [path if path.exists() else None for path in (plan, certificate)]
        return contribute.add(library, instance, BY, *given, name, note)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=INSTALLED)
    parser.add_argument("--again", default="", metavar="NAME", help="entry to be proven anew")
    parser.add_argument("--check", action="store_true", help="measure checking, build nothing")
    arguments = parser.parse_args()
    if arguments.check:
        measure(Library(arguments.folder))
    else:
        build(Library(arguments.folder), arguments.again)
