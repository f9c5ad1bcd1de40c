"""`python -m bench.push_agents`: the paper's comparison of agents for PUSH, as `push_agents.md`.

Every agent gets the same seconds of training on one core, with several seeds, and plays instances
that no training draws. Trainings are files in ``out/push-agents``, plays are records beside them;
killed and started again, the command does what is missing, and a training goes on from its
checkpoint. The page is written whole.
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import torch

from bench import pages
from opt_istn import Budget, registry
from opt_istn.problems import of_preset
from opt_istn.runs import ledger
from opt_istn.runs.compare import Choice, Comparison, load
from opt_istn.runs.ledger import Record, Source
from opt_istn.training import Task

OUT = pages.HERE.parent / "out" / "push-agents"
BACKBONE = OUT / "backbone.pt"
RULES = ("never", "release", "popular", "match", "greedy", "rolling", "expected", "labels")
LIMIT_S = 60.0
AGENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "maac": ("maac", {}),
    "mappo-paper": ("mappo", {"profile": "paper"}),
    "mmappo-paper": ("mmappo", {"profile": "paper"}),
    "mmappo-shared": ("mmappo", {"reward_credit": "shared", "entropy": 0.1}),
    "mmappo-user": ("mmappo", {"reward_credit": "user", "entropy": 0.1}),
    "mappo": ("mappo", {}),
    "mmappo": ("mmappo", {}),
    "counterfactual": ("counterfactual", {}),
    "counterfactual-learned": ("counterfactual", {"demand": "learned"}),  # is not told the law
}
IMAGES: dict[str, tuple[str, dict[str, Any]]] = {  # trained apart from the others, to be compared
    "sees-none": ("mmappo", {"images": "none"}),
    "sees-shuffled": ("mmappo", {"images": "shuffled"}),
    "sees-codes": ("mmappo", {"images": "codes"}),
    "sees-pixels": ("mmappo", {"images": "pixels", "backbone": str(BACKBONE)}),
    "sees-label": ("mmappo", {"images": "label"}),
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
    memorise
        Whether agents train on the instance that they play, instead of on others drawn like it.
    against
        What the table tells paired differences to.
    """

    name: str
    preset: str
    agents: Mapping[str, tuple[str, dict[str, Any]]]
    memorise: bool = False
    against: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """Where its instances come from."""
        return Source(preset=self.preset, overrides=dict(self.overrides))

    def agent(self, label: str, seed: int | str) -> Path:
        """Return the file of an agent."""
        return OUT / f"{self.name}-{label}-{seed}.pt"


SETTINGS = (
    Setting("push-paper", "push-paper", AGENTS, against="greedy"),
    Setting("push-paper-wide", "push-paper-wide", AGENTS, against="greedy"),
    Setting("memorise", "push-paper-wide", AGENTS, memorise=True),
    Setting("images", "push-paper", IMAGES),
    Setting("no-image-demand", "push-paper", IMAGES, overrides={"image_share": "0.0"}),
)


def train(setting: Setting, label: str, seed: int, time_s: float) -> Path:
    """Train an agent, if its file is not there yet."""
    torch.set_num_threads(1)
    path = setting.agent(label, seed)
    if not path.exists():
        method, parameters = setting.agents[label]
        scenario = of_preset(setting.preset).scenario(setting.preset, dict(setting.overrides))
        task = Task("push", setting.name, scenario=scenario)
        if setting.memorise:
            fixed = Source(preset=setting.preset, seed=0, overrides=dict(setting.overrides))
            task = Task("push", setting.name, instance=load(fixed))
        trainer = registry.trainer(method, "push", {**parameters, "time_s": time_s})
        trainer.train(task, seed, path, _silent)
    return path


def train_all(chosen: Sequence[Setting], seeds: int, time_s: float, jobs: int) -> None:
    """Train what is missing, seed by seed so that a table is there early."""
    if not BACKBONE.exists():
        scenario = of_preset("push-paper").scenario("push-paper", {})
        task = Task("push", "push-paper", scenario=scenario)
        registry.trainer("push.backbone", "push", {}).train(task, 0, BACKBONE, _silent)
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        tasks = [
            pool.submit(train, setting, label, seed, time_s)
            for seed in range(seeds)
            for setting in chosen
            for label in setting.agents
        ]
        for future in as_completed(tasks):
            print(future.result(), flush=True)


def play(setting: Setting, seeds: int, instances: int, jobs: int) -> list[Record]:
    """Play what is missing: every agent with all its seeds on every instance, and the rules."""
    choices = [Choice(name) for name in RULES]
    choices += [
        Choice(method, {"agent": str(setting.agent(label, "{seed}")), **weights})
        for label, (method, _) in setting.agents.items()
        for weights in ({}, {"weights": "untrained"})
    ]
    runs = OUT / f"{setting.name}.jsonl"
    count = 1 if setting.memorise else instances
    comparison = Comparison(
        [setting.source], choices, count, Budget(time_s=LIMIT_S), solver_seeds=seeds
    )
    for done, _ in enumerate(comparison.run(runs, jobs), 1):
        print(f"{setting.name}: {done}/{len(comparison)}", flush=True)
    return [_labelled(run, setting) for run in ledger.read(runs)]


def _labelled(run: Record, setting: Setting) -> Record:
    """Return a record for the table, its agent called by label instead of by file and hash."""
    named = {str(setting.agent(label, "{seed}")): label for label in setting.agents}
    label = named.get(run.parameters.get("agent", ""))
    if label is None:
        return run
    kept = {k: v for k, v in run.parameters.items() if k not in ("agent", "sha256")}
    return msgspec.structs.replace(run, parameters={"trained": label, **kept})


def pages_of(played: Mapping[str, list[Record]], time_s: float) -> Iterator[str]:
    """Yield the parts of the page."""
    for setting in SETTINGS:
        if setting.name in played:
            protocol = "memorise" if setting.memorise else "generalise"
            words = f"Protocol {protocol}; {time_s:g} s of training on one core each."
            yield pages.page(setting.name, words, played[setting.name], setting.against)


def main() -> int:
    """Train and play what is missing, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.push_agents")
    parser.add_argument("--seconds", type=float, default=45.0, help="of each training")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--instances", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--settings", default="", help="names with commas; all by default")
    given = parser.parse_args()
    wanted = given.settings.split(",") if given.settings else [x.name for x in SETTINGS]
    chosen = [x for x in SETTINGS if x.name in wanted]
    OUT.mkdir(parents=True, exist_ok=True)
    train_all(chosen, given.seeds, given.seconds, given.jobs)
    played = {x.name: play(x, given.seeds, given.instances, given.jobs) for x in chosen}
    pages.write(pages.HERE / "push_agents.md", "\n".join(pages_of(played, given.seconds)))
    return 0


def _silent(share: float, text: str) -> None:
    """Report nothing."""


if __name__ == "__main__":
    raise SystemExit(main())
