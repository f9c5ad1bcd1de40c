"""Proofs at scale: the library, what proofs cost, and the hard regime."""
