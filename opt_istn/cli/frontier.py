"""Commands about many answers at once: pareto, budgets, weights."""

import csv
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opt_istn.cli.instances import InstanceFile, Json
from opt_istn.cli.terminal import output, targets
from opt_istn.files import InputError

if TYPE_CHECKING:
    from opt_istn.jutap.frontier import Front, StartTable, WeightMap
    from opt_istn.problems import Instance

Figure = Annotated[
    str, typer.Option("-o", "--output", metavar="FIGURE", help="Figure: .png, .svg or .pdf.")
]
Csv = Annotated[str, typer.Option("--csv", metavar="FILE", help="All numbers, as CSV.")]
Prove = Annotated[
    bool, typer.Option("--prove", help="Prove every answer by the verifier; exit code 4 if not.")
]
Folder = Annotated[
    str,
    typer.Option("--certificates", metavar="DIR", help="Keep the proofs there; implies --prove."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (pareto, budgets, weights):
        app.command()(command)


def pareto(
    instance: InstanceFile,
    out: Figure = "",
    table: Csv = "",
    folder: Folder = "",
    *,
    proven: Prove = False,
    json: Json = False,
) -> int:
    """Find all that is to be had of cost and energy: the Pareto front from START, exactly."""
    from opt_istn import problems, registry
    from opt_istn.pictures import canvas
    from opt_istn.pictures.jutap import frontier as pictures

    loaded = _prepared(instance, out, table)
    front: Front = registry.study("pareto", loaded.problem)(loaded)
    evaluate = problems.get(loaded.problem).evaluate
    names = ("length_m", "handover", "holes", "geo", "moves")
    rows = []
    for point in front.points:
        terms = evaluate(loaded, point.plan).terms()
        rows.append((point.energy_mj, point.cost, *(terms[name] for name in names)))
    if out:
        canvas.save(pictures.front_figure(front), out)
    header = ("energy_mj", "cost", *names)
    return _finish(front, header, rows, table, folder, proven=proven, json=json, name=instance)


def budgets(
    instance: InstanceFile,
    kappa: Annotated[
        list[str] | None,
        typer.Option(metavar="KAPPA", help="Budget over the straightest energy, or none; again."),
    ] = None,
    out: Figure = "",
    table: Csv = "",
    folder: Folder = "",
    *,
    proven: Prove = False,
    json: Json = False,
) -> int:
    """Find the optimum from every START under several energy budgets, exactly."""
    from opt_istn import registry
    from opt_istn.pictures import canvas
    from opt_istn.pictures.jutap import frontier as pictures

    loaded = _prepared(instance, out, table)
    asked = kappa or ["1.02", "1.05", "1.10", "1.25", "none"]
    found: StartTable = registry.study("starts", loaded.problem)(loaded, [*map(_kappa, asked)])
    if out:
        canvas.save(pictures.starts_figure(found, asked), out)
    rows = [
        (cell, int(found.links[cell]), k, *_known(found, cell, i))
        for cell in found.cells.tolist()
        for i, k in enumerate(asked)
    ]
    header = ("start", "link", "kappa", "budget_mj", "cost", "energy_mj")
    shown = _summary(found, asked)
    return _finish(
        found, header, rows, table, folder, proven=proven, json=json, name=instance, shown=shown
    )


def weights(
    instance: InstanceFile,
    out: Figure = "",
    table: Csv = "",
    folder: Folder = "",
    *,
    proven: Prove = False,
    json: Json = False,
) -> int:
    """Find which plans are optimal for which weights (w1, w2, w3), exactly."""
    from opt_istn import registry
    from opt_istn.pictures import canvas
    from opt_istn.pictures.jutap import frontier as pictures

    loaded = _prepared(instance, out, table)
    found: WeightMap = registry.study("weights", loaded.problem)(loaded)
    if out:
        canvas.save(pictures.weights_figure(found), out)
    rows = [
        (
            i + 1,
            f"{float(region.share):.6f}",
            *region.terms,
            "; ".join(" ".join(map(str, corner)) for corner in region.corners),
        )
        for i, region in enumerate(found.regions)
    ]
    header = ("plan", "share", "xi", "eta", "delta", "corners")
    shown = header[:-1], [row[:-1] for row in rows]
    return _finish(
        found, header, rows, table, folder, proven=proven, json=json, name=instance, shown=shown
    )


def _prepared(path: str, figure: str, table: str) -> "Instance":
    """Read the instance, after what can be wrong with the names of what is to be written."""
    from opt_istn import problems
    from opt_istn.pictures import canvas

    goals = targets.Target("--output", figure), targets.Target("--csv", table)
    targets.check(*goals, inputs=[path])
    if figure:
        canvas.suffix(figure)
    return problems.read_instance(path)


def _kappa(text: str) -> float | None:
    if text.lower() == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1000:
        raise InputError("--kappa", f"expected a number above 0 and below 1000, or none: {text!r}")
    return value


def _known(found: "StartTable", cell: int, k: int) -> tuple[int | None, ...]:
    from opt_istn.jutap.frontier import NO_FLIGHT

    numbers = (array[cell, k] for array in (found.budget_mj, found.cost, found.energy_mj))
    return tuple(None if x == NO_FLIGHT else int(x) for x in numbers)


def _summary(found: "StartTable", asked: Sequence[str]) -> tuple[Sequence[str], list[Any]]:
    from opt_istn.jutap.frontier import NO_FLIGHT

    rows = []
    for i, kappa in enumerate(asked):
        costs = found.cost[found.cells, i]
        known = costs[costs != NO_FLIGHT]
        mean = f"{known.mean() / 1e6:.6g}" if len(known) else None
        rows.append((kappa, len(costs), len(known), mean))
    return ("kappa", "starts", "with a plan", "mean cost, 10^6"), rows


def _finish(
    found: Any,
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    table: str,
    folder: str,
    *,
    proven: bool,
    json: bool,
    name: str,
    shown: tuple[Sequence[str], Sequence[Sequence[Any]]] | None = None,
) -> int:
    """Write and print what was found; exit code 4 if a proof of it is refused."""
    from opt_istn import registry, verifier
    from opt_istn.evidence import studies

    if table:
        _write_csv(table, header, rows)
    if json:
        output.as_json([dict(zip(header, row, strict=True)) for row in rows])
    else:
        short = shown or (header, rows)
        output.as_table(short[1], short[0])
    if not (proven or folder):
        return 0
    certificate = registry.study("certificate", found.instance.problem)
    try:
        kinds = studies.prove(found.questions(), certificate, folder or None)
    except verifier.Refused as refused:
        output.complain(f"{name}: {refused}")
        return 4
    said = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    if not json:
        print(f"proven by the verifier: {sum(kinds.values())} answers ({said})")
    return 0


def _write_csv(path: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    import io

    from opt_istn import files

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    files.write_bytes(path, text.getvalue().encode())
