"""The best certificate of an instance that can be had: one that somebody keeps, or a new one.

What is kept elsewhere is asked for first. It is taken at once if it settles the instance together
with a plan, and after a search if it proves more than that. The verifier accepts either before it
counts.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opt_istn import problems, registry
from opt_istn.evidence import certificates
from opt_istn.evidence.certificates import Proven
from opt_istn.problems import Document, Instance
from opt_istn.solver import Budget, Status

SETTLED = (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED)


@dataclass(frozen=True)
class Given:
    """A certificate that somebody keeps.

    Parameters
    ----------
    certificate
        Its document, not checked yet.
    plan
        The plan that is kept beside it; None without one.
    whence
        Who keeps it, in words.
    """

    certificate: dict[str, Any]
    plan: Document | None
    whence: str


Giver = Callable[[Instance], Given | None]


@dataclass(frozen=True)
class Found:
    """An accepted certificate.

    Parameters
    ----------
    certificate, proven
        Its document, and what it proves.
    plan, cost
        The best feasible plan that is known, and what it costs.
    check_s
        Seconds that the verifier took.
    wall_s
        Seconds of the search that found it; None if it is a given one.
    whence
        Who kept it; empty if it was proven now.
    """

    certificate: dict[str, Any]
    proven: Proven
    plan: Document | None
    cost: int | None
    check_s: float
    wall_s: float | None = None
    whence: str = ""

    @property
    def settles(self) -> bool:
        """Whether nothing more can be proven."""
        return self.proven.outcome(self.cost) in SETTLED


def nobody(_: Instance) -> None:
    """Give no certificate of any instance."""


def best_proof(
    instance: Instance,
    budget: Budget,
    plan: Document | None = None,
    give: Giver = nobody,
    keep: Path | None = None,
) -> Found | None:
    """Return the best certificate that is given or found in time; None if there is neither.

    Parameters
    ----------
    plan
        The best plan that is known.
    give
        Asked for a certificate before any search.
    keep
        Folder that keeps a long search.

    Raises
    ------
    opt_istn.verifier.Refused
        If a certificate is not accepted: a defect of the prover, or of whoever gave it.
    """
    given = give(instance)
    held = None if given is None else taken(instance, given, plan)
    if held is not None and held.settles:
        return held
    known = plan if held is None else held.plan
    search = registry.prover(instance.problem)  # its import is not part of the search
    clock = time.monotonic()
    certificate, better = search(instance, budget, known, *([keep] if keep else []))
    wall_s = time.monotonic() - clock
    if certificate is None:
        return held
    found = _checked(instance, certificate, [known, better], wall_s=wall_s)
    if held is not None and more(held.proven, found.proven):
        return replace(held, plan=found.plan, cost=found.cost)
    return found


def taken(instance: Instance, given: Given, plan: Document | None) -> Found:
    """Return a given certificate, once it is accepted, with the best of two plans."""
    return _checked(instance, given.certificate, [plan, given.plan], whence=given.whence)


def more(one: Proven, other: Proven) -> bool:
    """Return whether `one` proves more than `other`."""
    if one.bound is None or other.bound is None:
        return other.status is None and one.status is not None
    return one.bound > other.bound


def best(instance: Instance, plans: Sequence[Document]) -> tuple[Document | None, int | None]:
    """Return the cheapest feasible plan and its evaluated cost."""
    feasible: list[tuple[int, Document]] = []
    for plan in plans:
        judged = problems.get(instance.problem).evaluate(instance, plan)
        if not judged.violations and judged.cost is not None:
            feasible.append((judged.cost, plan))
    if not feasible:
        return None, None
    cost, cheapest = min(feasible, key=lambda pair: pair[0])
    return cheapest, cost


def _checked(
    instance: Instance,
    certificate: dict[str, Any],
    plans: Sequence[Document | None],
    wall_s: float | None = None,
    whence: str = "",
) -> Found:
    clock = time.monotonic()
    proven = certificates.check(instance, certificate)
    check_s = time.monotonic() - clock
    plan, cost = best(instance, [one for one in plans if one is not None])
    return Found(certificate, proven, plan, cost, check_s, wall_s, whence)
