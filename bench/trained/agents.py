"""`python -m bench.trained.agents`: how near JUTAP agents come to the optimum, as `agents.md`.

Every map has agents of its own, one a seed; they fly it from several STARTs, untrained as well.
Trainings and flights lie in ``out/agents``: killed and started again, the command does what is
missing, and a training goes on from its checkpoint. What it came to is kept in
``bench/records/jutap-agents.jsonl.gz`` (flights, their instances as anyone can generate them) and
``bench/agents/jutap-paper.jsonl`` (trainings). The page is written from these two alone, if
`verify` has nothing against a record. ``--quick`` does all that with two small agents a method, in
``out/agents-quick``, and leaves what is kept alone.
"""

import argparse
import json
import os
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench import pages
from learners import agent
from learners.plateau import find_plateau
from opt_istn import Budget, registry
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.starts import STRONGEST, judge, split
from opt_istn.problems import of_preset
from opt_istn.runs import ledger
from opt_istn.runs.compare import Choice, Comparison
from opt_istn.runs.ledger import Record, Source
from opt_istn.runs.nursery.processes import die_with_parent
from opt_istn.training import Task

PRESET = "jutap-paper"
RULES = ("labels", "straight", "greedy", "blind")
LIMIT_S = 60.0
FLOWN = re.compile(r"map(\d+)-start(\d+)\.json$")
Training = dict[str, Any]


@dataclass(frozen=True)
class Learner:
    """A trainer with its parameters, on how many maps, and with how many seeds on each."""

    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    maps: int = 3
    seeds: int = 5


@dataclass(frozen=True)
class Plan:
    """What is trained and flown, and where it is kept.

    Parameters
    ----------
    learners
        By label.
    starts
        STARTs of each map.
    out
        Folder of agent files, instances and runs.
    records, trainings, page
        The files that are kept.
    """

    learners: Mapping[str, Learner]
    starts: int
    out: Path
    records: Path
    trainings: Path
    page: Path

    def agent(self, label: str, number: int, seed: int | str) -> Path:
        """Return the file of an agent."""
        return self.out / f"{label}-map{number}-{seed}.pt"

    def each(self) -> Iterator[tuple[str, int]]:
        """Yield label and map of the agents that have a row, the paper's long trainings last."""
        for label, learner in self.learners.items():
            yield from ((label, number) for number in range(learner.maps))

    def done(self) -> Iterator[tuple[str, int]]:
        """Yield those whose trainings are over."""
        for label, number in self.each():
            seeds = range(self.learners[label].seeds)
            if all(self.agent(label, number, seed).exists() for seed in seeds):
                yield label, number


FULL = Plan(
    {
        "table": Learner("qlearning"),
        "strong": Learner("dqn"),
        "paper": Learner("dqn", {"profile": "paper"}, seeds=1),
    },
    5,
    pages.HERE.parent / "out" / "agents",
    pages.HERE / "records" / "jutap-agents.jsonl.gz",
    pages.HERE / "agents" / "jutap-paper.jsonl",
    pages.HERE / "agents.md",
)
_QUICK = FULL.out.with_name("agents-quick")
QUICK = Plan(
    {
        "table": Learner("qlearning", {"steps": 100_000, "flights": 1000}, 1, 2),
        "strong": Learner("dqn", {"updates": 50, "warm_up": 500}, 1, 2),
    },
    2,
    _QUICK,
    _QUICK / "records.jsonl.gz",
    _QUICK / "trainings.jsonl",
    _QUICK / "agents.md",
)


def subject(number: int) -> Instance:
    """Return a map."""
    problem = of_preset(PRESET)
    made: Instance = problem.generate(problem.scenario(PRESET, {}), number, f"{PRESET}-{number}")
    return made


