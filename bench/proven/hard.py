"""`python -m bench.proven.hard`: the hard regime of the exact PUSH engines, as `bench/hard.md`.

One user and one thread a run; the cache, the slots and the requests grow. Every run is a record in
``bench/records/hard.jsonl``, appended when it ends: killed and started again, the measurement goes
on where it was. Then every instance gets a certificate as far as time allows, beside the records,
and the page is written whole if `verify` has nothing against a record. ``--quick`` does all that
on three instances in some minutes, in ``out``, and leaves the page alone; ``--long`` runs an hour
where minutes leave something open. What it all means is in `bench/hard-notes.md`, by hand.
"""

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import pages
from opt_istn import Budget, Status
from opt_istn.evidence.certify import certify_records
from opt_istn.report.numbers import statistics
from opt_istn.runs import ledger
from opt_istn.runs.audit import audited, summarise
from opt_istn.runs.compare import Choice, Comparison
from opt_istn.runs.ledger import Record, Source

OUT = pages.HERE.parent / "out"
MEMORY_MB = 4096
ENGINES = ("labels", "forward", "cpsat", "highs")
# an engine as it was before: what the rows that it separates are worth on the same machine
WITHOUT = "highs without rows"
SOLVERS: dict[str, Choice] = {
    **{name: Choice(f"push.{name}") for name in (*ENGINES, "anneal", "interval", "literal")},
    WITHOUT: Choice("push.highs", {"rows": "false"}),
}
ORDER = (*ENGINES, WITHOUT, "interval", "literal", "anneal", "certificate")


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
WIDE = [Cell(L, T, R) for T, R, L in ((18, 91, 10), (18, 547, 30), (180, 547, 10), (180, 547, 30))]
OPEN = [Cell(30, 18, 547), Cell(10, 180, 547), Cell(30, 180, 547)]


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Parameters
    ----------
    records
        The file of records; certificates lie in the folder of the same name beside it.
    runs
        Cells, solver, seeds and time limit in seconds, in the order in which they are run.
    certify_s
        For the certificate of an instance.
    """

    records: Path
    runs: tuple[tuple[list[Cell], str, int, float], ...]
    certify_s: float

    @property
    def certificates(self) -> Path:
        """The folder with the certificates."""
        return self.records.with_suffix("")


LIMIT_S, CHECK_LIMIT_S, MINUTES_S, HOUR_S = 60.0, 120.0, 240.0, 3600.0
FULL = Plan(
    pages.HERE / "records" / "hard.jsonl",
    (
        *(([*GRID, *BETWEEN], name, 1, LIMIT_S) for name in ENGINES),
        ([*BETWEEN, *WIDE], WITHOUT, 1, LIMIT_S),
        (OPEN, "anneal", 1, 15.0),
        (OPEN, "highs", 1, MINUTES_S),
        (GRID[:5], "interval", 1, LIMIT_S),  # the model of highs through Pyomo
        (LITERAL, "literal", 1, LIMIT_S),
        *((CHECKS, name, CHECK_SEEDS, CHECK_LIMIT_S) for name in ("labels", "forward")),
        (SPARSE, "cpsat", CHECK_SEEDS, CHECK_LIMIT_S),
        ([Cell(6, 18, 91)], "highs", CHECK_SEEDS, CHECK_LIMIT_S),
    ),
    600.0,
)
LONG = Plan(FULL.records, (*FULL.runs, (OPEN, "highs", 1, HOUR_S)), HOUR_S)
_SMALL = [Cell(L, 18, 91) for L in (1, 3, 5)]
QUICK = Plan(
    OUT / "hard-quick.jsonl",
    tuple((_SMALL, name, 1, 10.0) for name in (*ENGINES, WITHOUT, "anneal")),
    5.0,
)


def measure(plan: Plan, jobs: int) -> Iterator[Record]:
    """Run what is missing."""
    plan.records.parent.mkdir(exist_ok=True)
    for cells, name, seeds, limit_s in plan.runs:
        budget = Budget(time_s=limit_s, memory_mb=MEMORY_MB)
        sources = [cell.source for cell in cells]
        yield from Comparison(sources, [SOLVERS[name]], seeds, budget).run(plan.records, jobs)


def cell_of(run: Record) -> Cell:
    """Return the cell a record belongs to."""
    given = run.source.overrides
    requests = round(float(given["requests_per_user"]))
    return Cell(int(given["cache_items"]), int(given["num_slots"]), requests)


def grid(runs: list[Record]) -> str:
    """Return the runs on the cells of the grid as a markdown table."""
    names = ("T", "requests", "L", "engine", "limit, s", "status", "cost, s", "bound, s", "gap %")
    more = ("left of saving %", "seconds", "nodes", "MiB", "rests on", "commit", "date", "load")
    lines = [_line(*names, *more), "|---" * (len(names) + len(more)) + "|"]
    standing = {x.sha256: str(x.standing) for x in summarise(runs)}
    cells = {*GRID, *BETWEEN}
    mine = [run for run in runs if cell_of(run) in cells and not run.source.seed]

    def place(run: Record) -> tuple[object, ...]:
        return (*_place(run), ORDER.index(_engine(run)), run.limits.time_s or 0.0)

    for run in sorted(mine, key=place):
        cell = cell_of(run)
        where = (cell.slots, cell.requests, cell.places, _engine(run))
        limit = "" if run.limits.time_s is None else f"{run.limits.time_s:g}"
        lines.append(_line(*where, limit, *_outcome(run), standing[run.sha256], *_origin(run)))
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
    name = run.solver.removeprefix("push.")
    return WITHOUT if name == "highs" and run.parameters.get("rows") is False else name


def _origin(run: Record) -> Iterable[str]:
    """Return commit, date and load of a run as texts."""
    load = run.extra.get("load")
    yield run.commit[:10] + "+" * bool(run.dirty)
    yield run.time[:10]
    yield "unknown" if load is None else f"{load:.1f}"


def _outcome(run: Record) -> Iterable[str]:
    """Return status, cost, bound, both gaps, seconds, nodes and memory of a run as texts."""
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
    yield "" if run.wall_s is None else f"{run.wall_s:.3g}"
    yield from (str(run.detail.get("work", "")), memory)


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def page(runs: list[Record], records: Path) -> str:
    """Return the page; comments count what the records say of their instances, for the tests."""
    mark = pages.mark(runs, records)
    words = (
        "Written by `python -m bench.proven.hard`: one user, one thread. A row's last columns\n"
        "say what the instance's outcome rests on, and with which sources, when and beside what\n"
        f"load it was run; `+` marks sources that were changed. *{WITHOUT}* is the engine before\n"
        "it separated rows. Nodes are what an engine counts: of a tree, sweeps (`labels`),\n"
        "deterministic time (`cpsat`)."
    )
    parts = ["# The hard regime of PUSH", words, grid(runs), mark]
    parts += ["## Cross-checks", checks(runs), mark]
    parts += ["## Runs", pages.provenance(runs), mark]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Measure, certify and check what is missing; write the page if all records are in order."""
    parser = argparse.ArgumentParser(prog="python -m bench.proven.hard")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", dest="plan", const=QUICK, default=FULL)
    size.add_argument("--long", action="store_const", dest="plan", const=LONG)
    given = parser.parse_args()
    plan: Plan = given.plan
    for run in measure(plan, given.jobs):
        print(_engine(run), cell_of(run), run.source.seed, *_outcome(run), flush=True)
    for done in certify_records(plan.records, plan.certificates, Budget(plan.certify_s)):
        print(done.instance, done.reason or "has a certificate", flush=True)
    records = list(ledger.read(plan.records))
    target = OUT / "hard-quick.md" if plan is QUICK else pages.HERE / "hard.md"
    text = page(audited(records), plan.records)
    return pages.write_checked(target, text, records, plan.certificates)


if __name__ == "__main__":
    raise SystemExit(main())
