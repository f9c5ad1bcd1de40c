"""Runs in threads: an interrupt leaves nothing that waits, whenever it comes."""

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
_MANY = 10**6


@pytest.fixture
def submit(monkeypatch: pytest.MonkeyPatch) -> Callable[[Local], None]:
    """Return what hands out a run that is over at once."""
    monkeypatch.setattr(single, "run_task", lambda *_: RECORD)
    return lambda site: site.submit(INSTANCE, TASK)


def _interrupted(step: int, function: Callable[[], Any]) -> bool:
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
        function()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


def _ends(site: Local) -> bool:
    """Return whether a site can be closed, and its threads end."""
    before = threading.Thread(target=site.close, daemon=True)
    before.start()
    before.join(10)
    return not before.is_alive()


@pytest.mark.parametrize("threads", [0, 1], ids=["with a thread to start", "with one that waits"])
def test_an_interrupt_of_handing_out_leaves_nothing_that_waits(
    submit: Callable[[Local], None], threads: int
) -> None:
    """Whenever it comes, the site can be closed at once."""
    for step in range(_MANY):
        site = Local(2, Budget(), None)
        for _ in range(threads):
            submit(site)
        if not _interrupted(step, lambda site=site: submit(site)):
            assert step > 4
            site.close()
            return
        assert _ends(site), f"interrupted at step {step}"
    raise AssertionError("it never came to the end")


def test_an_interrupt_of_waiting_leaves_nothing_that_waits(
    submit: Callable[[Local], None],
) -> None:
    """A record may be lost then, and its run is done again another time."""
    for step in range(_MANY):
        site = Local(2, Budget(), None)
        submit(site)
        submit(site)
        time.sleep(0.002)
        if not _interrupted(step, site.finished):
            assert step > 2
            site.close()
            return
        assert _ends(site), f"interrupted at step {step}"
    raise AssertionError("it never came to the end")


def test_a_run_that_begins_while_all_are_given_up_is_given_up_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thread that has not told of its run yet when all are given up is told again."""
    given_up = threading.Event()

    def run_task(*_: Any) -> Record:
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
    assert _ends(site)
    assert calls >= 3
