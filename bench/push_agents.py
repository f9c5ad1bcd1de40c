"""`python -m bench.push_agents`: the paper's comparison of agents for PUSH, as `push_agents.md`.

Every agent gets the same seconds of training on one core, with several seeds, and plays instances
that no training draws. A job, one agent's training and playing or one rule's playing, is a
file in `out/push-agents`; killed and started again, the command does what is missing, and a
training goes on from its checkpoint. With the default 45 s it takes about an hour and a half on
two cores. The text of `push_agents.md` below the marker is written by hand and kept.
"""

import argparse
import os
import platform
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import torch

from bench import push_tables
from opt_istn import files, registry
from opt_istn.problems import of_preset
from opt_istn.push.evaluate import evaluate
from opt_istn.push.expected import expected_cost, expected_instance
from opt_istn.push.instance import Instance
from opt_istn.runs.environment import cpu_model
from opt_istn.solver import Budget
from opt_istn.training import Task

OUT = Path(__file__).parent.parent / "out" / "push-agents"
BACKBONE = OUT / "backbone.pt"
RULES = ("never", "release", "popular", "match", "greedy", "rolling", "expected", "labels")
EXACT_S = 8.0  # limit of the exact methods; small caches take a second
AGENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "maac": ("push.maac", {}),
    "mappo-paper": ("push.mappo", {"profile": "paper"}),
    "mmappo-paper": ("push.mmappo", {"profile": "paper"}),
    "mmappo-shared": ("push.mmappo", {"reward_credit": "shared", "entropy": 0.1}),
    "mmappo-user": ("push.mmappo", {"reward_credit": "user", "entropy": 0.1}),
    "mappo": ("push.mappo", {}),
    "mmappo": ("push.mmappo", {}),
    "counterfactual": ("push.counterfactual", {}),
}
IMAGES: dict[str, tuple[str, dict[str, Any]]] = {  # trained apart from the others, to be compared
    "sees-none": ("push.mmappo", {"images": "none"}),
    "sees-shuffled": ("push.mmappo", {"images": "shuffled"}),
    "sees-codes": ("push.mmappo", {"images": "codes"}),
    "sees-pixels": ("push.mmappo", {"images": "pixels", "backbone": str(BACKBONE)}),
    "sees-label": ("push.mmappo", {"images": "label"}),
}


@dataclass(frozen=True)
class Setting:
    """What is trained on and played.

    Parameters
    ----------
    name
        Of the setting, in files and tables.
    preset, overrides
        The scenario.
    agents
        Ids and parameters of the trainers by label.
    seeds, instances
        Numbers of trainings, and of held-out instances; 0 instances train and judge on
        instance 0, protocol ``memorise``.
    """

    name: str
    preset: str
    agents: Mapping[str, tuple[str, dict[str, Any]]]
    seeds: int
    instances: int
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def numbers(self) -> range:
        """Seeds of the instances that are played."""
        return range(max(self.instances, 1))


def settings(seeds: int, instances: int) -> list[Setting]:
    """Return what the comparison consists of."""
    blind = {"image_share": "0.0"}
    some = {name: IMAGES[name] for name in ("sees-none", "sees-codes", "sees-pixels")}
    return [
        Setting("push-paper", "push-paper", AGENTS | IMAGES, seeds, instances),
        Setting("push-paper-wide", "push-paper-wide", AGENTS, seeds, instances),
        Setting("memorise", "push-paper-wide", AGENTS, 3, 0),
        Setting("no-image-demand", "push-paper", some, seeds, instances, blind),
    ]


@lru_cache(maxsize=64)
def instance(setting_preset: str, overrides: tuple[tuple[str, str], ...], number: int) -> Instance:
    """Return an instance of a scenario."""
    problem = of_preset(setting_preset)
    scenario = problem.scenario(setting_preset, dict(overrides))
    made: Instance = problem.generate(scenario, number, f"{setting_preset}-{number}")
    return made


