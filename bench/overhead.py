"""`python -m bench.overhead`: what a comparison itself costs, on an idle machine.

Prints, as one JSON object, the CPU milliseconds that the parent and the process that forks spend on
a run (2,000 runs of a policy on one instance), and how much faster 200 equal runs of 0.2 s are with
two jobs than with one. `load` says what else the machine did.
"""

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from opt_istn.jutap.instance import Instance
from opt_istn.problems import of_preset
from opt_istn.runs import audit, ledger
from opt_istn.runs.compare import Choice, Comparison
from opt_istn.runs.ledger import Source
from opt_istn.solver import Budget, Claims, Status

PRESET = "jutap-tiny"
SECONDS = 0.2


@dataclass(frozen=True)
class Steady:
    """A solver that takes 0.2 s of the processor and finds nothing."""

    stochastic = True

    def supports(self, instance: Instance) -> str | None:  # noqa: ARG002 - the protocol's
        """Every instance is supported."""
        return None

    def prepare(self) -> None:
        """There is nothing to prepare."""

    def solve(self, instance: Instance, budget: Budget, seed: int) -> Claims:  # noqa: ARG002
        """Count until the time is over."""
        end = time.process_time() + SECONDS
        while time.process_time() < end:
            pass
        return Claims(Status.NO_PLAN)


def per_run(runs: int, folder: Path) -> dict[str, float]:
    """Return the CPU milliseconds of a run: the parent's, the forking process's, and reading's."""
    comparison = Comparison([_source(folder)], [Choice("jutap.random")], solver_seeds=runs)
    path = folder / "runs.jsonl"
    before, parent = _forking(), time.process_time()
    for _ in comparison.run(path, jobs=1):
        pass
    spent = time.process_time() - parent
    found = {"parent_ms": spent, "forking_ms": _forking() - before}
    start = time.process_time()
    audit.together(ledger.read(path))
    found["reading_ms"] = time.process_time() - start
    return {name: 1000 * seconds / runs for name, seconds in found.items()}


def speed_up(runs: int, folder: Path) -> dict[str, float]:
    """Return the wall seconds of equal runs with one and with two jobs, and their ratio."""
    walls = {}
    for jobs in (1, 2):
        choice = Choice("bench.overhead:Steady")
        comparison = Comparison([_source(folder)], [choice], solver_seeds=runs)
        start = time.perf_counter()
        for _ in comparison.run(folder / f"jobs-{jobs}.jsonl", jobs=jobs):
            pass
        walls[jobs] = time.perf_counter() - start
    return {"one_job_s": walls[1], "two_jobs_s": walls[2], "speed_up": walls[1] / walls[2]}


def _source(folder: Path) -> Source:
    problem, path = of_preset(PRESET), folder / "instance.json"
    made: Any = problem.generate(problem.scenario(PRESET, {}), 0, PRESET)
    made.write(path)
    return Source(file=str(path))


def _forking() -> float:
    """Return the CPU seconds so far of the processes that fork runs, without what they forked."""
    every = [child.cpu_times() for child in psutil.Process().children()]
    return float(sum(times.user + times.system for times in every))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.overhead")
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--equal", type=int, default=200)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        found = {**per_run(given.runs, Path(name)), **speed_up(given.equal, Path(name))}
    print(json.dumps({"load": load, **found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
