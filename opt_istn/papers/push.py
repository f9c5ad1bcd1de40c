"""Figures 5 to 8 and Table 3 of the PUSH paper: policies, agents where there are, and optima."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean

from opt_istn.papers import charts, printed
from opt_istn.papers.work import Finding, Work
from opt_istn.push.scenario import PRESETS
from opt_istn.runs.compare import Choice
from opt_istn.runs.ledger import Record, Source

POLICIES = ("never", "greedy", "rolling", "expected")
AGENTS = {"maac": "MAAC", "mappo": "MAPPO", "mmappo": "multi-modal-MAPPO"}
CACHES = {items: f"push-cache-{items}-v2" for items in range(20, 46, 5)}
CROWDS = {users: f"push-users-{users}-v2" for users in range(6, 19, 3)}
SETTINGS = ("push-paper-v2", "push-paper-wide-v2")
LIMIT_S, QUICK_S = 600.0, 20.0
CERTIFICATE = "push.certificate"
LOG = (
    "The paper does not say whether its delays are means in seconds or its D = log2(1 + mean); "
    "both are given, and neither is "
    "comparable beyond its order: its demand, users and constellation geometry are not published."
)


def fig5(work: Work) -> Finding:
    """Return delays of policies, agents and optima beside the three that are printed."""
    finding, found = _compared("push-fig5", "PUSH, Fig. 5: delays", work)
    finding.header = ("caches", "who", "mean delay, s", "log2(1 + mean)", "hit ratio", "instances")
    for setting, own in found.items():
        for who, runs in own.items():
            mean, hits = _mean(runs, "mean_delay_s"), _mean(runs, "hit_ratio")
            row = (f"{mean:.4f}", f"{math.log2(1 + mean):.4f}", f"{hits:.4f}", len(runs))
            finding.rows.append((setting, who, *row))
        bars = {who: _mean(runs, "mean_delay_s") for who, runs in own.items()}
        figure = charts.bars_figure(bars, printed.DELAY_S, f"mean delay (s), {setting}")
        finding.pictures[f"-{setting}"] = figure
    for who, delay in printed.DELAY_S.items():
        finding.rows.append(("paper", who, f"{delay:.4f}", "or this", printed.HIT_RATIO[who], "1"))
    for setting, own in found.items():
        finding.agrees.append(_against(setting, own))
    finding.cannot.append(
        "Fig. 5a's rewards have no printed scale; training curves are kept in agent files."
    )
    return finding


def fig6a(work: Work) -> Finding:
    """Return delays over cache sizes, with a proven optimum at each."""
    return _over(
        "push-fig6a", "PUSH, Fig. 6a: delays over cache sizes", CACHES, "cache (MB)", 100, work
    )


def fig6b(work: Work) -> Finding:
    """Return delays over numbers of users, with a proven optimum at each."""
    return _over("push-fig6b", "PUSH, Fig. 6b: delays over users", CROWDS, "users", 1, work)


def fig7(work: Work) -> Finding:
    """Return hit ratios of the same runs as Fig. 5."""
    finding, found = _compared("push-fig5", "PUSH, Fig. 7: hit ratios", work)
    finding.header = ("caches", "who", "hit ratio", "paper", "instances")
    for setting, own in found.items():
        bars = {who: _mean(runs, "hit_ratio") for who, runs in own.items()}
        finding.rows += [(setting, who, f"{x:.4f}", "", len(own[who])) for who, x in bars.items()]
        figure = charts.bars_figure(bars, printed.HIT_RATIO, f"hit ratio, {setting}")
        finding.pictures[f"-{setting}"] = figure
        best = bars.get("optimum, proven", bars.get("best plan known"))
        if best is not None:
            above = [who for who, x in printed.HIT_RATIO.items() if x > best]
            word = "not consistent" if above else "consistent"
            finding.agrees.append(
                f"With `{setting}` no plan of least delay hits more than {best:.4f}: the printed "
                f"ratios are {word} with these caches"
                + (f" ({', '.join(above)} above it)." if above else ".")
            )
    finding.rows += [("paper", who, "", x, "1") for who, x in printed.HIT_RATIO.items()]
    return finding


def fig8(work: Work) -> Finding:
    """Return what agent files with other learning rates do, where there are any."""
    finding = Finding("PUSH, Fig. 8: learning rates")
    finding.header = ("lr_a", "lr_c", "mean delay, s", "instances")
    for actor, critic in (("1e-4", "1e-3"), ("1e-4", "1e-4"), ("1e-4", "5e-4"), ("5e-4", "1e-4")):
        path = work.given(f"mmappo-{actor}-{critic}")
        if path is None:
            finding.cannot.append(f"There is no agent file `mmappo-{actor}-{critic}.pt`.")
            continue
        choice = Choice("mmappo", {"agent": str(path)})
        runs = work.compared(
            "push-fig8", [Source(preset=SETTINGS[0])], [choice], _seeds(work), LIMIT_S
        )
        finding.rows.append((actor, critic, f"{_mean(runs, 'mean_delay_s'):.4f}", len(runs)))
    finding.cannot.append(
        "`opt-istn train push.mmappo@profile=paper@actor_rate=LR_A@critic_rate=LR_C push-paper-v2 "
        "--seed 0 -o mmappo-LR_A-LR_C.pt` makes "
        "one; `reproduce push-fig8 --agents FOLDER` plays them. The figure itself prints no "
        "numbers."
    )
    return finding


def table3(work: Work) -> Finding:
    """Return seconds of a decision, a slot of all users, of the runs of Fig. 5."""
    finding, found = _compared("push-fig5", "PUSH, Table 3: seconds of a decision", work)
    finding.header = ("caches", "who", "seconds a slot, all users", "paper", "instances")
    for setting, own in found.items():
        for who, runs in own.items():
            timed = [run for run in runs if run.wall_s is not None and run.solver != CERTIFICATE]
            if timed:
                slots = PRESETS[setting].num_slots
                mean = fmean(run.wall_s / slots for run in timed if run.wall_s is not None)
                finding.rows.append((setting, who, f"{mean:.5f}", "", len(timed)))
    finding.rows += [("paper", who, "", f"{x:g}", "1") for who, x in printed.DECISION_S.items()]
    finding.cannot.append(
        "Table 3 names no machine, and not what one decision is: of a content, a slot or an "
        "agent. `expected` decides all slots at once."
    )
    return finding


def _seeds(work: Work) -> int:
    return 1 if work.quick else 3


def _limit(work: Work) -> float:
    return QUICK_S if work.quick else LIMIT_S


def _compared(
    name: str, title: str, work: Work
) -> tuple[Finding, dict[str, dict[str, list[Record]]]]:
    """Return records of both cache sizes by who plans, the proven optima last."""
    finding, found = Finding(title), dict[str, dict[str, list[Record]]]()
    seeds, sources = _seeds(work), [Source(preset=preset) for preset in SETTINGS]
    choices = {who: Choice(who) for who in POLICIES}
    for agent, who in AGENTS.items():
        path = work.given(agent)
        if path is None:
            finding.cannot.append(
                f"There is no agent file `{agent}.pt` for {who}: `opt-istn train "
                f"push.{agent}@profile=paper push-paper-v2 --seed 0 "
                f"-o agents/{agent}.pt`, then `--agents agents`."
            )
        else:
            choices[who] = Choice(agent, {"agent": str(path), "elsewhere": "true"})
    for who, choice in choices.items():
        for run in work.compared(name, sources, [choice], seeds, LIMIT_S):
            if run.cost is not None:
                own = found.setdefault(str(run.source.preset), {})
                own.setdefault(who, []).append(run)
    for run in work.proven(name, _limit(work)).values():
        who = "optimum, proven" if run.cost == run.bound else "best plan known"
        if run.cost is not None:
            own = found.setdefault(str(run.source.preset), {})
            own.setdefault(who, []).append(run)
    finding.cannot.append(LOG)
    return finding, found


def _over(
    name: str, title: str, presets: Mapping[int, str], across: str, unit: int, work: Work
) -> Finding:
    finding = Finding(title)
    seeds, sources = _seeds(work), [Source(preset=preset) for preset in presets.values()]
    runs = work.compared(name, sources, [Choice(who) for who in POLICIES], seeds, LIMIT_S)
    proven = list(work.proven(name, _limit(work)).values())
    finding.header = (across, *POLICIES, "best plan", "proven bound", "left %", "certificates")
    curves: dict[str, tuple[list[float], list[float]]] = {}
    gaps = []
    for x, preset in presets.items():
        means = {}
        for who in POLICIES:
            own = [r for r in runs if r.source.preset == preset and r.solver == f"push.{who}"]
            means[who] = _mean([r for r in own if r.cost is not None], "mean_delay_s")
        here = [r for r in proven if r.source.preset == preset and r.cost is not None]
        best, bound = _mean(here, "mean_delay_s"), _bound(here)
        gap = 100 * (best - bound) / bound if here and bound else math.nan
        gaps.append(gap)
        names = ", ".join(f"`{(r.certificate or '')[:12]}`" for r in here)
        shown = [f"{y:.4f}" for y in (*means.values(), best, bound)]
        finding.rows.append((x * unit, *shown, f"{gap:.2f}", names))
        for who, y in {**means, "best plan": best, "proven bound": bound}.items():
            curves.setdefault(who, ([], []))
            curves[who][0].append(x * unit)
            curves[who][1].append(y)
    lines = {"paper: below, everywhere": printed.SUB_S} if unit > 1 else {}
    del curves["never"]  # far above the rest; it stays in the table
    finding.pictures[""] = charts.lines_figure(curves, across, "mean delay (s)", lines)
    closed = sum(gap < 0.005 for gap in gaps)
    finding.agrees.append(
        f"At {closed} of {len(gaps)} points the best plan is proven optimal, all requests known."
    )
    finding.agrees += _shape(curves, unit)
    finding.cannot += [
        LOG,
        "No agent's number at a single point is printed, only differences and shares.",
    ]
    return finding


def _shape(curves: Mapping[str, tuple[list[float], list[float]]], unit: int) -> list[str]:
    """Return what can be said of the figure's printed sentences."""
    said = []
    rolling, best = curves["rolling"][1], curves["best plan"][1]
    if unit > 1:
        falls = all(b <= a + 1e-9 for a, b in pairwise(best))
        said.append(
            f"That delays fall with the cache is {'consistent' if falls else 'not consistent'} "
            "with the best plans."
        )
        under = sum(y < printed.SUB_S for y in rolling)
        word = "consistent" if under == len(rolling) else "not consistent"
        said.append(
            "`rolling`, which knows the law of requests and no future, stays below 0.1 s at "
            f"{under} of {len(rolling)} cache sizes: an "
            f"agent's *sub-0.1 s across all configurations* is {word} with what is known by then, "
            f"and the optimum is below it at {sum(y < printed.SUB_S for y in best)}."
        )
    return said


def _mean(runs: Sequence[Record], what: str) -> float:
    values = [float(run.terms[what]) for run in runs]
    return fmean(values) if values else math.nan


def _bound(runs: Sequence[Record]) -> float:
    """Return the mean of proven bounds as a mean delay in seconds."""
    shares = [
        run.bound / run.cost * float(run.terms["mean_delay_s"]) if run.cost else 0.0
        for run in runs
        if run.bound is not None
    ]
    return fmean(shares) if shares else math.nan


def _against(setting: str, own: Mapping[str, Sequence[Record]]) -> str:
    best = own.get("optimum, proven") or own.get("best plan known") or []
    least, rolling = _mean(best, "mean_delay_s"), _mean(own.get("rolling", []), "mean_delay_s")
    above = [who for who, x in printed.DELAY_S.items() if x >= least]
    word = "consistent" if len(above) == len(printed.DELAY_S) else "not consistent"
    return (
        f"With `{setting}` the least mean delay that is known is {least:.4f} s, `rolling` has "
        f"{rolling:.4f} s; read as means, the three printed "
        f"delays are {word} with these caches, {len(above)} of {len(printed.DELAY_S)} not being "
        "below the least."
    )
