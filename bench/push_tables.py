"""The page of `bench.push_agents`: tables, and a figure of the training curves."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

HERE = Path(__file__).parent
MARKER = "<!-- below this line the text is kept -->"
RESAMPLES = 2000
LABELS = {
    "labels": "`labels`: all requests known, 8 s",
    "expected": "`expected`: births and delays known",
    "maac": "MAAC, our reading (no code is published)",
    "mappo-paper": "MAPPO, our reading of Table 2 (no code is published)",
    "mmappo-paper": "multi-modal MAPPO, our reading of Table 2 (no code is published)",
    "mmappo-shared": "multi-modal MAPPO, shared reward",
    "mmappo-user": "multi-modal MAPPO, user's reward",
    "mappo": "MAPPO, difference reward",
    "mmappo": "multi-modal MAPPO, difference reward",
    "counterfactual": "`counterfactual`",
    "sees-none": "none",
    "sees-shuffled": "codes of other contents",
    "sees-codes": "codes",
    "sees-pixels": "drawn images, through a MobileNet",
    "sees-label": "their class",
}
ORDER = ("never", "release", "popular", "match", "greedy", "rolling", *LABELS)
Rows = list[dict[str, Any]]
Table = NDArray[np.float64]


class Results:
    """The runs of one setting as tables of seeds x instances.

    Parameters
    ----------
    rows
        Rows of all jobs of the setting.
    """

    def __init__(self, rows: Rows) -> None:
        found = {row["label"] for row in rows}
        self.labels = [name for name in ORDER if name in found]
        self._rows = {name: [r for r in rows if r["label"] == name] for name in self.labels}

    def of(self, label: str, key: str) -> Table:
        """Return a number of every run, shape (seeds, instances); nan where there is none."""
        rows = [[run[key] for run in row["runs"]] for row in self._rows[label]]
        return np.array(rows, dtype=np.float64)

    def saving(self, label: str) -> Table:
        """Return the part of the clairvoyant's saving, as the requests fell."""
        base = self.of(label, "base_us")
        return (base - self.of(label, "cost_us")) / (base - self.of("labels", "cost_us"))

    def share(self, label: str) -> Table:
        """Return the part of rolling's saving, requests being expected."""
        base = self.of(label, "expected_base_us")
        return (base - self.of(label, "expected_us")) / (base - self.of("rolling", "expected_us"))

    def seconds(self, label: str) -> float | None:
        """Return the seconds of training, None for rules."""
        found: float | None = self._rows[label][0].get("train_s")
        return found

    def curves(self, label: str) -> list[list[dict[str, Any]]]:
        """Return the training curves of all seeds."""
        return [row["curve"] for row in self._rows[label] if row.get("curve")]


def middle(values: Table) -> float:
    """Return the interquartile mean of all values."""
    return float(stats.trim_mean(values.ravel(), 0.25))


