"""Maps for the report page: the first instance of a group, optimum and best heuristics on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from matplotlib.figure import Figure

from opt_istn import harness, jutap, problems
from opt_istn.files import InputError
from opt_istn.jutap import plan as plans
from opt_istn.record import Record
from opt_istn.report import maps
from opt_istn.report.aggregates import Series, is_solved

MAX_LINKS = 4_000_000  # cells times stations that are regenerated just for a picture: seconds
MAX_BYTES = 50 << 20  # of an instance file that is read for one
SHOWN = 3


@dataclass(frozen=True)
class Sketch:
    """A figure and what it shows."""

    figure: Figure
    caption: str


def sketch(own: Sequence[Series]) -> Sketch | str | None:
    """Return the map of the first instance of a group with plans on it.

    None if its problem has no maps; a sentence if there is no map of this instance.
    """
    first = own[0].runs[0]
    if first.problem != jutap.Instance.problem:
        return None
    try:
        instance = _regenerated(first)
    except InputError as error:
        return f"No map of {first.instance}: {error}."
    if instance.sha256 != first.sha256:
        return f"No map of {first.instance}: its source gives another instance now."
    chosen = _chosen(own, first.sha256)
    figure = maps.map_figure(instance, [pair for run in chosen for pair in _named(run, own)])
    names = ", ".join(run.solver for run in chosen) or "no plan"
    return Sketch(figure, f"Instance {first.instance}: {names}.")


def _regenerated(run: Record) -> jutap.Instance:
    """Return the instance of a run, unless that takes long or reads what is no plain file."""
    source = run.source
    if source.file is not None:
        path = Path(source.file)
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            raise InputError("", "expected a file of moderate size", source.file)
    elif source.preset is not None:
        problem = problems.of_preset(source.preset)
        if problem.name != run.problem:
            raise InputError("", f"expected a {run.problem} preset", source.preset)
        scenario = problem.scenario(source.preset, source.overrides)
        if scenario.grid**2 * scenario.num_mbs > MAX_LINKS:
            hint = "too large to be drawn here; generate it, then use opt-istn show"
            raise InputError("", hint, source.preset)
    instance = harness.load(source)
    if not isinstance(instance, jutap.Instance):
        raise InputError("", f"expected a {run.problem} instance")
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


def _named(run: Record, own: Sequence[Series]) -> list[maps.Named]:
    """Return title and plan of a run; nothing if the record's plan is none."""
    known = own[0].known[run.sha256].summary
    title = run.solver + (" (optimum)" if is_solved(run, known) else "")
    try:
        plan = plans.from_bytes(msgspec.json.encode(run.plan))
    except InputError:  # the judge priced it once, but the record may have been edited since
        return []
    return [(title, plan)] if plan.instance == run.sha256 else []
