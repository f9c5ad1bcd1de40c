"""Solvers may run in several threads of a process, and leave its output alone."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from opt_istn import InputError, registry
from opt_istn.push.scenario import PRESETS, generate
from opt_istn.solver import Budget, Claims
from opt_istn.testing import jutap


def plain(name: str) -> bool:
    """Return whether a solver can be made as it is; agents need an agent file."""
    try:
        registry.make(name, name.partition(".")[0], {})
    except InputError:
        return False
    return True


def subject(name: str) -> Any:
    """Return a small instance that the solver takes."""
    if name.startswith("push."):
        return generate(PRESETS["push-tiny"], 1, "push-tiny")
    solver = registry.make(name, "jutap", {})
    drawn = (jutap.draw(3, index) for index in range(60))
    return next(x for x in drawn if x.start != x.end and solver.supports(x) is None)


@pytest.mark.parametrize("name", list(filter(plain, registry.names())))
def test_four_solves_in_two_threads(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Four solves in two threads return what one returns; what is printed meanwhile arrives."""
    problem, instance = name.partition(".")[0], subject(name)
    solver = registry.make(name, problem, {})
    solver.prepare()
    stdout, opened = sys.stdout, os.fstat(1)

    def run(_: int) -> Claims:
        return solver.solve(instance, Budget(), 2)

    alone = run(0)
    with ThreadPoolExecutor(2) as pool:
        found = [future.result(timeout=120) for future in [pool.submit(run, i) for i in range(4)]]
    facts = {(x.status, x.cost, x.bound, x.plan) for x in [alone, *found]}
    assert len(facts) == 1
    assert sys.stdout is stdout
    assert os.path.samestat(os.fstat(1), opened)
    os.write(1, b"still here\n")
    assert capfd.readouterr().out == "still here\n"
