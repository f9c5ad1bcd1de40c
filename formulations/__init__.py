"""Solvers without learning: exact methods and heuristics, one engine a file."""

from opt_istn import _moved

_moved.serve(_moved.FORMULATIONS)
