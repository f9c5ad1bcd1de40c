"""Time limits are kept by the engines themselves, with half a second to spare."""

import gc
import os
import time
from functools import cache
from typing import Any

import pytest

from opt_istn import InputError, problems, registry
from opt_istn.library.shelf import Library
from opt_istn.solver import Budget

TORTURE = bool(os.environ.get("OPT_ISTN_TORTURE"))
PRESETS = ("push-paper-wide", "jutap-paper-k1.05")
LARGE = ("push-day", "push-users-18", "push-cache-45", "jutap-city-k1.05", "jutap-region-k1.02")
LIMITS_S = (0.05, 1.0, 20.0) if TORTURE else (0.05,)
SHORT = ("jutap-city-k1.02-0", "push-paper-wide-v2-0")  # entries on which searches are long
ENTRIES = [entry.name for entry in Library().entries() if TORTURE or entry.name in SHORT]


@cache
def instance(preset: str) -> Any:
    """Return an instance of a preset, or of an entry of the library."""
    if preset in ENTRIES:
        return problems.read_instance(Library().instance_path(preset))
    problem = problems.of_preset(preset)
    return problem.generate(problem.scenario(preset, {}), 0, preset)


def plain(name: str) -> bool:
    """Return whether a solver can be made as it is; agents need an agent file."""
    try:
        registry.make(name, name.partition(".")[0], {})
    except InputError:
        return False
    return True


PAIRS = [
    (name, preset)
    for name in registry.names()
    for preset in (*PRESETS, *LARGE * TORTURE, *ENTRIES)
    if preset.startswith(name.partition(".")[0]) and plain(name)
]


@pytest.mark.parametrize("limit_s", LIMITS_S)
@pytest.mark.parametrize(("name", "preset"), PAIRS)
def test_no_engine_overruns(name: str, preset: str, limit_s: float) -> None:
    """A solver is done half a second, or a tenth, after its limit at the latest.

    Seconds of the processor, so that what else the machine does is not held against it.
    """
    problem = name.partition(".")[0]
    solver = registry.make(name, problem, {})
    refusal = solver.supports(instance(preset))
    if refusal is not None:  # then at once, and with a reason
        assert len(refusal.split()) > 3
        return
    solver.prepare()
    solver.solve(instance("push-tiny" if problem == "push" else "jutap-tiny"), Budget(), 0)
    gc.collect()  # what other tests left is not to be collected on this clock
    begin = time.process_time()
    solver.solve(instance(preset), Budget(time_s=limit_s), 0)
    assert time.process_time() - begin <= limit_s + max(0.5, 0.1 * limit_s)
