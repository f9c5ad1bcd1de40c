"""SCIP: what it says where it is missing, and that it claims no more than floats can tell."""

import importlib.util
from pathlib import Path

import pytest

from formulations import scip_engine
from opt_istn import Budget, Status, generate, registry
from opt_istn.runs.compare import run_one
from opt_istn.runs.ledger import Source


@pytest.mark.parametrize(
    ("name", "preset"), [("jutap.scip", "jutap-tiny"), ("push.scip", "push-tiny")]
)
def test_where_it_is_missing_the_line_says_so(
    name: str, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Solver and `opt-istn solvers` name the extra; nothing else needs the package."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *_: None if name == "pyscipopt" else real(name)
    )
    solver = registry.make(name, name.partition(".")[0], {})
    solver.prepare()
    assert "opt-istn[scip]" in (solver.supports(generate(preset)) or "")


@pytest.mark.usefixtures("indoors")
@pytest.mark.parametrize(
    ("name", "preset"), [("jutap.scip", "jutap-tiny"), ("push.scip", "push-tiny")]
)
def test_a_proof_is_of_a_core_of_its_own(name: str, preset: str, tmp_path: Path) -> None:
    """A run of it is recorded under the core SCIP and the proof ``scip``."""
    instance = generate(preset)
    instance.write(tmp_path / "x.json")
    source = Source(file=str(tmp_path / "x.json"))
    run = run_one(instance, source, name, {}, 0, Budget(time_s=60.0))
    assert (run.status, run.core, run.proof) == (Status.OPTIMAL, "SCIP", "scip")
    assert run.packages["pyscipopt"]


@pytest.mark.parametrize("value", [0, 1, -7, 163_000_000, -299_999_999, 3 * 10**8])
def test_a_bound_in_floats_is_rounded_to_its_integer(value: int) -> None:
    """Within SCIP's epsilon of an integer it is that integer, and never the next one."""
    off = 1e-9 * abs(value)
    assert {scip_engine.round_up(value + x) for x in (-off, -1e-3, 0, 1e-3, off)} == {value}
    assert scip_engine.round_up(None) is None


def test_beyond_its_range_no_optimum_is_claimed() -> None:
    """There a bound gives way by more than a unit."""
    assert (scip_engine.round_up(10.0**9) or 0) < 10**9
