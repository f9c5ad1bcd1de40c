"""Engines report plans and bounds while they run, and none that is wrong."""

from typing import Any

import pytest

from formulations.push.mip import highs
from opt_istn import Budget, Status, evaluate, generate, make

ENGINES = [
    *(("jutap-tiny", f"jutap.{name}", {}) for name in ("labels", "cpsat", "pyomo", "scip")),
    *(
        ("push-tiny", f"push.{name}", {})
        for name in ("labels", "highs", "cpsat", "interval", "scip")
    ),
    ("push-tiny", "push.cpsat", {"start": False}),
    ("push-tiny", "push.anneal", {}),
]
PROVES_NOTHING = ("jutap.labels", "push.anneal")  # the first needs no search here


@pytest.mark.parametrize(("preset", "solver", "parameters"), ENGINES)
def test_engines_report_what_is_so(preset: str, solver: str, parameters: dict[str, Any]) -> None:
    """Every reported plan is feasible and costs what was said; no bound exceeds the optimum."""
    instance, heard = generate(preset, seed=1), list[tuple[Any, int | None, int | None]]()
    budget = Budget(time_s=20, listener=lambda *said: heard.append(said))
    claims = make(solver, **parameters).solve(instance, budget, seed=0)
    for plan, bound, cost in heard:
        assert bound is None or bound <= claims.cost
        if plan is not None:
            judged = evaluate(instance, plan)
            assert not judged.violations
            assert cost is None or judged.cost == cost
    if solver != "jutap.labels":
        assert any(plan is not None for plan, _, _ in heard)
    if solver not in PROVES_NOTHING:
        assert any(bound is not None for _, bound, _ in heard)
    told = [cost for plan, _, cost in heard if plan is not None and cost is not None]
    if preset == "push-tiny":
        assert told[-1] == claims.cost
        assert told == sorted(told, reverse=True)


@pytest.mark.parametrize("rows", [True, False])
def test_the_plan_to_start_from_bounds_nothing(rows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """HiGHS completes its start by a search of its own, whose bound is the start's cost."""
    monkeypatch.setattr(highs, "annealed", lambda _: ())
    instance, heard = (
        generate("push-paper", seed=0, num_users=1),
        list[tuple[Any, int | None, int | None]](),
    )
    budget = Budget(time_s=60, listener=lambda *said: heard.append(said))
    claims = make("push.highs", rows=rows).solve(instance, budget, seed=0)
    assert claims.status == Status.OPTIMAL
    optimum: Any = evaluate(instance, claims.plan).cost
    told = [bound for _, bound, _ in heard if bound is not None]
    assert told
    assert max(told) <= optimum
    assert any((cost or 0) > optimum for _, _, cost in heard)


def test_what_solves_another_instance_reports_nothing_of_it() -> None:
    """Methods that plan on a changed instance do not report plans of that."""
    heard = list[Any]()
    budget = Budget(time_s=20, listener=lambda *said: heard.append(said))
    cases = (("jutap-paper-k1.02", "jutap.terrestrial"), ("push-tiny", "push.expected"))
    for preset, solver in cases:
        instance = generate(preset, seed=0)
        chosen = make(solver)
        if chosen.supports(instance) is None:
            chosen.solve(instance, budget, seed=0)
    assert heard == []
