"""`python -m bench.trained.verdict`: what the kept curves of the paper's agents do and don't say.

Reads `bench/agents/PRESET`: curves of `bench.trained.memorise`, references beside them. For every
agent: status by the plateau rule, what its plans save of what the certified optimum saves on the
same instance, what it gained over its own untrained network, and the paper's figure. The sentences
below the table are only drawn from agents that came to their plateaus; of others it says so.
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.trained.memorise import CURVES, trained_by
from learners.agent import Agent
from learners.plateau import Progress, find_plateau, progress
from opt_istn.report.numbers.intervals import FEWEST, student

ABSENT = "\N{EN DASH}"
PAPER_S = {"mappo": 0.1321, "mmappo": 0.0865, "maac": 0.1876}  # mean delays of its Fig. 5b
ORDER = ("mmappo", "mappo", "maac")  # the paper's, best first
PAIRS = (  # first against second, and the question
    ("mmappo", "mappo", "is multi-modal better than MAPPO?"),
    ("mappo", "maac", "is MAPPO better than MAAC?"),
)


@dataclass(frozen=True)
class Curve:
    """A kept training: what its file says first, and its rows."""

    head: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def agent(self) -> Agent:
        """Return what the plateau rule looks at."""
        method = trained_by(self.head["agent"])[0]
        known = (method, self.head["config"], {}, self.head["seed"], {}, self.rows)
        return Agent(*known, counts=self.head["counts"], measured=self.head["measured"])


@dataclass(frozen=True)
class Kept:
    """All curves of a preset by label, and its references; None where there are none yet."""

    curves: dict[str, list[Curve]]
    references: dict[str, Any] | None

    def saved(self, cost_us: int | None) -> float | None:
        """Return the share of the optimum's saving, by its best bound; None if none is known."""
        x = self.references
        bounds = [row["bound_us"] for row in x["solvers"].values() if row["bound_us"]] if x else []
        if x is None or not bounds or cost_us is None:
            return None
        return float((x["base_us"] - cost_us) / (x["base_us"] - max(bounds)))

    def shares(self, label: str, weights: str) -> list[float]:
        """Return what the seeds' plans save; empty unless all are known."""
        costs = [x.head["cost_us"].get(weights) for x in self.curves[label]]
        found = [self.saved(cost) for cost in costs]
        return [x for x in found if x is not None] if None not in found else []

    def by_seed(self, label: str) -> dict[int, float]:
        """Return what the last weights' plans save, by seed."""
        seeds = [x.head["seed"] for x in self.curves[label]]
        return dict(zip(seeds, self.shares(label, "last"), strict=True))

    def progress(self, label: str) -> Progress:
        """Return how far an agent's trainings came."""
        return progress([x.agent for x in self.curves[label]])


