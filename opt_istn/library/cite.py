"""What a paper prints of an entry: a BibTeX entry, and one sentence of LaTeX."""

from opt_istn import problems
from opt_istn.files import InputError
from opt_istn.library.shelf import Entry
from opt_istn.runs.audit import Standing
from opt_istn.solver import Status
from opt_istn.version import __version__, full_version

_SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"})


def bibtex(entry: Entry, year: str) -> str:
    """Return the BibTeX entry of an instance with its bound, which is known since `year`."""
    key = f"opt-istn:{entry.name}"
    fields = {
        "title": f"{{{entry.name.translate(_SPECIAL)}}}: {_what(entry)}",
        "author": "{The opt-istn developers}",
        "howpublished": f"opt-istn library, version {__version__}",
        "note": f"instance sha256 {entry.sha256}"
        + (f", certificate sha256 {entry.certificate}" if entry.certificate else ""),
        "year": year,
    }
    body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{{key},\n{body}\n}}"


def sentence(entry: Entry) -> str:
    """Return one sentence of LaTeX: value with unit, standing, verifier, certificate."""
    name = f"\\texttt{{{entry.name.translate(_SPECIAL)}}}"
    proof = (
        f"certificate {_short(entry.certificate)} ({entry.kind}), "
        f"accepted by the verifier of opt-istn {full_version().translate(_SPECIAL)}"
        if entry.certificate
        else "no certificate"
    )
    return (
        f"Instance {name} (sha256 {_short(entry.sha256)}) {_said(entry)} "
        f"({entry.standing}: {proof})~\\cite{{opt-istn:{entry.name}}}."
    )


def _what(entry: Entry) -> str:
    if entry.standing == Standing.CERTIFIED:
        return "a certified optimum" if entry.cost is not None else f"certified {entry.status}"
    return "a bounded instance" if entry.standing == Standing.BOUNDED else "an open instance"


def _said(entry: Entry) -> str:
    if entry.status == Status.OPTIMAL:
        return f"has the optimal cost {_value(entry, entry.cost)}"
    if entry.status == Status.INFEASIBLE:
        return "has no feasible plan"
    if entry.status == Status.UNBOUNDED:
        return "has plans of arbitrarily low cost"
    if entry.cost is None or entry.bound is None:
        raise InputError("", f"expected a plan and a bound of {entry.name}: nothing to cite yet")
    cost, bound = _value(entry, entry.cost), _value(entry, entry.bound)
    return f"has a plan of cost {cost}, and none costs less than {bound}"


def _value(entry: Entry, cost: int | None) -> str:
    """Return a cost in the problem's unit, with all of its digits."""
    unit, scale = problems.cost_unit(entry.problem)
    digits = max(0, len(f"{1 / scale:.0f}") - 1)
    value = f"{(cost or 0) * scale:.{digits}f}"
    return f"${value}$" + (f"\\,{unit}" if unit else "")


def _short(sha256: str | None) -> str:
    return f"\\texttt{{{(sha256 or '')[:16]}}}"