def interval(values: Table, statistic: Callable[[Table], float] = middle) -> tuple[float, float]:
    """Return the 95 % bootstrap interval, seeds and instances being drawn anew."""
    rng = np.random.default_rng(0)
    seeds, instances = values.shape
    drawn = [
        statistic(
            values[rng.integers(seeds, size=seeds)][:, rng.integers(instances, size=instances)]
        )
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def stated(values: Table) -> str:
    """Return the interquartile mean with its interval."""
    if values.size == 1:
        return f"{values.item():.3f}"
    low, high = interval(values)
    return f"{middle(values):.3f} [{low:.3f}, {high:.3f}]"


def overview(x: Results) -> str:
    """Return the table of all rules and agents of a setting."""
    names = ("", "saving", "share of rolling, expected", "mean delay, s", "hit ratio")
    lines = [_line(*names, "ms a slot", "training, s"), "|---" * 7 + "|"]
    for label in x.labels:
        if label.startswith("sees-"):
            continue
        trained, slot = x.seconds(label), 1e3 * np.median(x.of(label, "slot_s"))
        numbers = [f"{x.of(label, key).mean():.3f}" for key in ("mean_delay_s", "hit_ratio")]
        online = "" if label in ("labels", "expected") else f"{slot:.1f}"
        cells = (stated(x.saving(label)), stated(x.share(label)), *numbers, online)
        lines.append(_line(_named(label), *cells, "" if trained is None else f"{trained:.0f}"))
    return "\n".join(lines)


def split(x: Results) -> str:
    """Return the table that splits each agent's gap into its causes, in % of the saving."""
    names = ("`labels` - `expected`", "`expected` - `rolling`", "`rolling` - agent", "all")
    lines = [_line("", *names), "|---" * 5 + "|"]
    total = {label: _summed(x, label) for label in x.labels}
    for label in x.labels:
        if x.seconds(label) is None or label.startswith("sees-"):
            continue
        steps = (1.0, total["expected"], total["rolling"], total[label])
        parts = [a - b for a, b in pairwise(steps)]
        lines.append(_line(_named(label), *(f"{100 * p:.1f}" for p in (*parts, sum(parts)))))
    return "\n".join(lines)


def images(x: Results) -> str:
    """Return what images are worth: differences of the share of rolling to no images, paired."""
    lines = [_line("seen of images", "share of rolling", "more than without"), "|---" * 3 + "|"]
    for label in (name for name in x.labels if name.startswith("sees-")):
        more = x.share(label) - x.share("sees-none")
        text = "" if label == "sees-none" else stated(more)
        lines.append(_line(_named(label), stated(x.share(label)), text))
    return "\n".join(lines)


def draw(settings: dict[str, Results], path: Path) -> None:
    """Plot the training curves: the mean over seeds, and all of them as a band."""
    shown = [(name, x) for name, x in settings.items() if name != "no-image-demand"]
    figure = Figure(figsize=(4 * len(shown), 3.6), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    for axis, (name, x) in zip(axes, shown, strict=True):
        for label in x.labels:
            curves = x.curves(label)
            if not curves or label.startswith("sees-"):
                continue
            first = max(c[0]["seconds"] for c in curves)
            grid = np.linspace(first, max(c[-1]["seconds"] for c in curves), 60)
            tables = [_interpolated(grid, c) for c in curves]
            colour = f"C{list(LABELS).index(label)}"
            axis.plot(grid, np.mean(tables, axis=0), color=colour, label=_named(label).strip("`"))
            axis.fill_between(
                grid, np.min(tables, axis=0), np.max(tables, axis=0), color=colour, alpha=0.15, lw=0
            )
        axis.set(title=name, xlabel="seconds of training", ylim=(0, 1.02))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("saving, of plans that know all births")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8
    )
    figure.savefig(path, dpi=150)


def write(rows: Rows, names: Sequence[str], head: str) -> None:
    """Write the page and its figure; the text below the marker stays."""
    page = HERE / "push_agents.md"
    kept = page.read_text().partition(MARKER)[2] if page.exists() else "\n"
    settings = {name: Results([r for r in rows if r["setting"] == name]) for name in names}
    draw(settings, HERE / "push_agents.png")
    cpus = ", ".join(sorted({row["cpu"] for row in rows}))
    parts = [
        f"# Agents for PUSH\n\nWritten by `python -m bench.push_agents`: {cpus}, {head}.",
        INTRO,
    ]
    parts.append("![Training curves](push_agents.png)")
    for name, x in settings.items():
        numbers = x.of(x.labels[0], "cost_us").shape[1]
        seeds = max(len(x.of(label, "cost_us")) for label in x.labels)
        if name == "no-image-demand":  # has a table of its own, of what images are worth
            continue
        parts += [f"## {name}", f"Instances: {numbers}; seeds of each training: {seeds}."]
        parts += [overview(x)]
        if name in ("push-paper", "push-paper-wide"):
            parts += [SPLIT, split(x)]
    parts += [IMAGES]
    for name in ("push-paper", "no-image-demand"):
        parts += [f"### {name}", images(settings[name])] if name in settings else []
    page.write_text("\n\n".join(parts) + f"\n\n{MARKER}{kept}")


INTRO = """Every agent is trained for the same time on one core and judged on instances that no
training draws. Saving is (no push - agent) / (no push - `labels`) as the requests fell, where
`labels` knows all requests: with 3 places its plan is the optimum, with 30 the best that it finds
in 8 s, which is not proven. The share of rolling compares expected delays, which are less noisy,
with those of `rolling`, which knows the law of requests but neither requests nor births to come.
Interquartile means over seeds and instances, with 95 % bootstrap intervals that draw both anew;
delays and hit ratios are means."""


SPLIT = """\
Lost by each agent, in % of the saving of `labels`. Births and actual delays are known to
`labels` and to `expected`, requests to `labels` alone. The law of requests is known to `expected`
and to `rolling`; between them lie births to come, actual delays and `rolling`'s own loss. What is
born is known to `rolling` and to the agent."""


IMAGES = """## What images are worth

Multi-modal MAPPO with the difference reward on `push-paper`, where images decide half of the
preferences, and with `image_share=0` (`no-image-demand`), where they decide nothing."""


def _summed(x: Results, label: str) -> float:
    base, best = x.of("labels", "base_us"), x.of("labels", "cost_us")
    saved = (base - x.of(label, "cost_us")).sum(axis=1).mean()
    return float(saved / (base - best).sum())


def _interpolated(grid: Table, curve: list[dict[str, Any]]) -> Table:
    seconds, saving = ([row[key] for row in curve] for key in ("seconds", "saving"))
    return np.interp(grid, seconds, saving)


def _named(label: str) -> str:
    return LABELS.get(label, f"`{label}`")


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
