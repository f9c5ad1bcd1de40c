"""`python -m bench.trained.push_agents`: the paper's comparison of agents for PUSH.

Every agent gets the same seconds of training on one core, with several seeds, and plays instances
that no training draws, as trained and untrained. Trainings are files in ``out/push-agents``, plays
are records beside them; killed and started again, the command does what is missing, and a training
goes on from its checkpoint. The records are kept in ``bench/records/push-agents-SETTING.jsonl.gz``,
and the page is written whole from those, if `verify` has nothing against one. ``--quick`` does all
that with two small agents in ``out/push-agents-quick``, and leaves what is kept alone.
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
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
from opt_istn.runs.nursery.processes import die_with_parent
from opt_istn.solver import Status
from opt_istn.training import Task

OUT = pages.HERE.parent / "out"
RULES = ("never", "release", "popular", "match", "greedy", "rolling", "expected")
LIMIT_S = 60.0
BACKBONE = "backbone.pt"  # beside the agents
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
    "sees-pixels": ("mmappo", {"images": "pixels", "backbone": BACKBONE}),
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
    proofs
        Kept records of exact methods or certificates on the same instances; where there are none,
        `labels` is run.
    """

    name: str
    preset: str
    agents: Mapping[str, tuple[str, dict[str, Any]]]
    memorise: bool = False
    against: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    proofs: str | None = None

    @property
    def source(self) -> Source:
        """Where its instances come from."""
        return Source(preset=self.preset, overrides=dict(self.overrides))


SETTINGS = (
    Setting("push-paper", "push-paper-v2", AGENTS, against="greedy", proofs="push-paper-v2.jsonl"),
    Setting(
        *("push-paper-wide", "push-paper-wide-v2", AGENTS),
        against="greedy",
        proofs="push-paper-wide-v2.jsonl",
    ),
    Setting("memorise", "push-paper-wide-v2", AGENTS, True, proofs="push-paper-wide-v2.jsonl"),
    Setting("images", "push-paper-v2", IMAGES),
    Setting("no-image-demand", "push-paper-v2", IMAGES, overrides={"image_share": "0.0"}),
)


@dataclass(frozen=True)
class Plan:
    """What is trained and played, and where it is kept.

    Parameters
    ----------
    settings
        What is compared.
    time_s
        Of each training that does not say how many steps it makes.
    seeds, instances
        Of every agent, and played.
    out
        Folder of agent files and runs.
    records
        Folder of the records that are kept.
    page
        The page.
    """

    settings: tuple[Setting, ...]
    time_s: float
    seeds: int
    instances: int
    out: Path
    records: Path
    page: Path

    def agent(self, setting: Setting, label: str, seed: int | str) -> Path:
        """Return the file of an agent."""
        return self.out / f"{setting.name}-{label}-{seed}.pt"

    def kept(self, setting: Setting) -> Path:
        """Return the file of a setting's records."""
        return self.records / f"push-agents-{setting.name}.jsonl.gz"


FULL = Plan(
    *(SETTINGS, 45.0, 5, 10, OUT / "push-agents", pages.HERE / "records"),
    pages.HERE / "push_agents.md",
)
_QUICK = OUT / "push-agents-quick"
_SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "mappo": ("mappo", {"steps": 2}),
    "counterfactual": ("counterfactual", {"steps": 3, "batch": 2, "sweeps": 5}),
}
QUICK = Plan(
    (
        Setting("tiny", "push-tiny-v2", _SMALL, against="greedy"),
        Setting("memorise-tiny", "push-tiny-v2", {"mappo": _SMALL["mappo"]}, memorise=True),
    ),
    *(1.0, 2, 2, _QUICK, _QUICK, _QUICK / "push_agents.md"),
)


def train(plan: Plan, setting: Setting, label: str, seed: int) -> Path:
    """Train an agent, if its file is not there yet."""
    torch.set_num_threads(1)
    path = plan.agent(setting, label, seed)
    if not path.exists():
        method, parameters = setting.agents[label]
        own = {"time_s": plan.time_s} if "steps" not in parameters else {}
        own |= {"backbone": str(plan.out / BACKBONE)} if "backbone" in parameters else {}
        scenario = of_preset(setting.preset).scenario(setting.preset, dict(setting.overrides))
        task = Task("push", setting.name, scenario=scenario)
        if setting.memorise:
            fixed = Source(preset=setting.preset, seed=0, overrides=dict(setting.overrides))
            task = Task("push", setting.name, instance=load(fixed))
        registry.trainer(method, "push", {**parameters, **own}).train(task, seed, path, _silent)
    return path


def train_all(plan: Plan, jobs: int) -> None:
    """Train what is missing, seed by seed so that a table is there early."""
    wanted = any("backbone" in own for x in plan.settings for _, own in x.agents.values())
    if wanted and not (plan.out / BACKBONE).exists():
        scenario = of_preset("push-paper-v2").scenario("push-paper-v2", {})
        task = Task("push", "push-paper-v2", scenario=scenario)
        trainer = registry.trainer("push.backbone", "push", {})
        trainer.train(task, 0, plan.out / BACKBONE, _silent)
    with ProcessPoolExecutor(jobs, get_context("spawn"), die_with_parent) as pool:
        tasks = [
            pool.submit(train, plan, setting, label, seed)
            for seed in range(plan.seeds)
            for setting in plan.settings
            for label in setting.agents
        ]
        for future in as_completed(tasks):
            print(future.result(), flush=True)


