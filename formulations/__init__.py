"""Solvers without learning: exact methods and heuristics, one engine a file."""
