"""Commands that list what there is: solvers, presets."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from opt_istn.cli.instances import Json
from opt_istn.cli.terminal import completing, output
from opt_istn.files import InputError

if TYPE_CHECKING:
    from opt_istn.described import Described, Parameter


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (solvers, presets):
        app.command()(command)


def solvers(
    solver: Annotated[
        str,
        typer.Argument(
            metavar="[SOLVER]",
            help="Show it alone, with its parameters.",
            autocompletion=completing.solvers,
        ),
    ] = "",
    *,
    json: Json = False,
) -> None:
    """List the installed solvers, or tell all of one; none of them is imported for that."""
    from opt_istn import registry

    if solver:
        _one_solver(solver, json=json)
        return
    rows = []
    for name in registry.names():
        told = registry.described(name)
        row = {"solver": name, "kind": told.kind, "knows": told.knows, "meaning": told.meaning}
        row["package"] = " ".join(registry.distribution(name))
        rows.append(row | {"unavailable": registry.unavailable(name) or ""})
    if json:
        output.as_json(rows)
        return
    shown = [tuple(row[key] or None for key in ("solver", "kind", "meaning")) for row in rows]
    output.as_table(shown, ("solver", "kind", "meaning"))
    for row in rows:
        if row["unavailable"]:
            print(output.printable(row["unavailable"]))
    print("`opt-istn solvers NAME` shows a solver's parameters.")


def _one_solver(solver: str, *, json: bool) -> None:
    """Print what a solver is, and its parameters and those of its training."""
    from opt_istn import problems, registry

    known = sorted({*registry.names(), *registry.names(registry.TRAINERS)})
    fits = [name for name in known if solver in (name, name.partition(".")[2])]
    if not fits:
        raise InputError("solver", problems.unknown("solver", solver, known))
    for full in fits:
        _print_solver(full, json=json)


def _print_solver(full: str, *, json: bool) -> None:
    from opt_istn import registry

    trained = full in registry.names(registry.TRAINERS)
    trainer = registry.described(full, registry.TRAINERS) if trained else None
    training = trainer.parameters if trainer else ()
    if trainer and full not in registry.names():  # what it trains plays nothing by itself
        _print_trainer(full, trainer, json=json)
        return
    told = registry.described(full)
    row: dict[str, Any] = {
        "solver": full,
        "meaning": told.meaning,
        "kind": told.kind or None,
        "knows": told.knows or None,
        "package": " ".join(registry.distribution(full)) or None,
        "unavailable": registry.unavailable(full),
    }
    if json:
        lists = {"parameters": told.parameters, "training": training}
        output.as_json(row | {name: [asdict(x) for x in own] for name, own in lists.items()})
        return
    output.as_table([pair for pair in output.pairs(row) if pair[1] is not None])
    played = f"parameters, as --set name=value, or {full}@name=value in compare"
    _print_parameters(played, told.parameters)
    if trained:
        _print_parameters(f"of its training, as opt-istn train {full}@name=value", training)


def _print_trainer(full: str, told: "Described", *, json: bool) -> None:
    row = {"trainer": full, "meaning": told.meaning}
    if json:
        output.as_json(row | {"training": [asdict(x) for x in told.parameters]})
        return
    output.as_table(output.pairs(row))
    _print_parameters(f"parameters, as opt-istn train {full}@name=value", told.parameters)


def _print_parameters(heading: str, parameters: "Sequence[Parameter]") -> None:
    if not parameters:
        print(f"\n{heading}: none")
        return
    print(f"\n{heading}:")
    rows = [(x.name, x.type, _default(x), x.meaning or None) for x in parameters]
    output.as_table(rows, ("parameter", "type", "default", "meaning"))


def _default(parameter: "Parameter") -> str:
    return {"": "needed", "BY_PROFILE": "by profile"}.get(parameter.default, parameter.default)


def presets(
    preset: Annotated[
        str,
        typer.Argument(
            metavar="[PRESET]",
            help="Show it alone, with its parameters.",
            autocompletion=completing.presets,
        ),
    ] = "",
    *,
    json: Json = False,
) -> None:
    """List the scenarios that instances can be generated from, or tell all of one."""
    from opt_istn import described, problems

    if preset:
        problem = problems.of_preset(preset)
        scenario = problem.scenario(preset, {})
        values = scenario.document() if hasattr(scenario, "document") else asdict(scenario)
        told = {x.name: x for x in described.parameters_of(type(scenario))}
        meanings = {name: told[name].meaning for name in values if name in told}
        if json:
            row = {"problem": problem.name, "preset": preset, "parameters": values}
            output.as_json(row | {"meanings": meanings})
            return
        print(f"{preset}: {problem.meaning(preset)}")
        print("parameters, as --set name=value in generate, compare and train:")
        choices = _choices(type(scenario))
        lines = [
            (name, value, "; ".join(filter(None, (meanings.get(name), choices.get(name)))) or None)
            for name, value in values.items()
        ]
        output.as_table(lines, ("parameter", "here", "meaning"))
        return
    rows = [
        {"problem": problem.name, "preset": name, "meaning": problem.meaning(name)}
        for problem in problems.every()
        for name in problem.presets()
    ]
    if json:
        output.as_json(rows)
    else:
        output.as_table([tuple(row.values()) for row in rows], ("problem", "preset", "meaning"))


def _choices(scenario: type) -> dict[str, str]:
    """Return the words between which parameters choose, where they choose between words."""
    return {
        name: " or ".join(map(str, get_args(hint)))
        for name, hint in get_type_hints(scenario).items()
        if get_origin(hint) is Literal
    }
