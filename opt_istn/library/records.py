"""What a paper prints of records: sentences about instances and means, the software's BibTeX."""

from collections import Counter
from collections.abc import Mapping, Sequence

from opt_istn.files import InputError
from opt_istn.library.cite import amount, said, short, tex
from opt_istn.report import columns
from opt_istn.report.columns import Row
from opt_istn.report.groups import By, every_series
from opt_istn.report.numbers.aggregates import Series
from opt_istn.report.numbers.intervals import Method
from opt_istn.report.remedies import BOUND
from opt_istn.runs.audit import InstanceSummary, Standing, summarise
from opt_istn.runs.ledger import Record
from opt_istn.solver import Status
from opt_istn.version import full_version

KEY = "opt-istn"


def sentences(runs: Sequence[Record], path: str = "") -> list[str]:
    """Return a sentence of LaTeX for every instance: its value, what that rests on, and gaps.

    Raises
    ------
    InputError
        If no instance has both a plan and a bound, or a proof that it has no plan.
    """
    rows: dict[str, list[Row]] = {}
    for series in _series(runs, "instance"):
        rows.setdefault(series.instances[0], []).append(columns.row_of(series, seed=0))
    versions = {run.certificate: run.packages.get("opt-istn", "") for run in runs}
    found = []
    for known in summarise(runs):
        if known.standing == Standing.DISPUTED or not _told(known):
            continue
        own = [] if known.status == Status.INFEASIBLE else rows.get(known.sha256, [])
        name = f"Instance \\texttt{{{tex(known.instance)}}} (sha256 {short(known.sha256)})"
        value = said(known.problem, known.status, known.best_cost, known.best_bound)
        reached = "; ".join(_reached(own, "above that bound"))
        more = f"; {reached}" if reached else ""
        found.append(f"{name} {value} ({_basis(known, versions)}){more}~\\cite{{{KEY}}}.")
    if not found:
        raise InputError("", f"expected a plan and a bound of an instance; {BOUND}", path)
    return found


def means(runs: Sequence[Record]) -> list[str]:
    """Return a sentence for each group of several instances: mean gaps with their intervals.

    It tells how many of the instances are certified.
    """
    groups: dict[str, list[Series]] = {}
    for series in _series(runs, "group"):
        if len(series.instances) > 1 and not series.missing:
            groups.setdefault(series.group, []).append(series)
    found = []
    for own in groups.values():
        rows = [columns.row_of(series, seed=0) for series in own]
        if any(row["gap_percent"] is not None for row in rows):
            reached = "; ".join(_reached(rows, "above the best bounds on average"))
            found.append(f"Over {_instances(own[0])} {reached}~\\cite{{{KEY}}}.")
    return found


def software(year: str) -> str:
    """Return the BibTeX entry of this version of the software, which records name themselves."""
    fields = {
        "title": "{opt-istn}: exact baselines for integrated satellite-terrestrial networks",
        "author": "{The opt-istn developers}",
        "howpublished": f"software, version {tex(full_version())}",
        "year": year,
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{KEY},\n{body}\n}}"


def _series(runs: Sequence[Record], by: By) -> list[Series]:
    """Return what is compared with bounds: heuristics and agents."""
    return [series for series in every_series(runs, by) if not series.exact]


def _instances(series: Series) -> str:
    """Return which instances means are over, and how many of them each standing has."""
    name, number = series.whole or (series.group, 0)
    count = f"{len(series.instances)} of the {number}" if number else str(len(series.instances))
    standings = Counter(series.known[key].summary.standing for key in series.instances)
    others = [f"{standings[one]} {one}" for one in list(Standing)[1:] if standings[one]]
    rest = ", ".join([f"{standings[Standing.CERTIFIED]} certified", *others])
    return f"{count} instances of \\texttt{{{tex(name)}}} ({rest}),"


def _told(known: InstanceSummary) -> bool:
    whole = known.best_cost is not None and known.best_bound is not None
    return whole or known.status in (Status.INFEASIBLE, Status.UNBOUNDED)


def _basis(known: InstanceSummary, versions: Mapping[str | None, str]) -> str:
    """Return what the value of an instance rests on: solvers by their ids, certificates.

    Parameters
    ----------
    versions
        Of opt-istn by certificate, as records tell it: here no certificate is checked.
    """

    def verifier(certificate: str) -> str:
        version = versions.get(certificate)
        return f"accepted by the verifier of opt-istn{f' {tex(version)}' if version else ''}"

    if known.certificate:
        told = f"certificate {short(known.certificate)}, {verifier(known.certificate)}"
        return f"{known.standing}: {told}"
    solvers = [f"\\texttt{{{tex(solver)}}}" for solver in known.solvers]
    if known.standing == Standing.AGREED:
        word = f"proven by {' and '.join(solvers)}"
    else:
        word = f"the word of {' and '.join(solvers)}"
    if known.partial is None:
        return f"{known.standing}: no certificate, {word}"
    least = amount(known.problem, known.partial.bound)
    proof = f"certificate {short(known.partial.certificate)} proves at least {least}"
    return f"{known.standing}: {word}; {proof}, {verifier(known.partial.certificate)}"


def _reached(rows: Sequence[Row], above: str) -> list[str]:
    """Return parts of a sentence: how far above bounds solvers are, and who has no plan."""
    gaps = [gap for row in rows if (gap := _gap(row))]
    empty = [
        f"\\texttt{{{tex(row['solver'])}}} has no plan"
        + (f" in any of {row['runs']} runs" if row["runs"] > 1 else "")
        for row in rows
        if not row["feasible"]
    ]
    return [*([f"{', '.join(gaps)} {above}"] if gaps else []), *empty]


def _gap(row: Row) -> str:
    """Return a mean gap with all that its reader has to know of it; empty if there is none."""
    solver, mean, out = f"\\texttt{{{tex(row['solver'])}}}", row["gap_percent"], row["gap_left_out"]
    if mean is None:
        more = (
            amount(row["problem"], round(row["left_out_cost"])) if out and row["feasible"] else ""
        )
        return f"{solver} is {more}{_bracketed([_mean_of(row)])}" if more else ""
    lacking = f"without {out} instances whose bound is no scale for a gap" if out else ""
    told = _bracketed([_mean_of(row), lacking, _spread(row)])
    return f"{solver} is {mean:.2f}\\,\\%{told}"


def _bracketed(parts: Sequence[str]) -> str:
    told = "; ".join(filter(None, parts))
    return f" ({told})" if told else ""


def _mean_of(row: Row) -> str:
    """Return of how many runs something is the mean, and what those without a plan count for."""
    runs, charged = row["runs"], row["charged"]
    out = runs - round(row["feasible"] * runs) - charged
    every = f"mean of {runs} runs" if runs > row["instances"] else ""
    them = "them" if every else f"{runs} runs"
    parts = [
        f"{charged} of {them} without a plan and charged the reference" if charged else "",
        f"{out} of {them} without a plan and left out" if out else "",
    ]
    return ", ".join(filter(None, (every, *parts)))


def _spread(row: Row) -> str:
    """Return the interval of a mean gap, or the range where there are too few units for one."""
    low, high = row["gap_low_percent"], row["gap_high_percent"]
    if low is None:
        return ""
    few = row["gap_interval"] == Method.RANGE
    kind = "the least and the largest" if few else "95\\,\\% interval"
    return f"{low:.2f} to {high:.2f}, {kind}"
