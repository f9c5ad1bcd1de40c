"""Suites of pytest-benchmark: exact methods and agents, each measured beside its peers."""
