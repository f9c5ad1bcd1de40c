"""Commands about certificates: prove, certify, and what `verify` says of one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opt_istn import platforms
from opt_istn.cli.instances import InstanceFile, Json
from opt_istn.cli.terminal import output, targets
from opt_istn.files import InputError, placing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from opt_istn.evidence.certificates import Proven
    from opt_istn.evidence.certify import Certified
    from opt_istn.evidence.search import Found
    from opt_istn.problems import Document, Instance
    from opt_istn.runs.ledger import Record
    from opt_istn.solver import Budget

Seconds = Annotated[
    float | None, typer.Option(min=0, metavar="SECONDS", help="Wall-clock seconds to search.")
]
Jobs = Annotated[
    int, typer.Option(min=1, max=platforms.MAX_JOBS, help="Processes that prove at the same time.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (prove, certify):
        app.command()(command)


def prove(
    instance: InstanceFile,
    plan: Annotated[str, typer.Argument(metavar="[PLAN]", help="A plan to begin with.")] = "",
    out: Annotated[
        str, typer.Option("-o", "--output", metavar="CERT", help="Certificate file.")
    ] = "",
    plan_out: Annotated[
        str, typer.Option("--plan-output", metavar="PLAN", help="File for the best plan known.")
    ] = "",
    time_limit: Seconds = None,
    jobs: Jobs = 1,
    *,
    json: Json = False,
) -> int:
    """Write a certificate of the best bound that is found; it is checked before it is written.

    The installed library is asked first, by the instance's hash: what proves more is taken.
    With -o a long search is kept in the folder CERT.search until it has met the best plan: killed,
    or out of time, and started again, it goes on.
    """
    from opt_istn import problems
    from opt_istn.cli import runs
    from opt_istn.evidence.certificates import is_kept, search_of

    targets.check(
        targets.Target("--output", out, targets.CERTIFICATE),
        targets.Target("--plan-output", plan_out, targets.PLAN),
        inputs=[instance, plan],
    )
    loaded = problems.read_instance(instance)
    known = _feasible(loaded, plan) if plan else None
    budget = runs.allowed(time_limit, None, None, jobs)
    keep = search_of(out) if out else None
    proof, found = _searched(loaded, known, budget, keep, out or "the certificate just made")
    if proof is None:
        output.complain(f"{instance}: no bound was found in time")
        return 3
    is_open = "bound" in found and not found.get("optimal")
    written = _written(proof, out, plan_out, None if is_open else keep)
    if json:
        output.as_json(found)
        return 0
    kept = [str(keep)] if is_kept(keep) else []
    _print_found(found, loaded.problem)
    output.wrote(*written, *kept)
    if is_open:
        how = "the same command with more time goes on" if kept else "it takes more time"
        output.complain(f"{instance}: bound proven, optimum not; {how}")
    return 0


def _searched(
    instance: "Instance",
    known: "Document | None",
    budget: "Budget",
    keep: "Path | None",
    source: str,
) -> tuple["Found | None", dict[str, Any]]:
    """Return the best proof, and what it says; an interrupt tells of what is kept."""
    from opt_istn import verifier
    from opt_istn.evidence import search
    from opt_istn.evidence.certificates import is_kept
    from opt_istn.library import lookup

    try:
        with _interruptible(lambda: f"the search is kept in {keep}" if is_kept(keep) else ""):
            proof = search.best_proof(instance, budget, known, lookup.given, keep)
        found = {} if proof is None else _said(instance, proof.proven, proof.plan)
    except verifier.Refused as refused:
        if is_kept(keep):  # by far the likeliest: somebody changed what is kept there
            expected = f"expected searches that prove what they say: {refused}"
            raise InputError("", expected, str(keep)) from None
        raise InputError("certificate", f"refused: {refused}", source) from None
    if proof is not None and proof.whence:
        found["from"] = proof.whence
    return proof, found


def _written(proof: "Found", out: str, plan_out: str, spent: "Path | None") -> list[str]:
    """Write the certificate and the plan, delete a search that is at its end; return the files."""
    from opt_istn import files
    from opt_istn.evidence.certificates import forget

    written = []
    if out:
        files.write_document(out, proof.certificate)
        written.append(out)
    if plan_out and proof.plan is not None:
        proof.plan.write(plan_out)
        written.append(plan_out)
    forget(spent)
    return written


def _feasible(instance: "Instance", path: str) -> "Document":
    """Read a plan, which has to be feasible."""
    from opt_istn import problems

    plan = problems.read_plan(path, instance.problem)
    if problems.get(instance.problem).evaluate(instance, plan).violations:
        raise InputError("", "expected a feasible plan", path)
    return plan


@contextmanager
def _interruptible(kept: Callable[[], str]) -> Iterator[None]:
    """Say after an interrupt what is kept, if something is; the same command goes on with it."""
    try:
        yield
    except KeyboardInterrupt:
        if told := kept():
            output.complain(f"{told}; the same command goes on")
        raise


def certify(
    runs: Annotated[str, typer.Argument(metavar="RUNS.jsonl", help="File of records.")],
    folder: Annotated[
        str, typer.Option("--certificates", metavar="DIR", help="Folder of the certificates.")
    ],
    time_limit: Seconds = None,
    jobs: Jobs = 1,
    *,
    json: Json = False,
) -> int:
    """Certify the instances of RUNS.jsonl; a certificate that is in DIR is not proven again.

    The installed library is asked first, by hash: what proves more than the time allows is taken.
    The time limit is for each instance. Exit code 3 if one gets no certificate.
    """
    from opt_istn.cli.runs import allowed
    from opt_istn.evidence import certify as certifying
    from opt_istn.library import lookup

    records: list[Record] = []
    lacking = False
    budget = allowed(time_limit, None, None, jobs)
    with _interruptible(lambda: _so_far(len(records), folder)):
        for found in certifying.certify_records(runs, folder, budget, give=lookup.given):
            lacking |= found.record is None
            records += [] if found.record is None else [found.record]
            _tell(found, json=json)
    if records and not json:
        output.wrote(runs, folder)
    if any(run.failure for run in records):
        return 4
    return 3 if lacking else 0


def _so_far(number: int, folder: str) -> str:
    return f"{output.counted(number, 'certificate')} so far and open searches are in {folder}"


def _tell(found: "Certified", *, json: bool) -> None:
    """Print what became of an instance, and whether more time would find more."""
    run = found.record
    names = ("instance", "sha256", "status", "cost", "bound", "certificate", "reason")
    said = [getattr(run, name, None) for name in names[2:-1]]
    reason = found.reason if run is None else run.error
    row = dict(zip(names, (found.instance, found.sha256, *said, reason), strict=True))
    row["from"] = found.whence
    if json:
        output.as_json(row)
        return
    if run is not None:
        row = output.with_units(row, run.problem)
    for name in ("cost", "bound"):
        row[name] = row[name] and f"{name} {row[name]}"
    row["from"] = found.whence and f"from {found.whence}"
    print("  ".join(str(value) for key, value in row.items() if value and key != "sha256"))
    _tell_open(found)


def _tell_open(found: "Certified", time: str = "twice the") -> None:
    """Say on stderr that a certificate leaves the optimum open, and what closes it."""
    if found.is_open:
        how = f"the same command with {time} time goes on"
        output.complain(f"{found.instance}: bound proven, optimum not; {how}")


def certify_run(
    run: "Record", instance: "Instance", path: str, time_limit: float | None, threads: int
) -> tuple["Record", dict[str, Any]]:
    """Prove a certificate beside a run, off its clock; return the run as it then stands.

    Parameters
    ----------
    path
        Where the certificate is written.
    time_limit, threads
        Of the proof.

    Returns
    -------
    tuple
        The run, `failed` if it claims what the certificate or a plan contradicts; and what there
        is to tell of the certificate.
    """
    from opt_istn.cli.runs import allowed
    from opt_istn.evidence.certify import certify_run
    from opt_istn.library import lookup
    from opt_istn.runs import audit

    budget = allowed(time_limit, None, None, threads)
    found = certify_run(run, instance, path, budget, lookup.given)
    made = found.record
    if made is None:
        output.complain(f"{path}: not written: {found.reason}")
        return run, {"certificate": None}
    _tell_open(found, "more")
    run = audit.audited([run, made])[0]
    (known,) = audit.summarise([run, made])
    told = {"certificate": made.certificate, "proven": made.bound, "proof_s": made.wall_s}
    if made.bound is None:
        told["proven"] = made.status
    if found.whence:
        told["from"] = found.whence
    return run, told | {"best_cost": known.best_cost, "standing": known.standing}


def certify_runs(
    runs: "Sequence[Record]", path: str, folder: str, time_limit: float | None, jobs: int
) -> tuple[list["Record"], bool]:
    """Certify the instances of a comparison; return the records, and whether one is lacking."""
    from opt_istn.cli.runs import allowed
    from opt_istn.evidence import certify as certifying
    from opt_istn.library import lookup

    hashes = {run.sha256 for run in runs}
    budget = allowed(time_limit, None, None, jobs)
    records: list[Record] = []
    lacking = False
    certified = certifying.certify_records(path, folder, budget, hashes, lookup.given)
    with (
        _interruptible(lambda: _so_far(len(records), folder)),
        output.progress(f"{len(hashes)} certificates", quiet=False) as advance,
    ):
        for done, found in enumerate(certified, start=1):
            if found.record is None:
                lacking = True
                output.complain(f"{found.instance}: no certificate: {found.reason}")
            else:
                records.append(found.record)
                if found.whence:
                    output.complain(f"{found.instance}: certificate from {found.whence}")
            _tell_open(found)
            advance(done / len(hashes))
    return records, lacking


def check(
    instance: "Instance", certificate: "Mapping[str, Any]", plan: "Document | None"
) -> dict[str, Any]:
    """Return what the verifier says of a certificate and, if there is one, a plan.

    Raises
    ------
    opt_istn.verifier.Refused
        If the verifier refuses one of them; says why.
    """
    from opt_istn.evidence import certificates

    return _said(instance, certificates.check(instance, certificate), plan)


def _said(instance: "Instance", proven: "Proven", plan: "Document | None") -> dict[str, Any]:
    """Return what an accepted certificate and, if there is one, a plan say."""
    from opt_istn.evidence import certificates

    claim = {"bound": proven.bound} if proven.status is None else {str(proven.status): True}
    found: dict[str, Any] = {"instance": instance.sha256, "kind": proven.kind, **claim}
    if plan is not None:
        found["cost"] = certificates.cost_of(instance, plan)
        found["optimal"] = found["cost"] == proven.bound
    return found


def holds_instance(path: str) -> bool:
    """Return whether a file is an instance of some problem rather than a file of records."""
    from opt_istn import files, problems

    if not placing.is_file(path):  # a pipe can be read only once
        return False
    try:
        found = files.document_format(files.read_bytes(path))
    except InputError:  # of several lines, for one
        return False
    return found in {problem.formats()[0] for problem in problems.every()}


def verify_certificate(instance: str, certificate: str, plan: str, *, json: bool) -> int:
    """Print what the verifier says of the files; exit code 4 if it refuses one."""
    from opt_istn import problems, verifier
    from opt_istn.evidence import certificates

    loaded = problems.read_instance(instance)
    known = problems.read_plan(plan, loaded.problem) if plan else None
    try:
        found = {"accepted": True, **check(loaded, certificates.read(certificate), known)}
    except verifier.Refused as refused:
        found = {"accepted": False, "instance": loaded.sha256, "reason": str(refused)}
    output.as_json(found) if json else _print_found(found, loaded.problem)
    return 0 if found["accepted"] else 4


def _print_found(found: dict[str, Any], problem: str) -> None:
    output.as_table(output.pairs(output.with_units(found, problem)))
