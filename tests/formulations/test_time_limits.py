"""Time limits are kept by the engines themselves, with half a second to spare.

`python -m bench.time_limits` holds them to it on the whole library; ``make torture`` runs it.
"""

import gc
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from bench import time_limits
from opt_istn import problems, registry
from opt_istn.library.shelf import Library
from opt_istn.solver import Budget

ROOT = Path(__file__).parents[2]
SHORT = ("jutap-city-k1.02-0", "push-paper-wide-v2-0")  # entries on which searches are long
LIMIT_S = 0.05
PAIRS = [
    (name, subject)
    for name in time_limits.solvers()
    for subject in (*time_limits.PRESETS, *SHORT)
    if subject.startswith(name.partition(".")[0])
]


@cache
def instance(name: str) -> Any:
    """Return an instance of a preset, or of an entry of the library."""
    if name in SHORT:
        return problems.read_instance(Library().instance_path(name))
    problem = problems.of_preset(name)
    return problem.generate(problem.scenario(name, {}), 0, name)


@pytest.mark.parametrize(
    ("name", "subject"),
    [x if i % 3 == 0 else pytest.param(*x, marks=pytest.mark.slow) for i, x in enumerate(PAIRS)],
)
def test_no_engine_overruns(name: str, subject: str) -> None:
    """A solver is done half a second after its limit at the latest.

    Seconds of the processor, so that what else the machine does is not held against it.
    """
    problem = name.partition(".")[0]
    solver = registry.make(name, problem, {})
    refusal = solver.supports(instance(subject))
    if refusal is not None:  # then at once, and with a reason
        assert len(refusal.split()) > 3
        return
    solver.prepare()
    solver.solve(instance("push-tiny" if problem == "push" else "jutap-tiny"), Budget(), 0)
    gc.collect()  # what other tests left is not to be collected on this clock
    begin = time.process_time()
    solver.solve(instance(subject), Budget(time_s=LIMIT_S), 0)
    assert time.process_time() - begin <= LIMIT_S + time_limits.allowed_s(LIMIT_S)


@pytest.mark.slow
def test_the_sweep_sees_who_is_late(tmp_path: Path) -> None:
    """A solver that works on for .7 s after its limit is named, and the exit code is 1."""
    command = [sys.executable, "-m", "bench.time_limits", "--limits", "0.05"]
    command += ["--solvers", "tests.planted:Late,jutap.greedy", "--instances", "jutap-tiny-0"]
    command += ["--rows", str(tmp_path / "rows.jsonl"), "--page", str(tmp_path / "page.md")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    page = (tmp_path / "page.md").read_text()
    assert "1 runs kept it, 1 did not" in page
    assert "- `tests.planted:Late` on jutap-tiny-0, limit 0.05 s: 0.7" in page
    assert "| `jutap.greedy` | 1 of 1 | 0 | 0.00 |" in page
