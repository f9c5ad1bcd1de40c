"""`python -m bench.library`: build the library of certified instances that is installed.

What is there and certified is left as it is; everything else is generated, proven and added, and
the planted falsehoods are made anew. From nothing it takes about ten minutes on one core.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.falsehoods import plant
from opt_istn import Budget, files, generate, registry
from opt_istn.library import contribute, shelf
from opt_istn.library.shelf import INSTALLED, Library
from opt_istn.problems import Instance
from opt_istn.runs.audit import Standing
from opt_istn.testing.jutap import random_jutap

BY = "opt-istn"
TIME_S = 900.0
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
    yield from _budgets()
    for seed in range(3):
        yield _preset("push-tiny-v2", seed, "two users, four slots")
    for seed in range(4):
        yield _preset("push-paper-v2", seed, "six users, the paper's caches")
    yield _preset("push-paper-flat-v2", 0, "demand that does not concentrate")
    yield _preset("push-paper-links-v2", 0, "link states in every slot")
    yield _preset("push-paper-wide-v2", 0, "wide caches")


def _maps() -> Iterator[Subject]:
    yield _preset("jutap-tiny", 0, "4 x 4 cells")
    for seed in range(3):
        yield _preset("jutap-paper-v2", seed, "the paper's map")
    for seed in range(2):
        yield _preset("jutap-paper-terrestrial-v2", seed, "the paper's map, no satellite")
    note = "leaving a hole for GEO is a handover"
    yield _preset("jutap-paper", 2, note, "handover", hole_to_geo="handover")
    note = "the printed reward (6)-(7) in place of (4)"
    yield _preset("jutap-paper", 0, note, "reward", reward="paper")
    cyclic = {"costs": "cyclic", "grid": 4, "num_mbs": 2}
    yield _random("jutap-unbounded", 1, "a negative cycle, no budget", budget="none", **cyclic)
    yield _random("jutap-cycle-budget", 1, "a negative cycle, a budget", budget="binding", **cyclic)
    yield _random("jutap-cut-off", 5, "nothing leads to END", cut_off=True, grid=4, budget="none")


def _budgets() -> Iterator[Subject]:
    yield _preset("jutap-tiny-k1.02", 1, "a budget that does not bind")
    for preset, seed in (("k1.02", 0), ("k1.02", 2), ("k1.05", 0), ("k1.05", 2)):
        yield _preset(f"jutap-paper-{preset}", seed, "a budget that binds")
    for preset, seed in (("k1.02", 0), ("k1.05", 2)):
        yield _preset(
            f"jutap-paper-terrestrial-{preset}", seed, "a budget that binds, no satellite"
        )
    yield _preset("jutap-paper-k1.02", 0, "leaving a hole pays once", "once", hole_bonus="once")
    yield _preset("jutap-paper", 0, "1 % less energy than any walk needs", "k0.99", kappa=0.99)
    yield _preset("jutap-city-k1.02", 0, "200 x 200 cells")


def build(library: Library) -> None:
    """Add what is not there or not certified, and plant the falsehoods."""
    known = {entry.sha256: entry for entry in library.entries()}
    for name, note, make in subjects():
        instance = make()
        entry = known.get(instance.sha256)
        if entry is None or entry.standing != Standing.CERTIFIED:
            for line in _prove(library, instance, name, note):
                print(line.name, line.what, line.value, line.verdict, line.reason, flush=True)
    plant(library)
    for lie in library.wrong():
        said = shelf.refute(library, lie)
        if not said:
            raise SystemExit(f"{lie.name}: it is not refused")
        print(lie.name, said, sep=": ")


def _prove(library: Library, instance: Instance, name: str, note: str) -> list[contribute.Line]:
    proof, best = registry.prover(instance.problem)(instance, Budget(time_s=TIME_S), None)
    with tempfile.TemporaryDirectory() as folder:
        plan, certificate = Path(folder) / "plan.json", Path(folder) / "certificate.json"
        if best is not None:
            best.write(plan)
        if proof is not None:
            files.write_document(certificate, proof)
        given = [path if path.exists() else None for path in (plan, certificate)]
        return contribute.add(library, instance, BY, *given, name, note)


if __name__ == "__main__":
    build(Library(Path(sys.argv[1])) if sys.argv[1:] else Library(INSTALLED))
