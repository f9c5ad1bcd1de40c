"""Orbits, links, radio maps and propulsion: pure functions with SI units in their names."""
