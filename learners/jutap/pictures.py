"""Figures of JUTAP agents: ``python -m learners.jutap.pictures INSTANCE AGENT... -o FOLDER``.

Writes ``returns.png`` (return against episodes, as Fig. 2 of arXiv:2603.22127, but of several seeds
with the interval of their mean, the range of fewer than five), ``starts.png`` (the gap from every
START) and ``split.png`` (the gap's causes).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from learners import agent
from learners.jutap.dqn import METHOD, DqnAgent
from opt_istn.files import InputError
from opt_istn.jutap import instance as instances
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.starts import FULL, Split, against, judge_solver, split
from opt_istn.pictures import canvas
from opt_istn.pictures.jutap.starts import starts_figure
from opt_istn.report.numbers import intervals
from opt_istn.solver import Budget

_POINTS = 200  # of a curve
_Series = NDArray[np.float64]


def returns_figure(returns: Sequence[_Series]) -> Figure:
    """Plot the return against the episode: every seed, and their mean with its interval.

    Parameters
    ----------
    returns
        Return of each episode of a training in objective units of its reward, one array a seed.
        Curves are running means; episodes beyond the shortest training are left out.
    """
    length = min(map(len, returns))
    width = max(length // _POINTS, 1)
    kept = length // width * width
    means = np.array([r[:kept].reshape(-1, width).mean(axis=1) for r in returns])
    episode = (np.arange(means.shape[1]) + 0.5) * width
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(episode, means.T, color="0.75", lw=0.7)
    centre = means.mean(axis=0)
    told, seeds = [intervals.one_way(column, 0) for column in means.T.tolist()], "one seed"
    if ends := [(x.low, x.high) for x in told if x]:
        axes.fill_between(episode, *np.transpose(ends), color="C0", alpha=0.25, lw=0)
        ranged = len(means) < intervals.FEWEST
        words = "least to largest" if ranged else "95 % interval"
        seeds = f"mean of {len(means)} seeds, {words}"
    axes.plot(episode, centre, color="C0", label=seeds)
    low = float(np.quantile(centre, 0.05))
    axes.set_ylim(low * 1.3, max(0.0, float(centre.max())))
    axes.set_xlabel(f"episode (means of {width})")
    axes.set_ylabel("return (units of the objective)")
    axes.legend(frameon=False, loc="lower right")
    axes.grid(visible=True, alpha=0.3)
    return figure


def split_figure(names: Sequence[str], parts: Sequence[Split]) -> Figure:
    """Draw each agent's summed gap as a bar stacked by cause, in % of the optimum."""
    figure = Figure(figsize=(5.4, 0.9 + 0.45 * len(names)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(names))
    for cause in ("association", "reward", "learning"):
        width = np.array([100 * getattr(part, cause) / part.optimum for part in parts])
        axes.barh(range(len(names)), width, left=left, label=cause)
        left += width
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(f"gap summed over all STARTs in % of {FULL}")
    axes.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figures of agents trained on one map."""
    parser = argparse.ArgumentParser(prog="python -m learners.jutap.pictures", description=__doc__)
    parser.add_argument("instance")
    parser.add_argument("agents", nargs="+")
    parser.add_argument("-o", "--output", required=True, type=Path, help="folder")
    parser.add_argument("--elsewhere", action="store_true", help="agents of another map as well")
    given = parser.parse_args(arguments)
    try:
        instance = instances.read(given.instance)
        _draw(instance, given.agents, given.output, elsewhere=given.elsewhere)
    except InputError as error:
        print(f"opt-istn: {error}", file=sys.stderr)
        return 2
    return 0


def _draw(instance: Instance, paths: Sequence[str], folder: Path, *, elsewhere: bool) -> None:
    returns, parts, judgements = [], [], []
    for path in paths:
        loaded = agent.load(path, METHOD)
        flown = DqnAgent(Path(path), elsewhere=elsewhere)
        _, action = flown.policy(instance, 0)
        judgements.append(judge_solver(instance, flown, 0, Budget()))
        for name, found in against(instance, judgements[-1]).items():
            share = f"{found.success:.1%} of STARTs reach END"
            print(f"{path}: {share}, mean gap to {name} {found.mean_gap:.3%}")
        parts.append(split(instance, action, loaded.config["reward"]))
        returns.append(loaded.state["returns"].numpy().astype(np.float64))
    folder.mkdir(parents=True, exist_ok=True)
    canvas.save(returns_figure(returns), folder / "returns.png")
    worst, path = max(zip(judgements, paths, strict=True), key=lambda pair: pair[0].mean_gap)
    canvas.save(starts_figure(instance, [worst], solver=Path(path).name), folder / "starts.png")
    canvas.save(split_figure([Path(path).stem for path in paths], parts), folder / "split.png")


if __name__ == "__main__":
    raise SystemExit(main())
