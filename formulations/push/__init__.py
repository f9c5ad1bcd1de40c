"""Exact methods and heuristics for PUSH."""
