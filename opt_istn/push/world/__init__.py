"""The world a PUSH instance is drawn from: orbits, users, contents, links and demand."""
