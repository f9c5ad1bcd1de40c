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
from opt_istn.environment import cpu_model
from opt_istn.jutap.scenario import PRESETS, generate

HERE = Path(__file__).parent
GRIDS = (25, 50, 100, 200, 400, 700, 1000)
KAPPAS = (None, 1.02, 1.05)


def scaling() -> list[dict[str, Any]]:
    """Solve the paper's station density on finer and larger grids; one row a grid and budget."""
    solver, rows = Labels(), []
    solver.prepare()
    for grid in GRIDS:
        side_km = 3.0 * (grid / 25) ** 0.5
        base = replace(
            PRESETS["jutap-paper"],
            grid=grid,
            num_mbs=max(round(10 * side_km**2 / 9), 10),
            cell_m=1000 * side_km / grid,
        )
        for kappa in KAPPAS:
            made = generate(replace(base, kappa=kappa), 0, f"grid {grid}")
            states = len(made.usable[1])
            began = time.perf_counter()
            claims = solver.solve(made, Budget())
            rows.append(
                {
                    "grid": grid,
                    "kappa": kappa,
                    "states": states,
                    "seconds": time.perf_counter() - began,
                    "status": str(claims.status),
                    "labels": claims.detail.get("labels", 0),
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


def table(benchmarks: list[dict[str, Any]]) -> str:
    """Return a markdown table: median seconds and the ratio to label setting, by instance."""
    labels = {
        mark["extra_info"]["instance"]: mark["stats"]["median"]
        for mark in benchmarks
        if mark["extra_info"]["method"] == "labels"
    }
    lines = ["| instance | states | method | median s | times `labels` |", "|---|---|---|---|---|"]
    for mark in sorted(benchmarks, key=lambda m: (m["extra_info"]["states"], m["group"])):
        info, median = mark["extra_info"], mark["stats"]["median"]
        ratio = median / labels[info["instance"]]
        cells = (info["instance"], info["states"], info["method"], f"{median:.3g}", f"{ratio:.3g}")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def main() -> int:
    """Run the suite, then the curve, and write the report."""
    raw = HERE.parent / "out" / "bench.json"
    raw.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", str(HERE), "--large"]
    done = subprocess.run([*command, f"--benchmark-json={raw}"], check=False)
    if done.returncode:
        return done.returncode
    rows = scaling()
    draw(rows, HERE / "scaling.svg")
    lines = [f"| {r['grid']} | {r['kappa']} | {r['states']} | {r['seconds']:.3g} |" for r in rows]
    report = f"""# Speed of the exact methods

Measured by `make bench` on {cpu_model()}, Python {platform.python_version()}; every engine ran
alone, single-threaded, on instances in memory, kernels compiled. Peers had their own data
structure built before the clock. All of them returned the same integer.

{table(json.loads(raw.read_text())["benchmarks"])}

## Scaling of `jutap.labels`

Station density of the paper, grids from 25 x 25 to 1000 x 1000.

![Seconds against states](scaling.svg)

| grid | kappa | states | seconds |
|---|---|---|---|
{chr(10).join(lines)}
"""
    (HERE / "report.md").write_text(report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