def play(plan: Plan, setting: Setting, jobs: int) -> None:
    """Play what is missing and keep all: rules once, every agent with all its seeds."""
    rules = [Choice(name) for name in (*RULES, *(() if setting.proofs else ("labels",)))]
    agents = [
        Choice(method, {"agent": str(plan.agent(setting, label, "{seed}")), **weights})
        for label, (method, _) in setting.agents.items()
        for weights in ({}, {"weights": "untrained"})
    ]
    runs = plan.out / f"{setting.name}.jsonl"
    count, budget = (1 if setting.memorise else plan.instances), Budget(time_s=LIMIT_S)
    done = []
    for choices, seeds in ((rules, 1), (agents, plan.seeds)):
        comparison = Comparison([setting.source], choices, count, budget, solver_seeds=seeds)
        whole = len(done) + len(comparison)
        for run in comparison.run(runs, jobs):
            done.append(run)
            print(f"{setting.name}: {len(done)}/{whole}", flush=True)
    pages.keep(plan.kept(setting), [_labelled(run, plan, setting) for run in done])


def _labelled(run: Record, plan: Plan, setting: Setting) -> Record:
    """Return a record whose agent is called by label, and not by a file of this machine."""
    named = {str(plan.agent(setting, label, "{seed}")): label for label in setting.agents}
    label = named.get(run.parameters.get("agent", ""))
    changed = {} if label is None else {"agent": label}
    return msgspec.structs.replace(run, parameters=run.parameters | changed)


def pages_of(played: Sequence[tuple[Setting, list[Record]]]) -> Iterator[str]:
    """Yield the parts of the page."""
    for setting, runs in played:
        words = "Written by `python -m bench.trained.push_agents`. "
        words += (
            "Trained on the very instance that is played here; "
            if setting.memorise
            else "No training draws the instances that are played here; "
        )
        words += "all trainings took the same time on one core, and rows tell how far that was."
        yield pages.page(setting.name, words, [_shown(run) for run in runs], setting.against)


def _shown(run: Record) -> Record:
    """Return a record for the table: without the hash of the agent, which its label stands for."""
    kept = {k: v for k, v in run.parameters.items() if k not in ("agent", "sha256")}
    named = {"trained": run.parameters["agent"]} if "agent" in run.parameters else {}
    return msgspec.structs.replace(run, parameters=named | kept)


def main() -> int:
    """Train and play what is missing, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.trained.push_agents")
    parser.add_argument("--seconds", type=float, default=FULL.time_s, help="of each training")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--settings", default="", help="names with commas; all by default")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    plan = QUICK if given.quick else replace(FULL, time_s=given.seconds)
    names = [x.name for x in plan.settings]
    wanted = given.settings.split(",") if given.settings else names
    if strange := sorted(set(wanted) - set(names)):
        parser.error(f"--settings: expected some of {', '.join(names)}, found {strange[0]!r}")
    plan.out.mkdir(parents=True, exist_ok=True)
    chosen = replace(plan, settings=tuple(x for x in plan.settings if x.name in wanted))
    train_all(chosen, given.jobs)
    for setting in chosen.settings:
        play(chosen, setting, given.jobs)
    every = [run for _, runs in kept(plan) for run in runs]
    return pages.write_checked(plan.page, kept_page(plan), every, *certificates(plan))


def certificates(plan: Plan) -> list[Path]:
    """Return the folder of the certificates that kept proofs name, if there is one."""
    named = {(plan.records / x.proofs).with_suffix("") for x in plan.settings if x.proofs}
    return [folder for folder in named if folder.is_dir()]


def kept(plan: Plan) -> list[tuple[Setting, list[Record]]]:
    """Return the settings of which records are kept, and those with what proves their optima."""
    played = [(x, ledger.read(plan.kept(x))) for x in plan.settings if plan.kept(x).exists()]
    return [(x, runs + _proofs(plan, x, runs)) for x, runs in played]


def _proofs(plan: Plan, setting: Setting, runs: Sequence[Record]) -> list[Record]:
    """Return kept certificates of the instances played, else runs of what proved all of them."""
    if setting.proofs is None:
        return []
    played = {run.sha256 for run in runs}
    every = [run for run in ledger.read(plan.records / setting.proofs) if run.sha256 in played]
    if certified := [run for run in every if run.certificate]:
        return certified
    failed = {run.solver for run in every if run.status != Status.OPTIMAL}
    return [run for run in every if run.solver not in failed]


def kept_page(plan: Plan) -> str:
    """Return the page of what is kept; words of proofs name the records that have them."""
    played = kept(plan)
    told = []
    for (setting, _), text in zip(played, pages_of(played), strict=True):
        path = plan.records / setting.proofs if setting.proofs else plan.kept(setting)
        told.append(pages.marked(text, pages.mark(ledger.read(path), path)))
    return "\n".join(told)


def _silent(share: float, text: str) -> None:
    """Report nothing."""


if __name__ == "__main__":
    raise SystemExit(main())
