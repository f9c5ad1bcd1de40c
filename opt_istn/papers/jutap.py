"""Figures 2, 3 and 4 of the JUTAP paper: its agent, its paths, and what is proven about both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from opt_istn import registry
from opt_istn.evidence.studies import prove
from opt_istn.files import InputError
from opt_istn.jutap import plan as plans
from opt_istn.jutap.instance import Instance
from opt_istn.jutap.plan import Plan
from opt_istn.jutap.scenario import MILLION, paper_reward
from opt_istn.papers import agreement, charts, printed
from opt_istn.papers.printed import Printed
from opt_istn.papers.work import Finding, Work
from opt_istn.pictures.jutap import maps
from opt_istn.runs.compare import Choice, load
from opt_istn.runs.ledger import Record, Source

LIMIT_S = 60.0
SHORT = 12  # digits of a certificate's hash that name it
TERRESTRIAL = "jutap-paper-terrestrial-v2"
INTEGRATED = "jutap-paper-v2"
RULES = {
    "optimum": Choice("labels"),
    "exact under (6)-(7)": Choice("value-iteration", {"reward": "paper"}),
}
TRAINED = "agent trained on (6)-(7)"
QUICK_STEPS = {"steps": 2_000_000}  # of tabular learning; the default is twice as many
NAMES = {"length_m": "length, m", "handover": "handover sum", "holes": "holes flown"}


@dataclass(frozen=True)
class Panel:
    """A panel of a figure: the scenario, and what is printed of its path."""

    name: str
    preset: str
    weights: tuple[float, float, float]
    values: tuple[Printed, ...]

    def source(self, **more: str) -> Source:
        """Return where its maps come from."""
        named = {f"w{i + 1}": str(w) for i, w in enumerate(self.weights)}
        return Source(preset=self.preset, overrides=named | more)


FIG3 = (
    Panel("integrated", INTEGRATED, (0.4, 0.2, 0.4), printed.FIG3_INTEGRATED),
    Panel("terrestrial", TERRESTRIAL, (0.4, 0.2, 0.4), printed.FIG3_TERRESTRIAL),
)
FIG4 = (
    Panel("a", INTEGRATED, (0.2, 0.6, 0.2), printed.FIG4A),
    Panel("b", INTEGRATED, (0.6, 0.2, 0.2), printed.FIG4B),
)
UNPUBLISHED = (
    "The paper publishes neither its map nor its agent: a number of its one path can only be laid "
    "among those of maps drawn by the "
    "same law."
)


def fig2(work: Work) -> Finding:
    """Return against episodes, with the return of the policy that is exact under the reward."""
    source = replace_seed(FIG3[0].source(), 0)
    episodes = 600 if work.quick else 10_000
    settings = {"profile": "paper", "episodes": episodes}
    name = "jutap-fig2-quick-0" if work.quick else "jutap-fig2-0"
    path = work.trained(name, "jutap.dqn", settings, source, 0)
    returns = registry.study("returns", "jutap")(path)
    instance = _map_of(source)
    best, kinds = _best_return(instance)
    settled = charts.settles(returns)
    finding = Finding("JUTAP, Fig. 2: return against episodes")
    finding.pictures[""] = charts.returns_figure(returns, best, printed.STABLE_EPISODE)
    last = float(np.mean(returns[-max(len(returns) // 10, 1) :]))
    finding.header = ("", "paper", "ours")
    finding.rows = [
        ("episodes", 10_000, len(returns)),
        ("stable from episode", f"about {printed.STABLE_EPISODE}", settled),
        ("mean return of the last tenth", "not printed", f"{last:.3f}"),
        ("optimal mean return over all STARTs, proven", "not printed", f"{best:.3f}"),
    ]
    if settled is None:
        finding.agrees = ["Our return does not settle within this training."]
    else:
        near = agreement.CONSISTENT if settled <= 2 * printed.STABLE_EPISODE else agreement.NOT
        finding.agrees = [
            (
                f"From episode {settled} on the running mean of {charts.WINDOW} returns stays "
                f"within {charts.BAND:.0%} of its whole rise of where it ends; with *about 400* "
                f"that is {near} (up to twice as many are)."
            )
        ]
    finding.agrees.append(
        f"The optimal mean return is that of the exact policy from all {kinds['starts']} STARTs, "
        "each proven by a certificate; exploration at 10 % keeps an agent's returns below it."
    )
    finding.cannot = [
        (
            "The axis of the paper's figure is not printed in numbers, and whether its eps decays "
            "by episode or by step is not said; ours decays as its Algorithm 1, line 19."
        )
    ]
    return finding


def _best_return(instance: Instance) -> tuple[float, Mapping[str, int]]:
    """Return the mean over all STARTs of the best return under (6)-(7), proven, and the counts."""
    rewarded = replace(
        instance, cost=paper_reward(instance), association="strongest", energy_budget_mj=None
    )
    table = registry.study("starts", "jutap")(rewarded, [None])
    kinds = prove(table.questions(), registry.study("certificate", "jutap"))
    cells = table.cells[table.cells != instance.end]
    mean = float(np.mean(table.cost[cells, 0]))
    return -mean / MILLION, {"starts": len(cells), **kinds}


def fig3(work: Work) -> Finding:
    """Return paths with and without GEO, and where the printed numbers lie among 100 maps."""
    finding = _paths("jutap-fig3", "JUTAP, Fig. 3: paths with and without GEO", FIG3, work)
    shorter = _paired(work.records("jutap-fig3"))
    if shorter:
        finding.agrees.append(
            f"On {shorter[0]} of {shorter[1]} maps the optimum with GEO is not longer than the one "
            f"without, on {shorter[2]} it is shorter."
        )
    return finding


def fig4(work: Work) -> Finding:
    """Return paths under two weightings, with the three readings of the hole bonus."""
    return _paths(
        "jutap-fig4", "JUTAP, Fig. 4: paths under two weightings", FIG4, work, ("once", "none")
    )


def _paths(
    name: str, title: str, panels: Sequence[Panel], work: Work, bonuses: Sequence[str] = ()
) -> Finding:
    """Return the page of some panels.

    Parameters
    ----------
    bonuses
        Other readings of ``hole_bonus``, of which the optima are told as well.
    """
    finding = Finding(title)
    finding.header = (
        *("panel", "who", "quantity", "paper", "ours: 5 %", "median", "95 %", "maps"),
        *("paper's percentile", "word", "proven optima"),
    )
    samples: dict[tuple[str, str, str], list[float]] = {}
    flown = {panel.name: dict(_records(name, panel, work)) for panel in panels}
    readings = {panel.name: dict(_readings(name, panel, work, bonuses)) for panel in panels}
    certified = work.proven(name, LIMIT_S)  # once: it makes every map again
    for panel in panels:
        for who, found in (flown[panel.name] | readings[panel.name]).items():
            finding.rows += _rows(panel, who, found, certified)
            for value in panel.values:
                if sample := _sample(found, value.what):
                    samples[panel.name, who, value.what] = sample
        first = _map_of(replace_seed(panel.source(), 0))
        shown = [
            (w, plan) for w, runs in flown[panel.name].items() for plan in _plan_of(first, runs)
        ]
        finding.pictures[f"-{panel.name}"] = maps.figure(first, shown)
        finding.agrees.append(_first_said(panel, first, certified))
    finding.pictures["-numbers"] = charts.numbers_figure(samples, panels, NAMES)
    finding.agrees += _counted(finding.rows)
    finding.cannot = [
        UNPUBLISHED,
        (
            f"*Consistent* says that more than {agreement.TAIL:g} % of our maps give as much or "
            f"more, and more than {agreement.TAIL:g} % as little or less; with fewer than "
            f"{agreement.FEWEST} maps nothing is said."
        ),
    ]
    return finding


def _readings(
    name: str, panel: Panel, work: Work, bonuses: Sequence[str]
) -> Iterator[tuple[str, list[Record]]]:
    for bonus in bonuses:
        source = panel.source(hole_bonus=bonus)
        label = f"optimum, bonus {bonus}"
        yield label, work.compared(name, [source], [RULES["optimum"]], work.maps, LIMIT_S)


def _counted(rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return a sentence for each who flies: how many of the printed numbers are consistent."""
    counts: dict[str, list[str]] = {}
    for row in rows:
        counts.setdefault(row[1], []).append(row[9])
    said = []
    for who, words in counts.items():
        told = sum(word != agreement.FEW for word in words)
        same = sum(word == agreement.CONSISTENT for word in words)
        said.append(
            f"{same} of {told} printed numbers are consistent with *{who}*." if told else ""
        )
    return [text for text in said if text]


