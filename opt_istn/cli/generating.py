"""The command `generate`: an instance from a preset, or one for each line of a table."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opt_istn.cli.instances import Json, Settings
from opt_istn.cli.terminal import completing, output, targets
from opt_istn.files import InputError

if TYPE_CHECKING:
    from opt_istn.problems import Instance

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(generate)


Preset = Annotated[
    str,
    typer.Argument(
        metavar="PRESET",
        help="Name of a preset; see `opt-istn presets`.",
        autocompletion=completing.presets,
    ),
]


def generate(
    preset: Preset,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all randomness in the scenario.")],
    out: Annotated[
        str,
        typer.Option("-o", "--output", metavar="FILE", help="Instance file; with --each a folder."),
    ],
    set_: Settings = None,
    name: Annotated[str, typer.Option(help="Name of the instance.")] = "",
    each: Annotated[
        str,
        typer.Option(metavar="CSV", help="An instance a line: columns are parameters, or name."),
    ] = "",
    *,
    json: Json = False,
) -> None:
    """Generate an instance from a preset and a seed, or one for each line of a table.

    `--set` may name files of your own: constellations, users, requests, stations, radio maps.
    """
    from opt_istn import files, problems

    files.check_text("--name", name)
    read = [each, *targets.named(*(set_ or []))]
    if not each:
        targets.check(targets.Target("--output", out, targets.INSTANCE), inputs=read)
    common = output.settings(set_ or [])
    label = name or problems.name_of(preset, seed, common)
    if each:
        made = _each(preset, seed, label, common, each, quiet=json)
        rows = _into(out, made, read)
    else:
        rows = [_row(_made(preset, seed, label, common, quiet=json), out)]
    if json:
        output.as_json(rows if each else rows[0])
    elif each:
        output.as_table([tuple(row.values()) for row in rows], tuple(rows[0]))
    else:
        output.as_table(output.pairs(rows[0]))


def _made(
    preset: str, seed: int, name: str, settings: dict[str, str], *, quiet: bool
) -> "Instance":
    from opt_istn import problems

    problem = problems.of_preset(preset)
    scenario = problem.scenario(preset, settings)
    with output.progress(f"generating {name}", quiet=quiet) as advance:
        return problem.generate(scenario, seed, name, advance)


def _into(folder: str, made: "list[Instance]", read: list[str]) -> list[dict[str, Any]]:
    """Write instances into a folder, over none of the files that were read; return their rows."""
    output.made_folder(folder)
    paths = [str(Path(folder) / f"{one.name}.json") for one in made]
    goals = [targets.Target("--output", path, targets.INSTANCE) for path in paths]
    targets.check(*goals, inputs=read)
    return [_row(one, path) for one, path in zip(made, paths, strict=True)]


def _row(instance: "Instance", path: str) -> dict[str, Any]:
    """Write an instance, and return what is said of it."""
    instance.write(path)
    return {"name": instance.name, "instance": instance.sha256, "file": output.printable(path)}


def _each(
    preset: str, seed: int, label: str, common: dict[str, str], table: str, *, quiet: bool
) -> "list[Instance]":
    """Return an instance for each line of a table; a line that makes no sense is named."""
    from opt_istn import problems
    from opt_istn.files import sheets

    problems.of_preset(preset)  # its name is wrong in no line
    found: dict[str, Instance] = {}
    for number, row in enumerate(sheets.read(table, (), None)):
        settings = {key: value for key, value in row.cells.items() if value and key != "name"}
        if twice := set(settings) & set(common):
            rule = f"expected {min(twice)} in the table or after --set, found it in both"
            raise InputError(f"line {row.line}", rule, table)
        name = row.text("name") if "name" in row.cells else f"{label}-{number}"
        if not _NAME.fullmatch(name) or name in found:
            rule = "a name of letters, digits, dots, hyphens and underscores, each once"
            raise row.refused("name", rule)
        try:
            found[name] = _made(preset, seed, name, common | settings, quiet=quiet)
        except InputError as error:
            parts = filter(None, (error.source, error.field))
            where = ", ".join([f"line {row.line}", ": ".join(parts)]).removesuffix(", ")
            raise InputError(where, error.expected, table) from None
    return list(found.values())
