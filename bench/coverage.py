"""`python -m bench.coverage`: how often intervals of tables hold the mean, as `coverage.md`.

Samples of laws whose mean is known are given to `opt_istn.report.intervals`, many at once, for
every method and number of units that tables print. The page tells the share of samples whose
interval holds the mean. Under `LEAST` there is to be no such interval. Seeds fix all draws, so the
command writes the same page again. Shares that are there already, in ``out/coverage``, are not
simulated again: killed and started again, it goes on, and several of it share the work.
"""

import argparse
import hashlib
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench import pages
from opt_istn.report import intervals

FloatArray = NDArray[np.float64]
LEAST = 0.92
SAMPLES = 3_000
YET = "Not simulated yet: "
TOGETHER = 10_000  # units of all samples that share the numbers of their resamples
PAGE = pages.HERE / "coverage.md"
DONE = pages.HERE.parent / "out" / "coverage"
UNITS = (5, 6, 7, 8, 10, 15, 20, 30, 49, 50, 100, 1000)
LAWS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], FloatArray]] = {
    "normal": lambda rng, shape: rng.normal(0.0, 1.0, shape),
    "exponential": lambda rng, shape: rng.exponential(1.0, shape) - 1.0,
}


@dataclass(frozen=True)
class Design:
    """Seeds and instances, and the parts of both and of single runs in the spread."""

    seeds: int
    instances: int
    of_seeds: float
    of_instances: float
    of_runs: float

    def draw(self, law: str, rng: np.random.Generator, count: int) -> FloatArray:
        """Return samples of mean 0, shape (count, instances, seeds)."""
        shape = (count, self.instances, self.seeds)
        spread = {
            (count, 1, self.seeds): self.of_seeds,
            (count, self.instances, 1): self.of_instances,
            shape: self.of_runs,
        }
        parts = [part * LAWS[law](rng, own) for own, part in spread.items()]
        return sum(parts, np.zeros(shape))


PARTS = {"seeds": (1.0, 0.1, 0.3), "instances": (0.1, 1.0, 0.3), "both": (1.0, 1.0, 0.3)}
PARTS["runs"] = (0.3, 0.3, 1.0)
SIZES = ((5, 5), (5, 30), (10, 10))
DESIGNS = {
    f"{seeds} x {instances}, {name} decide": Design(seeds, instances, *parts)
    for seeds, instances in SIZES
    for name, parts in PARTS.items()
}


def one_way(law: str, units: int, samples: int) -> float:
    """Return the share of samples of `units` values whose interval holds the mean."""
    ends = intervals.one_way_ends
    return _share(lambda rng, count: LAWS[law](rng, (count, units)), ends, samples, units)


def two_way(law: str, design: Design, samples: int) -> float:
    """Return the share of samples of seeds and instances whose interval holds the mean."""
    most = max(design.seeds, design.instances)
    return _share(partial(design.draw, law), intervals.two_way_ends, samples, most)


def _share(
    draw: Callable[[np.random.Generator, int], FloatArray],
    ends: Callable[[FloatArray, int], tuple[FloatArray, FloatArray]],
    samples: int,
    units: int,
) -> float:
    held, batch = [], max(1, TOGETHER // units)
    for first in range(0, samples, batch):
        drawn = draw(np.random.default_rng([first, 1]), min(batch, samples - first))
        low, high = ends(drawn, first)
        held.append((low <= 0) & (high >= 0))
    return float(np.concatenate(held).mean())


def slack(samples: int) -> float:
    """Return what a share of so many samples misses with a probability of about 0.1 %."""
    return 3.1 * math.sqrt(LEAST * (1 - LEAST) / samples)


def simulate() -> None:
    """Simulate what is missing."""
    DONE.mkdir(parents=True, exist_ok=True)
    jobs: dict[str, Callable[[], float]] = {}
    for law in LAWS:
        one = {str(units): partial(one_way, law, units, SAMPLES) for units in UNITS}
        two = {name: partial(two_way, law, design, SAMPLES) for name, design in DESIGNS.items()}
        jobs |= {f"{name}: {law}": job for name, job in (one | two).items()}
    for name in random.sample(list(jobs), len(jobs)):
        if not _place(name).exists():
            share = jobs[name]()
            _place(name).write_text(str(share))
            print(name, share, flush=True)


def simulated() -> dict[str, float]:
    """Return the shares that are there, by row and law."""
    names = [f"{name}: {law}" for name in (*UNITS, *DESIGNS) for law in LAWS]
    return {x: float(_place(x).read_text()) for x in names if _place(x).exists()}


def _place(name: str) -> Path:
    """Return the file of a share: of this code, and of so many samples."""
    source = Path(intervals.__file__).read_bytes()
    text = f"{name} {SAMPLES} {TOGETHER} {PARTS}".encode()
    return DONE / hashlib.sha256(text + source).hexdigest()[:16]


def page(shares: Mapping[str, float]) -> str:
    """Return the page of the shares of all rows and laws."""
    words = (
        "Written by `python -m bench.coverage`: the share in % of samples whose 95 % interval "
        f"holds the mean. Of {SAMPLES} samples each: one standard error is "
        f"{100 * slack(SAMPLES) / 3.1:.2f} where the share is 92. *5 x 30, seeds decide* is the "
        "mean over 5 seeds on 30 instances, where seeds have most part in the spread."
    )
    missing: list[str] = []
    lines = ["| units | method | " + " | ".join(LAWS) + " |", "|" + " --- |" * (2 + len(LAWS))]
    methods = {str(units): str(intervals.method_of(units)) for units in UNITS}
    for name, method in (methods | dict.fromkeys(DESIGNS, intervals.Method.TWO_WAY)).items():
        own = [shares[x] for law in LAWS if (x := f"{name}: {law}") in shares]
        if len(own) < len(LAWS):
            missing.append(name)
        else:
            told = [f"{100 * share:.1f}" for share in own]
            lines.append("| " + " | ".join([name, method, *told]) + " |")
    words += f" {YET}{'; '.join(missing)}." if missing else ""
    return f"# Coverage of the intervals\n\n{words}\n\n" + "\n".join(lines) + "\n"


def main() -> int:
    """Simulate, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.coverage")
    parser.add_argument("--page", action="store_true", help="of what is there, without simulating")
    if not parser.parse_args().page:
        simulate()
    PAGE.write_text(page(simulated()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