def _records(name: str, panel: Panel, work: Work) -> Iterator[tuple[str, list[Record]]]:
    """Yield who flies, with records on all maps; agents fly those that they were trained on."""
    number = work.maps
    for who, choice in RULES.items():
        yield who, work.compared(name, [panel.source()], [choice], number, LIMIT_S)
    settings: dict[str, Any] = {"reward": "paper", **(QUICK_STEPS if work.quick else {})}
    label = f"{name}-{panel.name}{'-quick' if work.quick else ''}"
    for seed in range(work.trainings):
        source = replace_seed(panel.source(), seed)
        work.trained(f"{label}-{seed}", "jutap.qlearning", settings, source, seed)
    if work.trainings:
        choice = Choice("qlearning", {"agent": str(work.pattern(label))})
        yield TRAINED, work.compared(name, [panel.source()], [choice], work.trainings, LIMIT_S)


def replace_seed(source: Source, seed: int) -> Source:
    """Return the source of one instance of a preset."""
    return Source(preset=source.preset, overrides=source.overrides, seed=seed)


def _map_of(source: Source) -> Instance:
    made = load(source)
    if not isinstance(made, Instance):
        raise InputError("source", "expected one of JUTAP instances")
    return made


def _plan_of(instance: Instance, runs: Sequence[Record]) -> Iterator[Plan]:
    for run in runs:
        if run.sha256 == instance.sha256 and run.plan is not None:
            yield plans.from_bytes(msgspec.json.encode(run.plan))
            return


