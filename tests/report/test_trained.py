"""The training status of a row, by hand."""

from typing import Any

import pytest

from opt_istn.report import groups, trained
from opt_istn.report.numbers.aggregates import Sample, Series
from opt_istn.report.table import gap_table
from opt_istn.runs.ledger import Record, Steps
from tests.report.synthetic import changed, run

REACHED = Steps(rollouts=5, gradient_steps=100, status="plateau")
SHORT = Steps(rollouts=3, gradient_steps=90, status="3 of at least 100 steps of the optimiser")


def _of(seed: int, cost: int, steps: Steps | None, number: int = 0, **changes: Any) -> Record:
    """Return a play of instance `number` by the agent of a seed; optimum 100, reference 200."""
    fields = {"kind": "agent", "steps": steps, "terms": {"reference": 200}} | changes
    return changed(run("dqn", cost, None, number, **fields), seed=seed)


def _untrained(seed: int, cost: int, number: int = 0) -> Record:
    steps = Steps(rollouts=0, gradient_steps=0, status="untrained")
    return _of(seed, cost, steps, number, parameters={"weights": "untrained"})


def _rows(*records: Record) -> list[dict[str, Any]]:
    optima = [run("labels", 100, 100, n, terms={"reference": 200}) for n in range(6)]
    numbers = {record.sha256 for record in records}
    table = gap_table([*(x for x in optima if x.sha256 in numbers), *records])
    return [dict(row) for row in table.rows if row["kind"] == "agent"]


def _row(*records: Record) -> dict[str, Any]:
    return next(row for row in _rows(*records) if row["training"] != "untrained")


def test_counts_are_the_fewest_of_any_seed() -> None:
    """Seeds and plateaus are counted once a seed, however many instances it played."""
    plays = [_of(0, 110, REACHED, n) for n in range(2)] + [_of(1, 110, SHORT, n) for n in range(2)]
    row = _row(*plays)
    assert (row["training"], row["training_seeds"], row["plateaus"]) == ("undertrained", 2, 1)
    assert (row["rollouts"], row["gradient_steps"]) == (3, 90)
    unknown = _row(_of(0, 110, REACHED), _of(1, 110, Steps(rollouts=9, status="plateau")))
    assert (unknown["rollouts"], unknown["gradient_steps"]) == (5, None)


def test_only_agents_that_tell_their_steps_have_a_status() -> None:
    """A heuristic has none, nor has an agent that does not say how it was trained."""
    blank = dict.fromkeys(("training", "training_seeds", "plateaus", "rollouts", "gradient_steps"))
    for record in (_of(0, 110, None), _of(0, 110, REACHED, kind="heuristic")):
        (row,) = (x for x in gap_table([record]).rows if x["solver"] == "jutap.dqn")
        assert {name: row[name] for name in blank} == blank


@pytest.mark.parametrize(
    ("cost", "status"), [(140, "trained"), (149, "trained"), (150, "no gain"), (160, "no gain")]
)
def test_one_number_has_to_be_a_whole_percent(cost: int, status: str) -> None:
    """Of 50 % left untrained, 49 % are a gain of 1 % and enough, 50 % are none."""
    row = _row(_of(0, cost, REACHED), _untrained(0, 150))
    assert (row["training"], row["gained_percent"]) == (status, pytest.approx(150 - cost))
    assert row["gained_low_percent"] is None


def test_a_whole_percent_is_enough() -> None:
    """The least gain of a single number is 1 % of the saving itself, not more."""
    sample = Sample({"a": {0: trained.GAIN}})
    series = groups.every_series([_of(0, 110, REACHED)])[0]
    for found, status in ((sample, "trained"), (Sample({"a": {0: 0.0099}}), "no gain")):
        assert trained.row_of(series, series, found, None)["training"] == status


@pytest.mark.parametrize(("least", "status"), [(26, "trained"), (25, "no gain"), (-9, "no gain")])
def test_the_interval_decides(least: int, status: str) -> None:
    """It has to lie above 0: of two instances Student's, 28 +- 25 or 27.5 +- 32, not the range."""
    plays = [_of(0, 120, REACHED, 0), _of(0, 130, REACHED, 1)]
    row = _row(*plays, _untrained(0, 150, 0), _untrained(0, 130 + least, 1))
    assert row["training"] == status
    assert row["gained_low_percent"] == pytest.approx(least)
    assert row["gained_high_percent"] == pytest.approx(30)


def test_without_its_twin_a_plateau_is_all_that_is_known() -> None:
    """Nor where the twin played none of its instances, or not all of them."""
    plays = [_of(0, 110, REACHED, n) for n in range(2)]
    assert _row(*plays)["training"] == "plateau"
    assert _row(*plays, _untrained(0, 150, 0))["training"] == "plateau"


def test_the_twin_is_of_the_same_agent() -> None:
    """Another solver, other settings and another group are no twins; a twin has none itself."""
    mine = _of(0, 110, REACHED, parameters={"agent": "a"})
    own = changed(_untrained(0, 150), parameters={"agent": "a", "weights": "untrained"})
    strange = changed(own, parameters={"agent": "b", "weights": "untrained"})
    other = changed(own, solver="jutap.qlearning")
    for records, found in (([mine, strange, other], False), ([mine, strange, other, own], True)):
        every = groups.every_series(records)
        (series,) = (x for x in every if x.runs[0] is records[0] or x.runs[0].cost == 110)
        twin = trained.twin_of(series, every)
        assert (twin is not None) == found
        assert twin is None or twin.runs[0].parameters == own.parameters
        assert trained.twin_of(_alone(own), every) is None


def _alone(record: Record) -> Series:
    return groups.every_series([record])[0]


def test_an_agent_that_is_none_has_no_twin() -> None:
    """Nor has a rule that happens to have weights."""
    rule = _of(0, 110, REACHED, kind="heuristic")
    every = groups.every_series([rule, changed(_untrained(0, 150), kind="heuristic")])
    assert [trained.twin_of(series, every) for series in every] == [None, None]


def test_untrained_rows_say_so() -> None:
    """They count no plateau."""
    (row,) = (x for x in _rows(_of(0, 110, REACHED), _untrained(0, 150)) if x["plateaus"] is None)
    assert (row["training"], row["gradient_steps"]) == ("untrained", 0)
    assert row["gained_percent"] is None
