"""Agents for JUTAP: its environment, tabular and deep Q-learning, and their figures."""
