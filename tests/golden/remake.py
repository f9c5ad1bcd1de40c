"""Make the golden set anew: ``python -m tests.golden.remake``.

Some seventy runs: every solver of both problems on two small instances each. The instances and the
agents stay as they are; only ``runs.jsonl`` is written again. Do so when a change of results is
meant, and say in CHANGELOG.md which and why.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opt_istn import Budget, registry
from opt_istn.runs.compare import Choice, Comparison
from opt_istn.runs.ledger import Record, Source

HERE = Path(__file__).parent
RUNS = "runs.jsonl"
STARTUP_S = 600  # a first compile takes 30 s of the processor, of which a test may get little
INSTANCES = {
    "jutap": ("jutap-free.json", "jutap-tight.json"),
    "push": ("push-image.json", "push-tiny.json"),
}


def choices(problem: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the solvers of a problem that need no file, and those whose agent file is here."""
    known = [name for name in registry.names() if name.startswith(f"{problem}.")]
    chosen: list[tuple[str, Mapping[str, Any]]] = []
    for name in known:
        agent = f"{name.partition('.')[2]}.pt"
        played = {"agent": agent, "elsewhere": True} if (HERE / agent).exists() else {}
        needed = {x.name for x in registry.described(name).parameters if not x.default}
        if needed <= set(played):
            chosen.append((name, played))
    return chosen


def run(path: Path) -> Iterator[Record]:
    """Run the golden set into the file at `path`; the working folder has to be this one."""
    for problem, instances in INSTANCES.items():
        sources = [Source(file=name) for name in instances]
        solvers = [Choice(name, parameters) for name, parameters in choices(problem)]
        comparison = Comparison(sources, solvers, budget=Budget(time_s=60), startup_s=STARTUP_S)
        yield from comparison.run(path)


def main() -> None:
    """Write ``runs.jsonl`` again."""
    os.chdir(HERE)
    Path(RUNS).unlink(missing_ok=True)
    print(sum(1 for _ in run(Path(RUNS))), "runs")


if __name__ == "__main__":
    main()
