"""Commands about runs: solve, compare, table, report, repair."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from opt_istn import platforms
from opt_istn.cli import clusters
from opt_istn.cli.instances import InstanceFile, Json, Settings
from opt_istn.cli.terminal import asked, completing, output, targets
from opt_istn.files import InputError

if TYPE_CHECKING:
    from opt_istn.runs.compare import Comparison
    from opt_istn.runs.ledger import Record
    from opt_istn.runs.thinner import Thinner
    from opt_istn.solver import Budget

TimeLimit = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Wall-clock seconds a run may take.")
]
Work = Annotated[
    int | None, typer.Option(min=1, help="Limit in the solver's own unit, such as labels or nodes.")
]
Memory = Annotated[
    int | None, typer.Option(min=1, metavar="MIB", help="Memory a run may use, enforced.")
]
Startup = Annotated[
    float | None,
    typer.Option(
        "--startup-limit",
        min=0.1,
        max=10**6,
        metavar="SECONDS",
        help="Seconds for imports (by default 60), then for compiling (by default 300).",
    ),
]
Threads = Annotated[int, typer.Option(min=1, max=platforms.MAX_JOBS, help="Threads a run may use.")]
RunsFiles = Annotated[
    list[str], typer.Argument(metavar="RUNS.jsonl...", help="Files of records, or folders of them.")
]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="INSTANCE|PRESET...",
        help="Instance files, presets.",
        autocompletion=completing.presets,
    ),
]
Solver = Annotated[
    str, typer.Option(help="Solver id; see `opt-istn solvers`.", autocompletion=completing.solvers)
]
Solvers = Annotated[
    str,
    typer.Option(
        help="Solver ids, separated by commas; parameters as id@key=value@...",
        autocompletion=completing.several_solvers,
    ),
]
SolverSeeds = Annotated[
    int | None,
    typer.Option(min=1, help="Seeds of each stochastic solver, apart from the instances'."),
]
Records = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="RUNS.jsonl",
        help="File of records; if there is one, it is added to.",
    ),
]
Certificate = Annotated[
    str, typer.Option(metavar="FILE", help="Prove a certificate, too; the time limit holds anew.")
]
Certificates = Annotated[
    str, typer.Option(metavar="DIR", help="Certify the instances, too, as `opt-istn certify` does.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (solve, compare, table, report, repair):
        app.command()(command)


def solve(
    instance: InstanceFile,
    solver: Solver,
    set_: Settings = None,
    time_limit: TimeLimit = None,
    work: Work = None,
    memory: Memory = None,
    threads: Threads = 1,
    startup: Startup = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the solver.")] = 0,
    out: Annotated[
        str, typer.Option("-o", "--output", metavar="PLAN", help="Where the plan goes.")
    ] = "",
    certificate: Certificate = "",
    *,
    json: Json = False,
) -> int:
    """Run one solver on one instance and judge what it returns.

    Exit code 3 if a limit was hit without a plan, 4 if what the solver claims is refuted.
    """
    from opt_istn import files, problems
    from opt_istn.cli import prove
    from opt_istn.runs.compare import run_one
    from opt_istn.runs.ledger import Source
    from opt_istn.runs.nursery import worker

    targets.check(
        targets.Target("--output", out, targets.PLAN),
        targets.Target("--certificate", certificate, targets.CERTIFICATE),
        inputs=[instance, *targets.named(*(set_ or []))],
    )
    budget = allowed(time_limit, work, memory, threads)
    worker.warm_up(threads)
    loaded = problems.read_instance(instance)
    parameters = output.settings(set_ or [])
    source = Source(file=instance)
    run = run_one(loaded, source, solver, parameters, seed, budget, startup)
    if out and run.plan and run.failure is None:
        files.write_document(out, run.plan)
    told: dict[str, Any] = {}
    if certificate and _exit_code(run) != 2:
        run, told = prove.certify_run(run, loaded, certificate, time_limit, threads)
    _show(_summary(run) | told, run, loaded.problem, out, json=json)
    return _exit_code(run) or (3 if told.get("certificate", "") is None else 0)


def _show(result: dict[str, Any], run: "Record", problem: str, out: str, *, json: bool) -> None:
    """Print what came of a run whose plan, if it has one that stands, is in the file `out`."""
    if json:
        output.as_json(result)
    else:
        shown = {key: value for key, value in result.items() if key not in ("plan", "error")}
        output.as_table(output.pairs(output.with_units(shown, problem)))
        if out and run.plan and run.failure is None:
            output.wrote(out)
    if run.error:
        output.complain(f"{run.solver}: {run.error.splitlines()[0]}")


_AGAIN = "delete the file to run them again, --retry-failed for the failed ones"


def compare(
    inputs: Sources,
    solvers: Solvers,
    out: Records,
    seeds: Annotated[
        int, typer.Option(min=1, help="Seeds of presets, on files of solvers: 0 to this less 1.")
    ] = 1,
    solver_seeds: SolverSeeds = None,
    set_: Settings = None,
    time_limit: TimeLimit = 60.0,
    work: Work = None,
    memory: Memory = None,
    threads: Threads = 1,
    startup: Startup = None,
    jobs: Annotated[
        int, typer.Option(min=1, max=platforms.MAX_JOBS, help="Runs at the same time.")
    ] = 1,
    shard: clusters.Part = "",
    executor: clusters.Named = "",
    dask: clusters.Address = "",
    certificates: Certificates = "",
    *,
    retry_failed: Annotated[bool, typer.Option(help="Run failed runs again.")] = False,
    json: Json = False,
) -> int:
    """Run solvers on instances and seeds; what RUNS.jsonl holds already is not run again.

    Every run is a process of its own with hard limits, and every plan is judged. `--set` changes
    presets; a solver's parameters follow its id. Ends with the table of `opt-istn table`.
    """
    from opt_istn.cli import prove
    from opt_istn.runs import audit
    from opt_istn.runs.compare import Comparison
    from opt_istn.runs.thinner import Thinner

    read = [*inputs, *targets.named(solvers, *(set_ or []))]
    targets.check(targets.Target("--output", out, targets.RECORDS), inputs=read)
    budget, thin = allowed(time_limit, work, memory, threads), Thinner()
    sources = asked.sources(inputs, output.settings(set_ or []))
    comparison = Comparison(sources, asked.choices(solvers), seeds, budget, startup, solver_seeds)
    where = {"jobs": jobs, "executor": clusters.pool(executor, dask), "shard": clusters.part(shard)}
    runs = _run(comparison, out, thin, quiet=json, retry_failed=retry_failed, **where)
    lacking = False
    if certificates:
        proven, lacking = prove.certify_runs(runs, out, certificates, time_limit, jobs)
        runs += map(thin, proven)
    _print_table(runs, "json" if json else "text")
    return _compared(audit.audited(runs)) or (3 if lacking else 0)


def _run(
    comparison: "Comparison", out: str, thin: "Thinner", *, quiet: bool, **how: Any
) -> list["Record"]:
    """Do the runs of a comparison, and say on stderr how far they are; return them, thinned.

    Parameters
    ----------
    how
        As in `Comparison.run`.
    """
    from opt_istn.cli.terminal import speaking

    runs, part, total = [], how["shard"], len(comparison)
    own = part.of(total) if part else total
    with speaking.comparison(out, own, quiet=quiet, roughly=part is not None) as heard:
        for run in comparison.run(out, begun=heard.begun, **how):
            runs.append(thin(run))
            heard(run)
    if heard.reused and not quiet:
        output.complain(f"{heard.reused} of {len(runs)} runs were in {out} already ({_AGAIN})")
    return runs


def table(
    files: RunsFiles,
    format_: Annotated[
        str, typer.Option("--format", help="text, markdown, latex, csv or json.")
    ] = "text",
    against: Annotated[
        str | None, typer.Option(metavar="ID", help="Show paired differences to this solver.")
    ] = None,
    *,
    by_instance: Annotated[bool, typer.Option(help="Rows for every instance apart.")] = False,
    cite: Annotated[
        bool, typer.Option("--cite", help="Show instances apart, with their certificates.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV with all names as they are, formulas too.")
    ] = False,
) -> None:
    """Print the gap table of records, or the times in a JSON file of pytest-benchmark.

    Gaps are counted from the best bound that any run proved on the instance, with intervals from 5
    instances or seeds on. What each number is stands below the table.
    """
    from opt_istn.report import benchmarks
    from opt_istn.runs import ledger

    known = ("text", "markdown", "latex", "csv", "json")
    if format_ not in known:
        raise InputError("--format", f"expected one of {', '.join(known)}, found {format_!r}")
    if len(files) == 1 and benchmarks.is_one(files[0]):
        return _print_benchmarks(benchmarks.rows_of(files[0]), format_)
    by: Literal["group", "instance"] = "instance" if by_instance or cite else "group"
    records = ledger.read_all(files, plans=False)
    clusters.tell(records)
    if records or format_ in ("csv", "json"):
        _print_table(records, format_, by, against, raw=raw, cite=cite)
    return None


def report(
    files: RunsFiles,
    out: Annotated[str, typer.Option("-o", "--output", metavar="HTML", help="Report page.")],
    title: Annotated[str, typer.Option("--title", help="Of the page; by default its groups.")] = "",
) -> None:
    """Write the report page of records: tables, curves, maps, every run, in one file.

    It needs no network, prints on A4, and each row of its tables leads to the runs behind it.
    """
    from opt_istn.report import page
    from opt_istn.runs import ledger

    targets.check(targets.Target("--output", out), inputs=files)
    records = ledger.read_all(files)
    clusters.tell(records)
    page.write_page(records, out, title=title)
    output.wrote(out)


def repair(files: RunsFiles) -> None:
    """Move lines that are no records into RUNS.jsonl.bad, so that the others can be read."""
    from opt_istn.runs import appender

    for path in files:
        errors = appender.repair(path)
        for error in errors:
            print(output.printable(str(error)))
        moved = f"{len(errors)} lines moved to {path}{appender.BAD}" if errors else "in order"
        print(output.printable(f"{path}: {moved}"))


def _compared(runs: Sequence["Record"]) -> int:
    """Return the exit code of a comparison: what is worst about its runs, read together."""
    from opt_istn.runs import audit
    from opt_istn.runs.ledger import Failure

    disputed = any(known.disputes for known in audit.summarise(runs))
    if disputed or any(run.failure == Failure.REFUTED for run in runs):
        return 4
    if any(run.failure == Failure.CRASHED for run in runs):
        return 1
    if any(run.failure == Failure.INPUT for run in runs):
        return 2
    return 3 if any(run.never_started for run in runs) else 0


def allowed(time_s: float | None, work: int | None, memory: int | None, threads: int) -> "Budget":
    """Return the budget of the command line's options."""
    from opt_istn.solver import Budget

    try:
        return Budget(time_s, work, memory, threads)
    except ValueError as error:
        raise InputError("", str(error)) from None


