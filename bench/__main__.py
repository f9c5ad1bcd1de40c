"""`python -m bench`: measure everything in one run and write `bench/report.md` with its figure.

Takes tens of minutes. The benchmark suite runs with the large instances; the scaling curve solves
maps of growing size with the label setter.
"""

import json
import platform
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from formulations.jutap.labels import Labels
from opt_istn import Budget
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.runs.audit import gap
from opt_istn.runs.environment import cpu_model

HERE = Path(__file__).parent
GRIDS = (25, 50, 100, 200, 400, 700, 1000)
KAPPAS = (None, 1.02, 1.05)


def scaling() -> list[dict[str, Any]]:
    """Solve the city on ever finer grids: same stations and radio map, more cells."""
    solver, rows = Labels(), []
    solver.prepare()
    city = PRESETS["jutap-city"]
    side = city.grid * city.cell_m
    for grid in GRIDS:
        made = generate(replace(city, grid=grid, cell_m=side / grid), 0, f"grid {grid}")
        states = len(made.states[1])
        for kappa in KAPPAS:
            budget = None if kappa is None else int(kappa * (grid - 1) * made.energy_mj[1])
            subject = replace(made, energy_budget_mj=budget)
            _ = subject.sha256
            began = time.perf_counter()
            claims = solver.solve(subject, Budget())
            seconds = time.perf_counter() - began
            rows.append(
                {
                    "grid": grid,
                    "kappa": kappa,
                    "states": states,
                    "seconds": seconds,
                    "status": str(claims.status),
                }
            )
            print(rows[-1], flush=True)
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Plot seconds against states, one line a budget."""
    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    for kappa, marker in zip(KAPPAS, "osD", strict=True):
        mine = [row for row in rows if row["kappa"] == kappa]
        label = "no budget" if kappa is None else f"budget {kappa:.2f} x straightest"
        xs, ys = [row["states"] for row in mine], [row["seconds"] for row in mine]
        axes.loglog(xs, ys, marker=marker, label=label)
    axes.set_xlabel("states (cell, link)")
    axes.set_ylabel("seconds to the proven optimum")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path)


def table(benchmarks: list[dict[str, Any]], problem: str) -> str:
    """Return a markdown table of one problem: median seconds and ratio to label setting."""
    mine = [mark for mark in benchmarks if mark["extra_info"]["problem"] == problem]
    labels = {
        mark["extra_info"]["instance"]: mark["stats"]["median"]
        for mark in mine
        if mark["extra_info"]["method"] == "labels"
    }
    lines = [
        "| instance | size | method | outcome | median s | times `labels` |",
        "|---|---|---|---|---|---|",
    ]
    for mark in sorted(mine, key=_order):
        info, median = mark["extra_info"], mark["stats"]["median"]
        left = gap(info["cost"], info["bound"])
        outcome = info["status"] + (f", gap {100 * left:.1f} %" if left else "")
        ratio = f"{median / labels[info['instance']]:.3g}"
        cells = (info["instance"], info["size"], info["method"], outcome, f"{median:.3g}", ratio)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def agents(benchmarks: list[dict[str, Any]]) -> str:
    """Return the markdown table of the agents' benchmarks."""
    lines = ["| benchmark | median s | updates/s or steps/s | gap reached |", "|---|---|---|---|"]
    for mark in benchmarks:
        info, median = mark["extra_info"], mark["stats"]["median"]
        if info["problem"] == "dqn":
            done = info.get("updates") or info.get("steps")
            rate = f"{done / median:,.0f}" if done else ""
            reached = f"{info['gap']:.2%}" if "gap" in info else ""
            lines.append(f"| {mark['name']} | {median:.3g} | {rate} | {reached} |")
    return "\n".join(lines)


def _order(mark: dict[str, Any]) -> tuple[int, str, float]:
    info = mark["extra_info"]
    return info["size"], info["instance"], mark["stats"]["median"]


def main() -> int:
    """Run the suite, then the curve, and write the report."""
    raw = HERE.parent / "out" / "bench.json"
    raw.parent.mkdir(exist_ok=True)
    own = f"--ignore={HERE / 'test_own.py'}"  # measures what users name
    command = [sys.executable, "-m", "pytest", "-q", str(HERE), "--large", own]
    done = subprocess.run([*command, f"--benchmark-json={raw}"], check=False)
    if done.returncode:
        return done.returncode
    write(json.loads(raw.read_text())["benchmarks"], scaling())
    return 0


def write(marks: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """Write the report and its figure."""
    draw(rows, HERE / "scaling.svg")
    lines = [f"| {r['grid']} | {r['kappa']} | {r['states']} | {r['seconds']:.3g} |" for r in rows]
    report = f"""# Speed of the exact methods

Measured by `make bench` on {cpu_model()}, Python {platform.python_version()}; every engine ran
alone, single-threaded, on instances in memory, kernels compiled. Peers had their own data
structure built before the clock. Wherever two of them finished they returned the same integer.

## JUTAP

Size is the number of (cell, link) states. `cpsat plain` is the CP-SAT model without reduced costs,
hint and energy corridor, which all come from this project's own passes.

{table(marks, "jutap")}

## PUSH

Size is the number of requests. Limit 120 s.

{table(marks, "push")}

## Agents

On `jutap-paper`, seed 0. `test_updates`: one environment step and one update of a batch of 64, in
the paper's network. `test_flights`: batched steps of that many flights. Seconds to 1 %: until the
mean gap over all STARTs, to the optimum with the strongest association, is at most 1 %;
stable-baselines3 sees the same Fourier features.

{agents(marks)}

## Scaling of `jutap.labels`

The city of 6 x 6 km with 40 stations on grids from 25 x 25 to 1000 x 1000.

![Seconds against states](scaling.svg)

| grid | kappa | states | seconds |
|---|---|---|---|
{chr(10).join(lines)}
"""
    (HERE / "report.md").write_text(report)


if __name__ == "__main__":
    raise SystemExit(main())
