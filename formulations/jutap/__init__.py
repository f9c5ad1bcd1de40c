"""Exact methods and heuristics for JUTAP."""
