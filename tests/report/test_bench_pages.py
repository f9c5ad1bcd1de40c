"""Pages of `bench` are written from records alone, and prose takes its numbers from them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import pages
from bench.proven import hard
from bench.trained import agents, push_agents
from opt_istn import InputError
from opt_istn.runs import ledger
from opt_istn.runs.audit import audited
from opt_istn.runs.compare import load
from opt_istn.runs.ledger import Record, Source, Steps
from tests.report.synthetic import changed, comparison, run


def test_pages_tell_where_rows_come_from() -> None:
    """Every solver's row names commit, date, machine and load, all of them if they differ."""
    records = [
        run("labels", 100, 100, extra={"load": 0.5}),
        run("labels", 100, 100, 1, extra={"load": 2.0}, commit="f" * 40, dirty=True),
        changed(run("greedy", 110), time="2026-02-03T00:00:00+00:00"),
    ]
    records = [changed(record, cpu="x") for record in records]
    lines = pages.provenance(records).splitlines()
    assert lines[2:] == [
        "| paper | jutap.labels | 2 | abcdef012345, ffffffffffff+ | 2026-01-02 | x | 0.5 to 2.0 |",
        "| paper | jutap.greedy | 1 | abcdef012345 | 2026-02-03 | x | unknown |",
    ]
    page = pages.page("Title", "Words.", records)
    assert page.startswith("# Title\n\nWords.\n\n")
    assert page.index("plan %") < page.index("## Runs")


def test_prose_takes_its_numbers_from_records() -> None:
    """A number is replaced by the table's with as many decimals, or there is none and it fails."""
    gap, runs = (f"<!--=paper|jutap.greedy|{name}-->" for name in ("gap_percent", "runs"))
    text = f"It is {gap}1.5<!--/--> %, of {runs}7<!--/-->."
    expected = text.replace(">1.5<", ">6.7<").replace(">7<", ">3<")
    assert pages.filled(text, comparison()) == expected
    assert pages.filled(expected, comparison()) == expected
    with pytest.raises(InputError, match="expected a value of nobody on paper"):
        pages.filled("<!--=paper|nobody|runs-->1<!--/-->", comparison())


