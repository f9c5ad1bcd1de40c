"""What a paper prints of records: a sentence for each instance, and the software's BibTeX entry."""

from collections.abc import Mapping, Sequence
from typing import Any

from opt_istn.files import InputError
from opt_istn.library.cite import said, short, tex
from opt_istn.report.table import gap_table
from opt_istn.runs.audit import InstanceSummary, Standing, summarise
from opt_istn.runs.ledger import Record
from opt_istn.solver import Status
from opt_istn.version import full_version

KEY = "opt-istn"


def sentences(runs: Sequence[Record]) -> list[str]:
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
        raise InputError("", "expected records of an instance with a plan and a bound")
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


def _gap(row: Mapping[str, Any]) -> str:
    solver = f"\\texttt{{{tex(row['solver'])}}}"
    runs = f" (mean of {row['runs']} runs)" if row["runs"] > 1 else ""
    return f"{solver} is {row['gap_percent']:.2f}\\,\\%{runs}"
