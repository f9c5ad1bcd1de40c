"""`python -m bench.time_limits`: how long solvers go on after their time limits.

Every solver that needs no file runs on every instance of the library and on two presets. What
counts are the seconds of the processor that it spends after the limit, by its clock on the wall: on
an idle machine they are the overrun, and on a busy one other processes are not held against it. The
clock starts as in `compare`: the solver is prepared, instance and solver have not met. A solver's
runs share one process, of which the first is cold.

Rows are added to ``out/time_limits.jsonl``, and what is there is not run again; the page
``bench/time_limits.md`` is made of it. The exit code is 1 if a run went on for more than half a
second, or a tenth of its limit.
"""

import argparse
import gc
import os
import pickle
import time
from collections.abc import Iterator, Sequence
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from opt_istn import files, problems, registry
from opt_istn.files import InputError
from opt_istn.library.shelf import Library
from opt_istn.runs.nursery import packing, processes
from opt_istn.solver import Budget
from opt_istn.version import source_commit

PRESETS = ("push-paper-wide", "jutap-paper-k1.05")
LIMITS_S = (0.05, 1.0)
PATIENCE_S = 120.0  # after which a run is killed
ROWS, PAGE = Path("out/time_limits.jsonl"), Path("bench/time_limits.md")
REFUSED, CRASHED = "refused", "crashed"


class Row(msgspec.Struct, frozen=True):
    """A run: solver, instance, limit; what came of it; seconds of the processor in all and late."""

    solver: str
    instance: str
    limit_s: float
    status: str
    cpu_s: float
    late_s: float

    @property
    def overran(self) -> bool:
        """Whether it went on for longer than is promised."""
        return self.late_s > allowed_s(self.limit_s) or self.status == CRASHED


_NOTHING = Row("", "", 0.0, REFUSED, 0.0, 0.0)


def allowed_s(limit_s: float) -> float:
    """Return the seconds that a solver may go on after its limit."""
    return max(0.5, 0.1 * limit_s)


def solvers() -> list[str]:
    """Return the solvers that can be made as they are; agents need an agent file."""
    found = []
    for name in registry.names():
        try:
            registry.make(name, name.partition(".")[0], {})
        except InputError:
            continue
        found.append(name)
    return found


def instances(problem: str) -> list[str]:
    """Return the names of all entries of the library, and of two presets that are long to solve."""
    entries = [entry.name for entry in Library().entries() if entry.problem == problem]
    return [*entries, *(name for name in PRESETS if name.startswith(f"{problem}-"))]


@cache
def parts(name: str) -> Sequence[bytes]:
    """Return an entry of the library, or a preset's instance of seed 0, as runs get it."""
    if name in PRESETS:
        problem = problems.of_preset(name)
        return packing.pack(problem.generate(problem.scenario(name, {}), 0, name))
    return packing.pack(problems.read_instance(Library().instance_path(name)))


def _serve(solver_id: str, problem: str, pipe: Connection) -> None:
    """Solve what comes through the pipe, until the other side closes it."""
    solver = registry.make(solver_id, problem, {})
    solver.prepare()
    while (job := pipe.recv()) is not None:
        (head, *buffers), limit_s = job
        instance = pickle.loads(head, buffers=buffers)
        gc.collect()
        pipe.send(time.process_time())
        status = REFUSED
        if solver.supports(instance) is None:
            status = solver.solve(instance, Budget(time_s=limit_s), 0).status.value
        pipe.send((status, time.process_time()))


