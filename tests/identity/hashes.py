"""The golden hashes: what they are, and how those of a new preset are added.

``python tests/identity/hashes.py`` adds the presets that are missing. It never changes a hash that
is there: a preset that gives another instance than before needs another name.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from math import floor
from pathlib import Path
from typing import Any

from opt_istn import problems

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
# up to minutes a seed: only `make torture` does more of them than SEEDS[:limit]
LARGE = {
    "jutap-region": 0,
    "jutap-city-k": 0,
    "jutap-city": 1,
    "push-fleet": 0,
    "push-day": 0,
    "push-users-1": 0,  # 12 to 18 users, as 6 and 9 are made
    "push-cache-3": 0,  # and 30 to 45 places, as 20 and 25
    "push-cache-4": 0,
    "push": 1,
}


def golden() -> dict[str, list[str]]:
    """Return the committed hashes of every preset, one for each of `SEEDS`."""
    files = [HERE / f"{problem.name}.json" for problem in problems.every()]
    return {k: v for file in files for k, v in json.loads(file.read_text()).items()}


def cases() -> Iterator[tuple[str, int, bool]]:
    """Yield preset, seed and whether it takes long."""
    for problem in problems.every():
        for name in problem.presets():
            limits = [limit for start, limit in LARGE.items() if name.startswith(start)]
            for seed in SEEDS:
                yield name, seed, seed >= min(limits, default=len(SEEDS))


def made(preset: str, seed: int) -> str:
    """Return the hash of a preset and a seed as it is generated now."""
    problem = problems.of_preset(preset)
    scenario = problem.presets()[preset]
    if not preset.startswith("jutap-region"):
        return problem.generate(scenario, seed, "").sha256
    whole = _region(seed)  # one radio map for all budgets: it takes minutes
    if scenario.kappa is None:
        return str(whole.sha256)
    diagonals = scenario.grid - 1
    budget = floor(scenario.kappa * diagonals * whole.energy_mj[1])
    return str(replace(whole, energy_budget_mj=budget).sha256)


@lru_cache(maxsize=len(SEEDS))
def _region(seed: int) -> Any:
    problem = problems.get("jutap")
    return problem.generate(problem.presets()["jutap-region"], seed, "")


def _add_missing() -> None:
    for problem in problems.every():
        file = HERE / f"{problem.name}.json"
        known = json.loads(file.read_text())
        missing = [name for name in problem.presets() if name not in known]
        fresh = {name: [made(name, seed) for seed in SEEDS] for name in missing}
        file.write_text(json.dumps(known | fresh, indent=1, sort_keys=True) + "\n")
        print(f"{problem.name}: {len(known)} kept, added {', '.join(missing) or 'none'}")


if __name__ == "__main__":
    sys.exit(_add_missing())
