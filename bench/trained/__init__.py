"""Agents against the optimum: trainings by hundreds, their curves, and what they say."""
