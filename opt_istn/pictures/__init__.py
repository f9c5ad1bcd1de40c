"""Pictures of instances and plans."""