def _sample(runs: Sequence[Record], what: str) -> list[float]:
    return [float(run.terms[what]) for run in runs if run.cost is not None]


def _costs(runs: Sequence[Record]) -> list[int | None]:
    return [run.cost for run in runs]


def _rows(
    panel: Panel, who: str, runs: Sequence[Record], certified: Mapping[str, Record]
) -> list[tuple[Any, ...]]:
    """Return a row for each printed number of a panel."""
    rows = []
    optimal = sum(
        run.sha256 in certified and certified[run.sha256].bound == run.cost for run in runs
    )
    lost = f", {sum(run.cost is None for run in runs)} lost" if None in _costs(runs) else ""
    for value in panel.values:
        sample = _sample(runs, value.what)
        if sample:
            shares = [f"{agreement.quantile(sample, q):.6g}" for q in (0.05, 0.5, 0.95)]
            place = f"{agreement.percentile(value.value, sample):.0f}"
            word = agreement.word_for(value.value, sample)
            told = (panel.name, who, NAMES[value.what], f"{value.value:g}", *shares)
            rows.append((*told, f"{len(sample)}{lost}", place, word, f"{optimal} of {len(runs)}"))
    return rows


def _first_said(panel: Panel, first: Instance, certified: Mapping[str, Record]) -> str:
    run = certified.get(first.sha256)
    if run is None or run.certificate is None or run.bound is None:
        return f"The map drawn as panel {panel.name} (seed 0) has no certificate."
    return (
        f"The map drawn as panel {panel.name} is that of seed 0; its optimum, "
        f"{run.bound / MILLION:.6f}, is proven by certificate "
        f"`{run.certificate[:SHORT]}` of instance `{first.sha256[:SHORT]}`."
    )


def _paired(runs: Sequence[Record]) -> tuple[int, int, int] | None:
    """Return on how many maps of how many the optimum with GEO is not longer, and is shorter."""
    lengths: dict[str, dict[int, float]] = {}
    for run in runs:
        if run.solver == "jutap.labels" and run.cost is not None and run.source.seed is not None:
            own = lengths.setdefault(str(run.source.preset), {})
            own[run.source.seed] = float(run.terms["length_m"])
    both = lengths.get(INTEGRATED, {}), lengths.get(TERRESTRIAL, {})
    seeds = both[0].keys() & both[1].keys()
    if not seeds:
        return None
    less = [both[0][s] - both[1][s] for s in seeds]
    return sum(x < 0.01 for x in less), len(seeds), sum(x < -0.01 for x in less)
