"""The share of targets reached by a time."""

import math

import numpy as np
import pytest

from opt_istn import Status
from opt_istn.report import anytime, columns, groups
from opt_istn.report.anytime import TARGETS, reached
from opt_istn.report.numbers import profiles
from opt_istn.report.numbers.profiles import Field
from opt_istn.runs.ledger import Failure, Record
from tests.report.synthetic import changed, comparison, run


def _field(records: list[Record]) -> Field:
    (field,) = profiles.fields(groups.every_series(records))
    return field


def test_targets_are_reached_when_the_incumbent_is_near_enough() -> None:
    """With incumbents 100 % and 10 % dearer and then the best, targets fall at those times."""
    trace = ((1.0, 200, None), (2.0, 110, 90), (3.0, 100, 100))
    times = reached(run("labels", 100, 100, trace=trace, wall_s=4.0), 100)
    gaps = {1.0: 1 - 100 / 200, 2.0: 1 - 100 / 110, 3.0: 0.0}
    for target, seconds in zip(TARGETS, times, strict=True):
        assert seconds == min(s for s, gap in gaps.items() if gap <= target)
    assert len(TARGETS) == 41
    assert TARGETS[-1] == 0.0


def test_no_incumbent_counts_for_more_than_the_judged_plan() -> None:
    """A trace that tells of a better plan than the run ends with gains nothing by it."""
    liar = run("liar", 150, None, trace=((0.1, 100, None),), wall_s=1.0)
    honest = run("labels", 150, None, trace=((0.1, 150, None),), wall_s=1.0)
    assert reached(liar, 100) == reached(honest, 100)
    assert reached(liar, 100)[-1] == math.inf


def test_a_run_without_a_trace_arrives_at_its_end() -> None:
    """The plan of a heuristic counts from when the run ended; a refuted one never does."""
    assert set(reached(run("greedy", 100, None, wall_s=2.0), 100)) == {2.0}
    failed = {"status": Status.FAILED, "failure": Failure.REFUTED}
    assert set(reached(run("liar", 100, None, **failed), 100)) == {math.inf}
    assert set(reached(run("blind"), 100)) == {math.inf}


def test_killed_runs_count_with_what_they_reported() -> None:
    """A killed run with incumbents keeps its part of the curve and of the primal integral."""
    killed = {"status": Status.FAILED, "failure": Failure.TIME, "wall_s": 9.0}
    records = [
        run("labels", 100, 100, trace=((1.0, 100, 100),)),
        run("cpsat", 100, 80, trace=((5.0, 100, 80),), **killed),
    ]
    found = anytime.curves(_field(records))
    assert set(found["jutap.cpsat"][0].tolist()) == {5.0}
    series = {s.label: s for s in groups.every_series(records)}
    assert columns.integrals(series["jutap.cpsat"]) == pytest.approx([5.0])


def test_curves_are_distribution_functions() -> None:
    """Times ascend, shares ascend to the share of pairs reached, and seeds count as one run."""
    records = [run("labels", 100, 100), run("labels", 100, 100, 1)]
    records += [changed(run("random", cost, None, 0), seed=n) for n, cost in enumerate((100, 900))]
    records += [run("random", 100, None, 1)]
    at, share = anytime.curves(_field(records))["jutap.random"]
    assert (np.diff(at) >= 0).all()
    assert (np.diff(share) > 0).all()
    without = sum(target < 1 - 100 / 900 for target in TARGETS) / len(TARGETS)
    assert share[-1] == pytest.approx(1 - without / 4)


def test_every_problem_has_its_panel() -> None:
    """Of nothing there is an empty chart; of two problems there are two panels."""
    other = changed(run("never", 5, 5, 9), problem="push", solver="push.never")
    assert len(anytime.anytime_chart(groups.every_series([*comparison(), other])).axes) == 2
    assert len(anytime.anytime_chart([]).axes) == 1
