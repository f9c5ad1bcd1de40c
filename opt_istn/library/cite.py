"""What a paper prints of an entry: a BibTeX entry, and one sentence of LaTeX."""

import re

from opt_istn import problems
from opt_istn.files import InputError
from opt_istn.library.shelf import Entry
from opt_istn.runs.audit import Standing
from opt_istn.solver import Status
from opt_istn.version import full_version

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"})


def bibtex(entry: Entry, year: str, by: str = "", where: str = "") -> str:
    """Return the BibTeX entry of an instance with its bound, which is known since `year`.

    Parameters
    ----------
    by, where
        Who keeps it, and what it is kept in; by default the installed library. What is kept
        elsewhere by nobody in particular has no author.
    """
    version = tex(full_version())
    author = by or ("" if where else "The opt-istn developers")
    fields = {
        "title": f"{{{tex(entry.name)}}}: {_what(entry)}",
        "author": f"{{{tex(author)}}}" if author else "",
        "howpublished": f"{where or 'opt-istn library'}, checked by opt-istn {version}",
        "note": f"instance sha256 {entry.sha256}"
        + (f", certificate sha256 {entry.certificate}" if entry.certificate else ""),
        "year": year,
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
    return f"@misc{{{_key(entry)},\n{body}\n}}"


def _key(entry: Entry) -> str:
    """Return what the entry is cited by: its name without what BibTeX cannot read in a key."""
    return f"opt-istn:{re.sub(r'[^A-Za-z0-9.:_-]+', '-', entry.name)}"


def sentence(entry: Entry) -> str:
    """Return one sentence of LaTeX: value with unit, standing, verifier, certificate."""
    name = f"\\texttt{{{tex(entry.name)}}}"
    proof = (
        f"certificate {short(entry.certificate)} ({entry.kind}), "
        f"accepted by the verifier of opt-istn {tex(full_version())}"
        if entry.certificate
        else "no certificate"
    )
    standing = f"{entry.standing}: " * (entry.status != Status.BOUND_ONLY)
    return (
        f"Instance {name} (sha256 {short(entry.sha256)}) {_said(entry)} "
        f"({standing}{proof})~\\cite{{{_key(entry)}}}."
    )


def _what(entry: Entry) -> str:
    if entry.standing == Standing.CERTIFIED:
        return "a certified optimum" if entry.cost is not None else f"certified {entry.status}"
    if entry.standing == Standing.BOUNDED or entry.status == Status.BOUND_ONLY:
        return "a bounded instance"
    return "an open instance"


def _said(entry: Entry) -> str:
    found = said(entry.problem, entry.status, entry.cost, entry.bound)
    if not found:
        raise InputError("", f"expected a bound of {entry.name}: nothing to cite yet")
    return found


def said(problem: str, status: Status, cost: int | None, bound: int | None) -> str:
    """Return what is known of an instance, as the rest of a sentence; empty if too little is."""
    if status == Status.OPTIMAL:
        return f"has the optimal cost {amount(problem, cost)}"
    if status == Status.INFEASIBLE:
        return "has no feasible plan"
    if status == Status.UNBOUNDED:
        return "has plans of arbitrarily low cost"
    if bound is None:
        return ""
    if cost is None:
        return f"has no plan that costs less than {amount(problem, bound)}"
    values = amount(problem, cost), amount(problem, bound)
    return "has a plan of cost {}, and none costs less than {}".format(*values)


def tex(text: str) -> str:
    """Return text with what LaTeX reads as commands quoted."""
    return text.translate(_SPECIAL)


def short(sha256: str | None) -> str:
    """Return the beginning of a hash, as LaTeX sets it."""
    return f"\\texttt{{{(sha256 or '')[:16]}}}"


def amount(problem: str, cost: int | None) -> str:
    """Return a cost in the problem's unit, with all of its digits."""
    unit, scale = problems.cost_unit(problem)
    digits = max(0, len(f"{1 / scale:.0f}") - 1)
    value = f"{(cost or 0) * scale:.{digits}f}"
    return f"${value}$" + (f"\\,{unit}" if unit else "")
