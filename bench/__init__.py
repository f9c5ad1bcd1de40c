"""Speed of the exact methods, each measured beside its peers in one run. Not shipped."""
