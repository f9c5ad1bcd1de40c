"""Proofs of a PUSH optimum in a file: the search, its relaxations and exact leaves."""
