"""`python -m bench.agents`: how close DQN agents come, over maps, seeds and all STARTs.

Every training is one process on one thread; its result is a line of ``out/agents.jsonl``, so that
an interrupted run goes on where it stopped. The tables go to ``bench/agents.md``.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from learners.jutap.dqn import Dqn, DqnAgent
from learners.jutap.starts import judge, split
from opt_istn.problems import of_preset
from opt_istn.runs.environment import cpu_model
from opt_istn.training import Task

HERE = Path(__file__).parent
OUT = HERE.parent / "out"
PRESET = "jutap-paper"


def train(profile: str, number: int, seed: int, updates: int | None) -> dict[str, Any]:
    """Train one agent on one map and judge it over every START."""
    torch.set_num_threads(1)
    problem = of_preset(PRESET)
    instance = problem.generate(problem.scenario(PRESET, {}), number, f"{PRESET}-{number}")
    path = OUT / f"dqn-{profile}-{number}-{seed}.pt"
    settings = Dqn(profile=profile, updates=updates)
    row = settings.train(Task("jutap", instance.name, instance=instance), seed, path, _silent)
    result = {"profile": profile, "map": number, "seed": seed, **row, "cpu": cpu_model()}
    for weights in ("last", "best"):
        table, action = DqnAgent(path, weights=weights).policy(instance, seed)
        judged = judge(table, action)
        parts = asdict(split(instance, action, settings.settings().reward))
        result[weights] = {"success": judged.success, "gap": judged.mean_gap, **parts}
        result[weights]["total_gap"] = judged.total_gap
    return result


def _silent(share: float, text: str) -> None:
    """Report nothing."""


def collect(tasks: list[tuple[str, int, int, int | None]], path: Path, jobs: int) -> list[Any]:
    """Return the results of all tasks, running those that the file does not hold."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(row["profile"], row["map"], row["seed"]) for row in rows}
    left = [task for task in tasks if task[:3] not in done]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for future in as_completed([pool.submit(train, *task) for task in left]):
            rows.append(future.result())
            with path.open("a") as stream:
                stream.write(json.dumps(rows[-1]) + "\n")
            last = rows[-1]["last"]
            name = " ".join(str(rows[-1][key]) for key in ("profile", "map", "seed"))
            print(f"{name}: gap {last['gap']:.3%}, success {last['success']:.1%}", flush=True)
    return [row for row in rows if any(row["profile"] == task[0] for task in tasks)]


def table(rows: list[dict[str, Any]], weights: str) -> str:
    """Return the markdown table of one profile's agents, a row a map."""
    names = ("map", "seeds", "least success", "mean gap: median [min, max]", "summed gap")
    names += ("of it association", "reward", "learning", "seconds")
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for number in sorted({row["map"] for row in rows}):
        mine = [row for row in rows if row["map"] == number]
        of: Callable[[str], Any] = lambda key, m=mine: np.array([r[weights][key] for r in m])  # noqa: E731
        gap, share = of("gap"), [of(key) / of("optimum") for key in ("association", "reward")]
        total = sum(of(key) for key in ("association", "reward", "learning")) / of("optimum")
        parts = [*share, of("learning") / of("optimum")]
        cells = [number, len(mine), f"{of('success').min():.1%}"]
        cells.append(f"{np.median(gap):.3%} [{gap.min():.3%}, {gap.max():.3%}]")
        cells += [f"{x.mean():.3%}" for x in (total, *parts)]
        cells.append(f"{np.mean([row['seconds'] for row in mine]):.0f}")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    gaps = np.array([row[weights]["gap"] for row in rows])
    share = np.mean([row[weights]["success"] for row in rows])
    lines += ["", f"Median over all {len(rows)} agents: {np.median(gaps):.3%}"]
    if len(gaps) > 1:
        rng = np.random.default_rng(0)
        drawn = stats.bootstrap((gaps,), np.median, rng=rng, method="percentile")
        low, high = drawn.confidence_interval
        lines[-1] += f", 95 % bootstrap interval [{low:.3%}, {high:.3%}]"
    lines[-1] += f"; success {share:.2%}."
    return "\n".join(lines)


def main() -> int:
    """Train what is missing and write the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.agents")
    parser.add_argument("--maps", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    parser.add_argument("--profiles", default="strong,paper")
    parser.add_argument("--updates", type=int)
    given = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    parts = []
    for profile in given.profiles.split(","):
        seeds = range(given.seeds)
        tasks = [(profile, m, s, given.updates) for m in range(given.maps) for s in seeds]
        rows = collect(tasks, OUT / "agents.jsonl", given.jobs)
        cpus = ", ".join(sorted({row["cpu"] for row in rows}))
        parts += [f"## Profile `{profile}`", f"Trained on {cpus}; weights of the last update."]
        parts += [table(rows, "last"), "With the weights that were best on 64 STARTs:"]
        parts += [table(rows, "best")]
    (HERE / "agents.md").write_text(f"{_head()}\n\n" + "\n\n".join(parts) + "\n")
    return 0


def _head() -> str:
    return f"""# DQN agents on `{PRESET}`

Written by `python -m bench.agents`, Python {platform.python_version()}, torch {torch.__version__},
one thread a training. The gap of a START is (cost - optimum) / optimum with the exact optimum of
the strongest association from there; its mean runs over all 624 STARTs, failures charged with what
they flew. The summed gap compares the summed cost with that of the exact optimum with every link
allowed, and is the sum of its three parts."""


if __name__ == "__main__":
    raise SystemExit(main())
