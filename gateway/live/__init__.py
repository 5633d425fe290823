"""Streams that many read: one upstream call for each resource, however many look at it."""
