"""Adapters in memory: for tests, and to show what the ports mean."""
