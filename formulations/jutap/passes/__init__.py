"""Compiled passes over the state graph of JUTAP, exact in 64 bits."""
