"""The command `starts`: the gap of solvers from every START."""

import math
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opt_istn.cli.instances import InstanceFile, Json
from opt_istn.cli.runs import allowed
from opt_istn.cli.terminal import completing, output
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
    solvers: Annotated[
        str,
        typer.Option(
            help="Solver ids, separated by commas; parameters as id@key=value@...",
            autocompletion=completing.several_solvers,
        ),
    ],
    out: Annotated[
        str,
        typer.Option("-o", "--output", metavar="FIGURE", help="Map of the last solver's gaps."),
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the solvers.")] = 0,
    time_limit: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="Seconds of a solver for a START.")
    ] = 10.0,
    *,
    json: Json = False,
) -> None:
    """Judge solvers from every START, against each optimum that a gap can be counted from.

    A policy (`jutap.dqn`, `jutap.sb3`, `jutap.onnx`, `jutap.policy` and their like) is followed
    from all STARTs side by side; any other solver solves the instance anew from each of them.
    Energy budgets are left out. Solvers run in this process, without hard limits.
    """
    from opt_istn import problems

    if out:
        from opt_istn.pictures import canvas

        canvas.suffix(out)
    loaded = problems.read_instance(instance)
    problem = problems.get(loaded.problem)
    if problem.starts() is None:
        raise InputError("", f"expected an instance with STARTs, found {loaded.problem}", instance)
    asked = [_parsed(text.strip()) for text in solvers.split(",")]
    last: tuple[str, Any] | None = None
    rows = []
    for each in asked:
        found = _judged(loaded, each, seed, time_limit)
        for reference, judged in found.items():
            rows.append(_row(each.text, reference, judged))
        last = next(iter(found.items()))
    if json:
        output.as_json(rows)
    else:
        output.as_table([_shown(row) for row in rows], tuple(rows[0]))
    if out and last is not None:
        pictures: Any = problem.pictures()
        draw: Any = import_module(f"{pictures.__package__}.starts")
        canvas.save(draw.starts_figure(loaded, last[1], last[0]), out)
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


def _row(solver: str, reference: str, judged: Any) -> dict[str, Any]:
    gap = judged.reached_gap
    return {
        "solver": solver,
        "starts": len(judged.cell),
        "reach_end": int(judged.reached.sum()),
        "mean_gap": None if math.isnan(gap) else gap,
        "reference": reference,
    }


def _shown(row: dict[str, Any]) -> tuple[Any, ...]:
    gap = row["mean_gap"]
    return tuple((row | {"mean_gap": None if gap is None else f"{100 * gap:.3f} %"}).values())
