"""Solvers that learn: trainers, agents and environments."""

from learners import moved

moved.forward()
