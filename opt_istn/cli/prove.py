"""The command that makes certificates, and what checks one."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from opt_istn.cli import output
from opt_istn.cli.instances import InstanceFile, Json
from opt_istn.files import InputError

if TYPE_CHECKING:
    from opt_istn.problems import Document, Instance


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command()(prove)


def prove(
    instance: InstanceFile,
    plan: Annotated[str, typer.Argument(metavar="[PLAN]", help="A plan to begin with.")] = "",
    out: Annotated[
        str, typer.Option("-o", "--output", metavar="CERT", help="Certificate file.")
    ] = "",
    plan_out: Annotated[
        str, typer.Option("--plan-output", metavar="PLAN", help="File for the best plan known.")
    ] = "",
    time_limit: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Wall-clock seconds to search.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that prove at the same time.")] = 1,
    *,
    json: Json = False,
) -> int:
    """Write a certificate of the best bound that is found; it is checked before it is written."""
    from opt_istn import files, problems, registry
    from opt_istn.solver import Budget

    loaded = problems.read_instance(instance)
    known = problems.read_plan(plan, loaded.problem) if plan else None
    if known and problems.get(loaded.problem).evaluate(loaded, known).violations:
        raise InputError("", "expected a feasible plan", plan)
    budget = Budget(time_s=time_limit, threads=jobs)
    certificate, best = registry.prover(loaded.problem)(loaded, budget, known)
    if certificate is None:
        output.complain(f"{instance}: no bound was found in time")
        return 3
    found = check(loaded, certificate, best, out or "the certificate just made")
    if out:
        files.write_document(out, certificate)
    if plan_out and best is not None:
        best.write(plan_out)
    output.as_json(found) if json else output.as_table(output.pairs(found))
    return 0


def check(
    instance: "Instance", certificate: dict[str, Any], plan: "Document | None", source: str
) -> dict[str, Any]:
    """Return what the verifier says of a certificate and, if there is one, a plan.

    Raises
    ------
    InputError
        If the verifier refuses one of them; says why.
    """
    from opt_istn import verifier

    document, proof = _plain(instance.document()), _plain(certificate)
    try:
        found = {"instance": instance.sha256, **verifier.check(document, proof)}
        if plan is not None:
            found["cost"] = verifier.cost_of(document, _plain(plan.document()))
            found["optimal"] = found["cost"] == found.get("bound")
    except verifier.Refused as refused:
        raise InputError("certificate", f"refused: {refused}", source) from None
    return found


def _plain(document: Any) -> Any:
    """Return a document as a reader of its file sees it."""
    return json.loads(json.dumps(document))