def played(setting: Setting, solver: Any, number: int) -> dict[str, Any]:
    """Play an instance and return what is worth knowing."""
    x = instance(setting.preset, tuple(setting.overrides.items()), number)
    assert solver.supports(x) is None
    begin = time.perf_counter()
    claims = solver.solve(x, Budget(time_s=EXACT_S), 0)
    seconds = time.perf_counter() - begin
    judged = evaluate(x, claims.plan)
    return {
        "instance": number,
        "cost_us": judged.cost,
        "base_us": judged.no_push_us,
        "expected_us": expected_cost(x, claims.plan),
        "expected_base_us": expected_instance(x).base_us,
        "bound_us": claims.bound,
        "expected_bound_us": claims.detail.get("expected_bound_us"),
        "mean_delay_s": judged.mean_delay_s,
        "hit_ratio": judged.hit_ratio,
        "slot_s": seconds / x.num_slots,
    }


def job(setting: Setting, label: str, seed: int, time_s: float, folder: Path) -> dict[str, Any]:
    """Train and play an agent, or play a rule."""
    torch.set_num_threads(1)
    row: dict[str, Any] = {"setting": setting.name, "label": label, "seed": seed}
    if label in RULES:
        solver = registry.make(label, "push", {})
    else:
        method, parameters = setting.agents[label]
        path = folder / f"{setting.name}-{label}-{seed}.pt"
        scenario = of_preset(setting.preset).scenario(setting.preset, dict(setting.overrides))
        task = Task("push", setting.name, scenario=scenario)
        if setting.instances == 0:
            whole = instance(setting.preset, tuple(setting.overrides.items()), 0)
            task = Task("push", setting.name, instance=whole)
        trainer = registry.trainer(method, "push", {**parameters, "time_s": time_s})
        row["curve"] = []
        if not path.exists():
            trainer.train(task, seed, path, _silent)
        row["curve"] = torch.load(path, weights_only=True)["history"]
        row["train_s"] = time_s
        solver = registry.make(method, "push", {"agent": str(path)})
    solver.prepare()
    row["runs"] = [played(setting, solver, number) for number in setting.numbers]
    return row | {"cpu": cpu_model()}


def _silent(share: float, text: str) -> None:
    """Report nothing."""


def jobs(chosen: list[Setting]) -> Iterator[tuple[Setting, str, int]]:
    """Yield all jobs, the rules first, then seed by seed so that a table is there early."""
    for setting in chosen:
        yield from ((setting, label, 0) for label in RULES)
    for seed in range(max(x.seeds for x in chosen)):
        for setting in chosen:
            yield from ((setting, label, seed) for label in setting.agents if seed < setting.seeds)


def collect(
    chosen: list[Setting], time_s: float, workers: int, folder: Path
) -> list[dict[str, Any]]:
    """Do what is missing and return the rows of all jobs."""
    folder.mkdir(parents=True, exist_ok=True)
    if not BACKBONE.exists():
        print("training the backbone for images=pixels", flush=True)
        task = Task(
            "push", "push-paper", scenario=of_preset("push-paper").scenario("push-paper", {})
        )
        registry.trainer("push.backbone", "push", {}).train(task, 0, BACKBONE, _silent)
    rows, pending = [], {}
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for setting, label, seed in jobs(chosen):
            path = folder / f"{setting.name}-{label}-{seed}.json"
            if path.exists():
                rows.append(msgspec.json.decode(path.read_bytes()))
            else:
                pending[pool.submit(job, setting, label, seed, time_s, folder)] = path
        for done, future in enumerate(as_completed(pending), 1):
            rows.append(future.result())
            files.write_bytes(pending[future], msgspec.json.encode(rows[-1]))
            print(f"{done}/{len(pending)} {pending[future].stem}", flush=True)
    return rows


def main() -> int:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.push_agents")
    parser.add_argument("--seconds", type=float, default=45.0, help="of each training")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--instances", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--settings", default="", help="names with commas; all by default")
    given = parser.parse_args()
    chosen = settings(given.seeds, given.instances)
    wanted = given.settings.split(",") if given.settings else [x.name for x in chosen]
    chosen = [x for x in chosen if x.name in wanted]
    folder = OUT / f"{given.seconds:g}s-{given.instances}"
    rows = collect(chosen, given.seconds, given.jobs, folder)
    head = f"Python {platform.python_version()}, torch {torch.__version__}, {given.jobs} at a time"
    push_tables.write(rows, [x.name for x in chosen], head)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
