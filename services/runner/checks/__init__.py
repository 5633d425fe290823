"""Checks: taken from the queue, run, reported and audited."""
