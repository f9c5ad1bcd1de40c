"""The report: one HTML file that needs nothing else, made from records."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from opt_istn import files, problems
from opt_istn.pictures import canvas
from opt_istn.report import anytime, charts, groups
from opt_istn.report.columns import Table, integrals
from opt_istn.report.incidents import Incident
from opt_istn.report.numbers import profiles, statistics
from opt_istn.report.numbers.aggregates import Series
from opt_istn.report.numbers.profiles import Field
from opt_istn.report.page import backing, html, sketches
from opt_istn.report.page.html import Node, Row, node
from opt_istn.report.table import table_of
from opt_istn.runs.ledger import Record

TITLED = 3  # groups that the title names
CAPTIONS = {  # of the blocks of columns
    "quality": "Quality",
    "effort": "What it is, and what it took",
    "plan": "Means of the plans' own terms",
    "training": "How agents were trained, and what they gained over their own untrained network",
}


def write_page(records: Iterable[Record], path: str | Path, seed: int = 0, title: str = "") -> None:
    """Write the report of `records` to `path`, atomically.

    Parameters
    ----------
    seed
        Of the bootstrap.
    title
        Of the page; by default it names the groups of instances.

    Raises
    ------
    InputError
        If the file cannot be written, or a record holds a cost that cannot be one.
    """
    every = groups.every_series(records)
    runs = list({run.key: run for series in every for run in series.runs}.values())
    known = {key: one for series in every for key, one in series.known.items()}
    table = table_of(every, seed)
    sections = [
        *_groups(table, every, runs),
        *_charts(every, seed),
        html.section("definitions", "How the numbers are defined", html.listing(table.notes)),
        html.section(
            "bounds", "Best known bounds, and how to cite them", *backing.bounds(every, runs)
        ),
        html.section("environment", "Environment", backing.environment(runs)),
        html.section("runs", "All runs", *backing.details(runs, known)),
    ]
    told = [
        *_listed("Disputed claims", table.disputes, "disputes"),
        *_listed("Shared names", table.twins, "twins"),
        *_incidents("Failed runs", table.failures, "failures"),
        *_incidents("Runs without a plan", table.without_plan, "empty"),
    ]
    title = title or _title(every)
    content = [
        node("h1", title),
        node("p", f"{table.headline}.", class_="lead"),
        node("p", _scope(every, runs), class_="dim"),
        *told,
        _contents([*told, *sections]),
        *sections,
    ]
    page = html.document(title, *content)
    files.write_bytes(path, page.encode("utf-8", errors="replace"))


def _title(every: Sequence[Series]) -> str:
    names = list(dict.fromkeys(series.group for series in every))
    if not names:
        return "Gaps: no runs"
    more = f" and {len(names) - TITLED} more" if len(names) > TITLED else ""
    return f"Gaps on {', '.join(names[:TITLED])}{more}"


def _contents(sections: Sequence[Node]) -> Node:
    """Return the links to the sections."""
    heads = [head for section in sections for head in section.findall("h2")]
    links = [html.link(head.get("id", ""), "".join(head.itertext())) for head in heads]
    return node("nav", html.listing(links), **{"aria-label": "Contents"})


def _scope(every: Sequence[Series], runs: Sequence[Record]) -> str:
    solvers = len({run.solver for run in runs})
    times = sorted(run.time for run in runs if run.time)
    when = f", run between {times[0]} and {times[-1]} (UTC)" if times else ""
    count = len({series.group for series in every})
    return f"{solvers} solvers on {count} group{'' if count == 1 else 's'} of instances{when}."


def _listed(title: str, lines: Sequence[str], class_: str) -> list[Node]:
    if not lines:
        return []
    head = node("h2", f"{title}: {len(lines)}", id=class_)
    return [node("section", head, html.listing(lines), class_="failures")]


def _incidents(title: str, found: Sequence[Incident], class_: str) -> list[Node]:
    if not found:
        return []
    count = sum(len(incident.instances) for incident in found)
    lines = [_incident(incident) for incident in found]
    head = node("h2", f"{title}: {count}", id=class_)
    return [node("section", head, html.listing(lines), class_=class_)]


def _incident(incident: Incident) -> Node:
    head = node("strong", f"{incident.solver} {incident.kind}: ")
    where = f"{incident.group}: {', '.join(incident.instances)}"
    if len(incident.instances) == 1:
        return node("span", head, f"{incident.reason} ({where})")
    hidden = node("details", node("summary", f"{len(incident.instances)} runs"), where)
    return node("span", head, incident.reason, hidden)


def _groups(table: Table, every: Sequence[Series], runs: Sequence[Record]) -> list[Node]:
    """Return a section for each group of instances."""
    numbers = {run.key: number for number, run in enumerate(runs, 1)}
    own: dict[str, list[Series]] = {}
    for series in every:
        own.setdefault(series.group, []).append(series)
    return [
        html.section(f"group-{place}", group, *_group(place, table, own[group], numbers))
        for place, group in enumerate(own, 1)
    ]


def _group(
    place: int, table: Table, own: Sequence[Series], numbers: Mapping[str, int]
) -> list[Node]:
    """Return the tables of a group, links to the runs behind them, the map of its first instance.

    Parameters
    ----------
    place
        Number of the group from 1.
    own
        Its series, in the order of the table's rows.
    numbers
        Of the runs on the page, by key.
    """
    group = own[0].group
    rows = table.groups()[group]
    parts = []
    for block, columns in table.blocks(rows).items():
        shown = [
            Row(
                [
                    html.link(f"group-{place}-{number}", table.called(row)),
                    *(column.show(row) for column in columns),
                ],
                "failed" if row["failed"] else "",
            )
            for number, row in enumerate(rows, 1)
        ]
        heads = ["solver", *(column.title for column in columns)]
        name = f"{CAPTIONS[block]}: {group}"
        parts.append(html.table(name, heads, shown, caption=CAPTIONS[block]))
    reference = _reference(own)
    if reference:
        parts.append(node("p", reference, class_="dim"))
    parts.append(_behind(place, [table.called(row) for row in rows], own, numbers))
    if place > charts.PANELS:
        return parts
    sketch = sketches.sketch(own)
    if isinstance(sketch, sketches.Sketch):
        source = canvas.data_uri(sketch.figure, ".png", dpi=200)
        parts.append(_figure(source, sketch.caption))
    elif sketch:
        parts.append(node("p", sketch, class_="dim"))
    return parts


def _reference(own: Sequence[Series]) -> str:
    """Return what the savings of a group are counted from; nothing if it has no reference."""
    known = own[0].known
    if all(known[key].reference is None for key in own[0].instances):
        return ""
    name = problems.reference_name(own[0].runs[0].problem)
    return f"Savings are counted from {name}, gaps from the best proven bound of each instance."


def _behind(
    place: int, names: Sequence[str], own: Sequence[Series], numbers: Mapping[str, int]
) -> Node:
    """Return the links from each row of a group to all of its runs."""
    items = []
    for row, (name, series) in enumerate(zip(names, own, strict=True), 1):
        found = sorted(numbers[run.key] for run in series.runs)
        links = [html.link(backing.run_id(number), str(number)) for number in found]
        items.append(node("li", node("strong", f"{name}: "), *links, id=f"group-{place}-{row}"))
    summary = node("summary", "Runs behind each row")
    return node("details", summary, node("ul", *items, class_="links"))


def _figure(source: str, caption: str) -> Node:
    image = node("img", src=source, alt=caption)
    region = {"role": "region", "tabindex": "0", "aria-label": f"Figure: {caption}"}
    scroll = node("div", image, class_="scroll", **region)
    return node("figure", scroll, node("figcaption", caption))


def _charts(every: Sequence[Series], seed: int) -> list[Node]:
    if not every:
        return []
    gaps = canvas.data_uri(charts.gap_chart(every, seed), ".svg")
    source = canvas.data_uri(charts.profile_chart(every), ".svg")
    caption = " ".join(_profile_caption(field) for field in profiles.fields(every))
    return [
        html.section("gaps", "Gaps", _figure(gaps, f"{_GAPS} {_kinds(every)}")),
        html.section(
            "times",
            "Time and quality",
            _figure(source, f"{caption} {_PROFILES}"),
            _figure(canvas.data_uri(anytime.anytime_chart(every), ".svg"), anytime.CAPTION),
            *_integrals(every),
        ),
    ]


def _integrals(every: Sequence[Series]) -> list[Node]:
    """Return the table of primal integrals; nothing where no run has one."""
    found = [(series, integrals(series)) for series in every]
    rows = [
        Row([series.group, series.label, str(len(own)), f"{statistics.mean(own):.3g}"])
        for series, own in found
        if own
    ]
    heads = ["group", "solver", "runs", "primal integral s"]
    return [html.table("Primal integral", heads, rows, caption=_INTEGRAL)] if rows else []


_INTEGRAL = (
    "Mean primal integral up to the time limit (Berthold 2013), in seconds: small is good, no plan "
    "in all the time counts as the limit, the best plan known at once as 0. Of runs with a time "
    "limit that told of their incumbents, or that have no plan."
)


_GAPS = (
    "What is left of the saving, or the gap where there is no reference. Thick lines are 95 % "
    "intervals, thin ones the range of units too few for one."
)


def _kinds(every: Sequence[Series]) -> str:
    """Return what the colours of bars mean, of those that there are."""
    found = {series.kind for series in every}
    told = [f"{name}: {text}" for kind, (name, text) in charts.KINDS.items() if kind in found]
    return f"{'; '.join(told)}."


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
