"""The command `reproduce`: the papers' figures and tables, one command each."""

from pathlib import Path
from typing import Annotated

import typer

from opt_istn import platforms
from opt_istn.cli.terminal import output
from opt_istn.files import InputError

MAPS, QUICK_MAPS = 100, 40
QUICK_TRAININGS = 2


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(reproduce)


def reproduce(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Figures and tables, or all; see below.")
    ],
    out: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="Where everything goes.")
    ] = "reproduced",
    agents: Annotated[
        str, typer.Option(metavar="FOLDER", help="Agent files that are trained already.")
    ] = "",
    maps: Annotated[
        int | None,
        typer.Option(min=1, max=10**6, help="Maps of a distribution; 100, or 40 with --quick."),
    ] = None,
    trainings: Annotated[
        int | None, typer.Option(min=0, help="Maps that get an agent; all, or 2 with --quick.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, max=platforms.MAX_JOBS, help="Runs at the same time.")
    ] = 1,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Minutes instead of hours.")] = False,
) -> None:
    """Make the papers' figures: ours, what is proven, and what is printed, side by side.

    NAME is one of tables, jutap-fig2, jutap-fig3, jutap-fig4, push-fig5, push-fig6a, push-fig6b,
    push-fig7, push-fig8, push-table3, or all. Each writes pictures, records and a page that says
    what agrees and what cannot. What FOLDER holds already is not done again.
    """
    from opt_istn.papers.catalogue import FIGURES
    from opt_istn.papers.work import Work
    from opt_istn.problems import unknown

    for name in names:
        if name != "all" and name not in FIGURES:
            raise InputError("NAME", unknown("figure", name, [*FIGURES, "all"]))
    number = maps or (QUICK_MAPS if quick else MAPS)
    trained = trainings if trainings is not None else QUICK_TRAININGS if quick else number
    work = Work(
        agents=_found(agents) if agents else None,
        folder=output.made_folder(out),
        quick=quick,
        jobs=jobs,
        maps=number,
        trainings=min(trained, number),
        say=output.complain,
    )
    for name in FIGURES if "all" in names else dict.fromkeys(names):
        for path in work.write(name, FIGURES[name](work)):
            print(output.printable(str(path)), flush=True)


def _found(agents: str) -> Path:
    from opt_istn.runs import folders

    folders.check_folder("--agents", agents, "agent files")
    return Path(agents)