def measured(solver: str, jobs: Sequence[tuple[str, float]]) -> Iterator[Row]:
    """Yield a row for each instance and limit, one after another in one process."""
    context = get_context("fork")
    loaded = [parts(name) for name, _ in jobs]  # before the process forks: it is not sent twice
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_serve, args=(solver, _problem(jobs[0][0]), theirs), daemon=True
    )
    process.start()
    theirs.close()
    try:
        for (name, limit_s), packed in zip(jobs, loaded, strict=True):
            ours.send((packed, limit_s))
            begin = ours.recv()
            late_from = None
            if not ours.poll(limit_s):
                late_from = processes.cpu_s(int(process.pid or 0))
            if not ours.poll(PATIENCE_S):
                spent = processes.cpu_s(int(process.pid or 0))
                yield Row(solver, name, limit_s, CRASHED, spent - begin, spent - (late_from or 0.0))
                return
            status, end = ours.recv()
            late_s = 0.0 if late_from is None else max(0.0, end - late_from)
            yield Row(solver, name, limit_s, status, end - begin, late_s)
        ours.send(None)
    except EOFError:
        yield Row(solver, name, limit_s, CRASHED, 0.0, 0.0)
    finally:
        process.kill()
        process.join()


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the page's table: a solver's worst overrun at each limit, and where."""
    limits = sorted({row.limit_s for row in rows})
    heads = [f"limit {limit:g} s: runs | reached it | CPU s after it, at most" for limit in limits]
    yield f"| solver | {' | '.join(heads)} |"
    yield f"|---|{'---:|---:|---|' * len(limits)}"
    for solver in sorted({row.solver for row in rows}):
        cells = []
        for limit in limits:
            runs = [x for x in rows if (x.solver, x.limit_s) == (solver, limit)]
            taken = [x for x in runs if x.status != REFUSED]
            worst = max(runs, key=lambda x: x.late_s, default=_NOTHING)
            where = f" ({worst.instance})" if worst.late_s >= 0.005 else ""
            reached = sum(x.late_s > 0 for x in taken)
            cells.append(f"{len(taken)} of {len(runs)} | {reached} | {worst.late_s:.2f}{where}")
        yield f"| `{solver}` | {' | '.join(cells)} |"


def page(rows: Sequence[Row]) -> str:
    """Return the page."""
    over = [row for row in rows if row.overran]
    told = [
        f"- `{x.solver}` on {x.instance}, limit {x.limit_s:g} s: {x.late_s:.2f} s, {x.status}"
        for x in sorted(over, key=lambda x: -x.late_s)
    ]
    words = (__doc__ or "").partition("\n\n")[2].partition("\n\nRows are")[0]
    kept = f"{len(rows) - len(over)} runs kept it, {len(over)} did not."
    where = f"commit {source_commit()[:10]}, load {os.getloadavg()[2]:.0f} at the end"
    made = f"{len(rows)} runs of `python -m bench.time_limits`, {where}."
    promised = "Promised is half a second at most, or a tenth of the limit"
    lines = ["# Time limits\n", made, f"{words}\n\n{promised}: {kept}\n"]
    return "\n".join([*lines, *([*told, ""] if told else []), *table(rows), ""])


def main() -> int:
    """Run what is not there yet, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--solvers", default=",".join(solvers()))
    parser.add_argument("--limits", default=",".join(map(str, LIMITS_S)))
    parser.add_argument("--instances", help="names from the library, or presets; all by default")
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    limits = [float(limit) for limit in given.limits.split(",")]
    given.rows.parent.mkdir(exist_ok=True)
    rows = list(_kept(given.rows))
    there = {(row.solver, row.instance, row.limit_s) for row in rows}
    for solver in given.solvers.split(","):
        chosen = given.instances.split(",") if given.instances else instances(_problem(solver))
        wanted = [(name, x) for name in chosen for x in limits]
        jobs = [job for job in wanted if (solver, *job) not in there]
        with open(given.rows, "ab", buffering=0) as out:
            for row in measured(solver, jobs) if jobs else ():
                rows.append(row)
                out.write(msgspec.json.encode(row) + b"\n")
                if row.overran:
                    print(row, flush=True)
        print(solver, "done", flush=True)
    files.write_bytes(given.page, page(rows).encode())
    return int(any(row.overran for row in rows))


def _kept(path: Path) -> Iterator[Row]:
    if path.exists():
        yield from msgspec.json.Decoder(Row).decode_lines(path.read_bytes())


def _problem(name: str) -> str:
    """Return the problem that a solver's id, or an instance's name, begins with."""
    return name.replace("-", ".").partition(".")[0]


if __name__ == "__main__":
    raise SystemExit(main())
