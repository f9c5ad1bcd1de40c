"""What the readings of the JUTAP paper are worth: ``python -m bench.readings.jutap_readings``.

For every reading, the optimum (by ``jutap.labels``, judged by the evaluator) of the maps of
seeds 0-9 of ``jutap-paper-v2``, averaged: one line per reading and weighting, a Markdown table.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from formulations.jutap.labels import Labels
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.solver import Budget

SEEDS = range(10)
WEIGHTS = {"Fig. 3": (0.4, 0.2, 0.4), "Fig. 4a": (0.2, 0.6, 0.2), "Fig. 4b": (0.6, 0.2, 0.2)}
COLUMNS = ("holes", "handover", "cost", "length (m)", "GEO cells", "energy (kJ)", "map holes (%)")


def readings() -> Iterator[dict[str, Any]]:
    """Yield the parameters of every reading, the preset's own first."""
    for bonus in ("printed", "once", "none"):
        for to_geo in ("reconnect", "handover"):
            yield {"hole_bonus": bonus, "hole_to_geo": to_geo}
    yield {"interference": "all"}
    yield {"geo_bandwidth_hz": 1e6}
    yield {"association": "strongest"}


def measured(**parameters: Any) -> list[float]:
    """Return the means of `COLUMNS` over the maps.

    Raises
    ------
    ValueError
        If an optimum is not proven, or the judge finds another cost.
    """
    rows = []
    for seed in SEEDS:
        made = generate(replace(PRESETS["jutap-paper-v2"], **parameters), seed)
        claims = Labels().solve(made, Budget())
        judged = None if claims.plan is None else evaluate(made, claims.plan)
        if judged is None or not judged.cost == claims.cost == claims.bound:
            raise ValueError(f"seed {seed}, {parameters}: no proven optimum")
        assert judged.energy_mj is not None
        shares = judged.cost / 1e6, judged.length_m, judged.geo, judged.energy_mj / 1e6
        rows.append((judged.holes, judged.handover, *shares, 100 * made.scenario["hole_share"]))
    return np.mean(rows, axis=0).tolist()


def main() -> None:
    """Print the table."""
    print("| weights | reading |", " | ".join(COLUMNS), "|")
    print("|---|---|" + "---:|" * len(COLUMNS))
    for changes in readings():
        for name, (w1, w2, w3) in WEIGHTS.items():
            found = measured(w1=w1, w2=w2, w3=w3, **changes)
            reading = ", ".join(f"`{key}={value}`" for key, value in changes.items())
            print(f"| {name} | {reading} |", " | ".join(f"{x:.2f}" for x in found), "|")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