def train(plan: Plan, label: str, number: int, seed: int) -> Path:
    """Train an agent on a map, if its file is not there yet."""
    path, learner = plan.agent(label, number, seed), plan.learners[label]
    if not path.exists():
        whole = subject(number)
        trainer = registry.trainer(f"jutap.{learner.method}", "jutap", dict(learner.parameters))
        trainer.train(Task("jutap", whole.name, instance=whole), seed, path, _silent)
    return path


def starts(plan: Plan, number: int) -> Iterator[Path]:
    """Write a map with drawn STARTs, the strongest MBS held there, and yield the files."""
    whole = subject(number)
    cells = np.delete(np.arange(whole.num_cells), whole.end)
    for cell in np.random.default_rng(number).choice(cells, plan.starts, replace=False).tolist():
        path = plan.out / f"map{number}-start{cell}.json"
        held = int(whole.strongest[cell])
        replace(whole, name=path.stem, start=cell, start_link=held).write(path)
        yield path


def fly(plan: Plan, label: str, number: int, jobs: int) -> Iterator[Record]:
    """Let the agents of a map, trained and untrained, and the rules fly what they have not yet."""
    sources, learner = [Source(file=str(x)) for x in starts(plan, number)], plan.learners[label]
    given = {"agent": str(plan.agent(label, number, "{seed}")), "elsewhere": True}
    agents = [Choice(learner.method, given | more) for more in ({}, {"weights": "untrained"})]
    for choices, seeds in (([Choice(name) for name in RULES], 1), (agents, learner.seeds)):
        comparison = Comparison(sources, choices, seeds, Budget(time_s=LIMIT_S))
        yield from comparison.run(plan.out / "runs.jsonl", jobs)


def portable(run: Record) -> Record:
    """Return a record that names the preset and START of its instance and no folder of ours."""
    number, cell = _place(run)
    named = {"agent": Path(run.parameters["agent"]).name} if "agent" in run.parameters else {}
    return msgspec.structs.replace(
        run,
        source=Source(preset=PRESET, seed=int(number), overrides={"start": cell}),
        instance=f"{PRESET}-{number}/{cell}",
        parameters=run.parameters | named,
    )


def _place(run: Record) -> tuple[str, str]:
    """Return map and START of a flight."""
    found = FLOWN.search(run.source.file or "")
    if found is None:
        raise ValueError(f"{run.source.file} is no map with a START")
    return found[1], found[2]


def told(plan: Plan, label: str, number: int, seed: int) -> Training:
    """Return what an agent file says of its training, and how it flies from all STARTs."""
    path, method = plan.agent(label, number, seed), f"jutap.{plan.learners[label].method}"
    loaded, whole = agent.load(path, method), subject(number)
    counted = "gradient_steps" if "gradient_steps" in loaded.counts else "environment_steps"
    table, action = registry.make(method, "jutap", {"agent": str(path)}).policy(whole, seed)
    judged, parts = judge(table, action), split(whole, action, loaded.config["reward"])
    causes = {x: round(getattr(parts, x) / parts.optimum, 6) for x in CAUSES}
    came = find_plateau(method, loaded.history)
    return {
        "label": label,
        "map": number,
        "seed": seed,
        "counts": loaded.counts,
        "plateau": came.reached,
        "why": came.why,
        "success": judged.success,
        "gap": round(judged.mean_gap, 6),
        "split": causes,
        "curve": [[row[counted], round(row["saving"], 4)] for row in loaded.history],
    }


CAUSES = ("association", "reward", "learning")


def keep(plan: Plan) -> None:
    """Write what the agents whose trainings are over, and the rules on their maps, came to."""
    done = list(plan.done())
    current = {agent.sha256(plan.agent(*one, "{seed}"), "") for one in done} | {""}
    maps = {str(number) for _, number in done}
    mine = [
        run
        for run in ledger.read(plan.out / "runs.jsonl")
        if run.parameters.get("sha256", "") in current and _place(run)[0] in maps
    ]
    pages.keep(plan.records, [portable(run) for run in mine])
    texts = [
        json.dumps(told(plan, *one, seed), sort_keys=True)
        for one in done
        for seed in range(plan.learners[one[0]].seeds)
    ]
    plan.trainings.write_text("\n".join(texts) + "\n")


