"""`python -m bench.trained.energy`: agents that know what is left of their budget, and blind ones.

Maps 0, 1, .. of the paper's scenario get budgets of kappa times the straightest path's energy, what
the battery of `jutap-paper-v2` leaves, and what one of 118 kJ leaves. On each map an agent that
ignores budgets is trained once, and one that knows what is left once for each budget that is small
enough to matter. `labels` proves the optimum within the budget, with every link and with the
strongest MBS of each cell alone, which is all that agents know. What the evaluator says goes to
`bench/agents/jutap-energy.jsonl`; started again, the command goes on.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.trained.links import told
from bench.trained.unseen import read
from learners.jutap.solver import BudgetKind, process_of
from opt_istn import InputError, registry
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.flights.table import strongest
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.scenario import KAPPAS, PRESETS, Scenario, generate
from opt_istn.solver import Budget, Solver, Status
from opt_istn.training import Task

FILE = Path(__file__).parents[1] / "agents" / "jutap-energy.jsonl"
BATTERY = PRESETS["jutap-paper-v2"]
SCENARIOS: dict[str, Scenario] = {
    **{f"kappa {kappa:.2f}": PRESETS[f"jutap-paper-k{kappa:.2f}"] for kappa in KAPPAS},
    "battery 118 kJ": replace(BATTERY, battery_j=118_000.0),
    "battery 321 kJ": BATTERY,
}
METHODS = ("dqn", "qlearning")
VISITS, MOST = 200, 8_000_000  # of each entry of a table, and steps of a training
BLIND: BudgetKind = "ignored"
AWARE: BudgetKind = "known"
_Row = dict[str, Any]


def measure(method: str, number: int, budgets: Sequence[str], path: Path) -> None:
    """Train and fly what has not been trained and flown."""
    done = {(row["map"], row["budget"], row["solver"]) for row in read(path)}
    for seed in range(number):
        maps = {name: generate(SCENARIOS[name], seed, f"map {seed}, {name}") for name in budgets}
        wanted = [(name, f"{method} {knows}") for name in budgets for knows in (BLIND, AWARE)]
        wanted += [(name, rule) for name in budgets for rule in ("labels", "labels strongest")]
        todo = [(name, who) for name, who in wanted if (seed, name, who) not in done]
        for row in flown(method, maps, todo):
            with path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"map": seed, **row}) + "\n")


def flown(
    method: str, maps: dict[str, Instance], todo: Sequence[tuple[str, str]]
) -> Iterator[_Row]:
    """Yield a row for each budget and solver that is to be flown on a map."""
    with tempfile.TemporaryDirectory() as folder:
        blind = Path(folder) / "blind.pt"
        for name, who in todo:
            x, row = maps[name], {"budget": name, "solver": who}
            if who.startswith("labels"):
                asked = strongest(x) if who.endswith("strongest") else x
                yield row | judged(asked, registry.make("labels", "jutap", {}))
            elif who.endswith(BLIND):
                if not blind.exists():
                    free = replace(x, energy_budget_mj=None, battery=None)
                    train(method, free, BLIND, blind)
                given = {"agent": str(blind), "elsewhere": True}
                yield row | judged(x, registry.make(method, "jutap", given))
            else:
                yield row | aware(method, x, Path(folder) / "aware.pt")


def aware(method: str, x: Instance, out: Path) -> _Row:
    """Train and fly an agent that knows what is left; say so where its table is too large."""
    try:
        train(method, x, AWARE, out)
    except InputError as error:
        return {"refused": str(error)}
    return judged(x, registry.make(method, "jutap", {"agent": str(out)}))


def train(method: str, x: Instance, knows: BudgetKind, out: Path) -> None:
    """Train one agent with seed 0; a table for as many steps as its size asks for."""
    settings: dict[str, Any] = {"updates": 3_000, "tau": 0.03, "batch": 128}
    if method == "qlearning":
        entries = process_of(x, knows).next.size
        settings = {"steps": min(VISITS * entries, MOST), "flights": 1024}
    trainer = registry.trainer(method, "jutap", {**settings, "budget": knows})
    trainer.train(Task("jutap", x.name, instance=x), 0, out, lambda share, text: None)  # noqa: ARG005


def judged(x: Instance, solver: Solver) -> _Row:
    """Return what the evaluator says of a solver's plan."""
    claims = solver.solve(x, Budget(time_s=60.0), 0)
    row: _Row = {"instance": x.sha256, "budget_mj": x.energy_budget_mj}
    row |= {"claimed": claims.status.value, "steps": getattr(solver, "steps", None)}
    if claims.plan is None:
        return row | {"cost": None}
    found = evaluate(x, claims.plan)
    told_of = {"energy_mj": found.energy_mj, "violations": list(found.violations)}
    return row | {"cost": found.cost if found.feasible else None} | told_of


def lines(rows: Sequence[_Row]) -> Iterator[str]:
    """Yield the table, in Markdown: gaps are of the plans that keep the budget."""
    best = {
        (row["map"], row["budget"]): row["cost"]
        for row in rows
        if row["solver"] == "labels" and row["claimed"] == Status.OPTIMAL
    }
    yield "| budget | solver | maps | break the budget | gap, % [95 %] | optima |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for budget, who in sorted({(row["budget"], row["solver"]) for row in rows}):
        own = [row for row in rows if (row["budget"], row["solver"]) == (budget, who)]
        judged_ = [row for row in own if "refused" not in row]
        kept = [(r["cost"], best[r["map"], budget]) for r in judged_ if r["cost"] is not None]
        gaps = [100 * (cost - least) / max(abs(least), 1) for cost, least in kept]
        cells = [budget, who, f"{len(judged_)} of {len(own)}"]
        cells += [str(len(judged_) - len(kept)), told(gaps) if gaps else "-"]
        yield "| " + " | ".join([*cells, str(sum(gap == 0 for gap in gaps))]) + " |"


def main() -> None:
    """Train and fly, or print."""
    parser = argparse.ArgumentParser(prog="python -m bench.trained.energy", description=__doc__)
    parser.add_argument("--method", choices=METHODS, default="qlearning")
    parser.add_argument("--maps", type=int, default=20)
    parser.add_argument("--budgets", default=",".join(SCENARIOS))
    parser.add_argument("--print", action="store_true", help="print what is there, fly nothing")
    given = parser.parse_args()
    if not given.print:
        measure(given.method, given.maps, given.budgets.split(","), FILE)
    print(*lines(read(FILE)), sep="\n")


if __name__ == "__main__":
    main()
