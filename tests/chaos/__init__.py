"""The chaos test: the whole system under a seeded plan of kills, stops and losses."""
