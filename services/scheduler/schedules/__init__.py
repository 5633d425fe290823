"""Runs that nobody has to ask for."""
