"""HiGHS without a word: it greets on standard output when a process makes its first engine."""

import os
from functools import cache

import highspy


def quiet_engine() -> highspy.Highs:
    """Return an engine that prints nothing.

    The first call of a process must not overlap with what prints to standard output.
    """
    _greet()
    engine = highspy.Highs()
    engine.silent()
    return engine


@cache
def _greet() -> None:
    """Let the greeting, which comes before any option can be set, go nowhere."""
    kept, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        highspy.Highs()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(null)
