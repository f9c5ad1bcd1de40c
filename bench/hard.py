"""`python -m bench.hard`: the hard regime of the exact PUSH engines, as `bench/hard.md`.

One user and one thread a run; the cache, the slots and the requests grow. Every run is a record in
`out/hard.jsonl`, appended when it ends: killed and started again, the measurement goes on where it
was. The page is written whole; what it means is in `bench/hard-notes.md`, by hand.
"""

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import pages
from opt_istn import Budget, Status
from opt_istn.report import statistics
from opt_istn.runs import ledger
from opt_istn.runs.audit import audited, summarise
from opt_istn.runs.compare import Choice, Comparison
from opt_istn.runs.ledger import Record, Source

HERE = Path(__file__).parent
RUNS = HERE.parent / "out" / "hard.jsonl"
LIMIT_S, CHECK_LIMIT_S = 60.0, 120.0
MEMORY_MB = 4096
ENGINES = ("labels", "forward", "cpsat", "highs")
ORDER = (*ENGINES, "interval", "literal")


@dataclass(frozen=True)
class Cell:
    """One family of instances: places of the cache, slots, expected requests of the user."""

    places: int
    slots: int
    requests: int

    @property
    def source(self) -> Source:
        """Where the harness takes its instances from."""
        wanted = {"num_users": 1, "num_slots": self.slots, "cache_items": self.places}
        overrides = {name: str(value) for name, value in wanted.items()}
        overrides["requests_per_user"] = f"{self.requests}.0"
        if self.requests > 500:  # so many requests need contents from the whole region
            overrides["roi_fraction"] = "1.0"
        preset = "push-paper" if self.slots < 100 else "push-day"
        return Source(preset=preset, overrides=overrides)


GRID = [
    Cell(L, T, R)
    for T, R in ((18, 91), (18, 547), (180, 91), (180, 547))
    for L in (1, 3, 5, 10, 30)
]
BETWEEN = [Cell(L, 18, 91) for L in (6, 7, 8, 9)]
# where the literal model is worth a try: small, or with room for nearly everything
LITERAL = [Cell(1, 18, 91), Cell(3, 18, 91), *(x for x in GRID if x.places >= 10)]
SPARSE = [Cell(L, T, 91) for T in (18, 180) for L in (4, 5, 6)]
CHECKS = [*SPARSE, *(Cell(L, 180, 547) for L in (3, 4, 5))]
CHECK_SEEDS = 2


def measure(jobs: int) -> Iterator[Record]:
    """Run what is missing; the fastest engine first, so that a table is there early."""
    RUNS.parent.mkdir(exist_ok=True)
    for engine in ENGINES:
        yield from _run([*GRID, *BETWEEN], engine, 1, LIMIT_S, jobs)
    yield from _run(GRID[:5], "interval", 1, LIMIT_S, jobs)  # the model of highs through Pyomo
    yield from _run(LITERAL, "literal", 1, LIMIT_S, jobs)
    for engine in ("labels", "forward"):
        yield from _run(CHECKS, engine, CHECK_SEEDS, CHECK_LIMIT_S, jobs)
    yield from _run(SPARSE, "cpsat", CHECK_SEEDS, CHECK_LIMIT_S, jobs)
    yield from _run([Cell(6, 18, 91)], "highs", CHECK_SEEDS, CHECK_LIMIT_S, jobs)


def _run(cells: list[Cell], engine: str, seeds: int, limit_s: float, jobs: int) -> Iterator[Record]:
    budget = Budget(time_s=limit_s, memory_mb=MEMORY_MB)
    sources = [cell.source for cell in cells]
    comparison = Comparison(sources, [Choice(f"push.{engine}", {})], seeds, budget)
    yield from comparison.run(RUNS, jobs)


def cell_of(run: Record) -> Cell:
    """Return the cell a record belongs to."""
    given = run.source.overrides
    requests = round(float(given["requests_per_user"]))
    return Cell(int(given["cache_items"]), int(given["num_slots"]), requests)


def grid(runs: list[Record], limit_s: float) -> str:
    """Return the runs with a limit as a markdown table."""
    names = ("T", "requests", "L", "engine", "status", "cost, s", "bound, s", "gap %")
    lines = [_line(*names, "left of saving %", "seconds", "MiB"), "|---" * 11 + "|"]
    mine = [run for run in runs if run.limits.time_s == limit_s]
    for run in sorted(mine, key=lambda run: (*_place(run), ORDER.index(_engine(run)))):
        cell = cell_of(run)
        lines.append(_line(cell.slots, cell.requests, cell.places, _engine(run), *_outcome(run)))
    return "\n".join(lines)


def checks(runs: list[Record]) -> str:
    """Return the instances that two engines were to prove, as a markdown table."""
    names = ("T", "requests", "L", "seed", "optimum, us", "proven by", "seconds")
    lines = [_line(*names), "|---" * 7 + "|"]
    found = {summary.sha256: summary for summary in summarise(runs)}
    mine = [run for run in runs if cell_of(run) in CHECKS]
    by_instance = {run.sha256: run for run in sorted(mine, key=_place)}
    for sha256, run in by_instance.items():
        cell, summary = cell_of(run), found[sha256]
        proven = [r for r in runs if r.sha256 == sha256 and r.status == Status.OPTIMAL]
        seconds = {_engine(r): f"{r.wall_s:.3g}" for r in proven}
        value = summary.best_cost if summary.agreed else "open"
        cells = (cell.slots, cell.requests, cell.places, run.source.seed, value)
        lines.append(_line(*cells, ", ".join(seconds), ", ".join(seconds.values())))
    return "\n".join(lines)


def _place(run: Record) -> tuple[int, ...]:
    cell = cell_of(run)
    return cell.slots, cell.requests, cell.places, run.source.seed or 0


def _engine(run: Record) -> str:
    return run.solver.removeprefix("push.")


def _outcome(run: Record) -> Iterable[str]:
    """Return status, cost, bound, both gaps, seconds and memory of a run as texts."""
    never = run.terms.get("reference", run.terms.get("no_push_us"))
    apart, left = None, None
    if run.cost is not None and run.bound is not None and never is not None:
        apart = statistics.relative_gap(run.cost, run.bound, never)
        left = statistics.saving_left(run.cost, run.bound, never)
    memory = "" if run.peak_memory_mb is None else f"{run.peak_memory_mb:.0f}"
    yield run.failure or ("refused" if run.error else run.status)
    yield from ("" if value is None else f"{value / 1e6:.6f}" for value in (run.cost, run.bound))
    absent = "" if run.cost is None or run.bound is None else "n/a"
    yield from (absent if value is None else f"{100 * value:.2f}" for value in (apart, left))
    yield from ("" if run.wall_s is None else f"{run.wall_s:.3g}", memory)


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def write(runs: list[Record]) -> None:
    """Write `bench/hard.md`."""
    words = f"Written by `python -m bench.hard`; limit {LIMIT_S:g} s, one user, one thread."
    parts = ["# The hard regime of PUSH", words, grid(runs, LIMIT_S)]
    parts += ["## Cross-checks", checks(runs), "## Runs", pages.provenance(runs)]
    pages.write(HERE / "hard.md", "\n\n".join(parts) + "\n")


def main() -> int:
    """Measure what is missing and write the page after every run."""
    parser = argparse.ArgumentParser(prog="python -m bench.hard")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    for run in measure(parser.parse_args().jobs):
        print(_engine(run), cell_of(run), run.source.seed, *_outcome(run), flush=True)
        write(audited(ledger.read(RUNS)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
