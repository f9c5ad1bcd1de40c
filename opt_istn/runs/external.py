"""Plans made by a program that is not run here: judged as every other, and marked as external.

What such a program says of bounds is not taken over. Its seconds are those that its user states.
"""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from opt_istn import files, problems
from opt_istn.files import InputError
from opt_istn.problems import Instance
from opt_istn.runs import appender, environment
from opt_istn.runs.compare import judged, load
from opt_istn.runs.ledger import Limits, Record, Source
from opt_istn.runs.nursery.child import RawClaims
from opt_istn.runs.nursery.worker import Outcome
from opt_istn.solver import KINDS, Status

PREFIX = "external:"  # begins the name of every such solver


def add(
    path: str | Path,
    instance_file: str,
    plan_file: str,
    name: str,
    *,
    seconds: float | None = None,
    seed: int = 0,
    kind: str = "",
    knows: str = "",
) -> Record:
    """Judge a plan file and append the record of it to a file of records.

    A record with the same instance, name and seed is replaced by this one where they are read.

    Parameters
    ----------
    name
        What the program is called in tables, after `PREFIX`.
    seconds
        Wall-clock seconds that it took; None if not known.
    seed
        Its seed, where it has one.
    kind, knows
        As a solver declares them, see `opt_istn.solver.Solver`.

    Raises
    ------
    InputError
        If a file cannot be read, or the plan is of another instance.
    """
    _check(name, kind, knows, plan_file)
    if seconds is not None and not 0 <= seconds < math.inf:
        raise InputError("seconds", f"expected a number of at least 0, found {seconds}")
    source = Source(file=instance_file)
    instance = load(source)
    blank = Record(
        problem=instance.problem,
        instance=instance.name,
        sha256=instance.sha256,
        source=source,
        solver=PREFIX + name,
        parameters={},
        kind=kind,
        knows=knows,
        seed=seed,
        limits=Limits(),
        status=Status.FAILED,
        wall_s=seconds,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        extra={"external": {"plan": plan_file}},
        **_here(),
    )
    record = judged(blank, instance, Outcome(_claims(instance, plan_file)))
    with appender.appending(path) as file:
        file.append(record)
    return record


def _claims(instance: Instance, plan_file: str) -> RawClaims:
    """Return what a plan file claims: a plan, and no plan if it is not feasible."""
    plan = problems.read_plan(plan_file, instance.problem)
    try:
        evaluation = problems.get(instance.problem).evaluate(instance, plan)
    except InputError as error:
        raise InputError(error.field, error.expected, plan_file) from None
    status = Status.NO_PLAN if evaluation.violations else Status.FEASIBLE
    document = msgspec.Raw(msgspec.json.encode(plan.document()))
    return RawClaims(status, document, None, None, "", (), {})


def _here() -> dict[str, Any]:
    """Return what a record tells of this machine: nothing of where the plan was made."""
    here = environment.capture()
    return here | {"cpu": "", "packages": {"opt-istn": here["packages"].get("opt-istn", "")}}


def _check(name: str, kind: str, knows: str, plan_file: str) -> None:
    files.check_text("--solver-name", name, knows, plan_file)
    if not name or any(character.isspace() or character in ",@" for character in name):
        rule = "expected a name without spaces, commas and @"
        raise InputError("--solver-name", f"{rule}, found {name!r}")
    if kind and kind not in KINDS:
        raise InputError("--kind", f"expected one of {', '.join(KINDS)}, found {kind!r}")
