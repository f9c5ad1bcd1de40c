"""Kept trainings: they go on, their labels mean what they say, and the verdict says what holds."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.trained import memorise, verdict
from learners.plateau import MINIMUM
from opt_istn import registry

BASE_US, OPTIMUM_US = 1_000_000, 200_000
ENOUGH = max(MINIMUM.values())


def test_a_training_goes_on_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained twice by a row, a curve has three, and the verdict calls it undertrained."""
    monkeypatch.setattr(memorise, "CURVES", tmp_path / "curves")
    monkeypatch.setattr(memorise, "OUT", tmp_path / "out")
    monkeypatch.setitem(memorise.AGENTS, "small", ("push.mappo", {"hidden": "8"}, 2))
    job = memorise.Job("small@entropy=0.02", 1, "push-tiny", 0, 60.0, 1)
    job.out.parent.mkdir(parents=True)
    for rows in (1, 2):
        assert "undertrained" in memorise.train(job)
        head, *curve = map(json.loads, job.curve.read_text().splitlines())
        assert [row["step"] for row in curve] == [2 * k for k in range(rows + 1)]
        assert head["config"]["entropy"] == 0.02
        assert set(head["cost_us"]) == {"untrained", "last", "best"}
    memorise.references(job)
    told = list(verdict.lines(job.curve.parent))
    row = next(line for line in told if line.startswith("| small"))
    assert "| undertrained | 1 | 0 of 1 |" in row
    assert any("not decided: no plateau of mmappo and mappo" in line for line in told)
    labels = next(line for line in told if line.startswith("| labels"))
    assert "| 1.000 |" in labels


def plant(folder: Path, label: str, seed: int, saved: float, steps: int = ENOUGH) -> None:
    """Keep a flat curve of an agent whose last plan saves so much of the optimum's saving."""
    cost = round(BASE_US - saved * (BASE_US - OPTIMUM_US))
    head = {"agent": label, "seed": seed, "config": {}, "counts": {}}
    head |= {"cost_us": {"untrained": BASE_US, "last": cost, "best": cost}}
    head |= {"measured": {"untrained": [0.0], "last": [saved], "best": [saved]}}
    rows = [{"gradient_steps": k * steps // 29, "saving": saved} for k in range(30)]
    text = "".join(json.dumps(x) + "\n" for x in (head, *rows))
    (folder / f"{label}-{seed}.jsonl").write_text(text)


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """Keep three agents with three seeds each, all at plateaus, and references."""
    for label, mean in (("rmappo", 0.5), ("rmmappo", 0.4), ("rmaac", 0.2)):
        for seed in range(3):
            plant(tmp_path, label, seed, mean + 0.01 * seed)
    solvers = {"match": {"cost_us": 400_000, "bound_us": None}}
    solvers["labels"] = {"cost_us": OPTIMUM_US, "bound_us": OPTIMUM_US}
    document: dict[str, Any] = {"base_us": BASE_US, "requests": 10, "solvers": solvers}
    (tmp_path / "references.json").write_text(json.dumps(document))
    return tmp_path


def test_the_verdict_is_drawn_from_plateaus(planted: Path) -> None:
    """Differences are paired by seed, and the paper's order is told by means."""
    told = list(verdict.sentences(verdict.read(planted), "r"))
    assert told[0].endswith("no, the other way round: -0.100 [-0.100, -0.100]")
    assert told[1].endswith("yes: 0.300 [0.300, 0.300]")
    assert "does not survive: rmmappo 0.410, rmappo 0.510, rmaac 0.210" in told[2]
    sides = [line.partition("], ")[2] for line in told[3:]]
    assert sides == ["below `match`: 0.750"] * 3
    assert len(told) == 6


@pytest.mark.parametrize(
    ("saved", "side"),
    [
        ((0.78, 0.8, 0.82), "above"),
        ((0.7, 0.8, 0.9), "not told apart from"),
        ((0.6, 0.61, 0.62), "below"),
    ],
)
def test_a_rule_is_met_by_the_interval(planted: Path, saved: tuple[float, ...], side: str) -> None:
    """A mean above the rule is not above it if the interval over seeds reaches it."""
    for seed, share in enumerate(saved):
        plant(planted, "rmaac", seed, share)
    told = list(verdict.sentences(verdict.read(planted), "r"))
    assert f", {side} `match`: 0.750" in next(x for x in told if "rmaac, at" in x)


def test_one_seed_without_a_plateau_decides_nothing(planted: Path) -> None:
    """Sentences about an agent wait for all of its seeds; those of others do not."""
    plant(planted, "rmmappo", 2, 0.9, steps=MINIMUM["push.mmappo"] - 1)
    told = list(verdict.sentences(verdict.read(planted), "r"))
    assert told[0].endswith("not decided: no plateau of rmmappo")
    assert "yes: 0.300" in told[1]
    assert "not decided, no plateau of rmmappo" in told[2]


@pytest.mark.parametrize("label", ["rmappo", "rmmappo", "rmaac"])
def test_the_search_is_the_same_for_all(label: str) -> None:
    """Nine settings an agent, three rates by three weights of the entropy, all of them trainable.

    The profile's own is among them.
    """
    settings = []
    for one in memorise.searched(label):
        method, parameters, _ = memorise.trained_by(one)
        found = registry.trainer(method, "push", {**parameters, "steps": 1}).settled()
        weight = found.entropy if label != "rmaac" else found.scale
        settings.append((found.actor_rate, weight))
        own = registry.trainer(method, "push", {"profile": "paper", "steps": 1}).settled()
    assert len(set(settings)) == 9
    assert len({rate for rate, _ in settings}) == len({x for _, x in settings}) == 3
    assert (own.actor_rate, own.entropy if label != "rmaac" else own.scale) in settings


def test_an_unknown_agent_is_refused() -> None:
    """By name, with the ones that there are."""
    with pytest.raises(SystemExit, match="found 'nobody'"):
        memorise.trained_by("nobody@entropy=0.1")
