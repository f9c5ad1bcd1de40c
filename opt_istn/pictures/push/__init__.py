"""Pictures of PUSH instances: users' caches and the constellation over the Earth."""
