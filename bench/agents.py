"""`python -m bench.agents`: how close DQN agents come, on maps and seeds, as `bench/agents.md`.

Every map has agents of its own, one a seed; they fly it from several STARTs. Trainings are files,
and flights are records in ``out/agents-PROFILE.jsonl``: what is there is not done again.
"""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench import pages
from opt_istn import registry
from opt_istn.jutap.instance import Instance
from opt_istn.problems import of_preset
from opt_istn.runs import ledger
from opt_istn.runs.compare import Choice, Comparison
from opt_istn.runs.ledger import Record, Source
from opt_istn.training import Task

OUT = pages.HERE.parent / "out" / "agents"
PRESET = "jutap-paper"
RULES = ("labels", "straight", "greedy", "blind")


def subject(number: int) -> Instance:
    """Return a map."""
    problem = of_preset(PRESET)
    made: Instance = problem.generate(problem.scenario(PRESET, {}), number, f"{PRESET}-{number}")
    return made


def starts(number: int, count: int) -> Iterator[Path]:
    """Write a map with drawn STARTs, the strongest MBS held there, and yield the files."""
    whole = subject(number)
    cells = np.delete(np.arange(whole.num_cells), whole.end)
    drawn = np.random.default_rng(number).choice(cells, count, replace=False)
    for cell in drawn.tolist():
        path = OUT / f"map{number}-start{cell}.json"
        name = (
            f"{PRESET}-{number} from STARTs/{cell}"  # a group for each map: STARTs of one are alike
        )
        held = int(whole.strongest[cell])
        replace(whole, name=name, start=cell, start_link=held).write(path)
        yield path


def train(profile: str, number: int, seed: int, updates: int | None) -> Path:
    """Train an agent on a map, if its file is not there yet."""
    path = OUT / f"{profile}-map{number}-{seed}.pt"
    if not path.exists():
        whole = subject(number)
        settings = {"profile": profile} | ({} if updates is None else {"updates": updates})
        trainer = registry.trainer("jutap.dqn", "jutap", settings)
        trainer.train(Task("jutap", whole.name, instance=whole), seed, path, _silent)
    return path


def fly(profile: str, maps: int, seeds: int, count: int, jobs: int) -> list[Record]:
    """Let all agents and the rules fly, and return the records."""
    runs = OUT.parent / f"agents-{profile}.jsonl"
    for number in range(maps):
        agent = OUT / f"{profile}-map{number}-{{seed}}.pt"
        choices = [Choice("dqn", {"agent": str(agent), "elsewhere": True})]
        choices += [Choice(name) for name in RULES]
        sources = [Source(file=str(path)) for path in starts(number, count)]
        for run in Comparison(sources, choices, seeds).run(runs, jobs):
            print(run.solver, run.instance, run.seed, run.status, run.cost, flush=True)
    return ledger.read(runs)


def main() -> int:
    """Train what is missing, fly what is missing, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.agents")
    parser.add_argument("--maps", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    parser.add_argument("--profiles", default="strong,paper")
    parser.add_argument("--updates", type=int)
    given = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    profiles = given.profiles.split(",")
    with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
        tasks = [(p, m, s) for p in profiles for m in range(given.maps) for s in range(given.seeds)]
        for future in [pool.submit(train, *task, given.updates) for task in tasks]:
            print(future.result(), flush=True)
    parts = []
    for profile in profiles:
        runs = fly(profile, given.maps, given.seeds, given.starts, given.jobs)
        words = (
            f"Written by `python -m bench.agents`: {given.maps} maps of `{PRESET}` with "
            f"{given.seeds} agents each, from {given.starts} STARTs. Agents of different maps have "
            "nothing in common but the number of their seed, so every map has a table of its own."
        )
        parts.append(pages.page(f"DQN agents, profile `{profile}`", words, runs))
    pages.write(pages.HERE / "agents.md", "\n".join(parts))
    return 0


def _silent(share: float, text: str) -> None:
    """Report nothing."""


if __name__ == "__main__":
    raise SystemExit(main())