def page(records: Sequence[Record], trainings: Sequence[Training]) -> str:
    """Return the page."""
    cells = len({run.sha256 for run in records}) // max(1, len({x.source.seed for x in records}))
    words = (
        f"Written by `python -m bench.trained.agents`: maps of `{PRESET}`, on each of them agents "
        f"of its own, flown from {cells} STARTs and from all. *table* is tabular Q-learning, "
        "*strong* and *paper* are profiles of the DQN. Agents of different maps have nothing in "
        "common but the number of their seed, so every map has a table of its own."
    )
    more = (
        f"## All STARTs\n\nGaps are to {STRONGEST}: mean over all STARTs, flights that miss END "
        "charged what they flew. Of the summed cost, the gap to the optimum with every link "
        "splits into three causes. Medians over seeds, (least to largest).\n\n"
        f"{_all_starts(trainings)}\n"
    )
    return pages.page("JUTAP agents", words, [_grouped(run) for run in records], more=more)


def _grouped(run: Record) -> Record:
    """Return a record for the table: grouped by map, its agent called by label."""
    label = str(run.parameters.get("agent", "")).partition("-map")[0]
    kept = {k: v for k, v in run.parameters.items() if k == "weights"}
    named = {"trained": label, **kept} if label else run.parameters
    return msgspec.structs.replace(run, source=Source(), parameters=named)


def _all_starts(trainings: Sequence[Training]) -> str:
    titles = ("agent", "map", "seeds", "plateaus", "least success", "mean gap %")
    rows: dict[tuple[str, int], list[Training]] = defaultdict(list)
    for one in trainings:
        rows[one["label"], one["map"]].append(one)
    lines = ["| " + " | ".join((*titles, *(f"{x} %" for x in CAUSES))) + " |"]
    lines.append("|" + " --- |" * (len(titles) + len(CAUSES)))
    for (label, number), own in rows.items():
        gaps = [100 * one["gap"] for one in own]
        gap = f"{statistics.median(gaps):.3f} ({min(gaps):.3f} to {max(gaps):.3f})"
        causes = [statistics.median(100 * one["split"][x] for one in own) for x in CAUSES]
        cells = (label, number, len(own), sum(one["plateau"] for one in own))
        least = f"{min(one['success'] for one in own):.1%}"
        shown = (*cells, least, gap, *(f"{x:.3f}" for x in causes))
        lines.append("| " + " | ".join(map(str, shown)) + " |")
    return "\n".join(lines)


def main() -> int:
    """Train what is missing, fly what is missing, keep it, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.trained.agents")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    parser.add_argument("--quick", action="store_const", dest="plan", const=QUICK, default=FULL)
    parser.add_argument("--page", action="store_true", help="of what is there, and run nothing")
    given = parser.parse_args()
    plan: Plan = given.plan
    plan.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(given.jobs, get_context("spawn"), die_with_parent) as pool:
        for label, number in () if given.page else plan.each():
            seeds = range(plan.learners[label].seeds)
            for done in as_completed(pool.submit(train, plan, label, number, s) for s in seeds):
                print(done.result().name, flush=True)
            for run in fly(plan, label, number, given.jobs):
                print(run.solver, run.instance, run.seed, run.status, run.cost, flush=True)
    keep(plan)
    return pages.write_checked(plan.page, kept_page(plan), ledger.read(plan.records))


def kept_page(plan: Plan) -> str:
    """Return the page of what is kept."""
    trainings = [json.loads(line) for line in plan.trainings.read_text().splitlines()]
    records = list(ledger.read(plan.records))
    return pages.marked(page(records, trainings), pages.mark(records, plan.records))


def _silent(share: float, text: str) -> None:
    """Report nothing."""


if __name__ == "__main__":
    raise SystemExit(main())
