"""Concepts, their hierarchy, and what may be asked about them."""
