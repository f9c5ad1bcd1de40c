"""The report: one HTML file that needs nothing else, made from records."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from opt_istn import files
from opt_istn.pictures import canvas
from opt_istn.report import anytime, charts, groups, html, profiles, sketches
from opt_istn.report.aggregates import Series
from opt_istn.report.columns import ABSENT, Table
from opt_istn.report.html import Node, node
from opt_istn.report.incidents import Incident, reason_of
from opt_istn.report.profiles import Field
from opt_istn.report.table import table_of
from opt_istn.runs import audit
from opt_istn.runs.audit import InstanceSummary
from opt_istn.runs.ledger import Record
from opt_istn.solver import Status

_RUN_HEADS = (
    *("instance", "solver", "parameters", "seed", "limits", "status", "cost", "bound", "proof"),
    *("wall s", "CPU s", "MiB", "why", "commit", "time"),
)


def write_page(records: Iterable[Record], path: str | Path, seed: int = 0) -> None:
    """Write the report of `records` to `path`, atomically.

    Parameters
    ----------
    seed
        Of the bootstrap.

    Raises
    ------
    InputError
        If the file cannot be written, or a record holds a cost that cannot be one.
    """
    every = groups.every_series(records)
    runs = list({run.key: run for series in every for run in series.runs}.values())
    table = table_of(every, seed)
    content = [
        node("h1", "Comparison of solvers"),
        node("p", f"{table.headline}.", class_="lead"),
        node("p", _scope(every, runs), class_="dim"),
        *_disputes(table.disputes),
        *_incidents("Failed runs", table.failures, "failures"),
        *_incidents("Runs without a plan", table.without_plan, "empty"),
        *(part for group in table.groups() for part in _group(group, table, every)),
        *_charts(every, seed),
        node("h2", "How the numbers are defined"),
        html.listing(table.notes),
        *_bounds(every, runs),
        node("h2", "Environment"),
        _environment(runs),
        node("h2", "All runs"),
        _details(runs),
    ]
    page = html.document("Comparison of solvers", *content)
    files.write_bytes(path, page.encode("utf-8", errors="replace"))


def _scope(every: Sequence[Series], runs: Sequence[Record]) -> str:
    solvers = len({run.solver for run in runs})
    times = sorted(run.time for run in runs if run.time)
    when = f", run between {times[0]} and {times[-1]} (UTC)" if times else ""
    count = len({series.group for series in every})
    return f"{solvers} solvers on {count} group{'' if count == 1 else 's'} of instances{when}."


def _disputes(lines: Sequence[str]) -> list[Node]:
    if not lines:
        return []
    head = node("h2", f"Disputed claims: {len(lines)}")
    return [node("section", head, html.listing(lines), class_="failures")]


def _incidents(title: str, found: Sequence[Incident], class_: str) -> list[Node]:
    if not found:
        return []
    count = sum(len(incident.instances) for incident in found)
    lines = [_incident(incident) for incident in found]
    return [node("section", node("h2", f"{title}: {count}"), html.listing(lines), class_=class_)]


def _incident(incident: Incident) -> Node:
    head = node("strong", f"{incident.solver} {incident.kind}: ")
    where = f"{incident.group}: {', '.join(incident.instances)}"
    if len(incident.instances) == 1:
        return node("span", head, f"{incident.reason} ({where})")
    hidden = node("details", node("summary", f"{len(incident.instances)} runs"), where)
    return node("span", head, incident.reason, hidden)


def _group(group: str, table: Table, every: Sequence[Series]) -> list[Node]:
    """Return the table of a group, and the map of its first instance."""
    rows = table.groups()[group]
    shown = [column for block in table.blocks(rows).values() for column in block]
    body = [
        (
            "failed" if row["failed"] else "",
            [table.called(row), *(column.show(row) for column in shown)],
        )
        for row in rows
    ]
    heads = ["solver", *(column.title for column in shown)]
    parts = [node("h2", group), html.table(heads, body)]
    own = [series for series in every if series.group == group]
    drawn = list(dict.fromkeys(series.group for series in every)).index(group) < charts.PANELS
    sketch = sketches.sketch(own) if drawn else None
    if isinstance(sketch, sketches.Sketch):
        source = canvas.data_uri(sketch.figure, ".png", dpi=200)
        parts.append(_figure(source, sketch.caption))
    elif sketch:
        parts.append(node("p", sketch, class_="dim"))
    return parts


def _figure(source: str, caption: str) -> Node:
    image = node("img", src=source, alt=caption)
    return node("figure", image, node("figcaption", caption))


def _charts(every: Sequence[Series], seed: int) -> list[Node]:
    if not every:
        return []
    gaps = canvas.data_uri(charts.gap_chart(every, seed), ".svg")
    source = canvas.data_uri(charts.profile_chart(every), ".svg")
    caption = " ".join(_profile_caption(field) for field in profiles.fields(every))
    return [
        node("h2", "Gaps"),
        _figure(gaps, _GAPS),
        node("h2", "Time and quality"),
        _figure(source, f"{caption} {_PROFILES}"),
        _figure(canvas.data_uri(anytime.anytime_chart(every), ".svg"), anytime.CAPTION),
    ]


_GAPS = (
    "What is left of the saving, or the gap where there is no reference. Blue: exact, orange: "
    "heuristic, light blue: policy, red: agent, grey: not declared. Thick lines are 95 % "
    "intervals, thin ones the range of units too few for one."
)


_PROFILES = (
    "Left: performance profile of the exact methods (Dolan and Moré), the share of instances "
    "proven within a multiple of the fastest one's time. Middle: share of instances brought to "
    "the optimum by then; an exact method has to prove it, any other to find a plan of that cost. "
    "Right: share of all runs that leave at most so much. Runs that fail, or have no plan, keep a "
    "curve below 1."
)


def _profile_caption(field: Field) -> str:
    count = len(field.instances)
    out = f", without {', '.join(field.left_out)}, which lack runs" if field.left_out else ""
    return f"{field.problem}: {count} common instance{'' if count == 1 else 's'}{out}."


def _bounds(every: Sequence[Series], runs: Sequence[Record]) -> list[Node]:
    """Return how to cite what is proven, instance by instance."""
    known = {key: one.summary for series in every for key, one in series.known.items()}
    rows = [(summary.status, _bound_row(summary)) for summary in known.values()]
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
        node("h2", "Best known bounds, and how to cite them"),
        node(
            "p",
            "A value is certified by an accepted certificate, agreed if engines of two different "
            "cores end at the same integer, claimed if only one does. Cite the instance by its "
            "hash, the integer, and the cores.",
        ),
        html.table(heads, rows, class_="text"),
    ]
    quoted = next((s for s in known.values() if s.agreed and s.best_cost is not None), None)
    if quoted:
        parts.insert(2, node("blockquote", _citation(quoted, runs)))
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
    proof = f"independently by {' and '.join(summary.cores)}"
    if summary.certified:
        known = (run.certificate for run in runs if run.sha256 == summary.sha256)
        proof = f"by a certificate (sha256 {', '.join(sorted(set(filter(None, known))))})"
    return (
        f"Instance {summary.instance} (sha256 {summary.sha256}) has the optimum "
        f"{summary.best_cost}, proven {proof} "
        f"(opt-istn {made})."
    )


def _environment(runs: Sequence[Record]) -> Node:
    found = Counter(
        (
            run.cpu or "unknown",
            run.limits.threads,
            (run.commit[:12] or "unknown") + (" (modified)" if run.dirty else ""),
            ", ".join(f"{name} {version}" for name, version in sorted(run.packages.items())),
        )
        for run in runs
    )
    rows = [("", [*map(str, place), str(count)]) for place, count in found.items()]
    return html.table(("processor", "threads", "commit", "versions", "runs"), rows, class_="text")


def _details(runs: Sequence[Record]) -> Node:
    rows = [("failed" if run.status == Status.FAILED else "", _run_row(run)) for run in runs]
    summary = node("summary", f"{len(runs)} runs, one per row")
    return node("details", summary, html.table(_RUN_HEADS, rows))


def _run_row(run: Record) -> list[str]:
    limits = {key: value for key, value in msgspec.structs.asdict(run.limits).items() if value}
    why = reason_of(run) if run.error or run.violations else ""
    return [
        run.instance,
        run.solver,
        msgspec.json.encode(run.parameters).decode() if run.parameters else "",
        str(run.seed),
        ", ".join(f"{key} {value:g}" for key, value in limits.items()),
        str(run.status),
        *map(_shown, (run.cost, run.bound)),
        run.proof,
        *(ABSENT if x is None else f"{x:.4g}" for x in (run.wall_s, run.cpu_s)),
        ABSENT if run.peak_memory_mb is None else f"{run.peak_memory_mb:.0f}",
        f"{run.failure}: {why}" if run.failure else why,
        run.commit[:12],
        run.time,
    ]


def _shown(value: int | None) -> str:
    return ABSENT if value is None else str(value)
