"""The papers' figures by command, in the smallest form: pages, pictures, records, and once only."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from formulations.jutap.labels import Labels
from opt_istn import Budget
from opt_istn.jutap.evaluate import evaluate
from opt_istn.jutap.flights.table import (
    flown,
    greedy,
    rewarded,
    strongest,
    table_of,
    value_iteration,
)
from opt_istn.jutap.scenario import PRESETS, generate
from opt_istn.papers import charts, jutap, printed, push
from opt_istn.papers.catalogue import FIGURES
from opt_istn.papers.work import Finding, Work, page
from opt_istn.registry import make
from opt_istn.runs import ledger

Cli = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("indoors")


def _work(tmp_path: Path, **changes: Any) -> Work:
    known: dict[str, Any] = {"folder": tmp_path, "quick": True, "agents": None, "jobs": 1}
    return Work(**known | {"maps": 2, "trainings": 0, "say": lambda _: None} | changes)


def test_paths_are_drawn_proven_and_not_flown_twice(cli: Cli) -> None:
    """The second command runs nothing, and its table is the first one's."""
    few = ("reproduce", "jutap-fig3", "--quick", "--maps", "2", "--trainings", "0", "-o", "out")
    code, out, _ = cli(*few)
    assert code == 0
    assert set(out.split()) == {
        f"out/jutap-fig3{end}"
        for end in ("-integrated.png", "-terrestrial.png", "-numbers.png", ".md")
    }
    first = Path("out/jutap-fig3.md").read_text()
    records = Path("out/jutap-fig3.jsonl").read_bytes()
    assert cli(*few)[0] == 0
    assert Path("out/jutap-fig3.jsonl").read_bytes() == records
    assert Path("out/jutap-fig3.md").read_text() == first
    assert "2 of 2" in first
    assert "reproduced" not in first
    for run in ledger.read("out/jutap-fig3.jsonl"):
        assert run.failure is None
        if run.solver == "jutap.labels":
            assert run.source.seed is not None
            made = generate(PRESETS[str(run.source.preset)], run.source.seed)
            assert run.cost == Labels().solve(made, Budget()).cost
    assert cli("verify", "out/jutap-fig3.jsonl", "--certificates", "out/certificates")[0] == 0


def test_the_policy_under_the_papers_reward_is_the_tables() -> None:
    """`value-iteration@reward=paper` flies the exact policy of (6)-(7), and proves nothing."""
    for seed in range(3):
        made = generate(PRESETS["jutap-paper-v2"], seed)
        claims = make("value-iteration", "jutap", {"reward": "paper"}).solve(made, Budget(), 0)
        table = table_of(strongest(made))
        rewards = rewarded(table, "paper")
        start = int(table.starts[table.cell[table.starts] == made.start][0])
        walk = flown(table, greedy(rewards, value_iteration(rewards)), start)
        assert claims.plan is not None
        assert (claims.plan.cells, claims.plan.links) == (walk.cells, walk.links)
        assert claims.bound is None
        assert claims.cost == evaluate(made, claims.plan).cost


def test_printed_numbers_are_the_papers() -> None:
    """The five numbers of the text are sums of moves and of eta; MAAC's delay gives its 53.55 %."""
    straight, diagonal = 120.0, 120.0 * math.sqrt(2)
    lengths = [24 * diagonal, 20 * diagonal + 8 * straight, 18 * diagonal + 12 * straight]
    told = (printed.FIG3_INTEGRATED[0], printed.FIG3_TERRESTRIAL[0], printed.FIG4A[0])
    assert [x.value for x in told] == pytest.approx(lengths, abs=0.05)
    assert [x.value for x in (printed.FIG4A[1], printed.FIG4B[1])] == [6.5, 10.5]
    delays = printed.DELAY_S
    assert 1 - delays["multi-modal-MAPPO"] / delays["MAAC"] == pytest.approx(0.5355)
    assert 1 - delays["MAPPO"] / delays["MAAC"] == pytest.approx(0.2955, abs=0.01)


def test_a_tables_values_are_the_presets() -> None:
    """Every row names an origin; what is used here is read, so a changed preset changes it."""
    finding = FIGURES["tables"](_work(Path()))
    assert {row[0] for row in finding.rows} == {"JUTAP I", "PUSH 1", "PUSH 2"}
    used = {(row[0], row[1]): row[3] for row in finding.rows}
    assert used["JUTAP I", "beta"] == f"{PRESETS['jutap-paper-v2'].beta_db:g} dB"
    assert used["PUSH 1", "F"] == "280"
    for row in finding.rows:
        assert len(row) == 5
        assert row[4].startswith(("paper", "standard", "own choice", "section"))


def test_a_curve_settles_where_it_stays() -> None:
    """A ramp of 500 episodes has settled when 90 % of it are done; a ramp without end has not."""
    ramp = np.concatenate([np.linspace(-100, 0, 500), np.zeros(2000)])
    settled = charts.settles(ramp.tolist())
    assert settled is not None
    assert 400 <= settled <= 500
    assert charts.settles(np.linspace(-100, 0, 2500).tolist()) is None
    assert charts.settles([0.0] * 10) is None


def test_a_figure_without_agents_says_so(tmp_path: Path) -> None:
    """Fig. 8 names each agent file that is not there, and how to make it."""
    finding = push.fig8(_work(tmp_path))
    assert sum("no agent file" in said for said in finding.cannot) == 4
    assert finding.rows == []


def test_points_of_a_figure_carry_their_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every x has the policies' means, a proven bound not above the best plan, and its file."""
    monkeypatch.setattr(push, "CROWDS", {2: "push-tiny-v2"})
    finding = push.fig6b(_work(tmp_path))
    (row,) = finding.rows
    named = dict(zip(finding.header, row, strict=True))
    assert float(named["proven bound"]) == float(named["best plan"])
    assert float(named["best plan"]) <= min(float(named[who]) for who in push.POLICIES)
    assert named["certificates"].count("`") == 2
    assert len(list((tmp_path / "certificates").glob("*.cert.json.gz"))) == 1


def test_the_best_return_is_the_mean_of_value_iteration() -> None:
    """The line of Fig. 2 is the mean over STARTs of the optimum under (6)-(7)."""
    made = generate(PRESETS["jutap-tiny"], 0)
    table = table_of(strongest(made))
    rewards = rewarded(table, "paper")
    expected = -value_iteration(rewards)[table.starts].mean() / 1e6
    best, counts = jutap._best_return(made)
    assert best == pytest.approx(expected)
    assert counts["starts"] == len(table.starts)
    assert counts["potential"] == made.num_cells


def test_a_page_is_a_table_that_nothing_breaks() -> None:
    """Bars in cells are escaped; the command, the commit and the date are there."""
    finding = Finding("T", ("a", "b"), [("x|y", None)], agrees=["Yes."], cannot=["No."])
    text = page(_work(Path()).command("push-fig8"), finding, ["a.png"])
    assert "| x\\|y |  |" in text
    assert "`opt-istn reproduce push-fig8 --quick --maps 2 --trainings 0`, commit " in text
    assert text.endswith("**What cannot.** No.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("jutap-fig5",), "jutap-fig"),
        (("tables", "--agents", "absent"), "absent"),
        (("tables", "-o", "file"), "file"),
        (("jutap-fig3", "--maps", "0"), "--maps"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    """What cannot be used is named in one line, with exit code 2."""
    Path("file").write_text(json.dumps({}))
    code, out, err = cli("reproduce", *arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
