"""Comparisons on many machines: the options of shards and executors, and the command `status`."""

import time
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opt_istn.cli.instances import Json
from opt_istn.cli.terminal import output
from opt_istn.files import InputError

if TYPE_CHECKING:
    from opt_istn.runs.fleet.shards import Shard
    from opt_istn.runs.fleet.status import View
    from opt_istn.runs.ledger import Record

Part = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Do part I of N alone, from 1/N to N/N.")
]
Named = Annotated[
    str,
    typer.Option(metavar="MODULE:FACTORY", help="Run on the executor that this makes."),
]
Address = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler.")
]
_SLOWEST = 3  # runs that are named


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(status)


def part(shard: str) -> "Shard | None":
    """Return the shard of the option, None for all of the comparison."""
    from opt_istn.runs.fleet import shards

    return shards.parse(shard) if shard else None


def pool(executor: str, dask: str) -> Callable[[], Executor] | None:
    """Return what makes the executor of the options, None for this machine's own processes."""
    from opt_istn.runs.fleet import clusters

    if executor and dask:
        raise InputError("--dask", "expected it or --executor, not both")
    if dask:
        return clusters.dask(dask)
    return clusters.named(executor) if executor else None


def tell(records: Collection["Record"]) -> None:
    """Say on stderr what is missing, and whether different versions of opt-istn made `records`."""
    for line in _warnings(records):
        output.complain(line)


def _warnings(records: Collection["Record"]) -> list[str]:
    from opt_istn.runs.fleet import shards

    lines = shards.missing(records)
    if not records:
        lines.append("no records: nothing has ended yet, or the files are empty")
    return lines + _versions(records)


def _versions(records: Collection["Record"]) -> list[str]:
    versions = sorted({run.packages["opt-istn"] for run in records if "opt-istn" in run.packages})
    told = f"the records are of different versions of opt-istn: {', '.join(versions)}"
    return [told] if len(versions) > 1 else []


def status(
    files: Annotated[
        list[str], typer.Argument(metavar="RUNS.jsonl...", help="Files of records, or folders.")
    ],
    *,
    json: Json = False,
) -> None:
    """Say how comparisons stand, from any shell or machine; nothing is locked or written."""
    from opt_istn.runs.fleet import status

    views = status.look(files)
    records = status.of_all(views)
    for line in _versions(records):
        output.complain(line)
    rows = [_row(view) for view in views]
    facts = _facts(records)
    if json:
        output.as_json({"files": rows, **facts})
        return
    output.as_table([tuple(row.values()) for row in rows], tuple(rows[0]))
    output.as_table(output.pairs({name: _words(value) for name, value in facts.items()}))
    for view in views:
        for run in view.notice.running if view.notice and view.notice.alive is not False else ():
            print(output.printable(_said(run.instance, run.solver, run.seed, _ago(run.since))))


def _row(view: "View") -> dict[str, Any]:
    notice = view.notice
    row: dict[str, Any] = {
        "file": view.path,
        "done": len(view.records),
        "of": None,
        "failed": view.failed,
        "running": 0,
        "left s": None,
        "process": "none",
        "last sign s": None,
    }
    if notice is None:
        return row
    alive = {True: "", False: " (gone)", None: ""}[notice.alive]
    return row | {
        "of": notice.total,
        "running": 0 if notice.alive is False else notice.out,
        "left s": None if notice.left_s is None else round(notice.left_s),
        "process": f"{notice.pid} on {notice.host}{alive}",
        "last sign s": round(max(0.0, time.time() - notice.seen)),
    }


def _facts(records: list["Record"]) -> dict[str, Any]:
    """Return what is known so far: gaps, slowest runs, missing shards."""
    from opt_istn.runs.fleet import shards, status

    gaps = status.gaps(records)
    timed = [run for run in records if run.seconds is not None]
    slowest = sorted(timed, key=lambda run: -(run.seconds or 0.0))[:_SLOWEST]
    shown = [f"{100 * value:.3g} % on {name}" for value, name in gaps]
    return {
        "instances": len({run.sha256 for run in records}),
        "closed": sum(gap == 0 for gap, _ in gaps),
        "best gap so far": shown[-1] if shown else None,
        "largest gap left": shown[0] if shown else None,
        "slowest": [
            _said(run.instance, run.solver, run.seed, f"{run.seconds:.3g} s") for run in slowest
        ],
        "missing": shards.missing(records),
    }


def _said(instance: str, solver: str, seed: int, seconds: str) -> str:
    return f"{solver}, seed {seed}, on {instance}: {seconds}"


def _ago(since: float) -> str:
    return f"out for {max(0.0, time.time() - since):.0f} s"


def _words(value: Any) -> Any:
    return "; ".join(value) or None if isinstance(value, list) else value
