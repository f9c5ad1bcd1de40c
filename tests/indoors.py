"""Runs inside the test's own process, for tests that are about something else than processes.

A run of its own process imports what its solver needs, which takes longer than small runs do.
Here solver, messages and judge are those of every run, and packages are imported once. Limits are
not kept, and a crash is the test's: what tests/runs holds against real processes.
"""

import time
from collections.abc import Sequence

from opt_istn.runs.nursery.child import Job, work
from opt_istn.runs.nursery.messages import Ear
from opt_istn.runs.nursery.supervisor import Ending


def converse(job: Job, parts: Sequence[bytes]) -> tuple[Ending, bytes, bytes]:
    """Do a job as `opt_istn.runs.nursery.worker` has it done, but here and now."""
    start = time.monotonic()
    ready: list[tuple[float, float]] = []
    ear = Ear(lambda: time.monotonic() - start)

    def say(data: bytes) -> None:
        ear.take(data)
        if ear.ready and not ready:
            ready.append((time.monotonic(), time.process_time()))

    answer = work(job, parts, say)
    begun, spent = ready[0] if ready else (time.monotonic(), time.process_time())
    ending = Ending(
        failure=None,
        error="",
        startup_s=begun - start,
        wall_s=time.monotonic() - begun,
        cpu_s=time.process_time() - spent,
        peak_memory_mb=1.0,
        tail="",
        reported=tuple(ear.rows),
    )
    return ending, answer, ear.plan
