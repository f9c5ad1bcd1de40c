"""Commands for who checks, or is to check: verify, bundle, add."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from opt_istn.cli import clusters
from opt_istn.cli.instances import InstanceFile, Json
from opt_istn.cli.runs import RunsFiles, allowed
from opt_istn.cli.terminal import output, targets
from opt_istn.files import InputError, placing

if TYPE_CHECKING:
    from opt_istn.evidence.reprove import Proof
    from opt_istn.evidence.verify import Check
    from opt_istn.runs.ledger import Record


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (verify, bundle, add):
        app.command()(command)


def verify(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="RUNS.jsonl... | INSTANCE CERTIFICATE [PLAN]",
            help="Records, folders of them; or a certificate.",
        ),
    ],
    folder: Annotated[
        str, typer.Option("--certificates", metavar="DIR", help="Folder that `certify` filled.")
    ] = "",
    *,
    prove_: Annotated[
        bool, typer.Option("--prove", help="Run engines again for bounds without a certificate.")
    ] = False,
    time_limit: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Seconds of each engine of --prove."),
    ] = 60.0,
    json: Json = False,
) -> int:
    """Make instances and evaluate plans again; exit code 4 if a run is refuted or disputed.

    With the folder of certificates, each is checked again. Other bounds stay claims unless --prove
    asks an engine again; the output says for every record which of it is the case. Given an
    instance and a certificate instead, say what the certificate proves; exit code 4 if it is
    refused.
    """
    from opt_istn.cli import prove
    from opt_istn.evidence import certificates
    from opt_istn.evidence import verify as checking
    from opt_istn.runs import ledger

    if len(files) in (2, 3) and prove.holds_instance(files[0]):
        instance, certificate, *plan = files
        return prove.verify_certificate(instance, certificate, "".join(plan), json=json)
    if folder:
        certificates.check_folder(folder)
    records = ledger.read_all(files)
    clusters.tell(records)
    proofs = _proofs(records, files, time_limit, quiet=json) if prove_ else {}
    checks = []
    for check in checking.verify_records(records, folder or None, files, proofs):
        checks.append(check)
        _tell(check, json=json)
    if not json:
        print(_tally(checks))
        output.advise(checking.outcomes(checks), files)
    return _verified(checks)


def _tell(check: "Check", *, json: bool) -> None:

    run = check.record
    if json:
        names = ("finding", "solver", "seed", "instance", "reason", "checked")
        values = (check.finding, run.solver, run.seed, run.sha256, check.reason, check.words)
        output.as_json(dict(zip(names, values, strict=True)))
        return
    from opt_istn.runs.names import called

    said = check.reason or ", ".join(check.words)
    words = [
        check.finding,
        called(run.solver, run.parameters),
        f"seed {run.seed}",
        f"on {run.instance}",
    ]
    shown = "  ".join(map(output.printable, words))
    print(shown + (f": {output.printable(said)}" if said else ""))


def _verified(checks: Sequence["Check"]) -> int:
    """Return the exit code of `verify`."""
    from opt_istn.evidence.verify import Finding

    found = {check.finding for check in checks}
    if found & {Finding.REFUTED, Finding.DISPUTED}:
        return 4
    if Finding.UNAVAILABLE in found:
        raise InputError("source", "expected every record's instance to be available")
    return 0


def _proofs(
    records: Sequence["Record"], files: Sequence[str], time_s: float | None, *, quiet: bool
) -> dict[str, "Proof"]:
    """Ask engines again, and say on stderr what each proves."""
    from opt_istn.evidence import reprove
    from opt_istn.evidence.sources import Loader

    budget, found = allowed(time_s, None, None, 1), {}
    for sha256, proof in reprove.proofs(records, Loader(*files), budget):
        if proof is not None:
            found[sha256] = proof
            if not quiet:
                problem = proof.engine.partition(".")[0]
                bound = output.with_units({"bound": proof.bound}, problem)["bound"]
                output.complain(f"{proof.engine} on {sha256[:12]}: {proof.status}, bound {bound}")
    return found


def _tally(checks: Sequence["Check"]) -> str:
    """Return one line: what was checked, and what the instances' outcomes rest on."""
    from opt_istn.evidence import verify as checking

    ill = Counter(check.finding for check in checks if check.finding != checking.Finding.OK)
    words = Counter(word for check in checks for word in check.words)
    standings = Counter(str(known.standing) for known in checking.outcomes(checks))
    shown = [f"{number} {finding}" for finding, number in sorted(ill.items())]
    shown += [f"{number} x {word}" for word, number in sorted(words.items())]
    rests = [f"{number} {standing}" for standing, number in sorted(standings.items())]
    said = f"{', '.join(shown) or '-'}; instances: {', '.join(rests) or '-'}"
    return f"{output.counted(len(checks), 'record')}: {said}"


def bundle(
    files: RunsFiles,
    out: Annotated[str, typer.Option("-o", "--output", metavar="ZIP", help="The bundle.")],
    folder: Annotated[
        str, typer.Option("--certificates", metavar="DIR", help="Folder that `certify` filled.")
    ] = "",
    *,
    json: Json = False,
) -> None:
    """Pack records, instances, plans and certificates for a referee, who repeats them offline.

    The referee unpacks the file and runs its check.py, which needs Python and numpy alone.
    """
    from dataclasses import asdict

    from opt_istn.evidence import bundle as bundling
    from opt_istn.runs import ledger

    targets.check(targets.Target("--output", out, targets.ARCHIVE), inputs=files)
    records = ledger.read_all(files)  # once: a file may be a pipe
    clusters.tell(records)
    made = asdict(bundling.write(records, out, folder, files))
    if json:
        output.as_json(made | {"file": output.printable(out)})
        return
    print(", ".join(output.counted(number, kind[:-1]) for kind, number in made.items()))
    print("a referee unpacks it and runs, offline: python bundle/check.py")
    output.wrote(out)


def add(
    runs: Annotated[str, typer.Argument(metavar="RUNS.jsonl", help="File of records.")],
    instance: InstanceFile,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="Plan file.")],
    name: Annotated[str, typer.Option("--solver-name", metavar="NAME", help="What made the plan.")],
    seconds: Annotated[
        float | None, typer.Option(min=0, max=10**9, help="Wall-clock seconds that it took.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Its seed.")] = 0,
    kind: Annotated[str, typer.Option(help="exact, heuristic, policy or agent.")] = "",
    knows: Annotated[str, typer.Option(help="What it is told of the instance.")] = "",
    *,
    json: Json = False,
) -> int:
    """Judge a plan made elsewhere and add it to records, marked as external.

    A run of that name and seed on the instance is replaced. Its gap takes a bound: `compare` an
    exact solver into the same RUNS.jsonl. Exit code 4 if the plan is infeasible; it is added all
    the same, as a run without a plan.
    """
    from opt_istn.runs import external, ledger

    before = {run.key for run in ledger.read(runs)} if placing.is_there(runs) else set()
    record = external.add(
        runs, instance, plan, name, seconds=seconds, seed=seed, kind=kind, knows=knows
    )
    row = {
        "solver": record.solver,
        "instance": record.instance,
        "status": record.status,
        "cost": record.cost,
        "violations": record.violations if json else "; ".join(record.violations) or None,
    }
    if json:
        output.as_json(row)
    else:
        output.as_table(output.pairs(output.with_units(row, record.problem)))
        if record.key in before:
            output.complain(f"replaces {record.solver} seed {seed}, which was there")
        output.wrote(runs)
    return 4 if record.violations else 0
