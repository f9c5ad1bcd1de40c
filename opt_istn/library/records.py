"""What a paper prints of records: sentences about instances and means, the software's BibTeX."""

from collections.abc import Mapping, Sequence
from typing import Any

from opt_istn.files import InputError
from opt_istn.library.cite import said, short, tex
from opt_istn.report.intervals import Method
from opt_istn.report.remedies import BOUND
from opt_istn.report.table import gap_table
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
    rows = gap_table(runs, by="instance").rows
    found = []
    for known in summarise(runs):
        if known.standing == Standing.DISPUTED or not _told(known):
            continue
        names = (known.instance, f"{known.instance} {known.sha256[:8]}")  # the name may be shared
        own = [row for row in rows if row["group"] in names and row["kind"] != "exact"]
        gaps = [_gap(row) for row in own if row["gap_percent"] is not None]
        name = f"Instance \\texttt{{{tex(known.instance)}}} (sha256 {short(known.sha256)})"
        value = said(known.problem, known.status, known.best_cost, known.best_bound)
        more = f"; {', '.join(gaps)} above that bound" if gaps else ""
        found.append(f"{name} {value} ({_basis(known)}){more}~\\cite{{{KEY}}}.")
    if not found:
        raise InputError("", f"expected a plan and a bound of an instance; {BOUND}", path)
    return found


def means(runs: Sequence[Record]) -> list[str]:
    """Return a sentence for each group of several instances: mean gaps with their intervals."""
    rows = [row for row in gap_table(runs).rows if row["kind"] != "exact"]
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["instances"] > 1 and row["gap_percent"] is not None:
            groups.setdefault(row["group"], []).append(row)
    return [
        f"Over {own[0]['instances']} instances of \\texttt{{{tex(group)}}} "
        f"{', '.join(map(_mean, own))} above the best bounds on average~\\cite{{{KEY}}}."
        for group, own in groups.items()
    ]


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


def _told(known: InstanceSummary) -> bool:
    whole = known.best_cost is not None and known.best_bound is not None
    return whole or known.status in (Status.INFEASIBLE, Status.UNBOUNDED)


def _basis(known: InstanceSummary) -> str:
    if known.certificate:
        proof = f"certificate {short(known.certificate)}, accepted by the verifier of opt-istn"
        return f"{known.standing}: {proof} {tex(full_version())}"
    cores = tex(", ".join(known.cores) or "no core of opt-istn")
    if known.standing == Standing.AGREED:
        return f"{known.standing}: proven by {cores}"
    return f"{known.standing}: no certificate, the word of {cores}"


def _mean(row: Mapping[str, Any]) -> str:
    """Return a mean gap with its interval, or the range where there are too few for one."""
    low, high = row["gap_low_percent"], row["gap_high_percent"]
    between = f"{low:.2f} to {high:.2f}" if low is not None else ""
    kind = (
        "the least and the largest" if row["gap_interval"] == Method.RANGE else "95\\,\\% interval"
    )
    more = f" ({between}, {kind})" if between else ""
    return f"\\texttt{{{tex(row['solver'])}}} is {row['gap_percent']:.2f}\\,\\%{more}"


def _gap(row: Mapping[str, Any]) -> str:
    solver = f"\\texttt{{{tex(row['solver'])}}}"
    runs = f" (mean of {row['runs']} runs)" if row["runs"] > 1 else ""
    return f"{solver} is {row['gap_percent']:.2f}\\,\\%{runs}"
