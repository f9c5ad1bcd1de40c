"""Runs: one solver on one instance in a process of its own, judged and kept."""
