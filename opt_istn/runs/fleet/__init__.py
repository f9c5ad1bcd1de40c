"""Runs on many machines: executors, parts of a comparison, and how it stands."""