def read(folder: Path) -> Kept:
    """Read what is kept of a preset."""
    curves: dict[str, list[Curve]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        head, *rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        curves.setdefault(head["agent"], []).append(Curve(head, rows))
    path = folder / "references.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return Kept(curves, found)


def table(kept: Kept) -> Iterator[str]:
    """Yield the table in Markdown."""
    titles = ("", "status", "seeds", "plateaus", "steps", "untrained", "last", "best")
    titles += ("gained in training", "mean delay s", "the paper's")
    yield "| " + " | ".join(titles) + " |\n|" + " --- |" * len(titles)
    for name, row in (kept.references or {"solvers": {}})["solvers"].items():
        saved, blank = kept.saved(row["cost_us"]), [ABSENT] * 5
        cells = [name, *blank, number(saved), ABSENT, ABSENT, delay(kept, row["cost_us"]), ABSENT]
        yield "| " + " | ".join(cells) + " |"
    for label, own in kept.curves.items():
        found, last = kept.progress(label), [x.rows[-1] for x in own]
        reached = sum(find_plateau(x.agent.method, x.rows).reached for x in own)
        costs = [x.head["cost_us"]["last"] for x in own if x.head["cost_us"]]
        mean = sum(costs) / len(costs) if costs else None
        shares = [spread(kept.shares(label, w)) for w in ("untrained", "last", "best")]
        counts = (
            str(len(own)),
            f"{reached} of {len(own)}",
            str(min(x["gradient_steps"] for x in last)),
        )
        gained = ABSENT if math.isnan(found.gain) else ends(found.gain, found.low, found.high)
        paper = PAPER_S.get(label.partition("@")[0].removeprefix("r"))
        cells = [label, found.status, *counts, *shares, gained, delay(kept, mean), number(paper, 4)]
        yield "| " + " | ".join(cells) + " |"


def sentences(kept: Kept, prefix: str) -> Iterator[str]:
    """Yield what holds of the agents whose labels begin so: "" or "r" for the recurrent ones."""
    for first, second, question in PAIRS:
        yield f"- {question} {compared(kept, prefix + first, prefix + second)}"
    labels = [prefix + name for name in ORDER]
    if missing := [x for x in labels if not settled(kept, x)]:
        yield f"- the paper's order: not decided, no plateau of {', '.join(missing)}"
    else:
        means = [sum(kept.shares(x, "last")) / len(kept.shares(x, "last")) for x in labels]
        survives = means == sorted(means, reverse=True)
        told = ", ".join(f"{x} {mean:.3f}" for x, mean in zip(labels, means, strict=True))
        yield f"- the paper's order {'survives' if survives else 'does not survive'}: {told}"
    match = (kept.references or {"solvers": {}})["solvers"].get("match")
    for label in (x for x in labels if match and settled(kept, x)):
        mean, low, high = student(kept.shares(label, "last"))
        rule = kept.saved(match["cost_us"]) or 0.0
        side = "below" if high < rule else "above" if low > rule else "not told apart from"
        side = "beside" if math.isnan(low) else side  # one seed
        saves = ends(mean, low, high)
        yield f"- {label}, at its plateau, saves {saves}, {side} `match`: {rule:.3f}"


def compared(kept: Kept, first: str, second: str) -> str:
    """Return what the difference of two agents at their plateaus is, paired by seed."""
    if missing := [x for x in (first, second) if not settled(kept, x)]:
        return f"not decided: no plateau of {' and '.join(missing)}"
    own, theirs = (kept.by_seed(x) for x in (first, second))
    if not (common := sorted(set(own) & set(theirs))):
        return "not decided: no seed in common"
    mean, low, high = student([own[seed] - theirs[seed] for seed in common])
    if math.isnan(low):
        return f"not decided: one seed, {mean:+.3f}"
    words = "yes" if low > 0 else "no, the other way round" if high < 0 else "no difference shown"
    return f"{words}: {ends(mean, low, high)}"


def settled(kept: Kept, label: str) -> bool:
    """Return whether all seeds of an agent came to plateaus, and plans of all are known."""
    known = label in kept.curves and kept.shares(label, "last")
    return bool(known) and kept.progress(label).status != "undertrained"


def spread(values: Sequence[float]) -> str:
    """Return mean and interval over seeds, of a few the least and the largest."""
    if not 1 < len(values) < FEWEST:
        return ends(*student(values)) if values else ABSENT
    mean = sum(values) / len(values)
    return f"{mean:.3f} ({min(values):.3f} to {max(values):.3f})"


def ends(mean: float, low: float, high: float) -> str:
    """Return a mean with its 95 % interval, if it has one."""
    return f"{mean:.3f}" + ("" if math.isnan(low) else f" [{low:.3f}, {high:.3f}]")


def number(value: float | None, digits: int = 3) -> str:
    """Return a number, or a dash."""
    return ABSENT if value is None else f"{value:.{digits}f}"


def delay(kept: Kept, cost_us: float | None) -> str:
    """Return the mean delay of a request in seconds."""
    requests = (kept.references or {}).get("requests")
    return number(cost_us / 1e6 / requests if requests and cost_us is not None else None)


def lines(folder: Path) -> Iterator[str]:
    """Yield all that is known of a preset."""
    kept = read(folder)
    name = folder.relative_to(CURVES) if folder.is_relative_to(CURVES) else folder.name
    yield f"## {name}, `memorise`\n"
    if not kept.curves:
        yield "no curves are kept"
        return
    if kept.references is None:
        yield "no references are kept yet, so no shares of the certified optimum's saving\n"
    yield from table(kept)
    yield "\nWith a recurrent memory and the paper's whole state:\n"
    yield from sentences(kept, "r")
    yield "\nWith a memory of two snapshots and our own state:\n"
    yield from sentences(kept, "")
    yield "\n`generalise`: no trainings to a plateau are kept."


def main() -> None:
    """Print what is there."""
    parser = argparse.ArgumentParser(prog="python -m bench.trained.verdict", description=__doc__)
    parser.add_argument("--presets", help="all that are kept by default")
    given = parser.parse_args()
    found = sorted({x.parent for x in CURVES.glob("*/**/*.jsonl")})
    folders = [CURVES / x for x in given.presets.split(",")] if given.presets else found
    if not folders:
        print("no curves are kept: python -m bench.trained.memorise trains")
    for folder in folders:
        print(*lines(folder), "", sep="\n")


if __name__ == "__main__":
    main()
