"""Pictures for the report page: a group's first instance, optimum and best heuristics on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from matplotlib.figure import Figure

from opt_istn import problems
from opt_istn.files import InputError, placing
from opt_istn.problems import Document, Instance, Problem
from opt_istn.report.aggregates import Series, is_solved
from opt_istn.runs import compare
from opt_istn.runs.ledger import Record

MAX_BYTES = 50 << 20  # of an instance file that is read for one
SHOWN = 3


@dataclass(frozen=True)
class Sketch:
    """A figure and what it shows."""

    figure: Figure
    caption: str


def sketch(own: Sequence[Series]) -> Sketch | str | None:
    """Return the picture of the first instance of a group with plans on it.

    None if its problem has no pictures for pages, or is not installed; a sentence if there is no
    picture of this instance.
    """
    first = own[0].runs[0]
    if first.problem not in problems.packages():
        return None
    problem = problems.get(first.problem)
    pictures = problem.pictures()
    if pictures is None or not hasattr(pictures, "quick"):
        return None
    try:
        instance = _regenerated(first, problem, pictures)
    except InputError as error:
        return f"No picture of {first.instance}: {error}."
    if instance.sha256 != first.sha256:
        return f"No picture of {first.instance}: its source gives another instance now."
    chosen = _chosen(own, first.sha256)
    named = [pair for run in chosen for pair in _named(run, own, problem, instance)]
    names = ", ".join(run.solver for run in chosen) or "no plan"
    return Sketch(pictures.figure(instance, named), f"Instance {first.instance}: {names}.")


def _regenerated(run: Record, problem: Problem, pictures: Any) -> Instance:
    """Return the instance of a run, unless that takes long or reads what is no plain file."""
    source = run.source
    if source.file is not None:
        path = Path(source.file)
        if not placing.is_file(path) or path.stat().st_size > MAX_BYTES:
            raise InputError("", "expected a file of moderate size", source.file)
    elif source.preset is not None:
        if problems.of_preset(source.preset).name != problem.name:
            raise InputError("", f"expected a {problem.name} preset", source.preset)
        if not pictures.quick(problem.scenario(source.preset, source.overrides)):
            hint = "too large to be drawn here; generate it, then use opt-istn show"
            raise InputError("", hint, source.preset)
    instance = compare.load(source)
    if instance.problem != problem.name:
        raise InputError("", f"expected a {problem.name} instance")
    return instance


def _chosen(own: Sequence[Series], sha256: str) -> list[Record]:
    """Return the best exact run, then the best runs of heuristics that cost something else."""
    best: list[tuple[bool, int, int, Record]] = []
    for place, series in enumerate(own):
        for run in series.planned:
            if run.sha256 == sha256 and run.cost is not None:
                best.append((not series.exact, run.cost, place, run))
    chosen: dict[int, Record] = {}
    names: set[str] = set()
    for heuristic, cost, _, run in sorted(best, key=lambda entry: entry[:3]):
        first = not chosen
        if first or (heuristic and cost not in chosen and run.solver not in names):
            chosen[cost] = run
            names.add(run.solver)
    return list(chosen.values())[:SHOWN]


def _named(
    run: Record, own: Sequence[Series], problem: Problem, instance: Instance
) -> list[tuple[str, Document]]:
    """Return title and plan of a run; nothing if the record's plan is none."""
    known = own[0].known[run.sha256].summary
    title = run.solver + (" (optimum)" if is_solved(run, known) else "")
    try:
        plan = problem.plan(msgspec.json.encode(run.plan))
        problem.evaluate(instance, plan)  # refuses a plan for another instance
    except InputError:  # the judge priced it once, but the record may have been edited since
        return []
    return [(title, plan)]
