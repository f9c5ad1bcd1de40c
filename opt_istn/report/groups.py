"""Records sorted into what is compared: groups of like instances, and each solver's runs there."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from opt_istn.files import InputError
from opt_istn.report.numbers.aggregates import Known, Series
from opt_istn.runs import audit
from opt_istn.runs.ledger import Record

By = Literal["group", "instance"]
AGENT_FILE = ("agent", "sha256", "agent#sha256")  # parameters that tell which agent a solver plays
MAX_COST = 2**63  # costs and bounds beyond are no problem's; floats are safe below


@dataclass(frozen=True)
class Group:
    """Instances that are compared together.

    Parameters
    ----------
    problem, name
        Of the group.
    instances
        Hashes, in order of first appearance.
    whole
        Name and number of instances of the group that it is a part of, if it is one.
    """

    problem: str
    name: str
    instances: tuple[str, ...]
    whole: tuple[str, int] | None = None


def every_series(records: Iterable[Record], by: By = "group") -> list[Series]:
    """Return all series, groups in order of first appearance, solvers by rank.

    A run belongs to every group that holds its instance, whatever it was read from. Where series
    miss instances of a group, what they have is a group of its own, for whoever has all of it.

    Raises
    ------
    InputError
        If a record's cost or bound is too large to be one.
    """
    given = _checked(list(records))
    runs, summaries = audit.together(given)
    references = {run.sha256: cost for run in runs if (cost := _reference(run)) is not None}
    known = {
        summary.sha256: Known(summary, references.get(summary.sha256)) for summary in summaries
    }
    label = _labels(runs)
    solvers: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        solvers[run.sha256][label(run)].append(run)

    def filled(group: Group) -> list[Series]:
        mine: dict[str, list[Record]] = defaultdict(list)
        for sha256 in group.instances:
            for text, own in solvers[sha256].items():
                mine[text] += own
        same = (group.instances, group.whole)
        return [Series(group.name, x, tuple(y), known, *same) for x, y in mine.items()]

    groups = groups_of(runs, by)
    seen = {frozenset(group.instances) for group in groups}
    every = []
    for group in groups:
        own = filled(group)
        every += ranked(own)
        for part in _parts(group, own, seen):
            every += ranked([series for series in filled(part) if not series.missing])
    return every


def _parts(group: Group, own: Sequence[Series], seen: set[frozenset[str]]) -> Iterator[Group]:
    """Yield what series that miss instances have: there they are compared with all the others.

    Certificates are nothing to compare: those of a part of the instances make no part.
    """
    for series in own:
        if series.certifies:
            continue
        covered = tuple(key for key in group.instances if key in series.covered)
        if frozenset(covered) not in seen:
            seen.add(frozenset(covered))
            number = len(group.instances)
            name = f"{group.name}: {len(covered)} of {number} instances"
            yield Group(group.problem, name, covered, (group.name, number))


def groups_of(runs: Sequence[Record], by: By = "group") -> list[Group]:
    """Return the groups of instances; of groups with the same instances only the first.

    Instances of a group that share a name are one another's changed copies: averaged they would
    count twice, so that each is a group of its own.
    """
    name = _group_names(runs) if by == "group" else _instance_names(runs)
    presets: set[tuple[str, str]] = set()
    found: dict[tuple[str, str, bool], dict[str, None]] = defaultdict(dict)
    for run in runs:
        text, read = name(run), by == "group" and run.source.preset is None
        if not read:
            presets.add((run.problem, text))
        found[run.problem, text, read][run.sha256] = None
    groups: dict[frozenset[str], Group] = {}
    for (problem, text, read), instances in found.items():
        shared = read and (problem, text) in presets
        title = f"{text} (files)" if shared else text
        groups.setdefault(frozenset(instances), Group(problem, title, tuple(instances)))
    return list(groups.values())


def ranked(own: Sequence[Series]) -> list[Series]:
    """Return the series of a group by rank: share of runs with an answer, then mean of `chief`.

    An answer is a plan, or a proof that there is none. The mean is over the instances on which all
    of the same share have a value: without a reference a failure has none. Series that miss
    instances of the group come after the others, and are ranked among themselves.
    """
    full = [series for series in own if not series.missing]
    short = [series for series in own if series.missing]
    return [*_ranked(full), *_ranked(short)]


def _ranked(own: Sequence[Series]) -> list[Series]:
    equal: dict[float, list[Series]] = defaultdict(list)
    for series in own:
        equal[series.answered].append(series)
    return [one for share in sorted(equal, reverse=True) for one in _by_mean(equal[share])]


def _by_mean(own: Sequence[Series]) -> list[Series]:
    """Return series by their means where all have a value; those without any come last."""
    valued = [values for series in own if (values := series.chief.values)]
    common = [key for key in valued[0] if all(key in values for values in valued)] if valued else []

    def rank(series: Series) -> tuple[float, str]:
        mean = series.chief.on(common).mean
        return float("inf") if mean is None else mean, series.label

    return sorted(own, key=rank)


def _reference(run: Record) -> int | None:
    """Return the cost that savings are counted from; in older records of PUSH it has a name."""
    for name in ("reference", "no_push_us"):
        value = run.terms.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_COST:
            return value
    return None


def group_name(run: Record) -> str:
    """Return the name of the instances a run's instance is grouped with.

    The preset with its overrides; for other instances the name up to a trailing ``/seed``.
    """
    source = run.source
    if source.preset is None:
        return re.sub(r"/(seed)?[-=_ ]?\d+$", "", run.instance) or run.problem
    changes = ", ".join(f"{key}={value}" for key, value in sorted(source.overrides.items()))
    return f"{source.preset} ({changes})" if changes else source.preset


def _group_names(runs: Sequence[Record]) -> Callable[[Record], str]:
    """Return how instances are grouped: as `group_name` says, apart where they share a name."""
    hashes = defaultdict(set)
    for run in runs:
        hashes[run.problem, group_name(run), run.instance].add(run.sha256)

    def name(run: Record) -> str:
        text = group_name(run)
        shared = run.instance and len(hashes[run.problem, text, run.instance]) > 1
        return f"{run.instance} {run.sha256[:8]}" if shared else text

    return name


def twins(runs: Sequence[Record]) -> tuple[str, ...]:
    """Return a line for each name that several instances have, with the beginnings of their hashes.

    Presets with other parameters say so themselves: that their instances share names is no news.
    """
    places: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for run in runs:
        made = "" if run.source.preset is None else group_name(run)
        own = places[run.problem, run.instance]
        own[run.sha256] = made or own.get(run.sha256, "")
    return tuple(
        f"{name or 'an instance without a name'}: {len(own)} instances have this name and are kept "
        f"apart: sha256 {', '.join(sha256[:8] for sha256 in own)}"
        for (_, name), own in places.items()
        if len(own) > 1 and ("" in own.values() or len(set(own.values())) < len(own))
    )


def _instance_names(runs: Sequence[Record]) -> Callable[[Record], str]:
    """Return how instances are called: by their names, with the hash where names are shared."""
    hashes = defaultdict(set)
    for run in runs:
        hashes[run.instance].add(run.sha256)

    def name(run: Record) -> str:
        unique = len(hashes[run.instance]) == 1 and run.instance
        return run.instance if unique else f"{run.instance} {run.sha256[:8]}".strip()

    return name


def _labels(runs: Sequence[Record]) -> Callable[[Record], str]:
    """Return how solvers are called: by their ids, with the settings in which variants differ.

    An agent file of its own for every instance makes no variants.
    """
    tied = _tied(runs)
    alike = {_identity(run): run for run in runs}  # one for all that share their settings
    own = {key: _settings(run, tied) for key, run in alike.items()}
    variants: dict[str, dict[bytes, dict[str, Any]]] = defaultdict(dict)
    for key, settings in own.items():
        variants[key[0]][_encoded(settings)] = settings
    differing = {
        solver: {
            name
            for name in {name for one in settings.values() for name in one}
            if len({_encoded(one.get(name)) for one in settings.values()}) > 1
        }
        for solver, settings in variants.items()
    }
    labels = {}
    for key, settings in own.items():
        words = [f"{name}={settings[name]}" for name in settings if name in differing[key[0]]]
        labels[key] = f"{key[0]} ({', '.join(words)})" if words else key[0]
    return lambda run: labels[_identity(run)]


def _identity(run: Record) -> tuple[str, int, int]:
    return run.solver, id(run.parameters), id(run.limits)


def _tied(runs: Sequence[Record]) -> set[str]:
    """Return the solvers that play no instance with more than one agent file."""
    files: dict[str, dict[str, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    for run in runs:
        if run.kind == "agent":
            named = {name: run.parameters.get(name) for name in AGENT_FILE}
            files[run.solver][run.sha256].add(_encoded(named))
    return {solver for solver, own in files.items() if all(len(x) == 1 for x in own.values())}


def _settings(run: Record, tied: set[str]) -> dict[str, Any]:
    limits = {key: value for key, value in msgspec.structs.asdict(run.limits).items() if value}
    named = {f"limit {key}" if key in run.parameters else key: x for key, x in limits.items()}
    hidden = AGENT_FILE if run.solver in tied else ()
    shown = {key: x for key, x in sorted(run.parameters.items()) if key not in hidden}
    return shown | named


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _checked(runs: list[Record]) -> list[Record]:
    for run in runs:
        traced = (value for _, cost, bound in run.trace for value in (cost, bound))
        values = (run.cost, run.bound, *traced) if run.trace else (run.cost, run.bound)
        if any(value is not None and not -MAX_COST < value < MAX_COST for value in values):
            expected = f"expected cost and bound within +-2^63 ({run.solver}, seed {run.seed})"
            raise InputError("cost", expected, run.instance)
    return runs
