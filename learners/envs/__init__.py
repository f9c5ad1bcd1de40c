"""Environments: the problems as learning libraries want to see them."""
