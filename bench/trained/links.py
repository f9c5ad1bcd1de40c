"""`python -m bench.trained.links`: what link states are worth to policies, and what separates them.

Instances 0, 1, .. of a preset show their link states; rules and `rolling` play them with and
without looking, beside the certified optimum and `expected` with the actual and the law's delays.
Costs go to `bench/links/PRESET.jsonl`, a line an instance and solver; started again, the command
goes on. `--print` shows paired differences of shares of the certified optimum's saving, expected
over requests, with 95 % intervals over instances, and the split of what is lost.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from opt_istn import registry
from opt_istn.push.evaluate import evaluate
from opt_istn.push.expected import expected_cost, expected_instance
from opt_istn.push.instance import Instance
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.report.intervals import one_way
from opt_istn.solver import Budget, Status

FOLDER = Path(__file__).parents[1] / "links"
RULES = ("match", "greedy", "rolling")
SOLVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "labels": ("labels", {}),
    **{name: (name, {}) for name in RULES},
    **{f"{name} links": (name, {"links": True}) for name in RULES},
    "expected": ("expected", {}),
    "expected law": ("expected", {"delays": "law"}),
}
LIMIT_S = 600.0
DIFFERENCES = [  # of shares, first less second, and what it is
    *((f"{name} links", name, "looking at link states") for name in RULES),
    ("labels", "expected", "requests"),
    ("expected", "expected law", "delays"),
    ("expected law", "rolling", "births and policy"),
    ("expected law", "rolling links", "births and policy, less what link states give"),
]
Costs = dict[int, dict[str, dict[str, int]]]


def instance(preset: str, seed: int) -> Instance:
    """Return an instance of a preset that shows its link states."""
    return generate(replace(PRESETS[preset], link_states=True), seed, f"{preset}-{seed}")


def read(path: Path) -> Costs:
    """Return costs by seed and solver."""
    found: Costs = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        row = json.loads(line)
        found.setdefault(row["seed"], {})[row["solver"]] = row
    return found


def measure(preset: str, number: int, path: Path) -> None:
    """Play what has not been played."""
    done = read(path)
    for seed in range(number):
        todo = [name for name in SOLVERS if name not in done.get(seed, {})]
        x = instance(preset, seed) if todo else None
        for name in todo if x is not None else ():
            with path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"seed": seed, "solver": name, **played(x, name)}) + "\n")


def played(x: Instance, name: str) -> dict[str, Any]:
    """Return what a solver's plan costs, in fact and on average, and the same without pushes."""
    solver_id, parameters = SOLVERS[name]
    claims = registry.make(solver_id, "push", parameters).solve(x, Budget(time_s=LIMIT_S), 0)
    return {
        "cost_us": evaluate(x, claims.plan).cost,
        "expected_us": expected_cost(x, claims.plan),
        "no_push_us": x.base_us,
        "expected_no_push_us": expected_instance(x).base_us,
        "optimal": claims.status == Status.OPTIMAL,
    }


def share(rows: dict[str, dict[str, int]], name: str, by: str = "expected_") -> float:
    """Return what a plan saves of the certified optimum's saving; the optimum itself saves 1."""
    best = rows["labels"]
    if not best["optimal"]:
        raise SystemExit(f"seed {best['seed']}: no certified optimum")
    if name == "labels":
        return 1.0
    cost = rows[name]["expected_us" if by else "cost_us"]
    saved = rows[name][f"{by}no_push_us"] - cost
    return saved / (best["no_push_us"] - best["cost_us"])


def lines(costs: Costs) -> Iterator[str]:
    """Yield the table of differences, in Markdown."""
    whole = {seed: rows for seed, rows in costs.items() if set(SOLVERS) <= set(rows)}
    yield f"{len(whole)} instances"
    yield "| | saved, expected | saved, as drawn |\n| --- | --- | --- |"
    for name in SOLVERS:
        values = [[share(rows, name, by) for rows in whole.values()] for by in ("expected_", "")]
        yield "| " + " | ".join([name, *(told(x) for x in values)]) + " |"
    yield "\n| difference | what it is | expected | as drawn |\n| --- | --- | --- | --- |"
    for first, second, what in DIFFERENCES:
        cells = [f"{first} - {second}", what]
        for by in ("expected_", ""):
            pairs = [share(x, first, by) - share(x, second, by) for x in whole.values()]
            cells.append(told(pairs))
        yield "| " + " | ".join(cells) + " |"


def told(values: list[float]) -> str:
    """Return mean and interval."""
    mean, found = sum(values) / max(len(values), 1), one_way(values, 0)
    if found is None:
        return f"{mean:.3f}"
    ends = f"{found.low:.3f}, {found.high:.3f}"
    return f"{mean:.3f} [{ends}]" if found.method != "range" else f"{mean:.3f} ({ends})"


def main() -> None:
    """Play, or print."""
    parser = argparse.ArgumentParser(prog="python -m bench.trained.links", description=__doc__)
    parser.add_argument("--presets", default="push-paper-v2,push-paper-links-v2")
    parser.add_argument("--instances", type=int, default=30)
    parser.add_argument("--print", action="store_true", help="print what is there, play nothing")
    given = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    for preset in given.presets.split(","):
        path = FOLDER / f"{preset}.jsonl"
        if not given.print:
            measure(preset, given.instances, path)
        print(f"\n## {preset}\n", *lines(read(path)), sep="\n", flush=True)


if __name__ == "__main__":
    main()
