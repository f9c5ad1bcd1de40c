"""Policies that decide slot by slot."""
