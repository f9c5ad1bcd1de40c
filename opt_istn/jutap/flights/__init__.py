"""Flights step by step: the value table, what an agent observes, and every START at once."""
