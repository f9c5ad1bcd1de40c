"""Commands about instances and plans: evaluate, show, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from opt_istn.cli.terminal import output, targets
from opt_istn.files import InputError

if TYPE_CHECKING:
    from opt_istn.problems import Document, Evaluation, Instance

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
InstanceFile = Annotated[
    str, typer.Argument(metavar="INSTANCE", help="Instance file, as `generate` writes it.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a parameter that `solvers ID` or `presets PRESET` tells of; again.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (evaluate, show, export):
        app.command()(command)


def evaluate(
    instance: InstanceFile,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="Plan file.")],
    *,
    json: Json = False,
) -> int:
    """Judge a plan: its cost, its terms, and what makes it infeasible (exit code 4)."""
    from opt_istn import problems

    loaded = problems.read_instance(instance)
    _, judged = _judged(loaded, plan)
    result = {
        "instance": loaded.sha256,
        "feasible": not judged.violations,
        "cost": judged.cost,
        "violations": judged.violations,
        **judged.terms(),
    }
    if json:
        output.as_json(result)
    else:
        result["violations"] = "; ".join(judged.violations) or None
        output.as_table(output.pairs(output.with_units(result, loaded.problem)))
    return 4 if judged.violations else 0


def _judged(instance: "Instance", path: str) -> tuple["Document", "Evaluation"]:
    """Read a plan and judge it; a plan that cannot be judged is named by its file."""
    from opt_istn import problems

    plan = problems.read_plan(path, instance.problem)
    try:
        return plan, problems.get(instance.problem).evaluate(instance, plan)
    except InputError as error:
        raise InputError(error.field, error.expected, error.source or path) from None


def show(
    instance: InstanceFile,
    out: Annotated[str, typer.Option("-o", "--output", metavar="FIGURE", help="Figure file.")],
    plans: Annotated[list[str] | None, typer.Argument(metavar="PLAN...", help="Plans.")] = None,
    user: Annotated[int | None, typer.Option(help="Short for --set user=NUMBER.")] = None,
    slot: Annotated[int | None, typer.Option(help="Short for --set slot=NUMBER.")] = None,
    view: Annotated[str | None, typer.Option(help="Short for --set view=NAME.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="What to draw, where there is a choice."),
    ] = None,
) -> None:
    """Draw an instance, with plans on it or a panel per plan.

    What there is to choose is up to the problem, see its page.
    """
    from opt_istn import problems
    from opt_istn.pictures import draw

    targets.check(targets.Target("--output", out), inputs=[instance, *(plans or [])])
    loaded = problems.read_instance(instance)
    read = [(Path(path).stem, _judged(loaded, path)[0]) for path in plans or []]
    named = {"user": user, "slot": slot, "view": view}
    short = {name: value for name, value in named.items() if value is not None}
    draw.draw(loaded, read, out, **(short | output.settings(set_ or [])))
    output.wrote(out)


def export(
    instance: InstanceFile,
    model: Annotated[str, typer.Option(help="Formulation, such as arc-flow.")],
    out: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="Model file.")],
    format_: Annotated[
        str, typer.Option("--format", help="mps or lp; by default the name's ending, before .gz.")
    ] = "",
) -> None:
    """Write an instance as a MIP model for another solver."""
    from opt_istn import files, problems, registry

    packed = ".gz" if Path(out).suffix.lower() == ".gz" else ""
    ending = f".{format_}" if format_ else Path(out[: len(out) - len(packed)]).suffix
    if ending.lower() not in (".mps", ".lp"):
        field, found = ("--format", format_) if format_ else ("", ending or "no ending")
        expected = "expected mps or lp" if format_ else "expected a name ending in .mps or .lp"
        raise InputError(field, f"{expected}, or with .gz after it, found {found!r}", out)
    targets.check(targets.Target("--output", out), inputs=[instance])
    loaded = problems.read_instance(instance)
    write = registry.model(model, loaded.problem)
    files.write_through(out, lambda temporary: write(loaded, temporary), ending + packed)
    output.wrote(out)
