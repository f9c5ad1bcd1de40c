"""Pictures of JUTAP instances: maps with flown paths."""
