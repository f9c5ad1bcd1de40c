"""What PUSH scenarios take from files of others: constellations, places, requests."""
