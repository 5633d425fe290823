"""Signed records of checks."""
