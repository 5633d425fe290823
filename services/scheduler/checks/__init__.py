"""Checks: created, placed in the queue, leased to runners, watched and explained."""
