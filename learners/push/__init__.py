"""Agents for PUSH: its environment, the paper's agents, and the project's own."""
