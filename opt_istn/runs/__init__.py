"""Runs: one solver on one instance in a process of its own, judged and kept."""

from opt_istn import platforms

if platforms.refusal():
    raise ImportError(platforms.refusal())