def _summary(run: "Record") -> dict[str, Any]:
    from opt_istn.runs.audit import gap

    result = {
        "instance": run.sha256,
        "solver": run.solver,
        "status": run.status,
        "cost": run.cost,
        "bound": run.bound,
        "gap": gap(run.cost, run.bound),
        "seconds": run.seconds,
        "startup_s": run.startup_s,
        "plan": run.plan,
        **(run.terms if run.cost is not None else {}),  # an infeasible plan's are nobody's
    }
    return result | {"error": run.error} if run.error else result


def _exit_code(run: "Record") -> int:
    from opt_istn.runs.ledger import Failure
    from opt_istn.solver import Status

    if run.error.startswith("not supported"):
        return 2
    if run.status in (Status.NO_PLAN, Status.BOUND_ONLY):
        return 3
    codes = {Failure.REFUTED: 4, Failure.TIME: 3, Failure.MEMORY: 3, Failure.INPUT: 2}
    return 0 if run.failure is None else codes.get(run.failure, 1)


def _print_benchmarks(rows: list[dict[str, Any]], format_: str) -> None:
    if format_ not in ("text", "json"):
        rule = f"expected text or json for times of pytest-benchmark, found {format_!r}"
        raise InputError("--format", rule)
    if format_ == "json":
        output.as_json(rows)
    else:
        told = [_with_unit(row) for row in rows]
        output.as_table([[value for _, value in output.pairs(row)] for row in told], tuple(told[0]))


def _with_unit(row: dict[str, Any]) -> dict[str, Any]:
    """Return a benchmark's row for reading: its cost with the unit that its problem has."""
    from opt_istn import problems

    name = row["problem"]
    shown = output.with_units(row, name) if name in problems.packages() else row
    return {key: value for key, value in shown.items() if key != "problem"}


def _print_table(
    runs: Sequence["Record"],
    format_: str,
    by: Literal["group", "instance"] = "group",
    against: str | None = None,
    *,
    raw: bool = False,
    cite: bool = False,
) -> None:
    from opt_istn.report import table as tables

    made = tables.gap_table(runs, by, against=against, cite=cite)
    print(tables.render(made, format_, raw=raw).rstrip("\n"))
