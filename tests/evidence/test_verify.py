"""Checking a file of records: sources, plans, claims."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from opt_istn import Budget, Status
from opt_istn.evidence.verify import Finding, verify_records
from opt_istn.runs import compare
from opt_istn.runs.ledger import Claim, Failure, Record, Source
from tests.planted import plant_presets, tiny


@pytest.fixture
def source(tmp_path: Path) -> Source:
    tiny().write(tmp_path / "tiny.json")
    return Source(file=str(tmp_path / "tiny.json"))


def _run(name: str, source: Source) -> Record:
    return compare.run_one(tiny(), source, f"tests.planted:{name}", {}, 0, Budget())


def _findings(*runs: Record) -> list[tuple[str, str]]:
    return [(check.finding, check.reason) for check in verify_records(runs)]


def test_honest_records_pass(source: Source) -> None:
    """Records of honest runs, of runs without a plan and of refused instances are in order."""
    runs = [_run(name, source) for name in ("Honest", "Detour", "NoPlan", "Picky")]
    assert [finding for finding, _ in _findings(*runs)] == [Finding.OK] * 4


def test_recorded_failures_keep_their_reason(source: Source) -> None:
    """A refuted claim stays refuted, a crash stays a crash."""
    liar, crash = _findings(_run("Liar", source), _run("Segfault", source))
    assert liar == (Finding.REFUTED, "claimed the cost 150, but its plan costs 200")
    assert crash == (Finding.FAILED, "killed by SIGSEGV")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cost": 199}, "cost: recorded 199, evaluated 200"),
        ({"cost": None}, "cost: recorded None, evaluated 200"),
        ({"terms": {}}, "terms: "),
        ({"violations": ("it is too long",)}, "violations: "),
        ({"bound": 150}, "recorded optimal with the bound 150, claimed optimal"),
        ({"status": Status.FEASIBLE}, "recorded feasible"),
        ({"claim": None}, "it has no claim"),
        ({"claim": Claim(Status.OPTIMAL, 150, 150, "x")}, "claimed the cost 150"),
        ({"plan": None}, "cost: recorded 200, evaluated None"),
        ({"plan": {"format": "opt-istn/jutap-plan"}}, "cost: recorded 200, evaluated None"),
        ({"sha256": "1" * 64}, "its source gives another instance"),
    ],
)
def test_tampered_records_are_refuted(changes: dict[str, Any], reason: str, source: Source) -> None:
    """Whatever is changed in a record by hand, recomputing it shows."""
    run = msgspec.structs.replace(_run("Honest", source), **changes)
    ((finding, said),) = _findings(run)
    assert finding == Finding.REFUTED
    assert said.startswith(reason)


def test_words_of_other_versions_are_no_tampering(source: Source) -> None:
    """Why a plan is infeasible may be told in other words; that it is may not change."""
    run = _run("Trespasser", source)
    assert run.violations
    told = msgspec.structs.replace(run, violations=("in other words",))
    assert _findings(told) == _findings(run)
    silent = msgspec.structs.replace(run, violations=())
    assert _findings(silent)[0][1].startswith("violations: recorded ()")


def test_failed_is_no_place_to_hide(source: Source) -> None:
    """The evaluated plan of a refuted run is checked too, because it refutes others."""
    hidden = msgspec.structs.replace(_run("Liar", source), cost=1)
    assert hidden.failure == Failure.REFUTED
    assert _findings(hidden) == [(Finding.REFUTED, "cost: recorded 1, evaluated 200")]


def test_contradictions_are_found(source: Source) -> None:
    """A bound above another run's plan is refuted, even if the file has not been audited."""
    (plan, _), (bound, reason) = _findings(_run("Honest", source), _run("Overbound", source))
    assert (plan, bound) == (Finding.OK, Finding.REFUTED)
    assert reason.startswith("claimed the bound 201, but")


def test_instances_are_generated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance of a preset is generated again from its seed and overrides."""
    plant_presets(monkeypatch)
    source = Source(preset="jutap-planted", seed=3, overrides={"cell_m": "50"})
    solver = "tests.planted:Honest"
    run = compare.run_one(compare.load(source), source, solver, {}, 3, Budget())
    other = msgspec.structs.replace(run, source=msgspec.structs.replace(source, seed=4))
    assert [finding for finding, _ in _findings(run, other)] == [Finding.OK, Finding.REFUTED]


def test_lost_instances_are_unavailable(source: Source) -> None:
    """A record whose instance is gone is neither right nor wrong."""
    run = msgspec.structs.replace(_run("Honest", source), source=Source(file="gone.json"))
    ((finding, reason),) = _findings(run)
    assert finding == Finding.UNAVAILABLE
    assert "gone.json" in reason
