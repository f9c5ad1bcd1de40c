"""Labels over the states of one cache: the exact method of one user."""