@pytest.mark.usefixtures("indoors")
def test_the_hard_page_says_where_each_row_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows carry commit, date and load; before and after are two rows; the mark counts outcomes."""
    cells = [hard.Cell(1, 6, 20)]
    monkeypatch.setattr(hard, "GRID", cells)
    runs = tuple((cells, name, 1, 60.0) for name in ("labels", "highs", hard.WITHOUT))
    plan = hard.Plan(tmp_path / "hard.jsonl", runs, 1.0)
    measured = list(hard.measure(plan, 1))
    assert [row.status for row in measured] == ["optimal"] * 3
    again = list(hard.measure(plan, 1))  # what is there is not run again
    assert [row.wall_s for row in again] == [row.wall_s for row in measured]
    page = hard.page(list(ledger.read(plan.records)), hard.FULL.records)
    grid = [line for line in page.splitlines() if line.startswith("| 6 | 20 | 1 |")][:3]
    assert [line.split(" | ")[3] for line in grid] == ["labels", "highs", hard.WITHOUT]
    for line, row in zip(grid, measured, strict=True):
        assert line.split(" | ")[-3:-1] == [row.commit[:10] + "+" * bool(row.dirty), row.time[:10]]
    assert "<!-- runs: bench/records/hard.jsonl; certified: 0 of 1; agreed: 1 of 1 -->" in page


OLDER = "Older than its records: `python -m bench.{}` writes it anew."


def _hard_page() -> str:
    return hard.page(audited(ledger.read(hard.FULL.records)), hard.FULL.records)


PAGES: dict[str, tuple[list[Path], Callable[[], str]]] = {
    "trained.agents": (
        [agents.FULL.records, agents.FULL.trainings],
        lambda: agents.kept_page(agents.FULL),
    ),
    "proven.hard": ([hard.FULL.records], _hard_page),
    "trained.push_agents": (
        [push_agents.FULL.kept(x) for x in push_agents.FULL.settings],
        lambda: push_agents.kept_page(push_agents.FULL),
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_those_of_what_is_kept(name: str) -> None:
    """A page says what its command makes of the committed records, or that it is older."""
    kept, made = PAGES[name]
    text = (pages.HERE / f"{name.rpartition('.')[2]}.md").read_text()
    if any(path.exists() for path in kept):
        assert text == made()
    else:
        assert OLDER.format(name) in text


def test_the_prose_of_agents_has_the_numbers_of_the_records() -> None:
    """What docs say of PUSH agents in numbers is what the committed runs say."""
    text = (pages.HERE.parent / "docs" / "agents.md").read_text()
    runs = [run for _, own in push_agents.kept(push_agents.FULL) for run in own]
    assert pages.FILLED.search(text)
    assert pages.filled(text, runs) == text


def _flight(cost: int, start: int, seed: int = 0, **changes: Any) -> Record:
    """Return a flight of map 1 as it is recorded, from a START whose optimum is 100."""
    named = {"agent": "/a/b/strong-map1-{seed}.pt", "elsewhere": True, "sha256": "0"}
    fields = {
        "source": Source(file=f"/a/b/map1-start{start}.json"),
        "kind": "agent",
        "parameters": named,
        "terms": {"reference": 200},
        "extra": {"load": 1.0},
    } | changes
    return changed(run("dqn", cost, None, start, **fields), seed=seed)


def test_flights_are_kept_as_anyone_can_repeat_them() -> None:
    """The map's preset and its START in place of our file; the agent's name without our folder."""
    found = agents.portable(_flight(110, 7))
    assert found.source == Source(preset="jutap-paper", seed=1, overrides={"start": "7"})
    assert found.parameters["agent"] == "strong-map1-{seed}.pt"
    assert "/a/b" not in ledger.encode(found).decode()
    with pytest.raises(ValueError, match="is no map with a START"):
        agents.portable(run("labels", 100, 100))


def test_a_start_of_a_preset_is_the_map_flown_from_there() -> None:
    """The instance that is kept as preset and START has the hash of the file that was flown."""
    whole = agents.subject(1)
    moved = replace(whole, start=7, start_link=int(whole.strongest[7]))
    assert load(agents.portable(_flight(110, 7)).source).sha256 == moved.sha256


def test_the_page_of_agents_groups_by_map_and_tells_all_starts() -> None:
    """Rows are called by label, twins pair up, and medians are told with least and largest."""
    flown = [
        changed(run("labels", 100, 100, cell), source=_flight(1, cell).source) for cell in (7, 8)
    ]
    steps = Steps(gradient_steps=20_000, status="plateau")
    flown += [_flight(110, cell, seed, steps=steps) for cell in (7, 8) for seed in (0, 1)]
    begun = {**flown[-1].parameters, "weights": "untrained"}
    twin = {"parameters": begun, "steps": Steps(gradient_steps=0, status="untrained")}
    flown += [_flight(190, cell, seed, **twin) for cell in (7, 8) for seed in (0, 1)]
    trainings = [
        {
            "label": "strong",
            "map": 1,
            "seed": seed,
            "plateau": seed == 0,
            "gap": gap,
            "success": 1.0,
            "split": {"association": 0.03, "reward": 0.0, "learning": gap},
        }
        for seed, gap in enumerate((0.01, 0.02))
    ]
    text = agents.page([agents.portable(record) for record in flown], trainings)
    assert "jutap-paper-1" in text
    assert "flown from 2 STARTs" in text
    rows = [line for line in text.splitlines() if line.startswith("| dqn |")]
    assert any("10.00" in line for line in rows)
    assert any("| trained | 80.00" in line for line in rows)
    expected = "| strong | 1 | 2 | 1 | 100.0% | 1.500 (1.000 to 2.000) | 3.000 | 0.000 | 1.500 |"
    assert expected in text


def test_agents_of_push_are_called_by_their_label() -> None:
    """Two agents of one method are two rows, each beside its own untrained network."""
    records = [changed(run("labels", 100, 100), problem="push", solver="push.labels")]
    for label, cost in (("mappo", 150), ("mappo-paper", 120)):
        for more in ({}, {"weights": "untrained"}):
            given = {"agent": label, "sha256": label, **more}
            named = {"kind": "agent", "problem": "push", "parameters": given}
            own = run("mappo", cost + 10 * bool(more), **named)
            records.append(changed(own, solver="push.mappo"))
    setting = push_agents.FULL.settings[2]
    (text,) = push_agents.pages_of([(setting, records)])
    assert "Trained on the very instance" in text
    names = ("trained=mappo", "trained=mappo-paper")
    for name in (*(f"({x})" for x in names), *(f"({x}, weights=untrained)" for x in names)):
        assert f"mappo {name}" in text
