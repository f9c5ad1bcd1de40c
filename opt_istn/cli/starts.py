"""The command `starts`: the gap of solvers from every START."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opt_istn.cli.instances import InstanceFile, Json
from opt_istn.cli.runs import Solvers, allowed
from opt_istn.cli.terminal import output, targets
from opt_istn.files import InputError

if TYPE_CHECKING:
    from opt_istn.problems import Instance


@dataclass(frozen=True)
class _Asked:
    """A solver and its parameters, as on the command line."""

    text: str
    name: str
    parameters: dict[str, str]


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(starts)


def starts(
    instance: InstanceFile,
    solvers: Solvers,
    out: Annotated[
        str,
        typer.Option("-o", "--output", metavar="FIGURE", help="Map of the last solver's gaps."),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="First seed of the solvers.")] = 0,
    seeds: Annotated[
        int, typer.Option(min=1, help="How many seeds; {seed} in a file's name is each in turn.")
    ] = 1,
    time_limit: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="Seconds of a solver for a START.")
    ] = 10.0,
    *,
    json: Json = False,
) -> None:
    """Judge solvers from every START, against each optimum that a gap can be counted from.

    A policy (`jutap.dqn`, `jutap.sb3`, `jutap.onnx`, `jutap.policy` and their like) is followed
    from all STARTs side by side; any other solver solves the instance anew from each of them.
    Energy budgets are left out. Solvers run in this process, without hard limits. Mean, median and
    90th percentile of the gap are over the STARTs from which END is reached, each the mean over
    seeds; a solver in which the seed does not matter runs once. The mean has in parentheses the
    range of its seeds, from 5 on in brackets its 95 % interval. The figure shows the mean over
    seeds.
    """
    from opt_istn import problems, registry

    read = [instance, *targets.named(solvers)]
    targets.check(targets.Target("--output", out), inputs=read)
    if out:
        from opt_istn.pictures import canvas

        canvas.suffix(out)
    loaded = problems.read_instance(instance)
    if problems.get(loaded.problem).starts() is None:
        raise InputError("", f"expected an instance with STARTs, found {loaded.problem}", instance)
    asked = [_parsed(text.strip()) for text in solvers.split(",")]
    rows = []
    for each in asked:
        solver = registry.make(each.name, loaded.problem, each.parameters)
        number = seeds if solver.stochastic else 1  # equal runs would pass for so many units
        flown = [_judged(loaded, each, seed + k, time_limit) for k in range(number)]
        for reference in flown[0]:
            rows.append(_row(each.text, reference, [found[reference] for found in flown]))
    if json:
        output.as_json(rows)
    else:
        shown = [_shown(row) for row in rows]
        output.as_table([tuple(row.values()) for row in shown], tuple(shown[0]))
    if out:
        reference = next(iter(flown[0]))
        _draw(loaded, reference, [found[reference] for found in flown], each.text, out)


def _draw(
    instance: "Instance", reference: str, flown: Sequence[Any], solver: str, out: str
) -> None:
    """Write the map of a solver's gaps to a reference, the mean over its seeds."""
    from opt_istn import problems
    from opt_istn.pictures import canvas

    pictures: Any = problems.get(instance.problem).pictures()
    draw: Any = import_module(f"{pictures.__package__}.starts")
    canvas.save(draw.starts_figure(instance, flown, reference, solver), out)
    output.wrote(out)


def _parsed(text: str) -> _Asked:
    name, *parameters = text.split("@")
    if not name:
        raise InputError("--solvers", "expected solver ids separated by commas")
    return _Asked(text, name, output.settings(parameters))


def _judged(instance: "Instance", asked: _Asked, seed: int, time_s: float) -> dict[str, Any]:
    """Return what a solver flies, judged against each reference."""
    from opt_istn import problems, registry
    from opt_istn.runs.nursery import blame

    solver = registry.make(asked.name, instance.problem, asked.parameters)
    solver.prepare()
    if reason := solver.supports(instance):
        raise InputError("solver", f"{asked.name}: {reason}")
    module: Any = problems.get(instance.problem).starts()
    try:
        judged = module.judge_solver(instance, solver, seed, allowed(time_s, None, None, 1))
    except InputError:
        raise
    except Exception as error:
        raise InputError("solver", f"{asked.name}: {blame.told(error)}") from None
    against: dict[str, Any] = module.against(instance, judged)
    return against


def _row(solver: str, reference: str, flown: Sequence[Any]) -> dict[str, Any]:
    """Return a row; a seed of which no flight reaches END leaves all seeds without a gap."""
    import numpy as np

    from opt_istn.report.numbers import intervals

    gaps = [judged.gap[judged.reached] for judged in flown]
    row: dict[str, Any] = {
        "solver": solver,
        "starts": len(flown[0].cell),
        "seeds": len(flown),
        "reach_end": sum(len(gap) for gap in gaps) / len(gaps),
        **dict.fromkeys(("mean_gap", "low", "high", "interval", "median_gap", "p90_gap")),
        "reference": reference,
    }
    if all(map(len, gaps)):
        means = [float(gap.mean()) for gap in gaps]
        row["mean_gap"] = statistics.fmean(means)
        if around := intervals.one_way(means, seed=0):
            row |= {"low": around.low, "high": around.high, "interval": str(around.method)}
        for name, q in (("median_gap", 50), ("p90_gap", 90)):
            row[name] = statistics.fmean(float(np.percentile(gap, q)) for gap in gaps)
    return row


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return what people are shown: as in a gap table, brackets are for intervals alone."""
    from opt_istn.report.numbers.intervals import Method

    shown = {name: row[name] for name in ("solver", "starts", "seeds")}
    shown["reach_end"] = f"{row['reach_end']:.10g}"
    low, high = (row[name] and 100 * row[name] for name in ("low", "high"))
    for name in ("mean_gap", "median_gap", "p90_gap"):
        shown[name] = None if row[name] is None else f"{100 * row[name]:.3f} %"
    if row["interval"] == Method.RANGE:
        shown["mean_gap"] += f" ({low:.3f} to {high:.3f})"
    elif row["interval"]:
        shown["mean_gap"] += f" [{low:.3f}, {high:.3f}]"
    return shown | {"reference": row["reference"]}
