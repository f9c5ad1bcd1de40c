"""Solvers that learn: trainers, agents and environments."""

from opt_istn import _moved

_moved.serve(_moved.LEARNERS)
