"""`python -m bench.trained.unseen`: one network on maps it was not trained on, and simple rules.

Instances 0, 1, .. of a preset, none of which a training draws, are flown by the network of an agent
file, looking one, two or four moves ahead, as it is and untrained (costs to go are those of the
cheapest of three straight walks), by rules, and by `labels`, which proves the optimum with every
link. What the evaluator says of every plan goes to `bench/agents/jutap-unseen.jsonl`; started
again, the command goes on. `--print` prints the table of what is there.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from bench.trained.links import told
from opt_istn import registry
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.solver import Budget, Status

FILE = Path(__file__).parents[1] / "agents" / "jutap-unseen.jsonl"
RULES = ("labels", "straight", "greedy", "blind", "terrestrial")
NETWORK: dict[str, dict[str, str]] = {
    f"valuenet{', untrained' * raw}, {moves} ahead": {
        "lookahead": str(moves),
        **({"weights": "untrained"} if raw else {}),
    }
    for moves in (1, 2, 4)
    for raw in (False, True)
}
LIMIT_S = 60.0


def measure(preset: str, number: int, agent: str, path: Path) -> None:
    """Fly what has not been flown."""
    done = {(row["preset"], row["seed"], row["solver"]) for row in read(path)}
    solvers = {name: registry.make(name, "jutap", {}) for name in RULES}
    for name, more in NETWORK.items():
        solvers[name] = registry.make("valuenet", "jutap", {"agent": agent, **more})
    for seed in range(number):
        x = generate(PRESETS[preset], seed, f"{preset}-{seed}")
        for name, solver in solvers.items():
            if (preset, seed, name) not in done:
                row = {"preset": preset, "seed": seed, "solver": name, **judged(x, solver)}
                with path.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(row) + "\n")


def judged(x: Instance, solver: Any) -> dict[str, Any]:
    """Return what the evaluator says of a solver's plan, and how far its agent was trained."""
    claims = solver.solve(x, Budget(time_s=LIMIT_S), 0)
    found = None if claims.plan is None else evaluate(x, claims.plan)
    row: dict[str, Any] = {"instance": x.sha256, "claimed": claims.status.value}
    row["cost"] = found.cost if found is not None and found.feasible else None
    if agent := getattr(solver, "sha256", ""):
        row |= {"agent": agent, "steps": solver.steps}
    return row


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, none if there is no such file."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of gaps to the proven optimum, in Markdown."""
    optimal = [
        row for row in rows if row["claimed"] == Status.OPTIMAL and row["solver"] == "labels"
    ]
    best = {row["instance"]: row["cost"] for row in optimal}
    yield "| solver | plans | gap to the proven optimum, % [95 %] | worst, % | optima |"
    yield "| --- | --- | --- | --- | --- |"
    for name in dict.fromkeys(row["solver"] for row in rows):
        own = [row for row in rows if row["solver"] == name and row["instance"] in best]
        flown = [(row["cost"], best[row["instance"]]) for row in own if row["cost"] is not None]
        gaps = [100 * (cost - least) / max(abs(least), 1) for cost, least in flown]
        cells = [name, f"{len(gaps)} of {len(own)}", told(gaps), f"{max(gaps, default=0):.2f}"]
        yield "| " + " | ".join([*cells, str(sum(gap == 0 for gap in gaps))]) + " |"


def main() -> None:
    """Fly, or print."""
    parser = argparse.ArgumentParser(prog="python -m bench.trained.unseen", description=__doc__)
    parser.add_argument("--preset", default="jutap-paper-v2")
    parser.add_argument("--agent", help="agent file of jutap.valuenet")
    parser.add_argument("--instances", type=int, default=30)
    parser.add_argument("--records", type=Path, default=FILE)
    parser.add_argument("--print", action="store_true", help="print what is there, fly nothing")
    given = parser.parse_args()
    if not given.print:
        if not given.agent:
            parser.error("--agent: expected an agent file")
        torch.set_num_threads(1)
        measure(given.preset, given.instances, given.agent, given.records)
    print(*lines(read(given.records)), sep="\n")


if __name__ == "__main__":
    main()
