"""Networks of the agents of PUSH: actors, critics, attention, and what reads images."""
