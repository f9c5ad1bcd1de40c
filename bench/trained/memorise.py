"""`python -m bench.trained.memorise`: the paper's protocol, training and judging on one instance.

MAPPO, multi-modal MAPPO and MAAC in the paper's profile learn instance 0 of a preset, with several
seeds, until their curves come to a plateau (`learners.plateau`) or the time given is over. A curve
is a file of JSON lines in `bench/agents/PRESET`: first what was trained, how far, and what plans
of the last and of the best weights cost, then the rows of the curve. Checkpoints and agent
files are in `out/memorise/PRESET`. Killed and started again, the command goes on where every
training stopped; started again after its end, it trains on whatever has no plateau yet.
`references.json` holds what the rules, the online policies and the certified optimum cost on the
same instance. `--quick` trains a row each: it shows that all runs, and nothing else.

An agent's label can change parameters: ``rmmappo@actor_rate=0.0005``. `--fig8` trains the paper's
four pairs of learning rates. `--search` trains the grid of learning rates and entropy that all
agents get before the seeds that count, on an instance that is never judged on (`--instance`).
`python -m bench.trained.verdict` reads what is there.
"""

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from learners import agent
from learners.agent import Agent
from learners.plateau import find_plateau, progress
from opt_istn import files, registry
from opt_istn.problems import of_preset
from opt_istn.push.evaluate import evaluate
from opt_istn.push.instance import Instance
from opt_istn.runs.nursery.processes import die_with_parent
from opt_istn.solver import Budget
from opt_istn.training import Task

CURVES = Path(__file__).parents[1] / "agents"
OUT = Path(__file__).parents[2] / "out" / "memorise"
PAPER = {"profile": "paper"}
BEFORE = {**PAPER, "recurrent": False, "state": "own"}  # a memory of two snapshots, our own state
MAAC_BEFORE = {**PAPER, "state": "own"}
AGENTS: dict[str, tuple[str, dict[str, Any], int]] = {  # trainer, parameters, rounds between rows
    "rmappo": ("push.mappo", PAPER, 4),
    "rmmappo": ("push.mmappo", PAPER, 4),
    "mappo": ("push.mappo", BEFORE, 4),
    "mmappo": ("push.mmappo", BEFORE, 4),
    "maac": ("push.maac", MAAC_BEFORE, 50),
    "rmaac": ("push.maac", PAPER, 50),
    "rmappo-linear": ("push.mappo", {**PAPER, "reward_log": False}, 4),
    "rmmappo-linear": ("push.mmappo", {**PAPER, "reward_log": False}, 4),
    "mappo-linear": ("push.mappo", {**BEFORE, "reward_log": False}, 4),
    "mmappo-linear": ("push.mmappo", {**BEFORE, "reward_log": False}, 4),
    "maac-linear": ("push.maac", {**MAAC_BEFORE, "reward_log": False}, 50),
}
# Learning rates of actor and critic of the paper's Fig. 8; of the high critic's rate the text does
# not print the actor's, which is taken to be that of Table 2.
FIG8 = ((1e-4, 5e-4), (1e-4, 1e-4), (1e-4, 1e-3), (5e-4, 1e-4))
RATES = (1e-4, 3e-4, 1e-3)  # the grid, of the actor; the critic's stays in proportion
ENTROPY = {"push.maac": ("scale", (300.0, 100.0, 30.0))}  # the larger, the less entropy
ENTROPY |= dict.fromkeys(("push.mappo", "push.mmappo"), ("entropy", (0.003, 0.01, 0.03)))
SEARCHED = 1000  # instance of the search, which nothing is judged on
RULES = ("never", "match", "greedy", "rolling", "labels", "highs")  # the last two prove bounds
EXACT_S = 600.0  # limit of an exact method
SAVE_S = 60.0  # between checkpoints
ROUNDS = 1_000_000  # no training gets there; plateau or time end it


@dataclass(frozen=True)
class Job:
    """A training: label and seed, preset and instance, and how long it may go on.

    Parameters
    ----------
    time_s, rows
        Seconds, and rows of the curve, this time.
    """

    label: str
    seed: int
    preset: str
    number: int
    time_s: float
    rows: int

    @property
    def folder(self) -> str:
        """Return the folder of the curves of an instance."""
        return self.preset + (f"/instance-{self.number}" if self.number else "")

    @property
    def out(self) -> Path:
        """Return the path of the agent file."""
        return OUT / self.folder / f"{self.label}-{self.seed}.pt"

    @property
    def curve(self) -> Path:
        """Return the path of the curve."""
        return CURVES / self.folder / f"{self.label}-{self.seed}.jsonl"

    @property
    def trained(self) -> tuple[str, dict[str, Any], int]:
        """Return the trainer, its parameters, and the rounds between rows."""
        return trained_by(self.label)


def trained_by(label: str) -> tuple[str, dict[str, Any], int]:
    """Return the trainer of a label, its parameters, and the rounds between rows."""
    name, *changes = label.split("@")
    if name not in AGENTS:
        raise SystemExit(f"--agents: expected some of {', '.join(AGENTS)}, found {name!r}")
    method, parameters, every = AGENTS[name]
    given = dict(change.split("=", 1) for change in changes)
    return method, {**parameters, **given}, every


def searched(label: str) -> list[str]:
    """Return the labels of an agent's grid."""
    method, parameters, _ = trained_by(label)
    course = registry.trainer(method, "push", {**parameters, "steps": 1}).settled()
    ratio, (name, values) = course.critic_rate / course.actor_rate, ENTROPY[method]
    return [
        f"{label}@actor_rate={rate:g}@critic_rate={rate * ratio:g}@{name}={value:g}"
        for rate in RATES
        for value in values
    ]


