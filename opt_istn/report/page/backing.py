"""The parts of the report that back its numbers: bounds, citation, environment, every run."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from opt_istn import problems
from opt_istn.report.columns import ABSENT
from opt_istn.report.incidents import reason_of
from opt_istn.report.numbers.aggregates import Known, Series
from opt_istn.report.page import html
from opt_istn.report.page.html import Node, Row, node
from opt_istn.report.remedies import lacking
from opt_istn.runs import audit
from opt_istn.runs.audit import InstanceSummary
from opt_istn.runs.ledger import Record
from opt_istn.solver import Status

_RUN_HEADS = (
    *("run", "instance", "solver", "parameters", "seed", "limits", "status", "cost", "bound"),
    *("reference", "proof", "wall s", "CPU s", "MiB", "why", "commit", "time (UTC)"),
)


def run_id(number: int) -> str:
    """Return the address of a run on the page, by its number from 1."""
    return f"run-{number}"


def bounds(every: Sequence[Series], runs: Sequence[Record]) -> list[Node]:
    """Return how to cite what is proven, instance by instance."""
    known = {key: one.summary for series in every for key, one in series.known.items()}
    rows = [Row(_bound_row(summary)) for summary in known.values()]
    heads = (
        "instance",
        "status",
        "best cost",
        "best bound",
        "gap %",
        "proofs",
        "standing",
        "sha256",
    )
    parts = [
        node(
            "p",
            "A value is certified by an accepted certificate, agreed if engines of two different "
            "cores end at the same integer, claimed if only one does. Cite the instance by its "
            "hash, the integer, and the solvers.",
        ),
        *(node("p", told) for told in lacking(known.values())),
        node("p", _units(runs), class_="dim"),
        html.table("Best known bounds", heads, rows, class_="text"),
    ]
    quoted = next((s for s in known.values() if s.agreed and s.best_cost is not None), None)
    if quoted:
        parts.insert(1, node("blockquote", _citation(quoted, runs)))
    return parts


def _bound_row(summary: InstanceSummary) -> list[html.Content]:
    gap = audit.gap(summary.best_cost, summary.best_bound)
    good = "certified" if summary.agreed else ""
    return [
        summary.instance,
        str(summary.status),
        _shown(summary.best_cost),
        _shown(summary.best_bound),
        ABSENT if gap is None else f"{100 * gap:.3f}",
        ", ".join(summary.proofs) or ABSENT,
        node("span", str(summary.standing), class_=good),
        node("code", summary.sha256),
    ]


def _citation(summary: InstanceSummary, runs: Sequence[Record]) -> str:
    version = next((run.packages.get("opt-istn") for run in runs if run.packages), None)
    commit = next((run.commit for run in runs if run.commit), "")
    made = " ".join(part for part in (version, f"commit {commit[:12]}" if commit else "") if part)
    proof = f"independently by {' and '.join(summary.solvers)}"
    if summary.certified:
        known = (run.certificate for run in runs if run.sha256 == summary.sha256)
        proof = f"by a certificate (sha256 {', '.join(sorted(set(filter(None, known))))})"
    return (
        f"Instance {summary.instance} (sha256 {summary.sha256}) has the optimum "
        f"{summary.best_cost}, proven {proof} "
        f"(opt-istn {made})."
    )


def _units(runs: Sequence[Record]) -> str:
    """Return the units of costs, bounds and references, which are integers."""
    names = sorted({run.problem for run in runs} & set(problems.packages()))
    told = []
    for name in names:
        unit, factor = problems.cost_unit(name)
        told.append(f"{name} in {factor:g} {unit or 'of the objective, which has no unit'}")
    return f"Costs, bounds and references are integers: {'; '.join(told) or 'of unknown units'}."


def environment(runs: Sequence[Record]) -> Node:
    """Return where the runs were made."""
    found = Counter(
        (
            run.cpu or "unknown",
            run.limits.threads,
            (run.commit[:12] or "unknown") + (" (modified)" if run.dirty else ""),
            ", ".join(f"{name} {version}" for name, version in sorted(run.packages.items())),
        )
        for run in runs
    )
    rows = [Row([*map(str, place), str(count)]) for place, count in found.items()]
    heads = ("processor", "threads", "commit", "versions", "runs")
    return html.table("Environment", heads, rows, class_="text")


def details(runs: Sequence[Record], known: Mapping[str, Known]) -> list[Node]:
    """Return every run, one per row, each with an address of its own."""
    rows = [
        Row(
            [str(number), *_run_row(run, known[run.sha256])],
            "failed" if run.status == Status.FAILED else "",
            run_id(number),
        )
        for number, run in enumerate(runs, 1)
    ]
    summary = node("summary", f"{len(runs)} runs, one per row")
    grid = html.table("All runs", _RUN_HEADS, rows, class_="runs")
    return [node("p", _units(runs), class_="dim"), node("details", summary, grid)]


def _run_row(run: Record, known: Known) -> list[str]:
    limits = {key: value for key, value in msgspec.structs.asdict(run.limits).items() if value}
    why = reason_of(run) if run.error or run.violations else ""
    return [
        run.instance,
        run.solver,
        msgspec.json.encode(run.parameters).decode() if run.parameters else "",
        str(run.seed),
        ", ".join(f"{key} {value:g}" for key, value in limits.items()),
        str(run.status),
        *map(_shown, (run.cost, run.bound, known.reference)),
        run.proof,
        *(ABSENT if x is None else f"{x:.4g}" for x in (run.wall_s, run.cpu_s)),
        ABSENT if run.peak_memory_mb is None else f"{run.peak_memory_mb:.0f}",
        f"{run.failure}: {why}" if run.failure else why,
        run.commit[:12],
        run.time,
    ]


def _shown(value: int | None) -> str:
    return ABSENT if value is None else str(value)
