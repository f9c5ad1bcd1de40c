"""Some seventy small runs, every solver of both problems: what they return is kept as data."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from opt_istn import Budget, Status, read_runs
from opt_istn.evidence.verify import Finding, verify_records
from opt_istn.problems import every
from opt_istn.runs.compare import Choice, Comparison
from opt_istn.runs.ledger import Record, Source
from tests.golden import remake

KEPT = read_runs(remake.HERE / remake.RUNS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the golden set, so that nothing is written beside the sources."""
    copy = tmp_path_factory.mktemp("golden") / "golden"
    shutil.copytree(remake.HERE, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return copy


def _kept(run: Record) -> dict[str, Any]:
    """Return what has to stay of a run: of proven ones not the plan, for several may be optimal."""
    kept: dict[str, Any] = {
        "status": run.status,
        "cost": run.cost,
        "bound": run.bound,
        "proof": run.claim.proof if run.claim else "",
        "failure": run.failure,
        "violations": run.violations,
    }
    if run.status != Status.OPTIMAL:
        kept |= {"plan": run.plan, "error": run.error.splitlines()[:1]}
    return kept


def _called(run: Record) -> tuple[str, str]:
    return run.solver, run.instance


def test_every_solver_takes_part_on_two_instances() -> None:
    named = {(name, count) for name, count in _counts().items()}
    known = {name for problem in every() for name, _ in remake.choices(problem.name)}
    assert named == {(name, 2) for name in known}


def _counts() -> dict[str, int]:
    solvers = [run.solver for run in KEPT]
    return {name: solvers.count(name) for name in solvers}


@pytest.mark.usefixtures("indoors")
def test_runs_return_what_they_returned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    fresh = {(run.solver, run.sha256): run for run in remake.run(Path("fresh.jsonl"))}
    kept = {(run.solver, run.sha256): run for run in KEPT}
    assert fresh.keys() == kept.keys()
    changed = {
        _called(before): (_kept(before), _kept(fresh[key]))
        for key, before in kept.items()
        if _kept(before) != _kept(fresh[key])
    }
    assert not changed, {name: now.get("error") for name, (_, now) in changed.items()}
    for key, before in kept.items():
        if before.status != Status.OPTIMAL:  # terms may be added, none may go or change
            after = fresh[key].terms
            assert before.terms == {name: after[name] for name in before.terms}, _called(before)


@pytest.mark.parametrize("name", ["jutap.labels", "push.greedy"])
def test_a_process_of_its_own_changes_nothing(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other runs return within one process, these do as `compare` runs them."""
    monkeypatch.chdir(folder)
    problem = name.partition(".")[0]
    choice = next(Choice(*it) for it in remake.choices(problem) if it[0] == name)
    sources = [Source(file=file) for file in remake.INSTANCES[problem]]
    limits = {"budget": Budget(time_s=60), "startup_s": remake.STARTUP_S}
    found = list(Comparison(sources, [choice], **limits).run(Path(f"{name}.jsonl")))
    kept = {run.instance: _kept(run) for run in KEPT if run.solver == name}
    assert {run.instance: _kept(run) for run in found} == kept


def test_kept_runs_are_verified(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = {
        _called(check.record): check.reason for check in verify_records(KEPT) if not _fine(check)
    }
    assert not found


def _fine(check: Any) -> bool:
    return bool(check.finding not in (Finding.REFUTED, Finding.UNAVAILABLE))