def instance(preset: str, number: int = 0) -> Instance:
    """Return the instance that is learned."""
    problem = of_preset(preset)
    name, scenario = f"{preset}-{number}", problem.scenario(preset, {})
    made: Instance = problem.generate(scenario, number, name)
    return made


def train(job: Job) -> str:
    """Go on with a training until its plateau or the end of its time; return how it stands."""
    torch.set_num_threads(1)
    method, parameters, every = job.trained
    x = instance(job.preset, job.number)
    trainer: Any = registry.trainer(method, "push", {**parameters, "steps": ROUNDS})
    course = trainer.course(Task("push", job.preset, instance=x), job.seed)
    course.every = every
    blank = course.agent()
    key = {"method": method, "config": blank.config, "task": blank.trained_on, "seed": job.seed}
    if (found := agent.load_checkpoint(job.out, key)) is not None:
        course.restore(found)
    begin = saved = time.monotonic()
    first = course.step
    for _ in course.run() if not find_plateau(method, course.history).reached else ():
        now = time.monotonic()
        over = now - begin > job.time_s or course.step - first >= job.rows * every
        fresh = course.history[-1]["step"] == course.step
        over = over or (fresh and find_plateau(method, course.history).reached)
        if over or now - saved > SAVE_S:
            agent.save_checkpoint(job.out, key, course.state())
            write_curve(job, course.agent(), {})
            saved = now
        if over:
            break
    trained = course.agent()
    agent.save(job.out, trained)
    return write_curve(job, trained, judged(job, x, method))


def judged(job: Job, x: Instance, method: str) -> dict[str, int]:
    """Return what the plans of the last and of the best weights cost, microseconds."""
    costs = {}
    for weights in ("untrained", "last", "best"):
        solver = registry.make(method, "push", {"agent": str(job.out), "weights": weights})
        plan = solver.solve(x, Budget(), 0).plan
        costs[weights] = evaluate(x, plan).cost
    return costs


def write_curve(job: Job, trained: Agent, costs: dict[str, int]) -> str:
    """Write a curve; return how the training stands in a line."""
    found, came = find_plateau(trained.method, trained.history), progress([trained])
    head = {
        "agent": job.label,
        "seed": job.seed,
        "preset": job.preset,
        "config": trained.config,
        "counts": trained.counts,
        "measured": trained.measured,
        "plateau": found.reached,
        "why": found.why,
        "status": came.status,
        "cost_us": costs,
    }
    lines = "".join(json.dumps(row) + "\n" for row in (head, *trained.history))
    job.curve.parent.mkdir(parents=True, exist_ok=True)
    files.write_through(job.curve, lambda path: Path(path).write_text(lines, encoding="utf-8"))
    last = trained.history[-1] if trained.history else {}
    told = f"{last.get('saving')} after {last.get('gradient_steps')} steps, {came.status}"
    return f"{job.label} {job.seed}: {told}; {found.why}"


def references(job: Job) -> None:
    """Write what rules, online policies and the optimum cost on the instance, once."""
    path = job.curve.parent / "references.json"
    if path.exists():
        return
    x, rows = instance(job.preset, job.number), {}
    for name in RULES:
        solver = registry.make(name, "push", {})
        claims = solver.solve(x, Budget(time_s=EXACT_S), 0)
        bound = claims.bound if claims.proof else None
        rows[name] = {"cost_us": evaluate(x, claims.plan).cost, "bound_us": bound}
    document = {"instance": x.sha256, "base_us": x.base_us, "requests": len(x.requests)}
    document["solvers"] = rows
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1) + "\n"
    files.write_through(path, lambda file: Path(file).write_text(text, encoding="utf-8"))


def jobs(given: argparse.Namespace) -> Iterator[Job]:
    """Yield the trainings asked for, all agents of a seed before the next seed."""
    labels = given.agents.split(",")
    if given.fig8:
        labels = [f"rmmappo@actor_rate={a:g}@critic_rate={c:g}" for a, c in FIG8]
    if given.search:
        labels = [one for label in labels for one in searched(label)]
    number = SEARCHED if given.search and given.instance is None else given.instance or 0
    rows = 1 if given.quick else given.rows
    for seed in range(given.seeds):
        for label in labels:
            trained_by(label)
            yield Job(label, seed, given.preset, number, 3600 * given.hours, rows)


def main() -> None:
    """Train, `--jobs` at a time, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench.trained.memorise", description=__doc__)
    parser.add_argument("--preset", default="push-paper-wide-v2")
    parser.add_argument("--agents", default="rmappo,rmmappo,rmaac", help=", ".join(AGENTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--hours", type=float, default=4.0, help="of each training, this time")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--rows", type=int, default=ROUNDS, help="of each curve, this time")
    parser.add_argument("--instance", type=int, help="of the preset, that is learned; default 0")
    parser.add_argument("--fig8", action="store_true", help="the paper's pairs of learning rates")
    parser.add_argument("--search", action="store_true", help="the grid of rates and entropy")
    parser.add_argument("--quick", action="store_true", help="a row each, to see it run")
    given = parser.parse_args()
    if given.quick:
        print("quick: a row of each curve; nothing below is a result", flush=True)
    todo = list(jobs(given))
    for job in todo:
        job.out.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(given.jobs, get_context("spawn"), die_with_parent) as pool:
        running = [pool.submit(train, job) for job in todo]
        for future in as_completed(running):
            print(future.result(), flush=True)
    references(todo[0])


if __name__ == "__main__":
    main()
