"""Runs in threads: an interrupt leaves nothing that waits, whenever it comes."""

import itertools
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from opt_istn import Budget
from opt_istn.runs import single
from opt_istn.runs.fleet.local import Local
from opt_istn.runs.ledger import Record, Source
from opt_istn.runs.nursery.child import Description
from opt_istn.runs.single import RunTask
from tests.planted import tiny

INSTANCE = tiny()
SOLVER = Description("jutap.labels", stochastic=False, parameters={})
TASK = RunTask(Source(file="tiny.json"), SOLVER, 0)
RECORD = single.lost(INSTANCE, TASK, Budget(), "it was never run")


def _interrupted(step: int, function: Callable[[Local], None], site: Local) -> bool:
    """Call a function and interrupt it where Python looks for signals for the `step`-th time.

    That is as a function in Python begins and as one in C returns.
    """
    left = step

    def look(_: FrameType, event: str, __: Any) -> None:
        nonlocal left
        if event in ("call", "c_return"):
            left -= 1
            if left < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt

    sys.setprofile(look)
    try:
        function(site)
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def _ends(site: Local) -> bool:
    """Return whether a site can be closed, and its threads end."""
    closing = threading.Thread(target=site.close, daemon=True)
    closing.start()
    closing.join(10)
    return not closing.is_alive()


def _finish(site: Local) -> None:
    time.sleep(0.002)  # so that there is something to fetch
    site.finished()


@pytest.mark.parametrize(
    ("before", "interrupted"),
    [
        (0, lambda site: site.submit(INSTANCE, TASK)),
        (1, lambda site: site.submit(INSTANCE, TASK)),
        (2, _finish),
    ],
    ids=["a thread is started", "a thread waits", "records are fetched"],
)
def test_an_interrupt_leaves_nothing_that_waits(
    monkeypatch: pytest.MonkeyPatch, before: int, interrupted: Callable[[Local], None]
) -> None:
    """Whenever it comes, the site can be closed; a record may be lost: its run is done again."""
    monkeypatch.setattr(single, "run_task", lambda *_: RECORD)
    for step in itertools.count():
        site = Local(2, Budget(), None)
        for _ in range(before):
            site.submit(INSTANCE, TASK)
        came = _interrupted(step, interrupted, site)
        assert _ends(site), f"interrupted at step {step}"
        if not came:
            break
    assert step > 3


def test_a_run_that_begins_while_all_are_given_up_is_given_up_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thread that has not told of its run yet when all are given up is told again."""
    begun, given_up = threading.Event(), threading.Event()

    def run_task(*_: Any) -> Record:
        begun.set()
        assert given_up.wait(10)
        return RECORD

    calls = 0

    def cancel_all() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            given_up.set()

    monkeypatch.setattr(single, "run_task", run_task)
    monkeypatch.setattr("opt_istn.runs.nursery.worker.cancel_all", cancel_all)
    site = Local(1, Budget(), None)
    site.submit(INSTANCE, TASK)
    assert begun.wait(10)
    assert _ends(site)
    assert calls >= 3
