"""Flights step by step: the value table of a map, and what an agent observes."""
