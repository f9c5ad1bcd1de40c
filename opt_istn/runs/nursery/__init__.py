"""The processes of a run: the nursery that forks, the supervisor, the child that solves."""
