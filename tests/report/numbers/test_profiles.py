"""Profiles are drawn on common instances, by proofs for exact methods, with failures as defined."""

import itertools
import math

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from opt_istn.pictures.canvas import SMALL
from opt_istn.report import charts, groups
from opt_istn.report.numbers import profiles
from opt_istn.report.numbers.profiles import Field
from opt_istn.runs.ledger import Failure, Record
from opt_istn.solver import Status
from tests.report.synthetic import changed, comparison, crash, run


def _field(records: list[Record]) -> Field:
    (found,) = profiles.fields(groups.every_series(records))
    return found


def test_times_are_infinite_without_a_proof() -> None:
    """An exact method has to prove its outcome; a heuristic to reach the proven cost."""
    field = _field(comparison())
    assert field.times() == {
        "jutap.labels": [0.5, 0.5, math.inf],
        "jutap.cpsat": [0.5, 0.5, math.inf],
        "jutap.greedy": [math.inf, 0.5, math.inf],
        "jutap.random": [math.inf] * 3,
    }
    assert list(field.proof_times()) == ["jutap.labels", "jutap.cpsat"]


def test_an_optimal_plan_without_a_proof_does_not_count_for_an_exact_method() -> None:
    """CP-SAT finds the optimum and proves nothing: it is not at its end."""
    records = [run("labels", 100, 100), run("cpsat", 100, 90)]
    assert _field(records).times()["jutap.cpsat"] == [math.inf]


def test_failures_never_end() -> None:
    """A crash is infinitely slow however fast it was."""
    records = [run("labels", 100, 100), changed(crash("greedy"), wall_s=0.001)]
    assert _field(records).times()["jutap.greedy"] == [math.inf]


def test_only_common_instances_count() -> None:
    """All curves are of the instances on which all solvers ran, but those with few runs."""
    wide = [run("labels", 100, 100, n, wall_s=float(n + 1)) for n in range(4)]
    some = [run("greedy", 100, None, n, wall_s=2.0) for n in (1, 2, 3)]
    field = _field([*wide, *some, run("blind", 100, None, 0)])
    assert field.left_out == ("jutap.blind",)
    assert field.times() == {"jutap.labels": [2.0, 3.0, 4.0], "jutap.greedy": [2.0] * 3}


def test_several_runs_count_with_their_median() -> None:
    """Of two seeds of which one fails, the median is infinite; of three it is the middle one."""
    seconds = (1.0, 3.0, 2.0)
    records = [run("labels", 100, 100)]
    for seed, second in enumerate(seconds):
        records.append(changed(run("random", 100, None, 0, wall_s=second), seed=seed))
    assert _field(records).times()["jutap.random"] == [2.0]
    records[-1] = changed(records[-1], cost=150)
    assert _field(records[:1] + records[2:]).times()["jutap.random"] == [math.inf]


def test_problems_are_apart() -> None:
    """Every problem has a field, and a row, of its own; of nothing there is none."""
    other = changed(run("never", 5, 5, 9), problem="push", solver="push.never")
    every = groups.every_series([*comparison(), other])
    assert [field.problem for field in profiles.fields(every)] == ["jutap", "push"]
    assert len(charts.profile_chart(every).subfigs) == 2
    assert profiles.fields([]) == []


def test_shares_count_every_run() -> None:
    """Greedy has gaps of 10, 0 and 10 %; random has one plan in three runs."""
    shares = _field(comparison()).shares()
    assert [round(x, 6) for x in shares["jutap.greedy"][0]] == [10, 0, 10]
    assert shares["jutap.greedy"][1] == 3
    assert (len(shares["jutap.random"][0]), shares["jutap.random"][1]) == (1, 3)


def test_at_most_eight_curves_stand_out() -> None:
    """Of twelve solvers the eight best have colours of their own; the others are one grey."""
    records = [run("labels", 100, 100)]
    records += [run(f"solver{n}", 100 + n, None, wall_s=1.0) for n in range(11)]
    styles = charts.styles_of(_field(records))
    grey = [name for name, style in styles.items() if style is charts.OTHERS]
    assert len(styles) - len(grey) == 8
    assert grey == [f"jutap.solver{n}" for n in (7, 8, 9, 10)]


def test_half_of_the_instances_are_enough() -> None:
    """Two of four are half of them, one of three is less."""
    for total, own, kept in ((4, 2, True), (4, 1, False), (3, 1, False), (3, 2, True)):
        records = [run("labels", 100, 100, n) for n in range(total)]
        records += [run("greedy", 100, None, n) for n in range(own)]
        assert ("jutap.greedy" in _field(records).times()) == kept, (total, own)
        assert _field(records).left_out == (() if kept else ("jutap.greedy",))


def test_plans_of_failed_runs_have_no_share() -> None:
    """They are counted among the runs, and their costs are not."""
    failed = changed(run("greedy", 110), status=Status.FAILED, failure=Failure.REFUTED)
    assert _field([run("labels", 100, 100), failed]).shares()["jutap.greedy"] == ([], 1)


def test_all_instances_need_a_reference() -> None:
    """Where one has none, plans are measured by their gaps on every instance."""
    known = {"terms": {"reference": 300}}
    records = [run("labels", 100, 100, n, **known) for n in range(2)]
    records += [run("greedy", 150, None, n, **known) for n in range(2)]
    assert _field(records).shares()["jutap.greedy"][0] == [25, 25]
    unknown = [x if x.sha256 == records[0].sha256 else changed(x, terms={}) for x in records]
    assert _field(unknown).shares()["jutap.greedy"][0] == [50, 50]


def test_one_declaration_makes_an_exact_method() -> None:
    """A run of an older file that declares nothing is of the same method as the others."""
    older = changed(run("labels", 100, 100), kind="", seed=7)
    field = _field([older, run("labels", 100, 100)])
    assert list(field.proof_times()) == ["jutap.labels"]


@pytest.mark.parametrize("decades", [0.1, 0.3, 0.9, 1.2, 1.9, 2.5, 6.0])
def test_numbers_beside_a_logarithmic_axis_are_apart(decades: float) -> None:
    """In a panel as narrow as the page's there are at least two, and none covers another."""
    figure = Figure(figsize=(2.0, 1.5))
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0.1, 0.3, 0.8, 0.6))
    axis.tick_params(labelsize=SMALL)
    charts.logarithmic(axis, 0.013, 0.013 * 10**decades)
    figure.draw_without_rendering()
    low, high = axis.get_xlim()
    ticks = [*axis.xaxis.get_major_ticks(), *axis.xaxis.get_minor_ticks()]
    labels = [t.label1 for t in ticks if t.label1.get_text() and low <= t.get_loc() <= high]
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    assert len(boxes) >= 2
