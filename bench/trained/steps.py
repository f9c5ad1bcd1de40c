"""`python -m bench.trained.steps`: what a step of the paper's agents costs, now and earlier.

Trainings of the paper's profile on instance 0 of a preset (`memorise`) play and learn some rounds
on one thread. A row is an agent: steps of the optimiser a second of processor time, playing
included, from the quickest quarter of steps and of rollouts, for a shared machine slows some. The
same file measures the checkout of `--before` in turns with this one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parents[2]
LABELS = "mappo,mmappo,maac,rmappo,rmmappo,rmaac"


def measure(label: str, preset: str, seconds: float) -> dict[str, float]:
    """Return steps a second, and the milliseconds of a step, in this tree."""
    import torch

    from bench.trained.memorise import instance, trained_by
    from opt_istn import registry
    from opt_istn.training import Task

    torch.set_num_threads(1)
    method, parameters, _ = trained_by(label)
    trainer: Any = registry.trainer(method, "push", {**parameters, "steps": 1000})
    course = trainer.course(Task("push", preset, instance=instance(preset)), 0)
    take, marks = course.take, []

    def marked(which: int, *given: Any) -> None:
        take(which, *given)
        if which == 0:  # the actor's, one in every step
            marks.append(time.process_time())

    course.take = marked
    firsts, others, begin = [], [], time.process_time()
    while time.process_time() - begin < seconds or not firsts:
        marks[:] = [time.process_time()]
        course.improve(1.0)
        course.step += 1
        if course.step > 1:  # the first round compiles
            first, *rest = np.diff(marks)
            firsts.append(first)
            others += rest
    step, first = np.quantile(others, 0.25), np.quantile(firsts, 0.25)
    cost = float(step + max(first - step, 0.0) / (len(marks) - 1))
    return {"ms": 1000 * cost, "steps_s": 1 / cost}


def ask(tree: Path, label: str, given: argparse.Namespace) -> dict[str, float]:
    """Return what a checkout measures, in a process of its own (-P: its `bench`, not ours)."""
    command = [sys.executable, "-P", __file__, "--measure", label, "--preset", given.preset]
    place = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        [*command, "--seconds", str(given.seconds)],
        env=place,
        cwd=tree,
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return found


def compare(before: Path, given: argparse.Namespace) -> None:
    """Print a row for every agent, the better of some turns on each side."""
    print("| agent | steps a CPU second before | now | factor |\n|---|---|---|---|", flush=True)
    for label in given.agents.split(","):
        turns = [[ask(tree, label, given) for tree in (before, HERE)] for _ in range(given.turns)]
        old, new = (max(x["steps_s"] for x in side) for side in zip(*turns, strict=True))
        print(f"| `{label}` | {old:.1f} | {new:.1f} | {new / old:.2f} |", flush=True)


def main() -> None:
    """Measure here, or compare with an earlier commit."""
    parser = argparse.ArgumentParser(prog="python -m bench.trained.steps", description=__doc__)
    parser.add_argument("--before", default="main", help="a commit of this repository")
    parser.add_argument("--agents", default=LABELS)
    parser.add_argument("--preset", default="push-paper-wide-v2")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a measurement")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.preset, given.seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        tree, git = Path(folder) / "before", ["git", "-C", str(HERE), "worktree"]
        subprocess.run([*git, "add", "-q", "--detach", str(tree), given.before], check=True)
        try:
            compare(tree, given)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


if __name__ == "__main__":
    main()
