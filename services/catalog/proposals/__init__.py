"""Branches and forks that are offered for inclusion."""
