"""The gap from every START: of a policy that is followed, of a solver that solves each anew."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formulations.jutap.heuristics import Greedy, RandomWalk
from formulations.jutap.value_iteration import ValueIteration
from opt_istn import Budget, generate
from opt_istn.cli import main
from opt_istn.jutap import Instance, evaluate
from opt_istn.jutap.flights.observation import LAYOUTS, Layout
from opt_istn.jutap.flights.table import greedy, strongest, table_of, value_iteration
from opt_istn.jutap.starts import FULL, STRONGEST, Acts, against, judge, judge_solver

BUDGET = Budget(time_s=60)


@pytest.fixture
def instance() -> Instance:
    made: Any = generate("jutap-tiny", seed=0)
    return made


class Policy:
    """Flies the optimum of the strongest association by what it sees; never asked to solve."""

    def pilot(self, instance: Instance, _: int) -> tuple[Layout, Acts]:
        """Return a lookup of what is seen."""
        table = table_of(strongest(instance))
        best, layout = greedy(table, value_iteration(table)), LAYOUTS["jutap.onehot.1"]
        seen = {row.tobytes(): action for row, action in zip(layout.of(table), best, strict=True)}
        return layout, lambda columns, _: np.array([seen[row.tobytes()] for row in columns])


def test_an_exact_solver_has_no_gap_to_the_full_optimum(instance: Instance) -> None:
    """Solved anew from every START it meets the reference, which never exceeds the other one."""
    judged = judge_solver(instance, ValueIteration(), 0, BUDGET)
    assert judged.reached.all()
    assert (judged.gap == 0).all()
    both = against(instance, judged)
    assert (both[FULL].optimum <= both[STRONGEST].optimum).all()
    assert both[FULL].optimum.sum() < both[STRONGEST].optimum.sum()


def test_a_policy_is_followed_from_all_starts_at_once(instance: Instance) -> None:
    """What decides on what it sees flies as the table of its actions does, without gap."""
    judged = judge_solver(instance, Policy(), 0, BUDGET)
    table = table_of(strongest(instance))
    known = judge(table, greedy(table, value_iteration(table)))
    assert (judged.cost == known.cost).all()
    assert (against(instance, judged)[STRONGEST].gap == 0).all()
    assert judged.reached_gap > 0


def test_a_heuristic_is_solved_from_every_start(instance: Instance) -> None:
    """Its cost from a START is the evaluator's on the instance that begins there."""
    judged = judge_solver(instance, Greedy(), 0, BUDGET)
    table = table_of(strongest(instance))
    for k in (0, 7, len(judged.cell) - 1):
        link = int(table.instance.states[1][table.starts[k]])
        moved = replace(instance, start=int(judged.cell[k]), start_link=link)
        plan = Greedy().solve(moved, BUDGET, 0).plan
        assert evaluate(moved, plan).cost == judged.cost[k]


def test_the_command_names_every_reference(
    tmp_path: Path, instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    """`starts` prints a row for each solver and reference, and draws the first of them."""
    path, figure = str(tmp_path / "map.json"), tmp_path / "starts.svg"
    instance.write(path)
    words = ["starts", path, "--solvers", "value-iteration,greedy"]
    assert main([*words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["solver"], row["reference"]) for row in rows] == [
        (solver, name) for solver in ("value-iteration", "greedy") for name in (FULL, STRONGEST)
    ]
    assert rows[0]["mean_gap"] == 0
    assert rows[2]["mean_gap"] > rows[3]["mean_gap"]
    assert main([*words, "-o", str(figure)]) == 0
    told = capsys.readouterr()
    assert FULL in told.out
    assert f"wrote {figure}" in told.err
    assert figure.stat().st_size > 1000


def test_seeds_are_averaged_and_told_with_their_range(
    tmp_path: Path, instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over seeds, mean, median and percentile are means of those of each seed."""
    path = str(tmp_path / "map.json")
    instance.write(path)
    flown = [judge_solver(instance, RandomWalk(), seed, BUDGET) for seed in (3, 4, 5)]
    gaps = [judged.gap[judged.reached] for judged in flown]
    words = ["starts", path, "--solvers", "random", "--seed", "3", "--seeds", "3"]
    assert main([*words, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[0]
    means = [gap.mean() for gap in gaps]
    assert len(set(means)) == 3
    assert (row["seeds"], row["reach_end"]) == (3, np.mean([len(gap) for gap in gaps]))
    assert row["mean_gap"] == pytest.approx(np.mean(means))
    assert (row["low"], row["high"]) == pytest.approx((min(means), max(means)))
    assert row["median_gap"] == pytest.approx(np.mean([np.median(gap) for gap in gaps]))
    assert row["p90_gap"] == pytest.approx(np.mean([np.percentile(gap, 90) for gap in gaps]))
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert f"({100 * min(means):.3f} to {100 * max(means):.3f})" in shown
    assert "[" not in shown
    assert row["interval"] == "range"


def test_brackets_are_for_intervals_from_five_seeds_on(
    tmp_path: Path, instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five seeds have a 95 % interval, named by its method, in brackets."""
    path = str(tmp_path / "map.json")
    instance.write(path)
    words = ["starts", path, "--solvers", "random", "--seeds", "5"]
    assert main([*words, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)[0]
    assert row["interval"] == "bootstrap-t"
    assert main(words) == 0
    assert f"[{100 * row['low']:.3f}, {100 * row['high']:.3f}]" in capsys.readouterr().out


def test_a_solver_in_which_the_seed_does_not_matter_flies_once(
    tmp_path: Path, instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    """Equal runs are no units: greedy has one seed and no interval beside a solver with five."""
    path = str(tmp_path / "map.json")
    instance.write(path)
    assert main(["starts", path, "--solvers", "greedy,random", "--seeds", "5", "--json"]) == 0
    rows = {row["solver"]: row for row in json.loads(capsys.readouterr().out)}
    assert [rows[name]["seeds"] for name in ("greedy", "random")] == [1, 5]
    assert [rows["greedy"][name] for name in ("low", "high", "interval")] == [None] * 3
    assert rows["greedy"]["mean_gap"] > 0


def test_a_policy_that_fails_is_named_with_its_line(
    tmp_path: Path, instance: Instance, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error in somebody's policy is theirs: its file and line are told, in one line."""
    path, policy = str(tmp_path / "map.json"), tmp_path / "mine.py"
    instance.write(path)
    policy.write_text("def act(seen, mask):\n    import math\n    return missing(seen)\n")
    assert main(["starts", path, "--solvers", f"jutap.policy@module={policy}:act"]) == 2
    said = capsys.readouterr().err
    assert "jutap.policy: NameError: name 'missing' is not defined (mine.py, line 3)" in said
    assert len(said.splitlines()) == 1


def test_what_has_no_starts_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PUSH has none, which is bad input."""
    generate("push-tiny", seed=0).write(tmp_path / "p.json")
    assert main(["starts", str(tmp_path / "p.json"), "--solvers", "never"]) == 2
    assert "expected an instance with STARTs" in capsys.readouterr().err
