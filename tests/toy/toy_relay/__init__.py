"""RELAY: a terminal takes one of S satellites in every slot; delay and handovers cost."""
